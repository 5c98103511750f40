"""Counts per stream of one attempt: what the source emitted, and what the destination has made durable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from airbyte_workers.models import StreamCounts
from airbyte_workers.protocol.streams import StreamKey


@dataclass(frozen=True)
class Tally:
    """Records and bytes; `rejected` are records that the destination said it did not take."""

    records: int = 0
    bytes: int = 0
    rejected: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.records + other.records, self.bytes + other.bytes, self.rejected + other.rejected)


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


class StreamTracker:
    """The mutable counters of one stream; `since_state` restarts with every state that speaks for the stream.

    `complete`: the source said so. `last_state`: the number of the newest state that speaks for the stream,
    `committed_state`: of the newest durable one.
    """

    __slots__ = (
        "bytes",
        "committed",
        "committed_state",
        "complete",
        "held_back",
        "incomplete",
        "key",
        "last_state",
        "quota",
        "records",
        "since_bytes",
        "since_records",
        "started",
    )

    def __init__(self, key: StreamKey) -> None:
        self.key = key
        self.records = 0
        self.bytes = 0
        self.since_records = 0
        self.since_bytes = 0
        self.committed = Tally()
        self.started = False
        self.complete = False
        self.held_back = False
        self.incomplete = False
        self.quota: Quota | None = None
        self.last_state = 0
        self.committed_state = 0

    def count(self, records: int, size: int) -> None:
        self.started = True
        self.quota = None
        self.records += records
        self.bytes += size
        self.since_records += records
        self.since_bytes += size

    def take_since_state(self) -> Tally:
        """What came since the last state; the next count starts at zero."""
        tally = Tally(self.since_records, self.since_bytes)
        self.since_records = self.since_bytes = 0
        return tally

    @property
    def is_done(self) -> bool:
        """Whether the source completed the stream and everything of it is durable."""
        durable = self.committed_state >= self.last_state and self.committed.records >= self.records
        return self.complete and durable


def stream_counts(trackers: Iterable[StreamTracker], *, succeeded: bool, ended: bool) -> tuple[StreamCounts, ...]:
    """The counters as values. `ended`: a stream that is still open will not be completed any more."""
    return tuple(_counts(tracker, succeeded=succeeded, ended=ended) for tracker in trackers)


def _counts(tracker: StreamTracker, *, succeeded: bool, ended: bool) -> StreamCounts:
    name, namespace = tracker.key
    committed = tracker.committed
    if succeeded:  # what came after the last state is in the destination too
        committed = Tally(tracker.records, tracker.bytes, committed.rejected)
    return StreamCounts(
        name=name,
        namespace=namespace,
        status="complete" if succeeded else _status(tracker, ended=ended),
        records_emitted=tracker.records,
        records_committed=max(0, committed.records - committed.rejected),
        records_rejected=committed.rejected,
        bytes_emitted=tracker.bytes,
        bytes_committed=committed.bytes,
    )


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
