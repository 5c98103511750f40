"""What is asked of gc, what it works on, and what it has done so far."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import asyncpg

from airbyte_workers.jobs.gc_report import Amount, Report, Thing
from airbyte_workers.pods.pod import Launcher
from airbyte_workers.settings import Settings
from airbyte_workers.store.objects import Objects


@dataclass(frozen=True)
class GcOrder:
    """What is asked of a round. `older_than` takes the place of the settings' ages of jobs; `by` is who asks."""

    by: str
    dry_run: bool = False
    older_than: timedelta | None = None


@dataclass
class GcTally:
    """What a round has done so far."""

    removed: dict[Thing, Amount] = field(default_factory=lambda: dict.fromkeys(Thing, Amount()))
    kept: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def add(self, removed: Mapping[Thing, Amount]) -> None:
        for thing, amount in removed.items():
            self.removed[thing] += amount

    def report(self, *, dry_run: bool) -> Report:
        return Report(
            dry_run=dry_run,
            removed=dict(self.removed),
            kept=dict(self.kept),
            notes=tuple(self.notes),
            problems=tuple(self.problems),
            duration_s=round(time.monotonic() - self.began, 3),
        )


@dataclass(frozen=True)
class Reach:
    """What a round works on; the pods are those of this host."""

    db: asyncpg.Pool
    settings: Settings
    objects: Objects
    launchers: Mapping[str, Launcher]
