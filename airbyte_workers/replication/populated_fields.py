"""How many fields of a record have a value (`sourceFieldsPopulated`, airbyte-behaviour.md 5.5).

Every record must be decoded for it, so it is counted only for connections that ask for it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from msgspec import Raw

from airbyte_workers.protocol.streams import StreamKey, stream_key
from airbyte_workers.replication.decoding import Sniffed
from airbyte_workers.replication.raw_members import raw_members
from airbyte_workers.replication.statistics import StreamTracker

_NULL = Raw(b"null")


class PopulatedFields:
    """Counts them for the streams of one attempt."""

    def __init__(self, streams: Mapping[StreamKey, StreamTracker]) -> None:
        self._streams = streams

    def run(self, sniffed: Sequence[Sniffed]) -> None:
        """Records that go on as they are; their streams are known."""
        for each in sniffed:
            assert each.record is not None
            tracker = self._streams[stream_key(each.record.stream, each.record.namespace)]
            tracker.populate(populated_fields(each.record.data))

    def record(self, tracker: StreamTracker, data: Raw, selected: Collection[str] | None) -> None:
        """One of a stream of which only some fields go on."""
        tracker.populate(populated_fields(data, selected))


def populated_fields(data: Raw, selected: Collection[str] | None = None) -> int:
    """The number of top-level fields of a record's `data` that are not null, among those that are selected."""
    fields = raw_members(data)
    return sum(value != _NULL for name, value in fields.items() if selected is None or name in selected)
