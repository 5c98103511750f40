"""How fast an attempt goes: totals, rates over the last seconds, age of the last acknowledgement."""

from __future__ import annotations

import time
from collections import deque
from typing import Literal

from airbyte_workers.models import Progress, Waits
from airbyte_workers.orchestrator.memory import memory_bytes
from airbyte_workers.replication.ledger import Ledger

_WINDOW_S = 5.0
_MOST = 0.5
_Whom = Literal["", "source", "destination", "limit"]


class Speedometer:
    """Reads a ledger's counters once in a while."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._samples: deque[tuple[float, int, int, Waits]] = deque([(time.monotonic(), 0, 0, Waits())])
        self._last_acknowledgement: float | None = None
        self._acknowledgements = 0

    def acknowledged(self, acknowledgements: int) -> None:
        """Note that the destination has echoed so many states."""
        if acknowledgements > self._acknowledgements:
            self._acknowledgements = acknowledgements
            self._last_acknowledgement = time.monotonic()

    def read(self, phase: str, waits: Waits) -> Progress:
        """The figures now; rates are means over the last seconds."""
        now = time.monotonic()
        records, size = self._ledger.emitted
        self._samples.append((now, records, size, waits))
        while len(self._samples) > 2 and now - self._samples[0][0] > _WINDOW_S:
            self._samples.popleft()
        then, records_then, size_then, waits_then = self._samples[0]
        elapsed = max(now - then, 1e-3)
        whom, share = waited_for(waits_then, waits)
        last = self._last_acknowledgement
        estimate = self._ledger.estimates.total
        return Progress(
            **dict(waits),
            waiting_for=whom,
            waiting_share=share,
            phase=phase,
            records_emitted=records,
            records_committed=self._ledger.records_committed,
            bytes_emitted=size,
            records_estimated=estimate.records,
            bytes_estimated=estimate.bytes,
            records_per_second=round((records - records_then) / elapsed, 1),
            bytes_per_second=round((size - size_then) / elapsed, 1),
            states_emitted=self._ledger.states.emitted,
            states_committed=self._ledger.counters.states_committed,
            last_acknowledgement_age_s=None if last is None else round(now - last, 1),
            memory_bytes=memory_bytes(),
        )


def waited_for(then: Waits, now: Waits) -> tuple[_Whom, float]:
    """Whom most of the time between two moments was waited for, and for which share of it; nobody, where for none."""
    moved = now.moving_s - then.moving_s
    if moved <= 0:
        return "", 0
    shares: dict[_Whom, float] = {
        "source": (now.blocked_on_source_s - then.blocked_on_source_s) / moved,
        "destination": (now.blocked_on_destination_s - then.blocked_on_destination_s) / moved,
        "limit": (now.held_by_limit_s - then.held_by_limit_s) / moved,
    }
    whom = max(shares, key=lambda each: shares[each])
    share = round(min(shares[whom], 1), 3)
    return (whom, share) if share >= _MOST else ("", 0)
