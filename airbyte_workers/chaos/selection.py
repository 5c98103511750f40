"""Which cases are played: asked for by name, all, or a sample that a seed can repeat."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from airbyte_workers.chaos.cases import Case, Expected, Victim, all_cases, decide
from airbyte_workers.failpoints import Failpoint
from airbyte_workers.names import LauncherName


@dataclass(frozen=True)
class Wanted:
    """What was asked for; nothing named means all of it."""

    victims: Collection[Victim] = ()
    points: Collection[Failpoint] = ()
    launchers: Collection[LauncherName] = ()

    def matches(self, case: Case) -> bool:
        """Whether the case was asked for."""
        chosen = ((self.victims, case.victim), (self.points, case.point), (self.launchers, case.launcher))
        return all(not named or one in named for named, one in chosen)


def applicable(wanted: Wanted) -> list[Case]:
    """Those that were asked for and apply, in the order of the table."""
    return [case for case in all_cases() if wanted.matches(case) and isinstance(decide(case), Expected)]


def sample(cases: Sequence[Case], size: int, seed: int) -> list[Case]:
    """So many of them, always the same for the same seed, in the order of the table."""
    if size >= len(cases):
        return list(cases)
    chosen = set(random.Random(seed).sample(cases, size))  # noqa: S311  # to be repeated is what it is for
    return [case for case in cases if case in chosen]
