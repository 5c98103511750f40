"""How fast an attempt goes: totals, rates over the last seconds, age of the last acknowledgement."""

from __future__ import annotations

import time
from collections import deque

from airbyte_workers.models import Progress
from airbyte_workers.orchestrator.memory import memory_bytes
from airbyte_workers.replication.ledger import Ledger

_WINDOW_S = 5.0


class Speedometer:
    """Reads a ledger's counters once in a while."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._samples: deque[tuple[float, int, int]] = deque([(time.monotonic(), 0, 0)])
        self._last_acknowledgement: float | None = None
        self._acknowledgements = 0

    def acknowledged(self, acknowledgements: int) -> None:
        """Note that the destination has echoed so many states."""
        if acknowledgements > self._acknowledgements:
            self._acknowledgements = acknowledgements
            self._last_acknowledgement = time.monotonic()

    def read(self, phase: str) -> Progress:
        """The figures now; rates are means over the last seconds."""
        now = time.monotonic()
        streams = self._ledger.streams.values()
        records = sum(stream.records for stream in streams)
        size = sum(stream.bytes for stream in streams)
        self._samples.append((now, records, size))
        while len(self._samples) > 2 and now - self._samples[0][0] > _WINDOW_S:
            self._samples.popleft()
        then, records_then, size_then = self._samples[0]
        elapsed = max(now - then, 1e-3)
        last = self._last_acknowledgement
        return Progress(
            phase=phase,
            records_emitted=records,
            records_committed=sum(stream.committed.records - stream.committed.rejected for stream in streams),
            bytes_emitted=size,
            records_per_second=round((records - records_then) / elapsed, 1),
            bytes_per_second=round((size - size_then) / elapsed, 1),
            states_emitted=self._ledger.states.emitted,
            states_committed=self._ledger.counters.states_committed,
            last_acknowledgement_age_s=None if last is None else round(now - last, 1),
            memory_bytes=memory_bytes(),
        )
