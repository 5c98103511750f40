"""What a check has to say: pure values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How bad it is. `skipped`: there was nothing to look at, and the finding says why."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """One line of the result: what was `seen`, what to do about it, and whether `--fix` can do it.

    `done` is what `--fix` did about the same check before this was seen.
    """

    verdict: Verdict
    seen: str
    advice: str = ""
    fixable: bool = False
    check: str = ""
    done: str = ""


class Skip(Exception):
    """A check has nothing to look at; the message says why."""


def ok(seen: str) -> Finding:
    return Finding(Verdict.OK, seen)


def warning(seen: str, advice: str, *, fixable: bool = False) -> Finding:
    """Work goes on, but not as it should, or not for long."""
    return Finding(Verdict.WARNING, seen, advice, fixable)


def fault(seen: str, advice: str, *, fixable: bool = False) -> Finding:
    """Some work cannot be done as long as it is so."""
    return Finding(Verdict.FAULT, seen, advice, fixable)


def skipped(why: str) -> Finding:
    return Finding(Verdict.SKIPPED, why)


def has_fault(findings: Sequence[Finding]) -> bool:
    """Whether the command has failed."""
    return any(each.verdict is Verdict.FAULT for each in findings)


def summary(findings: Sequence[Finding]) -> str:
    """The last line: how many there are of each, and how many can be mended."""
    counted = Counter(each.verdict for each in findings)
    words = {
        Verdict.FAULT: _number(counted[Verdict.FAULT], "fault"),
        Verdict.WARNING: _number(counted[Verdict.WARNING], "warning"),
        Verdict.OK: f"{counted[Verdict.OK]} ok",
        Verdict.SKIPPED: f"{counted[Verdict.SKIPPED]} skipped",
    }
    told = ", ".join(words[each] for each in words if counted[each] or each is Verdict.FAULT)
    mendable = sum(each.fixable for each in findings)
    can = f"; {mendable} can be mended: airbyte-workers doctor --fix" if mendable else ""
    return f"{told}{can}"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
