"""Pods of this host that nobody looks after any more, by the reconciler's rule; it does the same every few minutes.

What it cannot see is taken up here as well: folders of launches that were killed half-way, which no launcher lists.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg

from activities.leftovers import facts_of
from airbyte_workers.jobs.gc_report import Amount
from airbyte_workers.jobs.reconciliation import reason_to_remove
from airbyte_workers.pods.environment_gc import folder_bytes
from airbyte_workers.pods.folders import POD_NAME
from airbyte_workers.pods.pod import Launcher, LauncherAway, RemovalFailed
from airbyte_workers.settings import Settings
from airbyte_workers.store import reaping

NOTHING = Amount()
_HALF_MADE, _LOCK = ".new", ".lock"


@dataclass(frozen=True)
class Removed:
    """A pod that was removed, or would be; or why it could not be, or could not even be looked for."""

    amount: Amount = NOTHING
    problem: str = ""
    note: str = ""


@dataclass(frozen=True)
class HostPods:
    """The pods of this host's launchers; `dry`: nothing is removed."""

    db: asyncpg.Pool
    settings: Settings
    launchers: Mapping[str, Launcher]
    dry: bool

    async def remove_leftovers(self, now: datetime) -> AsyncIterator[Removed]:
        """Pods of jobs that have ended or are gone, then what launches that were killed have left."""
        listed: set[str] = set()
        for name, launcher in self.launchers.items():
            try:
                seen = await launcher.list()
            except LauncherAway as error:
                if await self._has_had_pods(name):
                    yield Removed(note=f"pods of the launcher {name} were not looked at: {error}")
                continue
            listed.update(each.name for each in seen)
            rows = await reaping.rows_of(self.db, [each.name for each in seen])
            database = await reaping.installation(self.db)
            for each in seen:
                facts = facts_of(each, rows.get(each.name), database)
                if reason_to_remove(facts, seen_before=True):
                    yield await self._remove(launcher, each.name)
        async for removed in self._remove_half_made(listed, now):
            yield removed

    async def _remove_half_made(self, listed: set[str], now: datetime) -> AsyncIterator[Removed]:
        before = (now - timedelta(days=self.settings.leftover_days)).timestamp()
        strays = await asyncio.to_thread(_strays, self.settings.pods_dir, before)
        rows = await reaping.rows_of(self.db, strays)
        for pod in strays:
            row = rows.get(pod)
            if pod not in listed and (row is None or not row.is_live):
                yield await self._remove(self.launchers["process"], pod)

    async def _remove(self, launcher: Launcher, pod: str) -> Removed:
        folders = (self.settings.pods_dir / pod, self.settings.pods_dir / f".{pod}{_HALF_MADE}")
        size = sum([await asyncio.to_thread(folder_bytes, folder) for folder in folders])
        if not self.dry:
            try:
                await launcher.remove(pod)
            except RemovalFailed as error:
                return Removed(problem=str(error))
        return Removed(Amount(count=1, bytes=size))

    async def _has_had_pods(self, launcher: str) -> bool:
        """Whether anybody would miss it: a host without an engine needs none."""
        query = "select exists (select from workloads where launcher = $1 and dataplane = $2)"
        return bool(await self.db.fetchval(query, launcher, self.settings.dataplane))


def _strays(root: Path, before: float) -> Sequence[str]:
    """Pods of which there is half a folder, or only a lock, and that for long."""
    if not root.is_dir():
        return []
    found = set()
    for each in root.iterdir():
        pod = each.name[1:].removesuffix(each.suffix)
        ours = each.name.startswith(".") and each.suffix in (_HALF_MADE, _LOCK) and POD_NAME.fullmatch(pod)
        with suppress(FileNotFoundError):  # somebody else has just removed it
            if ours and each.stat().st_mtime < before and not (root / pod).exists():
                found.add(pod)
    return sorted(found)
