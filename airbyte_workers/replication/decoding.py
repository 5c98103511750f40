"""What each line of a block is, decoding only what the platform needs (decisions.md, "Messages").

A block goes through msgspec as a whole. Whatever that cannot vouch for (an error, a count that differs from the
count of lines, bytes that are not UTF-8) is judged line by line, with the standard library as second opinion.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from operator import itemgetter
from typing import Any

import msgspec
from msgspec import Raw, Struct

from airbyte_workers.protocol.messages import ABSENT


class SniffedFile(Struct):
    file_size_bytes: int | None = None


class SniffedRecord(Struct):
    stream: str
    data: Raw
    namespace: str | None = None
    file_reference: SniffedFile | None = None


class Sniffed(Struct):
    """A line's type, and of a record just what is counted."""

    type: str
    record: SniffedRecord | None = None
    state: Raw = ABSENT


_DECODER = msgspec.json.Decoder(Sniffed)
_TYPE = re.compile(rb'"type"\s*:\s*"(?:RECORD|STATE)"')
_ANY_TYPE = re.compile(rb'"type"\s*:\s*"(?:record|state)"', re.IGNORECASE)  # also stands in every Avro schema
_BODY = re.compile(rb'"(?:record|state)"\s*:\s*\{', re.IGNORECASE)
_BODY_FIRST = re.compile(rb'\A\s*\{\s*"(?:record|state)"\s*:\s*\{', re.IGNORECASE)
_BRACE = ord("{")
_FIRST, _LAST = itemgetter(0), itemgetter(-1)


def sniff_block(block: bytes) -> list[Sniffed] | None:
    """One value a line when the whole block is sound and free of blank lines; else None: go line by line."""
    try:
        sniffed = _DECODER.decode_lines(block)
        if not block.isascii():
            block.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return sniffed if _is_one_a_line(block, len(sniffed)) else None


def _is_one_a_line(block: bytes, messages: int) -> bool:
    """Whether each line is one message. Equal numbers are not enough: two on a line and a blank line make two too.

    Where every line begins with a brace and ends with one, every newline stands between two messages.
    """
    *lines, rest = block.split(b"\n")
    if rest or len(lines) != messages or not all(lines):
        return False
    return bytes(map(_FIRST, lines)) == b"{" * messages and bytes(map(_LAST, lines)) == b"}" * messages


def sniff_line(line: bytes) -> Sniffed | None:
    """What one line is; None when it is no message at all."""
    try:
        line.decode()
        return _DECODER.decode(line)
    except UnicodeDecodeError:
        return None
    except (msgspec.DecodeError, RecursionError):
        return _second_opinion(line)


def looks_like_data(line: bytes) -> bool:
    """Whether a line that is no message looks as if a record or a state was lost with it."""
    if _TYPE.search(line) or _BODY_FIRST.match(line):
        return True
    return _ANY_TYPE.search(line) is not None and _BODY.search(line) is not None


def record_bytes(record: SniffedRecord) -> int:
    """A record's size: that of its file if it stands for one, else of its `data` as it stood."""
    if record.file_reference is not None and record.file_reference.file_size_bytes is not None:
        return record.file_reference.file_size_bytes
    return len(record.data)


def is_sound(sniffed: Sniffed) -> bool:
    """Whether a RECORD has the body that makes it one."""
    record = sniffed.record
    return record is not None and memoryview(record.data)[0] == _BRACE


def lines_of(block: bytes) -> Iterator[bytes]:
    """The lines of a block that ends with a newline, each with its own."""
    start = 0
    while start < len(block):
        end = block.index(b"\n", start) + 1
        yield block[start:end]
        start = end


def repaired(line: bytes) -> bytes:
    """A line that msgspec refused, as the standard library reads it: half surrogate pairs become question marks.

    Raises ValueError or RecursionError for what is not JSON at all.
    """
    message = json.loads(line, parse_constant=_refuse_constant)
    return json.dumps(message, ensure_ascii=False, allow_nan=False).encode(errors="replace")


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _second_opinion(line: bytes) -> Sniffed | None:
    """What the standard library makes of a line that msgspec refused, e.g. for a lone surrogate."""
    try:
        message: Any = json.loads(line, parse_constant=_refuse_constant)
        return msgspec.convert(_with_raw_bodies(message), Sniffed)
    except (ValueError, RecursionError, AttributeError, TypeError):
        return None


def _with_raw_bodies(message: dict[str, Any]) -> dict[str, Any]:
    record, state = message.get("record"), message.get("state")
    plain: dict[str, Any] = {"type": message.get("type")}
    if isinstance(record, dict):
        plain["record"] = record | {"data": _as_raw(record["data"])} if "data" in record else record
    if isinstance(state, dict):
        plain["state"] = _as_raw(state)
    return plain


def _as_raw(value: Any) -> Raw:
    return Raw(json.dumps(value, separators=(",", ":"), allow_nan=False).encode())
