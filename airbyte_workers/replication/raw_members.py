"""The members of a JSON object as they stand: no number loses a digit, no escape is written anew."""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec
from msgspec import Raw

from airbyte_workers.replication.spans import spans

_MEMBERS: msgspec.json.Decoder[dict[str, Raw]] = msgspec.json.Decoder(dict[str, Raw])


def raw_members(text: bytes | Raw) -> dict[str, Raw]:
    """The members of the object; of one that is named twice the last. Raises ValueError for what is no object."""
    try:
        return _MEMBERS.decode(text)
    except msgspec.DecodeError:
        return _of_odd(bytes(text).decode())


def as_object(members: Mapping[str, Raw]) -> bytes:
    """The object with these members."""
    try:
        return msgspec.json.encode(members)
    except UnicodeEncodeError:  # half a surrogate pair in a name
        parts = (json.dumps(name).encode() + b":" + bytes(value) for name, value in members.items())
        return b"{" + b",".join(parts) + b"}"


def _of_odd(text: str) -> dict[str, Raw]:
    """What msgspec refuses and the standard library reads, such as half a surrogate pair."""
    if not text.lstrip(" \t\n\r").startswith("{"):
        raise ValueError("not an object")
    return {name: Raw(text[start:end].encode()) for name, start, end in spans(text)}
