"""Members of a JSON object and items of a list as they stand: no number loses a digit, no escape is written anew."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

import msgspec
from msgspec import Raw

from airbyte_workers.replication.spans import spans

_MEMBERS: msgspec.json.Decoder[dict[str, Raw]] = msgspec.json.Decoder(dict[str, Raw])
_ITEMS: msgspec.json.Decoder[list[Raw]] = msgspec.json.Decoder(list[Raw])
_LENIENT = json.JSONDecoder(parse_int=float)  # values are passed over, and long integers are no int
_BLANKS = " \t\n\r"
_BETWEEN = re.compile("[ \\t\\n\\r,]*")  # items of what is known to be JSON


def raw_members(text: bytes | Raw) -> dict[str, Raw]:
    """The members of the object; of one that is named twice the last. Raises ValueError for what is no object."""
    try:
        return _MEMBERS.decode(text)
    except msgspec.DecodeError:
        return _of_odd(bytes(text).decode())


def raw_items(text: bytes | Raw) -> list[Raw]:
    """The items of the list. Raises ValueError for what is no list."""
    try:
        return _ITEMS.decode(text)
    except msgspec.DecodeError:
        return list(_items_of_odd(bytes(text).decode()))


def as_object(members: Mapping[str, Raw]) -> bytes:
    """The object with these members."""
    try:
        return msgspec.json.encode(members)
    except UnicodeEncodeError:  # half a surrogate pair in a name
        parts = (json.dumps(name).encode() + b":" + bytes(value) for name, value in members.items())
        return b"{" + b",".join(parts) + b"}"


def _of_odd(text: str) -> dict[str, Raw]:
    """What msgspec refuses and the standard library reads, such as half a surrogate pair."""
    if not text.lstrip(_BLANKS).startswith("{"):
        raise ValueError("not an object")
    return {name: Raw(text[start:end].encode()) for name, start, end in spans(text)}


def _items_of_odd(text: str) -> Iterator[Raw]:
    if not text.lstrip(_BLANKS).startswith("["):
        raise ValueError("not a list")
    start = _past_between(text, text.index("[") + 1)
    while text[start : start + 1] not in ("", "]"):
        _, end = _LENIENT.raw_decode(text, start)
        yield Raw(text[start:end].encode())
        start = _past_between(text, end)


def _past_between(text: str, place: int) -> int:
    found = _BETWEEN.match(text, place)
    return found.end() if found is not None else place
