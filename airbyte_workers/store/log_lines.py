"""One line of a job's log as it is stored: JSON, the same for who writes it and for who reads it."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Level(StrEnum):
    """How serious a line is, the worst first."""

    FATAL = "FATAL"
    ERROR = "ERROR"
    WARN = "WARN"
    INFO = "INFO"
    DEBUG = "DEBUG"
    TRACE = "TRACE"


LEVELS = {level: rank for rank, level in enumerate(Level)} | {"WARNING": 2}
"""Every level that a line may have, and its rank: 0 is the worst."""


class LogLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a job's log; `stream` and `namespace` where whoever wrote it knew which stream it is about."""

    at: str
    leg: str
    level: str
    text: str
    stream: str | None = None
    namespace: str | None = None


def stored(line: LogLine) -> bytes:
    """The line as it is stored."""
    return msgspec.json.encode(line) + b"\n"


def read_line(stored: bytes) -> LogLine:
    """A stored line; one that is damaged is told as it is."""
    try:
        return msgspec.json.decode(stored, type=LogLine)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return LogLine("", "", Level.INFO, stored.decode(errors="replace"))
