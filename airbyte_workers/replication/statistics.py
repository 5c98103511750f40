"""Counts per stream of one attempt: what the source emitted, and what the destination has made durable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airbyte_workers.models import StreamCounts
from airbyte_workers.protocol.streams import StreamKey
from airbyte_workers.replication.estimates import UNKNOWN, Estimates
from airbyte_workers.replication.state_figures import FIELDS_POPULATED, StateFigures


@dataclass(frozen=True)
class Tally:
    """Records and bytes that came.

    Of these `filtered` went no further, and `rejected` are records that the destination said it did not take.
    """

    records: int = 0
    bytes: int = 0
    rejected: int = 0
    filtered: int = 0
    filtered_bytes: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.records + other.records,
            self.bytes + other.bytes,
            self.rejected + other.rejected,
            self.filtered + other.filtered,
            self.filtered_bytes + other.filtered_bytes,
        )

    @property
    def forwarded(self) -> int:
        """Records that went on to the destination: its own counts are compared with these."""
        return self.records - self.filtered

    @property
    def taken(self) -> int:
        """Records that the destination took; never negative, whatever it says (case K21)."""
        return max(0, self.forwarded - self.rejected)


def merged(*counts: Mapping[StreamKey, Tally]) -> dict[StreamKey, Tally]:
    """The sum of several counts, per stream."""
    total: dict[StreamKey, Tally] = {}
    for each in counts:
        for key, tally in each.items():
            total[key] = total.get(key, Tally()) + tally
    return total


@dataclass(frozen=True)
class Quota:
    """What a rate-limited stream waits for; `reset` is None where the source did not say when."""

    reset: datetime | None = None


def no_clock() -> float:
    """Where no times are wanted."""
    return 0.0


class StreamTracker:
    """The mutable counters of one stream; `since_*` restart with every state that speaks for the stream.

    `complete`: the source said so. `last_state`: the number of the newest state that speaks for the stream,
    `committed_state`: of the newest durable one. `states`: what is measured of the states that speak for it.
    `clock` gives seconds, and is asked at the first record alone.
    """

    __slots__ = (
        "bytes",
        "clock",
        "committed",
        "committed_state",
        "complete",
        "fields_populated",
        "filtered",
        "filtered_bytes",
        "first_record_at",
        "held_back",
        "incomplete",
        "key",
        "last_state",
        "quota",
        "records",
        "since_bytes",
        "since_filtered",
        "since_filtered_bytes",
        "since_records",
        "started",
        "states",
    )

    def __init__(self, key: StreamKey, clock: Callable[[], float] = no_clock) -> None:
        self.key = key
        self.clock = clock
        self.records = self.bytes = 0
        self.filtered = self.filtered_bytes = 0
        self.since_records = self.since_bytes = 0
        self.since_filtered = self.since_filtered_bytes = 0
        self.first_record_at: float | None = None
        self.fields_populated: int | None = None
        self.committed = Tally()
        self.states = StateFigures()
        self.started = False
        self.complete = False
        self.held_back = False
        self.incomplete = False
        self.quota: Quota | None = None
        self.last_state = 0
        self.committed_state = 0

    def count(self, records: int, size: int) -> None:
        """Records came; called once per stream and block."""
        if self.first_record_at is None:
            self.first_record_at = self.clock()
        self.started = True
        self.quota = None
        self.records += records
        self.bytes += size
        self.since_records += records
        self.since_bytes += size

    def filter(self, records: int, size: int) -> None:
        """Of the records that were counted these do not go on."""
        self.filtered += records
        self.filtered_bytes += size
        self.since_filtered += records
        self.since_filtered_bytes += size

    def populate(self, fields: int) -> None:
        """Records with so many fields that are not null came; told only where somebody counts them."""
        self.fields_populated = (self.fields_populated or 0) + fields

    def take_since_state(self) -> Tally:
        """What came since the last state; the next count starts at zero."""
        tally = Tally(
            self.since_records,
            self.since_bytes,
            filtered=self.since_filtered,
            filtered_bytes=self.since_filtered_bytes,
        )
        self.since_records = self.since_bytes = 0
        self.since_filtered = self.since_filtered_bytes = 0
        return tally

    @property
    def is_done(self) -> bool:
        """Whether the source completed the stream and everything of it is durable."""
        durable = self.committed_state >= self.last_state and self.committed.records >= self.records
        return self.complete and durable


def stream_counts(
    trackers: Iterable[StreamTracker], *, succeeded: bool, ended: bool, estimates: Estimates | None = None
) -> tuple[StreamCounts, ...]:
    """The counters as values. `ended`: a stream that is still open will not be completed any more."""
    return tuple(_counts(tracker, estimates, succeeded=succeeded, ended=ended) for tracker in trackers)


def _counts(tracker: StreamTracker, estimates: Estimates | None, *, succeeded: bool, ended: bool) -> StreamCounts:
    name, namespace = tracker.key
    committed = tracker.committed
    if succeeded:  # what came after the last state is in the destination too
        committed = Tally(tracker.records, tracker.bytes, committed.rejected, tracker.filtered, tracker.filtered_bytes)
    estimate = estimates.of(tracker.key) if estimates is not None else UNKNOWN
    return StreamCounts(
        name=name,
        namespace=namespace,
        status="complete" if succeeded else _status(tracker, ended=ended),
        records_emitted=tracker.records,
        records_committed=committed.taken,
        records_filtered=tracker.filtered,
        records_rejected=committed.rejected,
        bytes_emitted=tracker.bytes,
        bytes_committed=committed.bytes - committed.filtered_bytes,
        bytes_filtered=tracker.filtered_bytes,
        records_estimated=estimate.records,
        bytes_estimated=estimate.bytes,
        **_of_states(tracker),
    )


def _of_states(tracker: StreamTracker) -> dict[str, Any]:
    """What is measured of the states that speak for a stream, and added to them."""
    states, populated = tracker.states, tracker.fields_populated
    additional = dict(states.additional)
    if populated is not None:
        additional[FIELDS_POPULATED] = populated
    is_timed = bool(states.to_commit.count) and not states.unreliable
    return {
        "states_emitted": states.emitted,
        "states_acknowledged": states.acknowledged,
        "states_committed": states.committed,
        "source_stats_mismatches": states.source_mismatches,
        "destination_stats_mismatches": states.destination_mismatches,
        "state_mean_s": round(states.before.mean, 3),
        "state_max_s": round(states.before.longest, 3),
        "commit_mean_s": round(states.to_commit.mean, 3) if is_timed else None,
        "commit_max_s": round(states.to_commit.longest, 3) if is_timed else None,
        "additional_stats": additional,
    }


def _status(tracker: StreamTracker, *, ended: bool) -> str:
    if tracker.incomplete or tracker.held_back:
        return "incomplete"
    if tracker.is_done:
        return "complete"
    if tracker.quota is not None:
        return "rate_limited"
    if not tracker.started:
        return "pending"
    return "incomplete" if ended else "running"
