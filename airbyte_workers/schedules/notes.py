"""The one note that Temporal keeps with a schedule, in which two things have to stand.

The first line is who paused or resumed it, and why; what follows is the person's own note. A note without such a first
line is all the person's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

_TURNED = re.compile(r"((?:paused|resumed)(?: by [^\n]+)?(?:: [^\n]+)?)\n(.*)", re.DOTALL)


@dataclass(frozen=True)
class Note:
    """`turned`: `paused by ann@host: the source moves`."""

    kept: str = ""
    turned: str = ""

    @classmethod
    def of(cls, stored: str | None) -> Self:
        """What stands in Temporal, whoever wrote it."""
        found = _TURNED.fullmatch(stored or "")
        return cls(stored or "") if found is None else cls(kept=found[2], turned=found[1])

    @property
    def stored(self) -> str:
        """As Temporal keeps it."""
        return f"{self.turned}\n{self.kept}" if self.turned else self.kept


def turned(what: str, by: str, reason: str) -> str:
    """One line, whatever the reason has."""
    who = f"{what} by {by}" if by else what
    return " ".join((f"{who}: {reason}" if reason else who).split())
