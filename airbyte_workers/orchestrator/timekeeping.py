"""What an attempt's clocks see, and whom its data waited for: read from counters that the data path keeps anyway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from airbyte_workers.models import FailureType, Waits
from airbyte_workers.orchestrator.input import ReplicationInput
from airbyte_workers.orchestrator.leg import Leg, SourceLeg
from airbyte_workers.orchestrator.pace import Pace
from airbyte_workers.orchestrator.pipes import FifoWriter
from airbyte_workers.orchestrator.stopwatch import Stopwatch
from airbyte_workers.replication.clocks import ClockLimits, Expired, Seen, Watchman, in_force
from airbyte_workers.replication.ledger import Ledger
from airbyte_workers.settings import Settings

_LOOKS_NOT_COUNTED = 10  # a look that comes so many times too late finds a process that was stopped


class Timekeeper:
    """Looks at both legs of a replication; `has_source`: else who was waited for says nothing to anybody."""

    def __init__(self, legs: tuple[SourceLeg, Leg], ledger: Ledger, pace: Pace, *, has_source: bool) -> None:
        self._source, self._destination = legs
        self._ledger = ledger
        self._pace = pace
        self._has_source = has_source
        self._moving = Stopwatch()
        self._waits: Waits | None = None
        self.input: FifoWriter | None = None
        self.input_ended = False

    @contextmanager
    def moving(self) -> Iterator[None]:
        """While data moves: only then is a source timed, and only that is told of who was waited for."""
        try:
            with self._moving:
                yield
        finally:
            self._waits = self._waits_now()

    @property
    def waits(self) -> Waits:
        """Whom the data has waited for so far."""
        return self._waits or self._waits_now()

    def _waits_now(self) -> Waits:
        now = asyncio.get_running_loop().time()
        moving = self._moving.seconds(now)
        if not moving or not self._has_source:
            return Waits()
        return Waits(
            moving_s=round(moving, 3),
            blocked_on_source_s=round(self._source.out.waited.seconds(now), 3),
            blocked_on_destination_s=round(self._blocked_s(now), 3),
            held_by_limit_s=round(self._pace.held.seconds(now), 3),
        )

    # --- the clocks ---

    async def watch(self, limits: ClockLimits, every: float, on_expired: Callable[[Expired], None]) -> None:
        """Look every so many seconds until cancelled, or until the job's time is over."""
        loop = asyncio.get_running_loop()
        watchman = Watchman(limits, loop.time(), longest_step=_LOOKS_NOT_COUNTED * every)
        while True:
            await asyncio.sleep(every)
            expired = watchman.look(loop.time(), self._seen(loop.time()))
            if expired is None:
                continue
            on_expired(expired)
            if expired.failure.type is FailureType.TOTAL_TIMEOUT:
                return

    def _seen(self, now: float) -> Seen:
        ledger = self._ledger
        return Seen(
            is_read=self._moving.runs,
            kept_s=self._blocked_s(now) + self._pace.held.seconds(now),
            source_bytes=self._source.out.bytes_read + self._source.err.bytes_read,
            progress=ledger.emitted[0] + ledger.states.emitted + ledger.counters.states_held_back,
            is_blocked=self.input is not None and self.input.blocked.runs,
            input_bytes=0 if self.input is None else self.input.bytes_written,
            echoes=ledger.counters.acknowledgements,
            owes=bool(ledger.states.unacknowledged()),
            is_written=not self.input_ended,
        )

    def _blocked_s(self, now: float) -> float:
        return 0.0 if self.input is None else self.input.blocked.seconds(now)


def limits_of(given: ReplicationInput, settings: Settings) -> ClockLimits:
    """The clocks of an attempt that begins now."""
    left = None if given.ends_by is None else (given.ends_by - datetime.now(UTC)).total_seconds()
    return ClockLimits.of(in_force(given.clocks, settings), left)
