"""The shape of our own log lines: what a line looks like to programs, and to people.

Pods' own programs write it, too, so it needs no library.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import dropwhile
from typing import Any

from airbyte_workers.telemetry.keys import KEYS, completed

Fields = Mapping[str, Any]
_FIRST = ("timestamp", "level", "logger", "event")
_EVENT_WIDTH = 30
_FRAME = '  File "'
_COLOURS = {"debug": "\x1b[2m", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31m"}
_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"


def moment(seconds: float) -> str:
    """A point in time as lines have it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def ordered(fields: Fields) -> dict[str, Any]:
    """A line's fields, completed and in the order of all lines; what is not known is left out."""
    found = completed({name: value for name, value in fields.items() if value is not None and value != ""})
    found.setdefault("event", "")
    return {name: found[name] for name in (*(name for name in KEYS if name in found), *found)}


def in_json(fields: Fields) -> str:
    """One line for programs, in ASCII: nothing that is in it can break it, or fail to be written."""
    return json.dumps(ordered(fields), default=str, skipkeys=True)


def in_words(fields: Fields, *, colours: bool = False) -> str:
    """A line for people: when, how bad, what, then the keys; a traceback follows as Python prints it."""
    told = ordered(fields)
    level = str(told.get("level", ""))
    start, bold, end = (_COLOURS.get(level, ""), _BOLD, _PLAIN) if colours else ("", "", "")
    keys = (f"{name}={_quoted(value)}" for name, value in told.items() if name not in (*_FIRST, "exception"))
    rest = " ".join((*keys, f"[{told.get('logger', '')}]"))
    event = f"{told['event']}".ljust(_EVENT_WIDTH)
    line = f"{told.get('timestamp', '')} [{start}{level:<8}{end if start else ''}] {bold}{event}{end} {rest}"
    return "\n".join((line, *str(told.get("exception", "")).splitlines()))


def _quoted(value: object) -> str:
    """A value without white space as it is; any other so that it has an end."""
    text = str(value)
    return text if text and not set(text) & set(" \t\r\n\"'") else repr(text)


def read(line: str) -> dict[str, Any] | None:
    """The fields of a line for programs; None: it is none of ours."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) and isinstance(fields.get("event"), str) else None


def spoken(log: str) -> Iterator[str]:
    """What a log says, for people who are told of it elsewhere: without keys, of a traceback the error alone."""
    for line in filter(str.strip, log.splitlines()):
        fields = read(line)
        if fields is None:
            yield line
            continue
        yield ": ".join(filter(None, (fields["event"], _error_in(str(fields.get("exception", ""))))))


def _error_in(trace: str) -> str:
    """What stands behind a traceback's last frame; several lines, if the error has so many."""
    lines = trace.strip().splitlines()
    frames = [number for number, line in enumerate(lines) if line.startswith(_FRAME)]
    return "\n".join(dropwhile(lambda line: line.startswith(" "), lines[frames[-1] :] if frames else lines))
