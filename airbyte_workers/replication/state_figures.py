"""What is measured of the states of one key: how many, how long between them, what connectors add to them.

airbyte-behaviour.md 5.5. Nothing here reads a clock: times are seconds on whichever the ledger was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass

import msgspec

from airbyte_workers.protocol.messages import StateStats

FIELDS_POPULATED = "sourceFieldsPopulated"
_MAX_NAME = 100  # characters of a name; no connector's own statistics have longer ones
_LARGEST = 2**63


@dataclass(frozen=True)
class Moments:
    """When so many things happened: the sum of their times and the earliest, in seconds of one clock."""

    count: int = 0
    total: float = 0.0
    first: float = 0.0

    @classmethod
    def at(cls, time: float) -> Moments:
        """One thing that happened then."""
        return cls(1, time, time)

    def __add__(self, other: Moments) -> Moments:
        if not self.count or not other.count:
            return self if self.count else other
        return Moments(self.count + other.count, self.total + other.total, min(self.first, other.first))


NEVER = Moments()


@dataclass(frozen=True)
class Intervals:
    """How often was waited, how long in all, and the longest time; seconds."""

    count: int = 0
    total: float = 0.0
    longest: float = 0.0

    def __add__(self, other: Intervals) -> Intervals:
        return Intervals(self.count + other.count, self.total + other.total, max(self.longest, other.longest))

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0


class StateFigures:
    """The mutable figures of one key; for a GLOBAL state's streams they are one and the same."""

    __slots__ = (
        "acknowledged",
        "additional",
        "before",
        "committed",
        "destination_mismatches",
        "emitted",
        "last_at",
        "source_mismatches",
        "to_commit",
        "unreliable",
    )

    def __init__(self) -> None:
        self.emitted = 0
        self.acknowledged = 0
        self.committed = 0
        self.source_mismatches = 0
        self.destination_mismatches = 0
        self.additional: dict[str, float] = {}
        self.last_at: float | None = None
        self.before = Intervals()
        self.to_commit = Intervals()
        self.unreliable = False

    def copy(self) -> StateFigures:
        """The same figures; what is counted in one of both does not move the other."""
        return copy(self)

    def emit(self, at: float, first_record_at: float | None) -> None:
        """A state came. The first is measured from the first record of its streams; without any it took no time."""
        since = next((each for each in (self.last_at, first_record_at) if each is not None), at)
        self.emitted += 1
        self.before += Intervals(1, at - since, at - since)
        self.last_at = at

    def commit(self, emitted: Moments, now: float) -> None:
        """States that came at these moments are durable now."""
        self.committed += emitted.count
        self.to_commit += Intervals(emitted.count, max(0.0, now * emitted.count - emitted.total), now - emitted.first)

    def add(self, stats: StateStats | None, *, most: int) -> None:
        """Sum up what a connector adds to its counts, by name, of at most `most` names."""
        if stats is not None and (given := stats.unknown_fields.get("additionalStats")) is not None:
            summed = dict(self.additional)  # a copy of the figures may have the old one
            for name, value in _numbers(given).items():
                if name in summed or len(summed) < most:
                    summed[name] = summed.get(name, 0) + value
            self.additional = summed


def _numbers(raw: msgspec.Raw) -> Mapping[str, float]:
    """The numbers in a map that is free but for that; others say nothing that could be summed."""
    try:
        members = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return {}
    if not isinstance(members, dict):
        return {}
    return {name: value for name, value in members.items() if _is_name(name) and _is_number(value)}


def _is_name(name: str) -> bool:
    return len(name) <= _MAX_NAME and "\0" not in name  # PostgreSQL's JSON has no zero byte


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST
