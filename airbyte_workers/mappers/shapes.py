"""What mappers change of a stream as its destination knows it: its fields, and the paths that lead to fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Raw

from airbyte_workers.mappers.moves import Move
from airbyte_workers.protocol.messages import ConfiguredStream

Path = list[str]
Follow = Callable[[Path], Path | None]
_MEMBERS: msgspec.json.Decoder[dict[str, Raw]] = msgspec.json.Decoder(dict[str, Raw])
_NAMES: msgspec.json.Decoder[list[str]] = msgspec.json.Decoder(list[str])
_TEXT, _TEXT_OR_NULL = Raw(b'{"type":"string"}'), Raw(b'{"type":["null","string"]}')


@dataclass(frozen=True)
class Shape:
    """The fields with the raw schema of each, the names of those required, and the paths of cursors and keys."""

    fields: Mapping[str, Raw]
    required: list[Path]
    cursor: Path | None
    default_cursor: Path | None
    key: list[Path] | None
    source_key: list[Path] | None

    def moved(self, move: Move) -> Shape:
        """The shape after the move of a field that it has."""

        def follow(path: Path) -> Path | None:
            if path[:1] != [move.old]:
                return path
            if move.new is None or (move.rewritten and len(path) > 1):  # nothing is below a text
                return None
            return [move.new, *path[1:]]

        return dataclasses.replace(
            self,
            fields=dict(_moved_fields(self.fields, move)),
            required=_followed(self.required, follow),
            cursor=self.cursor and follow(self.cursor),
            default_cursor=self.default_cursor and follow(self.default_cursor),
            key=self.key and (_followed(self.key, follow) or None),
            source_key=self.source_key and (_followed(self.source_key, follow) or None),
        )


def shape_of(configured: ConfiguredStream) -> Shape:
    """A schema that lists no `properties`, or is no object, has no fields."""
    stream = configured.stream
    schema = _members(stream.json_schema)
    return Shape(
        fields=_members(schema.get("properties")),
        required=[[name] for name in _names(schema.get("required"))],
        cursor=configured.cursor_field,
        default_cursor=stream.default_cursor_field,
        key=configured.primary_key,
        source_key=stream.source_defined_primary_key,
    )


def with_shape(configured: ConfiguredStream, shape: Shape) -> ConfiguredStream:
    """The stream with that shape; what the shape says nothing of is as it was, to the byte."""
    stream = msgspec.structs.replace(
        configured.stream,
        json_schema=_schema(configured.stream.json_schema, shape),
        default_cursor_field=shape.default_cursor,
        source_defined_primary_key=shape.source_key,
    )
    return msgspec.structs.replace(configured, stream=stream, cursor_field=shape.cursor, primary_key=shape.key)


def _schema(raw: Raw, shape: Shape) -> Raw:
    schema = _members(raw)
    changed: dict[str, Any] = {"properties": shape.fields}
    if _names(schema.get("required")):
        changed["required"] = [name for (name,) in shape.required]
    return Raw(msgspec.json.encode(schema | changed))


def _followed(paths: list[Path], follow: Follow) -> list[Path]:
    return [followed for path in paths if (followed := follow(path)) is not None]


def _moved_fields(fields: Mapping[str, Raw], move: Move) -> Iterator[tuple[str, Raw]]:
    for name, schema in fields.items():
        if name != move.old:
            yield name, schema
        elif move.new is not None:
            yield move.new, _text_schema(schema, move) if move.rewritten else schema


def _text_schema(schema: Raw, move: Move) -> Raw:
    """Of a field that could be null, or can become null, the destination must expect null."""
    types = _decoded(_members(schema).get("type"))
    never_null = (isinstance(types, str) and types != "null") or (isinstance(types, list) and "null" not in types)
    return _TEXT if never_null and not move.lossy else _TEXT_OR_NULL


def _members(raw: Raw | None) -> dict[str, Raw]:
    try:
        return _MEMBERS.decode(raw or b"{}")
    except (msgspec.DecodeError, RecursionError):  # a source's schema can be anything
        return {}


def _names(raw: Raw | None) -> list[str]:
    try:
        return _NAMES.decode(raw or b"[]")
    except msgspec.DecodeError:  # in old schemas a boolean
        return []


def _decoded(raw: Raw | None) -> Any:
    return None if raw is None else msgspec.json.decode(raw)
