"""What the kit says: one line for each thing that it tried, with what was seen and what that means for a sync here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum


class Level(StrEnum):
    """How a line ends; the worst of a connector's lines is its own."""

    PASS = "pass"  # noqa: S105  # no password
    WARNING = "warning"
    FAIL = "fail"
    SKIPPED = "skipped"


class Line(StrEnum):
    """What is tried, in the order in which it is told."""

    SPEC = "spec"
    CONFIG_SCHEMA = "config schema"
    CHECK = "check"
    WRONG_CONFIG = "wrong config"
    DISCOVER = "discover"
    CATALOG = "catalog"
    READ = "read"
    WRITE = "write"
    END = "end of input"
    SIGTERM = "SIGTERM"
    BIG_LINE = "big line"
    STATES = "state cadence"
    RESUME = "resume"
    STATUSES = "stream statuses"
    STREAMS = "streams"
    RECORDS = "record schema"
    ACKNOWLEDGED = "acknowledgements"
    ORDER = "acknowledgement order"
    IDS = "acknowledgement ids"
    MOMENT = "acknowledgement time"
    DURABILITY = "durability"
    COMPLETE = "COMPLETE statuses"
    OUTPUT = "standard output"
    LOG = "log"
    MEMORY = "memory"
    LIMIT = "whole limit"


@dataclass(frozen=True)
class Meaning:
    """One way in which a line can end: what was found, and what it means for a sync here."""

    line: Line
    level: Level
    found: str
    means: str


class Finding(Enum):
    """A table of meanings; each table is an enumeration of its own."""

    @property
    def meaning(self) -> Meaning:
        meaning: Meaning = self.value
        return meaning


@dataclass(frozen=True)
class Verdict:
    """A line as it ended; `seen` are the figures, or why it was skipped. `finding` is empty where it was skipped."""

    line: Line
    level: Level
    seen: str
    means: str = ""
    finding: str = ""


def verdict(finding: Finding, seen: str) -> Verdict:
    """A finding with what was seen."""
    meaning = finding.meaning
    return Verdict(meaning.line, meaning.level, seen, meaning.means, finding.name)


def skipped(line: Line, reason: str) -> Verdict:
    """A line of which nothing can be said."""
    return Verdict(line, Level.SKIPPED, reason)


def in_order(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    """As they are told."""
    places = list(Line)
    return tuple(sorted(verdicts, key=lambda each: places.index(each.line)))
