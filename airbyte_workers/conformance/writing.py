"""Write to a destination: what it takes, what it acknowledges, how it ends, what it does when it is told to end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import aclosing, suppress
from dataclasses import dataclass

from airbyte_workers.conformance.bench import Asked, Bench
from airbyte_workers.conformance.destination_notes import DestinationNotes
from airbyte_workers.conformance.feed import Piece
from airbyte_workers.conformance.seen import Cut, Ended, Feeding, TermSeen, WriteSeen
from airbyte_workers.conformance.trial import Trial
from airbyte_workers.orchestrator.pipes import FifoWriter
from airbyte_workers.runtime.background import alongside

_LOOK_S = 0.02
_LAST_S = 1.0
_LEAST_PIPE = 4096
"""Bytes; what was written beyond them was surely read."""
_MIDST_BYTES = 64 * 1024


@dataclass(frozen=True)
class Given:
    """What it is given. `tight`: through a pipe that holds next to nothing."""

    pieces: Iterable[Piece]
    tight: bool = True


async def write(bench: Bench, asked: Asked, given: Given) -> WriteSeen:
    """Give it everything, then its end of input. Raises LaunchFailed."""
    async with bench.running(asked) as trial:
        notes = DestinationNotes(trial.ear)
        async with alongside(_listen(trial, notes)):
            feeding, input = await _feed(trial, notes, given)
            input_ended, talked = None, False
            if input is not None and feeding is Feeding.TAKEN:
                await _answers(trial, notes)
                feeding = Feeding.EXITED if trial.leg.exit_code_written() else feeding
            if input is not None and feeding is Feeding.TAKEN:
                input_ended = trial.age
                trial.leg.say("release")
                input.close()
                ended, talked = await trial.end_of_input(bench.settings.shutdown_grace_period_s)
            else:
                ended = await _refused(trial, feeding, input)
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_S):
                    await notes.heard_all.wait()
        return WriteSeen(
            feeding=feeding,
            ended=ended,
            given=trial.passed,
            records=notes.records,
            sent=tuple(notes.sent),
            echoes=tuple(notes.echoes),
            input_ended=input_ended,
            talked_at_end=talked,
            talk=trial.talk,
            memory=trial.meter.memory(trial.passed),
        )


async def tell_to_end(bench: Bench, asked: Asked, pieces: Iterable[Piece]) -> TermSeen:
    """Say SIGTERM while it writes: its input goes on. Raises LaunchFailed."""
    async with bench.running(asked) as trial:
        notes = DestinationNotes(trial.ear)
        feeding, input = await _feed(trial, notes, Given(_beginning(pieces)))
        after = f"after {trial.passed:,} bytes of its input"
        try:
            return await trial.told_to_end(after if feeding is Feeding.TAKEN else f"when it was {feeding}, {after}")
        finally:
            if input is not None:
                input.close()


def _beginning(pieces: Iterable[Piece]) -> Iterable[Piece]:
    left = _MIDST_BYTES
    for piece in pieces:
        yield piece
        left -= len(piece.line)
        if left <= 0:
            return


async def _listen(trial: Trial, notes: DestinationNotes) -> None:
    async with aclosing(trial.lines()) as lines:
        async for line in lines:
            notes.line(line, trial.age)
    notes.heard_all.set()


async def _feed(trial: Trial, notes: DestinationNotes, given: Given) -> tuple[Feeding, FifoWriter | None]:
    limit = trial.settings.connector_test_timeout_s
    input = await trial.leg.open_input(limit)
    if input is None:
        return (Feeding.EXITED if trial.leg.exit_code_written() else Feeding.NEVER_OPENED), None
    input.enlarge(_LEAST_PIPE if given.tight else trial.settings.pipe_bytes)
    clock = _InputClock(trial, input, limit)
    try:
        async with alongside(clock.watch()):
            for piece in given.pieces:
                notes.give(piece, trial.age)
                await input.write(piece.line)
                trial.passed = input.bytes_written
                await asyncio.sleep(0)  # a destination that is as fast as we are must not starve whoever hears it
    except BrokenPipeError:
        trial.passed = input.bytes_written
        gone = await trial.gone_within(_LAST_S)  # who ends closes its input a moment before
        return clock.why or (Feeding.EXITED if gone else Feeding.CLOSED), input
    return Feeding.TAKEN, input


class _InputClock:
    """Gives a destination up that takes nothing for too long, or has ended."""

    def __init__(self, trial: Trial, input: FifoWriter, limit: float) -> None:
        self._trial = trial
        self._input = input
        self._limit = limit
        self.why: Feeding | None = None

    async def watch(self) -> None:
        written, since = self._input.bytes_written, self._trial.age
        while self.why is None:
            await asyncio.sleep(_LOOK_S)
            if self._input.bytes_written != written:
                written, since = self._input.bytes_written, self._trial.age
            if self._trial.leg.exit_code_written():
                self.why = Feeding.EXITED
            elif self._trial.age - since > self._limit:
                self.why = Feeding.BLOCKED
        self._input.give_up()


async def _answers(trial: Trial, notes: DestinationNotes) -> None:
    """Wait for acknowledgements that come before the end of input, but not for ever."""
    with suppress(TimeoutError):
        async with asyncio.timeout(trial.settings.connector_test_echo_s):
            while not notes.is_answered and not trial.leg.exit_code_written():
                await asyncio.sleep(_LOOK_S)


async def _refused(trial: Trial, feeding: Feeding, input: FifoWriter | None) -> Ended:
    """The end of one that did not take everything: one that hangs is stopped, one that closed its input may end."""
    try:
        if feeding in (Feeding.BLOCKED, Feeding.NEVER_OPENED):
            return await trial.stop(Cut.FULL)
        return await trial.end()
    finally:
        if input is not None:
            input.close()
