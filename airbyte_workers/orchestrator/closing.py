"""How both connectors of an attempt are brought to their ends, each step within its time (`jobs/endings.py`)."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Collection

from airbyte_workers.jobs.endings import EndPeriods, Grace
from airbyte_workers.jobs.outcome import destination_did_not_exit
from airbyte_workers.models import FailureOrigin
from airbyte_workers.orchestrator.conclusion import Ending
from airbyte_workers.orchestrator.leg import Leg, SourceLeg
from airbyte_workers.orchestrator.pipes import drain
from airbyte_workers.replication.clocks import acknowledgement_timeout
from airbyte_workers.replication.ledger import Ledger


class Closing:
    """Waits for exits and notes them; `longest`: how long a destination may be at work without an acknowledgement, s.

    `is_stuck`: the destination takes nothing any more, so it gets no time to finish.
    """

    def __init__(self, legs: tuple[SourceLeg, Leg], ledger: Ledger, periods: EndPeriods, longest: float) -> None:
        self._source, self._destination = legs
        self._ledger = ledger
        self._longest = longest
        self._grace: Grace | None = None
        self._is_hurried = False
        self.periods = periods
        self.is_stuck = False

    def hurry(self) -> None:
        """Somebody waits for the end: the destination gets one grace and no more."""
        self._is_hurried = True
        if self._grace is not None:
            self._grace.hurry(asyncio.get_running_loop().time())

    def kill(self) -> None:
        """End both connectors at once; one that has not begun yet is told again the next time."""
        for leg in (self._source, self._destination):
            if isinstance(leg, Leg):
                leg.say("KILL")

    async def end_source(self, ending: Ending) -> None:
        """The source's exit code; one that was stopped early is drained so that it can end."""
        leg = self._source
        if ending.stop is None:
            ended = await leg.ended(self.periods)
        else:
            leg.out.resume()
            async with asyncio.TaskGroup() as tasks:
                draining = tasks.create_task(drain(leg.out))
                ended = await leg.stopped(self.periods)
                draining.cancel()
        if ended.forced:
            self._warn("the source did not exit after its output ended and was stopped")
        ending.source = ended
        ending.source_stopped = ending.stop is not None

    async def end_destination(self, ending: Ending) -> None:
        """The destination's exit code; what it says and acknowledges meanwhile gives it more time."""
        seconds = 0 if self.is_stuck else self.periods.grace
        longest = 0 if self._is_hurried else self._longest or math.inf
        grace = Grace(seconds, asyncio.get_running_loop().time(), longest=max(seconds, longest))
        self._grace = grace
        ended = await self._destination.ended(self.periods, lambda now: self._is_over(grace, now))
        if ended.forced and grace.is_overlong and not self._is_hurried:
            text = "the destination was still at work after its end of input, and acknowledged nothing"
            self._ledger.failures.append(acknowledgement_timeout(text, self._longest))
        if ended.forced:
            self._warn(destination_did_not_exit(ending.destination_closed))
        ending.destination = ended

    async def empty(self, listening: Collection[asyncio.Task[None]]) -> None:
        """Both connectors are gone: read what is left in their pipes, but wait for no leftover that holds one open."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.periods.exit_code):
                await asyncio.wait(listening)
        for leg in (self._source, self._destination):
            leg.err.interrupt()
            leg.out.interrupt()

    def _is_over(self, grace: Grace, now: float) -> bool:
        signs = self._destination.out.bytes_read + self._destination.err.bytes_read
        grace.look(now, signs=signs, echoes=self._ledger.counters.acknowledgements)
        return grace.is_over(now)

    def _warn(self, text: str) -> None:
        self._ledger.log(FailureOrigin.PLATFORM, "WARN", text)
