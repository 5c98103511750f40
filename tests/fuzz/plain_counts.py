"""What the reference relay counts: records of a stream, and what a source expects to send."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from tests.fuzz.plain_states import Key
from tests.fuzz.plain_traces import PlainEstimate

LARGEST_ESTIMATE = 2**53
Amounts = tuple[int | None, int | None]  # of records and of bytes; None: not said


@dataclass
class Count:
    """Records that came, and of these the filtered ones, which go no further; with their bytes."""

    records: int = 0
    bytes: int = 0
    filtered: int = 0
    filtered_bytes: int = 0

    @property
    def forwarded(self) -> int:
        return self.records - self.filtered

    def add(self, other: Count) -> None:
        self.records += other.records
        self.bytes += other.bytes
        self.filtered += other.filtered
        self.filtered_bytes += other.filtered_bytes


@dataclass
class PlainStream:
    """What is known of one stream; `since` counts since its last state."""

    total: Count = field(default_factory=Count)
    since: Count = field(default_factory=Count)
    started: bool = False
    complete: bool = False
    incomplete: bool = False
    failed: bool = False
    held_back: bool = False
    waits: tuple[float | None] | None = None

    def count(self, size: int, *, filtered: bool) -> None:
        """A record of so many bytes came."""
        came = Count(1, size, int(filtered), size if filtered else 0)
        self.total.add(came)
        self.since.add(came)
        self.started, self.waits = True, None


@dataclass
class PlainEstimates:
    """Every estimate that counts, in order."""

    streams: Collection[Key]
    told: list[PlainEstimate] = field(default_factory=list)

    def of(self, stream: Key) -> Amounts:
        """The newest of a stream; of a source that speaks of the whole sync there are none of streams."""
        if any(each.type == "SYNC" for each in self.told):
            return None, None
        return next((_amounts(each) for each in reversed(self._of_streams()) if each.stream == stream), (None, None))

    @property
    def total(self) -> Amounts:
        """The sum of the streams', or the newest of the sync; of a source that gives both kinds none."""
        of_sync = [each for each in self.told if each.type == "SYNC"]
        if of_sync:
            return (None, None) if self._of_streams() else _amounts(of_sync[-1])
        every = [self.of(stream) for stream in self.streams]
        return _sum([records for records, _ in every]), _sum([size for _, size in every])

    def _of_streams(self) -> list[PlainEstimate]:
        return [each for each in self.told if each.type == "STREAM" and each.stream in self.streams]


def _sum(amounts: list[int | None]) -> int | None:
    known = [each for each in amounts if each is not None]
    return sum(known) if known else None


def _amounts(told: PlainEstimate) -> Amounts:
    records, size = (
        int(each) if each is not None and 0 <= each <= LARGEST_ESTIMATE else None for each in (told.records, told.bytes)
    )
    return records, size
