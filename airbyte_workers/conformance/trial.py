"""One run of a connector: its pipes, the clocks on it, its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from airbyte_workers.conformance.hearing import Ear
from airbyte_workers.conformance.memory import Meter
from airbyte_workers.conformance.seen import Cut, Ended, Talk, TermSeen
from airbyte_workers.jobs.endings import EndPeriods, Grace
from airbyte_workers.orchestrator.leg import ConnectorExit, Leg
from airbyte_workers.orchestrator.pipes import blocks, drain
from airbyte_workers.replication.decoding import lines_of
from airbyte_workers.replication.lines import LineTooLong
from airbyte_workers.runtime.background import alongside
from airbyte_workers.settings import Settings

_LOOK_S = 0.02
_STDERR_LINE = 4096  # characters of a line that are kept
_LAST_S = 1.0
"""How long the last that a connector said may take to come through its pipes."""


class Trial:
    """A connector that runs. Whoever reads it says `heard_data` for each piece of data; without, clocks end it."""

    def __init__(self, settings: Settings, leg: Leg, ear: Ear) -> None:
        self.settings = settings
        self.leg = leg
        self.ear = ear
        self.passed = 0
        """Bytes of data that went through it."""
        self.meter = Meter(lambda: self.passed)
        self.cut: Cut | None = None
        self._periods = EndPeriods.of(settings)
        self._loop = asyncio.get_running_loop()
        self._began = self._heard = self._data = self._loop.time()
        self._first_data: float | None = None
        self._bytes = 0
        self._listened = asyncio.Event()

    @property
    def age(self) -> float:
        """Seconds since it was started."""
        return self._loop.time() - self._began

    @property
    def quiet(self) -> float:
        """Seconds since something came of it."""
        self._listen_again()
        return self._loop.time() - self._heard

    @property
    def talk(self) -> Talk:
        """What it said so far beside its data."""
        return self.ear.talk(stderr_bytes=self.leg.err.bytes_read, stdout_bytes=self.leg.out.bytes_read)

    def heard_data(self) -> float:
        """A record or a state has come; seconds since the first one did."""
        self._data = self._loop.time()
        self._first_data = self._first_data or self._data
        return self._data - self._first_data

    def break_off(self, why: Cut) -> None:
        """Read no more of it."""
        if self.cut is None:
            self.cut = why
        self.leg.out.interrupt()

    async def listen(self) -> None:
        """Take what comes over its stderr."""
        await self.leg.read_stderr(self.ear.stderr, longest=_STDERR_LINE)
        self._listened.set()

    async def lines(self, *, until: float | None = None, data: bool = False) -> AsyncGenerator[bytes]:
        """Its lines, to their end or until a clock breaks it off.

        `until`: the age at which that is. `data`: it may neither be silent for long nor talk on without data.
        """
        size, most = self.settings.block_bytes, self.settings.max_message_bytes
        async with alongside(self._watch(until, data=data)):
            try:
                async with aclosing(blocks(self.leg.out, size=size, max_line_bytes=most)) as whole:
                    async for block in whole:
                        for line in lines_of(block):
                            self.ear.measure(line)
                            yield line
                            if self.leg.out.interrupted:
                                return
            except LineTooLong:
                self.break_off(Cut.TOO_LONG)

    async def _watch(self, until: float | None, *, data: bool) -> None:
        limit = self.settings.connector_test_timeout_s
        while True:
            if until is not None and self.age > until:
                self.break_off(Cut.LATE)
            elif data and self.quiet > limit:
                self.break_off(Cut.SILENT)
            elif data and self.quiet < limit / 2 and self._loop.time() - self._data > limit:
                self.break_off(Cut.IDLE)
            await asyncio.sleep(_LOOK_S)

    def _listen_again(self) -> None:
        bytes = self.leg.out.bytes_read + self.leg.err.bytes_read
        if bytes != self._bytes:
            self._bytes, self._heard = bytes, self._loop.time()

    # --- its end ---

    async def end(self) -> Ended:
        """Let it end by itself, or stop it if it was broken off."""
        if self.cut is None:
            return await self._told(await self.leg.ended(self._periods))
        self.leg.out.resume()
        async with alongside(drain(self.leg.out)):
            ended = await self.leg.stopped(self._periods)
        return await self._told(ended)

    async def stop(self, why: Cut) -> Ended:
        """Stop it, while somebody else listens to it."""
        self.cut = why
        return await self._told(await self.leg.stopped(self._periods))

    async def end_of_input(self, grace_s: float) -> tuple[Ended, bool]:
        """Its end after that of its input, and whether it still talked when its time was over.

        Its grace begins anew whenever it says something, as in a sync, but for no longer than the sample.
        """
        grace = Grace(grace_s, self._loop.time(), longest=max(grace_s, self.settings.connector_test_sample_s))

        def is_over(now: float) -> bool:
            grace.look(now, signs=self.leg.out.bytes_read + self.leg.err.bytes_read, echoes=0)
            return grace.is_over(now)

        ended = await self.leg.ended(self._periods, is_over)
        return await self._told(ended), grace.is_overlong

    async def gone_within(self, seconds: float) -> bool:
        """Wait for its exit code, so long; whether it came."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self.leg.exit_code_written():
                    await asyncio.sleep(_LOOK_S)
                return True
        return False

    async def told_to_end(self, after: str) -> TermSeen:
        """Say SIGTERM and wait as long as a sync would; it may say something meanwhile."""
        self.leg.out.interrupt()
        was_working = not self.leg.exit_code_written()
        told = self._loop.time()
        self.leg.say("TERM")
        await asyncio.sleep(_LOOK_S * 5)  # first the signal, then room for what it still has to say
        self.leg.out.resume()
        seconds: float | None = None
        async with alongside(drain(self.leg.out)):
            if await self.gone_within(self._periods.term):
                seconds = self._loop.time() - told
            ended = await self.leg.stopped(self._periods)
        return TermSeen(was_working, seconds, ended.code, after)

    async def _told(self, ended: ConnectorExit) -> Ended:
        """Its end; what is left in its stderr is heard first."""
        seconds = self.age
        self.leg.err.writer_gone()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_S):
                await self._listened.wait()
        return Ended(code=ended.code, forced=ended.forced, cut=self.cut, seconds=seconds)
