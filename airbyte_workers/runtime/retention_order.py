"""What is asked of gc, what it works on, and what it has done so far."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import asyncpg

from airbyte_workers.jobs.retention import Amount, Report, Rules, Thing
from airbyte_workers.pods.pod import Launcher
from airbyte_workers.settings import Settings
from airbyte_workers.store.objects import Objects


@dataclass(frozen=True)
class Order:
    """What is asked of a round. `older_than` takes the place of the settings' ages of jobs; `by` is who asks."""

    by: str
    dry_run: bool = False
    older_than: timedelta | None = None


@dataclass
class Tally:
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


def rules_of(settings: Settings, older_than: timedelta | None = None) -> Rules:
    """The rules of jobs/retention.py as the settings have them."""
    return Rules(
        replications=timedelta(days=settings.job_days) if older_than is None else older_than,
        operations=timedelta(days=settings.operation_job_days) if older_than is None else older_than,
        rest=timedelta(minutes=settings.ended_job_minutes),
        per_connection=settings.jobs_per_connection,
    )


@dataclass(frozen=True)
class Reach:
    """What a round works on; the pods are those of this host."""

    db: asyncpg.Pool
    settings: Settings
    objects: Objects
    launchers: Mapping[str, Launcher]
