"""What each line of a block is, decoding only what the platform needs (decisions.md, "Messages").

A block goes through msgspec as a whole. Whatever that cannot vouch for (an error, a count that differs from the
count of lines, bytes that are not UTF-8) is judged line by line, with the standard library as second opinion.
"""

from __future__ import annotations

import json
import re
import sys
from codecs import getincrementaldecoder
from collections.abc import Iterator
from operator import itemgetter
from typing import Any

import msgspec
from msgspec import Raw, Struct

from airbyte_workers.protocol.messages import ABSENT
from airbyte_workers.replication.raw_members import raw_members


class SniffedRecord(Struct, gc=False):
    stream: str
    data: Raw
    namespace: str | None = None
    file_reference: Any = None
    file: Any = None


class Sniffed(Struct, gc=False):
    """A line's type, and of a record just what is counted."""

    type: str
    record: SniffedRecord | None = None
    state: Raw = ABSENT


UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that it cannot make a message of."""
_DECODER = msgspec.json.Decoder(Sniffed)
_TYPE = re.compile(rb'"type"\s*:\s*"(?:RECORD|STATE)"')
_ANY_TYPE = re.compile(rb'"type"\s*:\s*"(?:record|state)"', re.IGNORECASE)  # also stands in every Avro schema
_BODY = re.compile(rb'"(?:record|state)"\s*:\s*\{', re.IGNORECASE)
_BODY_FIRST = re.compile(rb'\A\s*\{\s*"(?:record|state)"\s*:\s*\{', re.IGNORECASE)
_CONTROL = re.compile(rb'"type"\s*:\s*"(?:CONTROL|CONNECTOR_CONFIG)"|"connectorConfig"\s*:')
_BRACE = ord("{")
_TEXT_AT_ONCE = 512 * 1024
_LARGEST_FILE = 2**53  # bytes; what says that it has more is no size
_LONGEST_INTEGER = 4_000
_FIRST, _LAST = itemgetter(0), itemgetter(-1)


def sniff_block(block: bytes) -> list[Sniffed] | None:
    """One value a line when the whole block is sound and free of blank lines; else None: go line by line."""
    try:
        sniffed = _DECODER.decode_lines(block)
    except UNREADABLE:
        return None
    return sniffed if is_utf8(block) and _is_one_a_line(block, len(sniffed)) else None


def is_utf8(text: bytes) -> bool:
    """msgspec does not look at the text of what it leaves undecoded.

    Piece by piece: a long line's text as Python keeps it can be four times as large as its bytes.
    """
    if text.isascii():
        return True
    decoder = getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(text), _TEXT_AT_ONCE):
            decoder.decode(text[start : start + _TEXT_AT_ONCE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


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
    if not is_utf8(line):
        return None
    try:
        return _DECODER.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return _second_opinion(line)


def looks_like_data(line: bytes) -> bool:
    """Whether a line that is no message looks as if a record or a state was lost with it."""
    if _TYPE.search(line) or _BODY_FIRST.match(line):
        return True
    return _ANY_TYPE.search(line) is not None and _BODY.search(line) is not None


def looks_like_control(line: bytes) -> bool:
    """Whether a line that is no message looks as if a connector's new config was lost with it."""
    return _CONTROL.search(line) is not None


def record_bytes(record: SniffedRecord) -> int:
    """A record's size: that of its file if it stands for one, else of its `data` as it stood."""
    if record.file_reference is None and record.file is None:
        return len(record.data)
    told = (_member(record.file_reference, "file_size_bytes"), _member(record.file, "bytes"))  # older sources: the last
    sizes = (size for size in told if type(size) is int and 0 <= size < _LARGEST_FILE)
    return next(sizes, len(record.data))


def _member(file: Any, name: str) -> Any:
    return file.get(name) if isinstance(file, dict) else None


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
    message = json.loads(line.decode(), parse_constant=_refuse_constant, parse_float=_finite)
    return json.dumps(message, ensure_ascii=False, allow_nan=False).encode(errors="replace")


def _finite(digits: str) -> float:
    """JSON has numbers that are too large for a float, but no way to write what Python makes of them."""
    return max(-sys.float_info.max, min(float(digits), sys.float_info.max))


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _second_opinion(line: bytes) -> Sniffed | None:
    """What the standard library makes of a line that msgspec refused, e.g. for a lone surrogate.

    Bodies stay as they stand, and only that of a record is looked into.
    """
    try:
        message: Any = json.loads(line.decode(), parse_constant=_refuse_constant, parse_int=_integer)
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            return None
        bodies = raw_members(line)
        record = _record(message.get("record"), bodies) if message["type"] == "RECORD" else None
        return Sniffed(type=message["type"], record=record, state=bodies.get("state", ABSENT))
    except (ValueError, RecursionError):
        return None


def _record(body: Any, bodies: dict[str, Raw]) -> SniffedRecord | None:
    if not isinstance(body, dict) or "data" not in body:
        return None
    stream, namespace = body.get("stream"), body.get("namespace")
    if not isinstance(stream, str) or not isinstance(namespace, str | None):
        return None
    return SniffedRecord(
        stream, raw_members(bodies["record"])["data"], namespace, body.get("file_reference"), body.get("file")
    )


def _integer(digits: str) -> int | float:
    """JSON knows no longest integer; Python refuses to read more than 4,300 digits."""
    return int(digits) if len(digits) < _LONGEST_INTEGER else float(digits)
