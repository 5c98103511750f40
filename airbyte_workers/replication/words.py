"""What connectors say for people: LOG messages, and lines that are no messages. It goes to the job's log."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping
from typing import Any, Protocol

import msgspec

from airbyte_workers.protocol.messages import Log, MessageType
from airbyte_workers.protocol.streams import StreamKey, stream_key
from airbyte_workers.redaction import Redactor
from airbyte_workers.replication.decoding import looks_like_control, looks_like_data
from airbyte_workers.replication.traces import decoded

_STREAM = re.compile(rb'"stream"\s*:\s*"([^"\\]+)"|"stream_descriptor"\s*:\s*\{[^{}]*"name"\s*:\s*"([^"\\]+)"')
_NAMESPACE = re.compile(rb'"namespace"\s*:\s*"([^"\\]+)"')
_HEAD = 64 * 1024  # bytes of a line in which its stream is looked for


class JobLog(Protocol):
    """Takes a line for the job's log; `leg` is who said it, `stream` the one it is about, where it is about one."""

    @property
    def redact(self) -> Redactor: ...

    def __call__(self, leg: str, level: str, text: str, stream: StreamKey | None = None) -> None: ...


class Logging(Protocol):
    """Whoever has a job's log."""

    @property
    def log(self) -> JobLog: ...


class _LogLine(msgspec.Struct):
    log: Log


class _Typed(msgspec.Struct):
    type: Any = None


def log_message(logging: Logging, leg: str, line: bytes) -> None:
    """A LOG message goes to the job's log at its own level; one without a message is no message."""
    try:
        log = decoded(line, _LogLine).log
    except (ValueError, RecursionError):
        not_a_message(logging, leg, line)
        return
    logging.log(leg, log.level, said(log.message, log.stack_trace))


def not_a_message(
    logging: Logging, leg: str, line: bytes, streams: Container[StreamKey] = (), *, is_data: bool = False
) -> None:
    """A line that is no message becomes a log line; without its content where that may be a customer's data, or a
    config.

    `streams`: those that it may be about. `is_data`: it is known to be data, however it looks.
    """
    text = line.decode(errors="replace").strip()
    if not text:
        return
    if is_data or looks_like_data(line):
        text = f"dropped a malformed line of {len(line)} bytes that looks like a record or a state"
        logging.log(leg, "WARN", text, _stream_in(line[:_HEAD], streams))
    elif looks_like_control(line):
        dropped_control(logging.log, leg, line)
    else:
        level = "DEBUG" if text.startswith("{") and _has_no_type(line) else "INFO"
        logging.log(leg, level, f"Malformed non-Airbyte record: {text}")


def _has_no_type(line: bytes) -> bool:
    """Whether a line is JSON as messages are, but does not even say what it is: upstream tells of it at DEBUG."""
    try:
        line.decode()
        return decoded(line, _Typed).type is None
    except (ValueError, RecursionError):
        return False


def dropped_control(log: JobLog, leg: str, line: bytes) -> None:
    """A control message that cannot be used is told without its content: it may hold a new token."""
    log(leg, "WARN", f"dropped a malformed control message of {len(line)} bytes")


def _stream_in(line: bytes, streams: Container[StreamKey]) -> StreamKey | None:
    """The stream that a broken line names, if it is one of these."""
    found, namespace = _STREAM.search(line), _NAMESPACE.search(line)
    if found is None:
        return None
    name = (found[1] or found[2]).decode(errors="replace")
    key = stream_key(name, namespace[1].decode(errors="replace") if namespace is not None else None)
    return next((each for each in (key, (name, None)) if each in streams), None)


def stream_hint(head: bytes) -> str:
    """Which stream a message that is too long to decode speaks of, as far as its beginning tells."""
    marker = b'"stream":"'
    start = head.replace(b'": "', b'":"').find(marker)
    if start < 0:
        return ""
    name, whole, _ = head.replace(b'": "', b'":"')[start + len(marker) :].partition(b'"')
    return f" for stream {name.decode(errors='replace')}" if whole else ""


LOGGED: Mapping[str, Callable[[Logging, str, bytes], None]] = {MessageType.LOG: log_message}
"""Messages that are only told: whoever sends one, and for whatever it is run, it goes to the job's log."""


def said(message: str, stack_trace: str | None) -> str:
    """A message and its stack trace as they stand in the job's log."""
    return f"{message}\n{stack_trace}" if stack_trace else message
