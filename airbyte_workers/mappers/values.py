"""JSON values as they stand in a record, and their text."""

from __future__ import annotations

import msgspec

NULL = b"null"
_STRING: msgspec.json.Decoder[str] = msgspec.json.Decoder(str)


def content(raw: bytes) -> bytes:
    """The text of a value in UTF-8: of a string what it says, of anything else the JSON as it stands.

    Upstream's text of a number is what Java makes of it, that of an object or a list is empty. Ours loses no digit,
    and tells two objects apart (not their spelling: other spaces or another order of keys are another text). Raises
    ValueError for a string that cannot be decoded.
    """
    if raw[:1] != b'"':
        return raw
    if b"\\" not in raw:
        return raw[1:-1]
    return _STRING.decode(raw).encode()


def quoted(text: str) -> bytes:
    """A JSON string of text that needs no escapes."""
    return f'"{text}"'.encode("ascii")
