"""Which records are looked at closer: found block by block, so that the others cost nothing."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from zlib import crc32

from airbyte_workers.protocol.streams import StreamKey, stream_key
from airbyte_workers.replication.decoding import Sniffed

Counts = Mapping[tuple[str, str | None], Sequence[int]]
"""Records of each stream of a block, as the source spells its name and namespace: their number comes first."""


class RecordSample:
    """The first records of every stream, and of all records together one of so many, at a place that nobody can expect.

    It is the same for the same records, however they are cut into blocks.
    """

    def __init__(self, streams: Iterable[StreamKey], *, first: int, one_of: int) -> None:
        self._left = dict.fromkeys(streams, first) if first else {}
        self._one_of = one_of
        self._seen = 0
        self._next = self._in_turn(0)

    def places(self, sniffed: Sequence[Sniffed], counts: Counts) -> Sequence[int]:
        """Where they are among these records, in order; `counts` are theirs."""
        of_all = list(self._of_all(len(sniffed)))
        young = {key for key in (stream_key(*called) for called in counts) if key in self._left}
        if not young:
            return of_all
        if len(counts) == 1:
            (only,) = young
            return sorted({*range(self._first(only, len(sniffed))), *of_all})
        return sorted({*self._firsts(sniffed, young), *of_all})

    def takes(self, key: StreamKey) -> bool:
        """Whether the next record, which is of this stream, is one of them."""
        is_first = key in self._left and self._first(key, 1) > 0
        return bool([*self._of_all(1)]) or is_first

    def _of_all(self, records: int) -> Iterator[int]:
        begin, end = self._seen, self._seen + records
        self._seen = end
        while self._next < end:
            yield self._next - begin
            self._next = self._in_turn(self._next // self._one_of + 1)

    def _in_turn(self, turn: int) -> int:
        """The place of the one in a turn of `one_of` records; by chance, so that no streams that alternate meet it."""
        return turn * self._one_of + crc32(turn.to_bytes(8)) % self._one_of

    def _first(self, key: StreamKey, records: int) -> int:
        """How many of a stream's next records are among its first."""
        taken = min(records, self._left[key])
        self._left[key] -= taken
        if not self._left[key]:
            del self._left[key]
        return taken

    def _firsts(self, sniffed: Sequence[Sniffed], young: Container[StreamKey]) -> Iterator[int]:
        for place, each in enumerate(sniffed):
            assert each.record is not None
            key = stream_key(each.record.stream, each.record.namespace)
            if key in young and key in self._left:
                self._first(key, 1)
                yield place
