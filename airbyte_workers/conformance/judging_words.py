"""How figures are told."""

from __future__ import annotations

from collections.abc import Iterable

from airbyte_workers.conformance.seen import Cut, Ended, Talk
from airbyte_workers.quantities import duration

_MOST_NAMES = 3
_CUTS = {
    Cut.SILENT: "stopped: it said nothing any more",
    Cut.IDLE: "stopped: it talked on without data",
    Cut.ENOUGH: "ended after enough records",
    Cut.SAMPLE: "ended after enough time",
    Cut.TOO_LONG: "stopped at a line that is too long",
    Cut.FULL: "stopped: it took nothing more of its input",
    Cut.LATE: "stopped: it did not end in time",
}


def how(ended: Ended) -> str:
    """How a connector ended."""
    if ended.cut is not None:
        return f"{_CUTS[ended.cut]}, after {duration(ended.seconds)}"
    if ended.forced:
        return f"it had to be stopped after {duration(ended.seconds)}"
    code = "an exit code that nobody knows" if ended.code is None else f"exit code {ended.code}"
    return f"{code} after {duration(ended.seconds)}"


def said(talk: Talk) -> str:
    """Why it failed, in its own words; empty where it has none."""
    if talk.errors:
        return f"; it said: {talk.errors[0]}"
    return f"; its last words: {talk.last_words}" if talk.last_words else ""


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def size(bytes: float) -> str:
    """Bytes as memory is told: powers of 1024."""
    for unit in ("bytes", "KiB"):
        if bytes < 1024:
            return f"{bytes:.0f} {unit}"
        bytes /= 1024
    return f"{bytes:.1f} MiB"


def short(seconds: float) -> str:
    """A time that may be very short."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else duration(seconds)


def names(of: Iterable[str]) -> str:
    """The first few."""
    listed = list(of)
    more = len(listed) - _MOST_NAMES
    return ", ".join(listed[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
