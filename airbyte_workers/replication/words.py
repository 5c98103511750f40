"""What connectors say for people: LOG messages, and lines that are no messages. It goes to the job's log."""

from __future__ import annotations

from typing import Protocol

import msgspec

from airbyte_workers.protocol.messages import Log
from airbyte_workers.replication.decoding import looks_like_data
from airbyte_workers.replication.traces import decoded

KNOWN_TYPES = frozenset({"SPEC", "CONNECTION_STATUS", "CATALOG", "DESTINATION_CATALOG"})


class JobLog(Protocol):
    """Takes a line for the job's log; `leg` is who said it."""

    def __call__(self, leg: str, level: str, text: str) -> None: ...


class Logging(Protocol):
    """Whoever has a job's log."""

    @property
    def log(self) -> JobLog: ...


class _LogLine(msgspec.Struct):
    log: Log


def log_message(logging: Logging, leg: str, line: bytes) -> None:
    """A LOG message goes to the job's log at its own level; one without a message is no message."""
    try:
        log = decoded(line, _LogLine).log
    except (ValueError, RecursionError):
        not_a_message(logging, leg, line)
        return
    logging.log(leg, log.level, said(log.message, log.stack_trace))


def not_a_message(logging: Logging, leg: str, line: bytes) -> None:
    """A line that is no message becomes a log line; without its content where that may be a customer's data."""
    text = line.decode(errors="replace").strip()
    if not text:
        return
    if looks_like_data(line):
        logging.log(leg, "WARN", f"dropped a malformed line of {len(line)} bytes that looks like a record or a state")
    else:
        logging.log(leg, "INFO", f"Malformed non-Airbyte record: {text}" if text.startswith("{") else text)


def said(message: str, stack_trace: str | None) -> str:
    """A message and its stack trace as they stand in the job's log."""
    return f"{message}\n{stack_trace}" if stack_trace else message
