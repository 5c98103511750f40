"""The orchestrator of a replication pod: moves, counts, commits, and ends with a verdict in a final marker.

It knows nothing of who launched it and outlives the Temporal worker. One event loop does everything: the source is read
in blocks and written on at the destination's speed, while echoes are committed, progress is told and the lease renewed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator

from airbyte_workers import failpoints
from airbyte_workers.failpoints import Failpoint
from airbyte_workers.jobs.endings import EndPeriods
from airbyte_workers.models import AttemptSummary, Failure, FailureOrigin, FailureType, Progress, Throughput
from airbyte_workers.names import Role
from airbyte_workers.orchestrator.closing import Closing
from airbyte_workers.orchestrator.commits import Committer
from airbyte_workers.orchestrator.conclusion import Ending, Stop, conclude
from airbyte_workers.orchestrator.desk import Desk
from airbyte_workers.orchestrator.input import ReplicationInput
from airbyte_workers.orchestrator.leg import Leg, SourceLeg
from airbyte_workers.orchestrator.pace import Pace
from airbyte_workers.orchestrator.pipes import FifoWriter, blocks, drain
from airbyte_workers.orchestrator.recorder import Recorder
from airbyte_workers.orchestrator.speed import Speedometer
from airbyte_workers.orchestrator.timekeeping import Timekeeper, limits_of
from airbyte_workers.orchestrator.troubles import never_opened, too_long
from airbyte_workers.replication.clocks import Expired
from airbyte_workers.replication.destination import DestinationSide
from airbyte_workers.replication.ledger import Ledger, ReplicationFailed
from airbyte_workers.replication.lines import LineTooLong
from airbyte_workers.replication.measuring import Measures
from airbyte_workers.replication.routes import Routes
from airbyte_workers.replication.source import SourceSide
from airbyte_workers.replication.validation import RecordChecks

PLATFORM = FailureOrigin.PLATFORM
_SYNCING = ("both connectors", "both connectors run, records move")
_CLEARING = ("the destination", "the destination runs: it is told that the streams are empty")


class Replication:
    """One attempt's data path, from open legs to an `AttemptSummary`."""

    def __init__(self, given: ReplicationInput, desk: Desk, source: SourceLeg, destination: Leg) -> None:
        self._given = given
        self._desk = desk
        self._settings = desk.settings
        self._log = desk.log
        self._source_leg = source
        self._destination_leg = destination
        self.ledger = Ledger(
            given.streams if given.cleared is None else given.cleared.streams,
            desk.log,
            staged_states_bytes=desk.settings.staged_states_bytes,
            allow_malformed=given.allow_malformed,
            configs=given.new_configs(desk.settings),
            measures=Measures(time.monotonic, desk.settings.max_additional_stats, given.count_populated_fields),
        )
        self._checks = RecordChecks(
            self.ledger, given.checks.bodies(), given.checks.rules(desk.settings), desk.dead_letters
        )
        routes = Routes(given.routes)
        self._source = SourceSide(self.ledger, given.streams, routes, checks=self._checks)
        self._destination = DestinationSide(self.ledger, routes)
        self._pace = Pace(given.speed_limits, self.ledger)
        legs = (source, destination)
        self._times = Timekeeper(legs, self.ledger, self._pace, has_source=given.cleared is None)
        self._speed = Speedometer(self.ledger)
        self._recorder = Recorder(self.ledger, self._times, desk.settings)
        self._input: FifoWriter | None = None
        self._ending = Ending()
        self._limits = limits_of(given, desk.settings)
        self._closing = Closing(legs, self.ledger, EndPeriods.of(desk.settings), self._limits.acknowledgement)
        self.phase = "starting"

    # --- from outside ---

    def cancel(self) -> None:
        """End in order: stop the source, let the destination finish what it has, keep what is committed."""
        self._log(PLATFORM, "INFO", "cancel was asked for: stopping the source")
        self._closing.hurry()
        self._halt(Stop.CANCELLED)

    def kill(self) -> None:
        """Nobody waits for an end in order any more."""
        self._closing.kill()

    def fail(self, failure: Failure) -> None:
        """End in order because of something that is neither connector's doing (a lost lease, a newer attempt)."""
        self._closing.hurry()
        self._fail(failure)

    def progress(self) -> Progress:
        """How far the attempt is, for people."""
        return self._speed.read(self.phase, self._times.waits)

    def throughput(self) -> Throughput:
        """How the attempt went so far, for people; ask once, at its end."""
        return self._recorder.end()

    # --- the attempt ---

    async def run(self, committer: Committer) -> AttemptSummary:
        """Move everything and judge. Background tasks end with it, whatever happens."""
        async with asyncio.TaskGroup() as tasks:
            legs = (self._source_leg, self._destination_leg)
            watching = [tasks.create_task(leg.watch()) for leg in legs]
            listening = [tasks.create_task(leg.read_stderr(self._log, longest=self._log.reads)) for leg in legs]
            listening.append(tasks.create_task(self._listen(committer)))
            committing = tasks.create_task(committer.run())
            every = self._settings.progress_interval_s
            watching.append(tasks.create_task(self._times.watch(self._limits, every, self._out_of_time)))
            watching.append(tasks.create_task(self._recorder.run()))
            await self._replicate()
            await self._closing.empty(listening)
            for watch in watching:
                watch.cancel()
            committer.close()
            await committing
        self._ending.found, self._ending.waits = self._checks.results(), self._times.waits
        self._ending.throughput = self.throughput()
        self._ending.legs = tuple(leg.times for leg in legs if isinstance(leg, Leg))
        return conclude(self.ledger, self._ending, self._given, self._desk)

    async def _replicate(self) -> None:
        given = self._given
        who, under_way = _SYNCING if given.cleared is None else _CLEARING
        self._log(PLATFORM, "INFO", f"attempt {given.attempt + 1} of job {given.job_id}: waiting for {who}")
        if await self._open():
            self.phase = "running"
            self._log(PLATFORM, "INFO", under_way)
            with self._times.moving():
                await self._move()
        self.phase = "finishing"
        await self._closing.end_source(self._ending)
        _reached(Failpoint.SOURCE_EXITED)
        await self._end_input()
        _reached(Failpoint.END_OF_INPUT)
        await self._closing.end_destination(self._ending)
        _reached(Failpoint.DESTINATION_EXITED)

    async def _open(self) -> bool:
        """Wait for both connectors; False when one cannot take part."""
        timeout = self._settings.connector_start_timeout_s
        self._input = self._times.input = await self._destination_leg.open_input(timeout)
        if self._input is None:
            self._never_opened(self._destination_leg, timeout)
            self._halt(Stop.DESTINATION_ENDED)
            return False
        if not await self._source_leg.opened(timeout):
            self._never_opened(self._source_leg, timeout)
            return False
        enlarged = [pipe.enlarge(self._settings.pipe_bytes) for pipe in (self._input, self._source_leg.out)]
        if not all(enlarged):
            text = "a data pipe keeps its default size: the kernel's limit for this user is reached"
            self._log(PLATFORM, "DEBUG", text)
        return True

    def _never_opened(self, leg: Leg | SourceLeg, timeout: float) -> None:
        if not leg.exit_code_written():
            self._fail(never_opened(leg.role, timeout))

    async def _move(self) -> None:
        """Source to destination until the source's end, or until something stops it."""
        reading = self._blocks(self._source_leg)
        try:
            async for block in reading:
                for portion in self._pace.portions(block):
                    await self._pass_on(portion)
                    await self._pace.hold()
        except ReplicationFailed as failed:
            self._fail(failed.failure)
        except LineTooLong as error:
            self._fail(too_long(FailureOrigin.SOURCE, error))
        except BrokenPipeError:
            self._input_refused()
        finally:
            await reading.aclose()

    async def _pass_on(self, block: bytes) -> None:
        """What of a block goes on; what ends the sync in it is raised once all that stood before it is written.

        Raises ReplicationFailed and BrokenPipeError.
        """
        assert self._input is not None
        parts: list[bytes] = []
        failed: ReplicationFailed | None = None
        self._reached_before(block)
        try:
            parts.extend(self._source.take(block))
        except ReplicationFailed as error:
            failed = error
        if forwarded := b"".join(parts):
            self._reached_with(Failpoint.STATE_READ)
            await self._input.write(forwarded)
            _reached(Failpoint.FIRST_RECORD_FORWARDED)
            self._reached_with(Failpoint.STATE_FORWARDED)
        if failed is not None:
            raise failed

    def _reached_before(self, block: bytes) -> None:
        _reached(Failpoint.FIRST_BYTE)
        if failpoints.armed() and b'"STATE"' in block:
            _reached(Failpoint.BEFORE_FIRST_STATE)

    def _reached_with(self, point: Failpoint) -> None:
        if self.ledger.states.emitted:
            _reached(point)

    def _input_refused(self) -> None:
        """The destination has closed its input, by ending or otherwise; unless we had given it up ourselves."""
        if self._ending.stop is None:
            self._ending.destination_closed = "input"
        self._halt(Stop.DESTINATION_ENDED)

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
            self._times.input_ended = True

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
                if self.ledger.counters.acknowledgements:
                    _reached(Failpoint.ECHO_READ)
                self._speed.acknowledged(self.ledger.counters.acknowledgements)
                committer.wake()
        except LineTooLong as error:
            self._fail(too_long(FailureOrigin.DESTINATION, error))
            await drain(leg.out)
        if self.phase != "finishing":
            if self._ending.stop is None:
                self._ending.destination_closed = "output"
            self._halt(Stop.DESTINATION_ENDED)

    def _out_of_time(self, expired: Expired) -> None:
        """A clock has run out. What ends already has its limits; only the job's time is one more."""
        is_total = expired.failure.type is FailureType.TOTAL_TIMEOUT
        if self._ending.stop is not None and not is_total:
            return
        self._log(PLATFORM, "ERROR", f"stopping both connectors: {expired.failure.message}")
        self._closing.is_stuck |= expired.is_stuck
        if is_total:
            self._closing.hurry()
        self._fail(expired.failure)

    def _fail(self, failure: Failure) -> None:
        """End in order because of what a connector did."""
        self.ledger.failures.append(failure)
        self._halt(Stop.FAILED)

    def _halt(self, stop: Stop) -> None:
        if self._ending.stop is None:
            self._ending.stop = stop
        self._source_leg.out.interrupt()
        self._pace.let_go()
        if self._input is not None:
            takes = 0 if stop is Stop.DESTINATION_ENDED or self._closing.is_stuck else self._closing.periods.input
            asyncio.get_running_loop().call_later(takes, self._input.give_up)


def _reached(point: Failpoint) -> None:
    failpoints.reached(point, Role.ORCHESTRATOR)
