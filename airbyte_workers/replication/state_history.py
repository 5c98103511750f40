"""Points in the past of a connection's states, and what lies between two of them; pure.

The log of states only grows: a rewind is an entry like any other. So two points may lie on different branches: behind a
rewind the states of before it go on, and what came between was undone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Kind = Literal["job", "before", "entry", "time"]


@dataclass(frozen=True)
class Point:
    """What somebody means: as a job left the states, as a job found them, after an entry, or as of a time."""

    kind: Kind
    number: int = 0
    time: datetime | None = None

    def __str__(self) -> str:
        if self.time is not None:
            return f"{self.time.astimezone():%Y-%m-%d %H:%M:%S}"
        return {"job": "job {}", "before": "before job {}", "entry": "@{}"}[self.kind].format(self.number)


# --- what lies between two points ---


@dataclass(frozen=True)
class Rewind:
    """The entries of one rewind, from `first` to `last`, which put back what was kept after the entry `restores`."""

    first: int
    last: int
    restores: int


@dataclass(frozen=True)
class Span:
    """Entries after `low`, up to and including `high`."""

    low: int
    high: int


@dataclass(frozen=True)
class Between:
    """What was committed on the way to one point only: its own, since it and the other had the same states."""

    ours: Sequence[Span]
    theirs: Sequence[Span]
    parted: int


def lineage(position: int, rewinds: Sequence[Rewind]) -> list[Span]:
    """The entries that led to the states after `position`, oldest first: without what rewinds have undone."""
    spans = []
    for rewind in sorted(rewinds, key=lambda each: each.last, reverse=True):
        if rewind.last <= position:
            spans.append(Span(rewind.last, position))
            position = rewind.restores
    spans.append(Span(0, position))
    return [span for span in reversed(spans) if span.low < span.high]


def between(ours: int, theirs: int, rewinds: Sequence[Rewind]) -> Between:
    """What led to one position and not to the other."""
    one, other = lineage(ours, rewinds), lineage(theirs, rewinds)
    parted = 0
    while one and other and one[0].low == other[0].low:
        parted = min(one[0].high, other[0].high)
        differ = one[0].high != other[0].high
        one, other = _after(parted, one), _after(parted, other)
        if differ:
            break
    return Between(one, other, parted)


def _after(parted: int, spans: list[Span]) -> list[Span]:
    """The spans without the first, or with what of it comes after `parted`."""
    first, *rest = spans
    return [Span(parted, first.high), *rest] if first.high > parted else rest
