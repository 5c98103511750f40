"""Notes how far an attempt is, once in a while, from counters that the data path keeps anyway."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

from airbyte_workers.models import Mark, Throughput
from airbyte_workers.orchestrator.timekeeping import Timekeeper
from airbyte_workers.replication.ledger import Ledger
from airbyte_workers.replication.marks import Marks
from airbyte_workers.settings import Settings


class Recorder:
    """Looks every `progress_interval_s`; what it keeps is bounded by `throughput_points`."""

    def __init__(self, ledger: Ledger, times: Timekeeper, settings: Settings) -> None:
        self._ledger = ledger
        self._times = times
        self._every_s = settings.progress_interval_s
        self._marks = Marks(settings.throughput_points, settings.progress_interval_s)
        self._began_at = datetime.now(UTC)
        self._began = time.monotonic()

    async def run(self) -> None:
        """Note until cancelled."""
        while True:
            await asyncio.sleep(self._every_s)
            if self._marks.is_due(time.monotonic() - self._began):
                self._marks.add(self._now())

    def end(self) -> Throughput:
        """Everything that was noted, up to this moment."""
        self._marks.end(self._now())
        return Throughput(began_at=self._began_at, marks=self._marks.all)

    def _now(self) -> Mark:
        records, size = self._ledger.emitted
        return Mark(
            **dict(self._times.waits),
            at_s=round(time.monotonic() - self._began, 3),
            records_emitted=records,
            bytes_emitted=size,
            records_committed=self._ledger.records_committed,
        )
