"""Points in the past of a connection's states as people write them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from airbyte_workers.cli.times import moment
from airbyte_workers.replication.state_history import Kind, Point

FORMS = (
    "a job's number (as it left the state), before:JOB (as it found it), @ENTRY of `state log`, a time such as"
    " 2026-01-31T18:00 (your time zone) or 2026-01-31T18:00Z, or how long ago it was, such as 2h"
)
_LAST = 2**63 - 1  # of PostgreSQL's bigint
_MARKED = re.compile(r"(before:|@|)([0-9]{1,19})")
_MARKS: dict[str, Kind] = {"": "job", "before:": "before", "@": "entry"}
_REST_OF_SECOND = timedelta(microseconds=999_999)


def point(written: str, now: datetime) -> Point:
    """What somebody wrote; a time without a zone is a local one. Raises ValueError with what can be written.

    A time without a fraction means the end of its second, so that one copied from `state log` includes its entry.
    """
    text = written.strip()
    marked = _MARKED.fullmatch(text)
    if marked and int(marked[2]) <= _LAST:
        return Point(_MARKS[marked[1]], int(marked[2]))
    try:
        time = moment(text.removesuffix(" ago"), now)
    except ValueError:
        raise ValueError(f"{written!r} is no point in the past: write {FORMS}") from None
    if time > now:
        raise ValueError(f"{written!r} is in the future")
    return Point("time", time=time if time.microsecond else time + _REST_OF_SECOND)


def typed(meant: Point) -> str:
    """The point as `point` reads it."""
    if meant.time is not None:
        return meant.time.astimezone().isoformat()
    return {"job": "{}", "before": "before:{}", "entry": "@{}"}[meant.kind].format(meant.number)
