"""Lines and records for the reference relay: what is one, how big it is, and what looks as if one was lost."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.fuzz.plain_json import beginning, member, read

LARGEST_FILE = 2**53 - 1
_SPACE = rb"[ \t\r\n\f\v]*"
_A_RECORD = re.compile(rb'"type"' + _SPACE + rb":" + _SPACE + rb'"(RECORD|STATE)"')
_A_CONTROL = re.compile(
    rb'"type"' + _SPACE + rb":" + _SPACE + rb'"(CONTROL|CONNECTOR_CONFIG)"|"connectorConfig"' + _SPACE + rb":"
)
_A_RECORD_IN_ANY_CASE = re.compile(_A_RECORD.pattern, re.IGNORECASE)
_A_BODY = re.compile(rb'"(record|state)"' + _SPACE + rb":" + _SPACE + rb"[{]", re.IGNORECASE)
_A_BODY_FIRST = re.compile(_SPACE + rb"[{]" + _SPACE + _A_BODY.pattern, re.IGNORECASE)


def message_in(line: bytes) -> dict[str, Any] | None:
    """The message on a line: an object with a type. None: the line is none."""
    try:
        message = read(line)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) and isinstance(message.get("type"), str) else None


def is_record(record: Any) -> bool:
    """Whether the body of a RECORD is one: of a stream, with an object as its data."""
    return (
        isinstance(record, dict)
        and isinstance(record.get("stream"), str)
        and (record.get("namespace") is None or isinstance(record["namespace"], str))
        and isinstance(record.get("data"), dict)
    )


def size_of(line: bytes, record: dict[str, Any]) -> int:
    """The size of the file that a record stands for, else the length of its data as it stands in the line.

    Older sources say `file.bytes`.
    """
    for name, member_of_it in (("file_reference", "file_size_bytes"), ("file", "bytes")):
        file = record.get(name)
        size = file.get(member_of_it) if isinstance(file, dict) else None
        if isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= LARGEST_FILE:
            return size
    text = line.decode()
    body = member(text, beginning(text), "record")
    assert body is not None
    data = member(text, body.start, "data")
    assert data is not None
    return len(text[data.start : data.end].encode())


def looks_like_data(line: bytes) -> bool:
    """Whether a dropped line looks like a record or a state: by its type, or by the body that it begins with."""
    if _A_RECORD.search(line) or _A_BODY_FIRST.match(line):
        return True
    return bool(_A_RECORD_IN_ANY_CASE.search(line) and _A_BODY.search(line))


def as_line(message: Any) -> bytes:
    """A message as a line, without needless spaces."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode(errors="replace") + b"\n"


def level_of_text(line: bytes) -> str | None:
    """At which level a line is told that is no message; None: there is nothing to tell."""
    if not line.decode(errors="replace").strip():
        return None
    if looks_like_data(line) or _A_CONTROL.search(line):
        return "WARN"
    return "DEBUG" if _says_no_type(line) else "INFO"


def _says_no_type(line: bytes) -> bool:
    try:
        message = read(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(message, dict) and message.get("type") is None
