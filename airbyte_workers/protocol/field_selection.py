"""Which top-level fields of a stream are synced (airbyte-behaviour.md 5.2, FieldSelector), pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
from msgspec import Raw

from airbyte_workers.protocol.messages import ConfiguredStream
from airbyte_workers.protocol.schema_sentences import close_to

_STAND_FOR = {"$id": "id", "$comment": "comment", "$schema": "schema"}
"""Names that JSON Schema takes for itself: upstream writes fields of these names so."""
_OBJECT: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])


def schema_fields(json_schema: Raw | bytes) -> frozenset[str]:
    """The fields that a stream's schema names."""
    return frozenset(_STAND_FOR.get(name, name) for name in _properties(json_schema))


def narrowed(configured: ConfiguredStream, fields: Collection[str]) -> ConfiguredStream:
    """The stream with these fields alone in its schema: sources that can read no others."""
    schema = _read(configured.stream.json_schema)
    kept = {name: each for name, each in _properties(configured.stream.json_schema).items() if _named(name) in fields}
    changed = schema | {"properties": kept}
    if isinstance(schema.get("required"), list):
        changed["required"] = [name for name in schema["required"] if name in fields]
    stream = msgspec.structs.replace(configured.stream, json_schema=Raw(msgspec.json.encode(changed)))
    return msgspec.structs.replace(configured, stream=stream)


def selection_problems(name: str, configured: ConfiguredStream, fields: Collection[str]) -> list[str]:
    """What is wrong with a choice of fields, as sentences; `name`: the stream's for people.

    Keys and the cursor must be among them: the destination merges by them, the source reads on from them.
    """
    known = schema_fields(configured.stream.json_schema)
    problems = [
        f"stream {name} has no field {each}{close_to(each, sorted(known))}"
        for each in fields
        if known and each not in known
    ]
    needed = {path[0]: "primary key" for path in configured.primary_key or () if path}
    if configured.sync_mode == "incremental" and configured.cursor_field:
        needed.setdefault(configured.cursor_field[0], "cursor")
    missing = {each: what for each, what in needed.items() if each not in fields}
    return [
        *problems,
        *(f"stream {name}: {each} is its {what} and must be among `fields`" for each, what in missing.items()),
    ]


def _named(name: str) -> str:
    return _STAND_FOR.get(name, name)


def _properties(json_schema: Raw | bytes) -> dict[str, Any]:
    properties = _read(json_schema).get("properties")
    return properties if isinstance(properties, dict) else {}


def _read(json_schema: Raw | bytes) -> dict[str, Any]:
    try:
        return _OBJECT.decode(json_schema)
    except msgspec.DecodeError:
        return {}
