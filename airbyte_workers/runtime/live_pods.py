"""The pods of this dataplane when its Temporal workers stop: which of them run, and how one is ended in order."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg
import structlog

from activities.pod_specs import DATABASE
from airbyte_workers.jobs.endings import orderly_end_s
from airbyte_workers.pods.pod import Launcher, LauncherAway, PodStatus
from airbyte_workers.settings import Settings
from airbyte_workers.store import reaping, workloads
from airbyte_workers.store.database import is_away

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class LivePod:
    """A pod of which something runs, and what runs it."""

    name: str
    launcher: Launcher


@dataclass(frozen=True)
class Seen:
    """The pods that run. `unseen`: why some launcher, which has a pod by the rows, could not be asked."""

    pods: tuple[LivePod, ...] = ()
    unseen: tuple[str, ...] = ()


@dataclass(frozen=True)
class LivePods:
    """The pods on this dataplane of the jobs of one database, whichever process launched them.

    `database` is read beforehand: its pods are known by their labels also when it is away.
    """

    db: asyncpg.Pool
    settings: Settings
    launchers: Mapping[str, Launcher]
    database: str

    @classmethod
    async def of(cls, db: asyncpg.Pool, settings: Settings, launchers: Mapping[str, Launcher]) -> LivePods:
        """Those of a database that answers."""
        return cls(db, settings, launchers, await reaping.installation(db))

    @property
    def orderly_end_s(self) -> float:
        """How long each may take to end in order."""
        return orderly_end_s(self.settings)

    async def seen(self) -> Seen:
        """Which run now, as far as launchers and database answer."""
        running, unseen = list[LivePod](), list[str]()
        for name, launcher in self.launchers.items():
            try:
                listed = await launcher.list()
            except LauncherAway as error:  # also of a host that has no engine, and needs none
                if await self._has_places(name):
                    unseen.append(f"{name}: {error}")
                continue
            running += [LivePod(each.name, launcher) for each in listed if each.running and await self._is_ours(each)]
        return Seen(tuple(running), tuple(unseen))

    async def _is_ours(self, seen: PodStatus) -> bool:
        """Of this database, and not of another dataplane that shares an engine and its name with this one."""
        if seen.labels.get(DATABASE) != self.database:
            return False
        try:
            return await workloads.dataplane_of(self.db, seen.name) in (None, self.settings.dataplane)
        except Exception as error:
            if not is_away(error):
                raise
            return True

    async def _has_places(self, launcher: str) -> bool:
        """Whether a pod of this launcher may run here; unless the database says no, one may."""
        try:
            placed = await reaping.placed(self.db, self.settings.dataplane)
        except Exception as error:
            if not is_away(error):
                raise
            return True
        return any(each.launcher == launcher for each in placed)

    async def end(self, pod: LivePod) -> bool:
        """End it in order, and by force what has not ended in time; whether force was needed. Its folder, markers and
        rows stay: whoever watches it next reads there how it ended. Raises RemovalFailed when something still runs."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.orderly_end_s
        told = False
        while (runs := await _runs(pod)) and loop.time() < deadline:
            told = told or await _tell(pod)
            await asyncio.sleep(self.settings.marker_poll_interval_ms / 1000)
        await pod.launcher.kill(pod.name)  # also after an end in order: a connector may have left something running
        return runs


async def _runs(pod: LivePod) -> bool:
    """Whether something of it runs, as far as its launcher answers; told of exits, its own program ends sooner."""
    try:
        await pod.launcher.report_exits(pod.name)
        return (await pod.launcher.inspect(pod.name)).running
    except LauncherAway as error:
        _log.warning("pod cannot be looked at", pod=pod.name, error=str(error))
        return True


async def _tell(pod: LivePod) -> bool:
    """Whether its own program was told to end."""
    try:
        await pod.launcher.terminate(pod.name)
    except LauncherAway as error:
        _log.warning("pod cannot be told to end", pod=pod.name, error=str(error))
        return False
    return True
