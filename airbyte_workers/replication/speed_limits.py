"""Speed limits of a connection: how much of a block may go through at once, and how long to wait after it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from airbyte_workers.models import SpeedLimits
from airbyte_workers.quantities import size_bytes

BURST_S = 1.0
"""Nothing goes faster than the limit for longer: so much is saved up at the most while the source gives less."""
_PORTION_S = 0.25  # what goes through at once: a second then sees several of them, and is neither all nor nothing


class _Bucket:
    """What may be spent of one measure; below zero it is a debt that time pays off."""

    def __init__(self, per_second: float) -> None:
        self._rate = per_second
        self._most = per_second * (BURST_S - _PORTION_S)
        self._level = 0.0
        self._at: float | None = None

    def spend(self, amount: float, now: float) -> float:
        """Seconds until nothing is owed any more."""
        saved = 0.0 if self._at is None else (now - self._at) * self._rate
        self._level = min(self._most, self._level + saved) - amount
        self._at = now
        return max(0.0, -self._level / self._rate)


@dataclass(frozen=True)
class Portion:
    """The most of a block that goes through at once, in lines and bytes; None: any. One line is the least."""

    lines: int | None = None
    size: int | None = None

    def cut(self, block: bytes) -> Iterator[bytes]:
        """The block's lines in such portions, in order."""
        start = 0
        while start < len(block):
            end = self._end(block, start)
            yield block[start:end]
            start = end

    def _end(self, block: bytes, start: int) -> int:
        if self.size is None or start + self.size >= len(block):
            end = len(block)
        else:
            end = block.rfind(b"\n", start, start + self.size) + 1
            end = end or (block.find(b"\n", start) + 1) or len(block)
        return end if self.lines is None else self._after_lines(block, start, end)

    def _after_lines(self, block: bytes, start: int, end: int) -> int:
        assert self.lines is not None
        place = start
        for _ in range(self.lines):
            place = block.find(b"\n", place, end) + 1
            if not place:
                return end
        return place


class Limiter:
    """Two token buckets of one attempt: over any time t no more than rate * (t + BURST_S) goes through.

    Or one record more, where that alone is larger. Nothing is limited where `limits` has no rate.
    """

    def __init__(self, limits: SpeedLimits) -> None:
        records = limits.records_per_second
        size = None if limits.bytes_per_second is None else size_bytes(str(limits.bytes_per_second))
        self.portion = Portion(_of_portion(records), _of_portion(size))
        self.is_limiting = records is not None or size is not None
        self._records = None if records is None else _Bucket(records)
        self._bytes = None if size is None else _Bucket(size)

    def spend(self, records: int, size: int, now: float) -> float:
        """Seconds to wait before the next portion, after this one of so many records with bytes of `data`."""
        waits = [0.0]
        if self._records is not None:
            waits.append(self._records.spend(records, now))
        if self._bytes is not None:
            waits.append(self._bytes.spend(size, now))
        return max(waits)


def _of_portion(rate: float | None) -> int | None:
    return None if rate is None else max(1, int(rate * _PORTION_S))
