"""A configured stream against what its source and its destination say of themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from airbyte_workers.protocol.messages import ConfiguredStream, Stream
from airbyte_workers.protocol.schema_sentences import close_to

MAX_NAMES = 10
_ELSEWHERE = ("$ref", "oneOf", "anyOf", "allOf", "if", "patternProperties")


def source_problems(name: str, configured: ConfiguredStream, stream: Stream) -> list[str]:
    """Why the source's stream cannot be synced as configured.

    Only what is used is looked at: a cursor with incremental or a deduplicating mode, a key with the latter. What
    the source itself gives for either is right, whatever its schema says.
    """
    mode = configured.destination_sync_mode
    incremental, dedup = configured.sync_mode == "incremental", mode.endswith("_dedup")
    own_cursor, own_key = stream.default_cursor_field, stream.source_defined_primary_key
    cursor, key = configured.cursor_field, [field for field in configured.primary_key or () if field]
    can = stream.supported_sync_modes or ["full_refresh"]
    problems = []
    if configured.sync_mode not in can:
        problems.append(f"stream {name} cannot be read as {configured.sync_mode}; the source lists {', '.join(can)}")
    elif incremental and not (cursor or own_cursor or stream.source_defined_cursor):
        problems.append(f"stream {name}: incremental needs a cursor_field; the source defines none")
    if dedup and not (key or own_key):
        problems.append(f"stream {name}: {mode} needs a primary_key; the source defines none")
    if (incremental or dedup) and cursor and cursor != own_cursor and not stream.source_defined_cursor:
        problems += [f"stream {name}: cursor_field {each}" for each in _unknown_fields(stream, [cursor])]
    if dedup and key != own_key:
        problems += [f"stream {name}: primary_key {each}" for each in _unknown_fields(stream, key)]
    return problems


def destination_problems(name: str, mode: str, listed: Sequence[str] | None) -> list[str]:
    """Why the destination cannot write in this mode; nothing when its spec lists no modes."""
    allowed = set(listed or (mode,))
    if {"overwrite", "append_dedup"} <= allowed:
        allowed.add("overwrite_dedup")  # the platform's own combination: no connector lists it
    if mode in allowed:
        return []
    return [f"stream {name} cannot be written as {mode}; the destination lists {', '.join(listed or ())}"]


def names_shown(names: Sequence[str]) -> str:
    """The names on one line; many are cut."""
    return ", ".join(names[:MAX_NAMES]) + (", ..." if len(names) > MAX_NAMES else "")


def _unknown_fields(stream: Stream, fields: Sequence[Sequence[str]]) -> list[str]:
    try:
        schema = msgspec.json.decode(stream.json_schema)
    except (msgspec.DecodeError, RecursionError):
        return []
    return [problem for field in fields if (problem := _unknown(schema, field)) is not None]


def _unknown(schema: Any, field: Sequence[str]) -> str | None:
    node = schema
    for step in field:
        known = _properties(node)
        if known is None:
            return None
        if step not in known:
            hint = close_to(step, known) or f"; it has {names_shown([*known])}"
            return f"{'.'.join(field)} is not in its schema{hint}"
        node = known[step]
    return None


def _properties(node: Any) -> Mapping[str, Any] | None:
    """What an object's schema lists; None where it lists nothing, or describes further properties elsewhere."""
    if not isinstance(node, dict) or any(keyword in node for keyword in _ELSEWHERE):
        return None
    properties = node.get("properties")
    if isinstance(node.get("additionalProperties"), dict) or not isinstance(properties, dict):
        return None
    return properties or None
