"""The orchestrator of a replication pod: moves, counts, commits, and ends with a verdict in a final marker.

It knows nothing of who launched it and outlives the Temporal worker. One event loop does everything: the source is read
in blocks and written on at the destination's speed, while echoes are committed, progress is told and the lease renewed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from airbyte_workers.jobs.endings import EndPeriods
from airbyte_workers.jobs.failures import of_sync
from airbyte_workers.jobs.outcome import destination_did_not_exit
from airbyte_workers.models import AttemptSummary, Failure, FailureOrigin, FailureType, Progress
from airbyte_workers.orchestrator.commits import Committer
from airbyte_workers.orchestrator.conclusion import Ending, Stop, conclude
from airbyte_workers.orchestrator.desk import Desk
from airbyte_workers.orchestrator.input import ReplicationInput
from airbyte_workers.orchestrator.leg import Leg, SourceLeg
from airbyte_workers.orchestrator.pipes import FifoWriter, blocks
from airbyte_workers.orchestrator.speed import Speedometer
from airbyte_workers.replication.destination import DestinationSide
from airbyte_workers.replication.ledger import Ledger, ReplicationFailed
from airbyte_workers.replication.lines import LineTooLong
from airbyte_workers.replication.source import SourceSide
from airbyte_workers.replication.words import stream_hint

PLATFORM = FailureOrigin.PLATFORM
_SYNCING = ("both connectors", "both connectors run, records move")
_CLEARING = ("the destination", "the destination runs: it is told that the streams are empty")


class Replication:
    """One attempt's data path, from open legs to an `AttemptSummary`."""

    def __init__(self, given: ReplicationInput, desk: Desk, source: SourceLeg, destination: Leg) -> None:
        self._given = given
        self._settings = desk.settings
        self._log = desk.log
        self._source_leg = source
        self._destination_leg = destination
        self.ledger = Ledger(
            given.streams if given.cleared is None else given.cleared.streams,
            desk.log,
            staged_states_bytes=desk.settings.staged_states_bytes,
            allow_malformed=given.allow_malformed,
        )
        self._source = SourceSide(self.ledger, given.streams)
        self._destination = DestinationSide(self.ledger)
        self._speed = Speedometer(self.ledger)
        self._input: FifoWriter | None = None
        self._ending = Ending()
        self._periods = EndPeriods.of(desk.settings)
        self.phase = "starting"

    # --- from outside ---

    def cancel(self) -> None:
        """End in order: stop the source, let the destination finish what it has, keep what is committed."""
        self._log(PLATFORM, "INFO", "cancel was asked for: stopping the source")
        self._halt(Stop.CANCELLED)

    def fail(self, failure: Failure) -> None:
        """End in order because of something that is neither connector's doing (a lost lease, a newer attempt)."""
        self.ledger.failures.append(failure)
        self._halt(Stop.FAILED)

    def progress(self) -> Progress:
        """How far the attempt is, for people."""
        return self._speed.read(self.phase)

    # --- the attempt ---

    async def run(self, committer: Committer) -> AttemptSummary:
        """Move everything and judge. Background tasks end with it, whatever happens."""
        async with asyncio.TaskGroup() as tasks:
            legs = (self._source_leg, self._destination_leg)
            watching = [tasks.create_task(leg.watch()) for leg in legs]
            listening = [tasks.create_task(leg.read_stderr(self._log, longest=self._log.reads)) for leg in legs]
            listening.append(tasks.create_task(self._listen(committer)))
            committing = tasks.create_task(committer.run())
            await self._replicate()
            await self._quiet(listening)
            for watch in watching:
                watch.cancel()
            committer.close()
            await committing
        return conclude(self.ledger, self._ending, policy=self._given, log=self._log)

    async def _replicate(self) -> None:
        given = self._given
        who, under_way = _SYNCING if given.cleared is None else _CLEARING
        self._log(PLATFORM, "INFO", f"attempt {given.attempt + 1} of job {given.job_id}: waiting for {who}")
        if await self._open():
            self.phase = "running"
            self._log(PLATFORM, "INFO", under_way)
            await self._move()
        self.phase = "finishing"
        await self._end_source()
        await self._end_input()
        await self._end_destination()

    async def _open(self) -> bool:
        """Wait for both connectors; False when one cannot take part."""
        timeout = self._settings.connector_start_timeout_s
        self._input = await self._destination_leg.open_input(timeout)
        if self._input is None:
            self._never_opened(self._destination_leg, timeout)
            self._halt(Stop.DESTINATION_ENDED)
            return False
        if not await self._source_leg.opened(timeout):
            self._never_opened(self._source_leg, timeout)
            return False
        for pipe in (self._input, self._source_leg.out):
            if not pipe.enlarge(self._settings.pipe_bytes):
                self._log(
                    PLATFORM, "DEBUG", "a data pipe keeps its default size: the kernel's limit for this user is reached"
                )
        return True

    def _never_opened(self, leg: Leg | SourceLeg, timeout: float) -> None:
        if leg.exit_code_written():
            return
        message = f"the {leg.role} did not start within {timeout:g} s"
        self.fail(of_sync(FailureOrigin(leg.role), FailureType.NEVER_OPENED, message))

    async def _move(self) -> None:
        """Source to destination until the source's end, or until something stops it."""
        assert self._input is not None
        reading = self._blocks(self._source_leg)
        try:
            async for block in reading:
                forwarded, failed = self._taken(block)
                if forwarded:
                    await self._input.write(forwarded)
                if failed is not None:
                    self.fail(failed.failure)
                    return
        except LineTooLong as error:
            self.fail(self._too_long(FailureOrigin.SOURCE, error))
        except BrokenPipeError:
            self._input_refused()
        finally:
            await reading.aclose()

    def _taken(self, block: bytes) -> tuple[bytes, ReplicationFailed | None]:
        """What of a block goes on, and what ended the sync in it: what stood before that still goes on."""
        parts: list[bytes] = []
        try:
            parts.extend(self._source.take(block))
        except ReplicationFailed as failed:
            return b"".join(parts), failed
        return b"".join(parts), None

    def _input_refused(self) -> None:
        """The destination has closed its input, by ending or otherwise; unless we had given it up ourselves."""
        if self._ending.stop is None:
            self._ending.destination_closed = "input"
        self._halt(Stop.DESTINATION_ENDED)

    async def _end_source(self) -> None:
        """The source's exit code; one that was stopped early is drained so that it can end."""
        leg = self._source_leg
        if self._ending.stop is None:
            ended = await leg.ended(self._periods)
        else:
            leg.out.resume()
            async with asyncio.TaskGroup() as tasks:
                draining = tasks.create_task(_drain(leg))
                ended = await leg.stopped(self._periods)
                draining.cancel()
        if ended.forced:
            self._log(PLATFORM, "WARN", "the source did not exit after its output ended and was stopped")
        self._ending.source = ended
        self._ending.source_stopped = self._ending.stop is not None

    async def _end_input(self) -> None:
        """What follows the last message, then the destination's end of input."""
        if self._input is None:
            self._destination_leg.say("release")
            return
        try:
            if self._ending.stop is None and self.ledger.read_to_the_end(self._ending.ends()):
                await self._input.write(b"".join(self._source.empty_states()))
                if self._given.stream_status == "send":
                    await self._input.write(b"".join(self._source.statuses()))
            self._ending.end_of_input = self._ending.stop is None
        except BrokenPipeError:
            self._input_refused()
        finally:
            self._destination_leg.say("release")
            self._input.close()

    async def _end_destination(self) -> None:
        ended = await self._destination_leg.ended(self._periods)
        if ended.forced:
            self._log(PLATFORM, "WARN", destination_did_not_exit(self._ending.destination_closed))
        self._ending.destination = ended

    def _blocks(self, leg: Leg | SourceLeg) -> AsyncGenerator[bytes]:
        limit = self._settings.max_message_bytes
        return blocks(leg.out, size=self._settings.block_bytes, max_line_bytes=limit)

    # --- beside the data ---

    async def _listen(self, committer: Committer) -> None:
        """The destination's output until its end; that end before ours stops the data."""
        leg = self._destination_leg
        try:
            async for block in self._blocks(leg):
                self._destination.take(block)
                self._speed.acknowledged(self.ledger.counters.acknowledgements)
                committer.wake()
        except LineTooLong as error:
            self.fail(self._too_long(FailureOrigin.DESTINATION, error))
            await _drain(leg)
        if self.phase != "finishing":
            if self._ending.stop is None:
                self._ending.destination_closed = "output"
            self._halt(Stop.DESTINATION_ENDED)

    async def _quiet(self, listening: list[asyncio.Task[None]]) -> None:
        """Both connectors are gone: read what is left in their pipes, but wait for no leftover that holds one open."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._periods.exit_code):
                await asyncio.wait(listening)
        for leg in (self._source_leg, self._destination_leg):
            leg.err.interrupt()
            leg.out.interrupt()

    def _halt(self, stop: Stop) -> None:
        if self._ending.stop is None:
            self._ending.stop = stop
        self._source_leg.out.interrupt()
        if self._input is not None:
            takes = 0 if stop is Stop.DESTINATION_ENDED else self._periods.input
            asyncio.get_running_loop().call_later(takes, self._input.give_up)

    def _too_long(self, origin: FailureOrigin, error: LineTooLong) -> Failure:
        hint = stream_hint(error.head)
        return of_sync(
            origin,
            FailureType.MESSAGE_TOO_LONG,
            f"the {origin} sent a message of more than {error.size:,} bytes{hint}; MAX_MESSAGE_BYTES is the limit",
        )


async def _drain(leg: Leg | SourceLeg) -> None:
    while await leg.out.read(1024 * 1024):
        await asyncio.sleep(0)
