"""A RECORD or STATE on a route that changes it: what is not named by a rule keeps its bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw

from airbyte_workers.mappers.records import FieldChange, MappedRecord
from airbyte_workers.mappers.specs import MapperSpec
from airbyte_workers.protocol.streams import StreamKey
from airbyte_workers.replication.raw_members import as_object, raw_items, raw_members
from airbyte_workers.replication.routes import Route
from airbyte_workers.replication.stamping import put_body

if TYPE_CHECKING:
    from airbyte_workers.mappers.chain import Chain


class Rewriter:
    """Rewrites the records of one stream."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._chain = _chain(route.mappers) if route.mappers else None
        self._nulled = 0

    def take_nulled(self) -> int:
        """How many values could not be changed, and were nulled, since the last call."""
        nulled, self._nulled = self._nulled, 0
        return nulled

    def record(self, line: bytes) -> bytes | None:
        """The line as the destination gets it; None: a mapper keeps it back. `line` is a sound RECORD."""
        message = raw_members(line)
        record = raw_members(message["record"])
        if self._route.changes_data and not self._change_data(record):
            return None
        if self._route.is_renamed:
            _rename(record, self._route.destination, name="stream")
        message["record"] = Raw(as_object(record))
        return as_object(message) + b"\n"

    def _change_data(self, record: dict[str, Raw]) -> bool:
        fields, kept = raw_members(record["data"]), self._route.fields
        if kept is not None:
            fields = {name: value for name, value in fields.items() if name in kept}
        if self._chain is not None:
            mapped = MappedRecord({name: bytes(value) for name, value in fields.items()})
            if not self._chain.apply(mapped):
                return False
            fields = {name: Raw(value) for name, value in mapped.data.items()}
            if mapped.changes:
                self._nulled += len(mapped.changes)
                _add_changes(record, mapped.changes)
        record["data"] = Raw(as_object(fields))
        return True


def _chain(specs: Sequence[MapperSpec]) -> Chain:
    from airbyte_workers.mappers.chain import Chain  # noqa: PLC0415  # a fifth of a pod's start, which few need

    return Chain(specs)


def renamed_state(line: bytes, body: Raw, destination: StreamKey) -> tuple[bytes, Raw]:
    """The line of a STREAM state, and its body, under the destination's name; all else as it stood."""
    state = raw_members(body)
    stream = raw_members(state["stream"])
    descriptor = raw_members(stream["stream_descriptor"])
    _rename(descriptor, destination, name="name")
    stream["stream_descriptor"] = Raw(as_object(descriptor))
    state["stream"] = Raw(as_object(stream))
    renamed = as_object(state)
    return put_body(line, bytes(body), renamed), Raw(renamed)


def _rename(members: dict[str, Raw], stream: StreamKey, *, name: str) -> None:
    called, namespace = stream
    members[name] = Raw(msgspec.json.encode(called))
    if namespace is None:
        members.pop("namespace", None)
    else:
        members["namespace"] = Raw(msgspec.json.encode(namespace))


def _add_changes(record: dict[str, Raw], changes: list[FieldChange]) -> None:
    """Note in the record's `meta` what was done to it, behind what the source noted there."""
    meta = _object(record.get("meta"))
    meta["changes"] = Raw(msgspec.json.encode([*_items(meta.get("changes")), *changes]))
    record["meta"] = Raw(as_object(meta))


def _object(raw: Raw | None) -> dict[str, Raw]:
    try:
        return raw_members(raw) if raw is not None else {}
    except ValueError:
        return {}


def _items(raw: Raw | None) -> list[Raw]:
    try:
        return raw_items(raw) if raw is not None else []
    except ValueError:
        return []
