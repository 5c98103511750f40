"""What the Temporal workers of this host do to pods that nobody looks after, done once for a person who asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

from activities.leftovers import Leftovers, Overdue, Stray
from activities.means import Means
from airbyte_workers.jobs.reach import Patience
from airbyte_workers.models import Value
from airbyte_workers.pods.pod import LauncherAway, RemovalFailed
from airbyte_workers.store import dataplanes
from airbyte_workers.store.objects import StorageError

_SECOND_LOOK_S = 2.0
_RESISTS = "something of it is still there, or it has just shown that it lives; the log of this command says what"


class Reaped(Value):
    """A pod that goes and why; `problem`: why it is still there although its removal was tried."""

    pod: str
    launcher: str
    job_id: int | None
    why: str
    problem: str = ""


class Reaper:
    """Ends and removes pods of this host; what it finds is asked for once, so that both lists are of one moment."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._leftovers = Leftovers(means)
        self.notes: list[str] = []
        """What could not be looked at, a sentence each."""

    async def found(self) -> Sequence[Overdue | Stray]:
        """What goes; nothing is done to it. Pods without a place are looked for twice: one may just be removed."""
        overdue = await self._leftovers.overdue(leases_count=await self._leases_count())
        await self._strays()
        await asyncio.sleep(_SECOND_LOOK_S)
        away, strays = await self._strays()
        self.notes += [f"pods of the launcher {name} were not looked at: {why}" for name, why in away.items()]
        return [*overdue, *strays]

    async def reap(self, found: Sequence[Overdue | Stray], *, dry: bool) -> AsyncIterator[Reaped]:
        """Each with what came of it, as soon as it is gone; `dry`: nothing is removed."""
        for each in found:
            problem = "" if dry else await self._gone(each)
            if isinstance(each, Overdue):
                ref = each.pod
                yield Reaped(pod=ref.pod, launcher=ref.launcher, job_id=ref.ref.job_id, why=each.why, problem=problem)
            else:
                yield Reaped(
                    pod=each.pod, launcher=each.launcher.name, job_id=each.job_id, why=each.why, problem=problem
                )

    async def _leases_count(self) -> bool:
        """A lease that nobody could renew tells nothing: only the Temporal workers of this host know for how long
        PostgreSQL has been there."""
        settings = self._means.settings
        holds_s = settings.dataplane_sign_holds_s
        reachable = await dataplanes.reachable_s(self._means.db, settings.dataplane, holds_s=holds_s)
        if reachable >= Patience.of(settings).database:
            return True
        self.notes.append(
            "leases were not looked at: no Temporal worker of this host has seen PostgreSQL for long enough to judge"
        )
        return False

    async def _strays(self) -> tuple[Mapping[str, str], Sequence[Stray]]:
        away: dict[str, str] = {}
        strays: list[Stray] = []
        for name, launcher in self._means.launchers.items():
            try:
                strays += await self._leftovers.strays(launcher)
            except LauncherAway as error:
                away[name] = str(error)
        return away, strays

    async def _gone(self, one: Overdue | Stray) -> str:
        """Empty, or why it is still there."""
        try:
            if isinstance(one, Stray):
                await self._leftovers.remove(one)
                return ""
            return "" if await self._leftovers.end(one) else _RESISTS
        except (LauncherAway, StorageError, RemovalFailed) as error:
            return str(error)
