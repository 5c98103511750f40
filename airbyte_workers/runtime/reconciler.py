"""The reconciler of one Temporal worker process: at its start and again and again, beside the polling.

It compares rows with Temporal, and pods with rows. Whoever is away is waited for: nothing is concluded from silence.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog
from structlog.contextvars import bind_contextvars

from activities.leftovers import Leftovers
from activities.repairs import Repairs
from activities.run_looks import TemporalAway
from airbyte_workers.pods.pod import LauncherAway
from airbyte_workers.settings import Settings
from airbyte_workers.store.database import is_away
from airbyte_workers.store.objects import StorageError

TICK_S = 5.0  # between two looks at rows alone: what another process has found out is acted upon so soon
_ROUNDS_OF_RENEWAL = 2
_OURS = "a bug"
Step = Callable[[], Awaitable[None]]
_log = structlog.get_logger(__name__)


@asynccontextmanager
async def reconciling(repairs: Repairs, leftovers: Leftovers, settings: Settings) -> AsyncIterator[None]:
    """Reconcile for as long as the block runs; what is under way at its end is left to the next process."""
    reconciler = Reconciler(repairs, leftovers, settings)
    tasks = [asyncio.create_task(each) for each in reconciler.rounds()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await leftovers.aclose()


class Reconciler:
    """Rounds that never end and never fail; each has a time limit, and none waits for another."""

    def __init__(self, repairs: Repairs, leftovers: Leftovers, settings: Settings) -> None:
        self._repairs = repairs
        self._leftovers = leftovers
        self._interval_s = settings.reconcile_interval_s
        self._limit_s = max(2 * settings.reconcile_interval_s, settings.removal_timeout_s)
        self._reachable_since: float | None = None
        self._told: dict[str, str] = {}

    def rounds(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """Rows are looked at often, because that is cheap; runs and pods are asked for once an interval."""
        tick = min(TICK_S, self._interval_s)
        return (
            self._again("jobs", self._repair, tick),
            self._again("places", self._sweep_places, tick),
            self._again("pods", self._leftovers.sweep_listed, self._interval_s),
        )

    async def _again(self, name: str, step: Step, pause_s: float) -> None:
        bind_contextvars(task=f"reconciler/{name}")
        while True:
            await self._once(name, step)
            await asyncio.sleep(pause_s)

    async def _once(self, name: str, step: Step) -> None:
        try:
            async with asyncio.timeout(self._limit_s) as limit:
                await step()
        except Exception as error:
            self._trouble(name, _whose(error, late=limit.expired()), error)
        else:
            if self._told.pop(name, None) is not None:
                _log.info("reconciling again", what=name)

    def _trouble(self, name: str, whose: str, error: Exception) -> None:
        """Told once, however long it lasts; a bug of ours, too: it ends no worker, and no other round."""
        if self._told.get(name) != whose:
            self._told[name] = whose
            bug = error if whose == _OURS else None
            _log.warning("cannot reconcile now", what=name, whose=whose, why=str(error), exc_info=bug)

    async def _repair(self) -> None:
        await self._repairs.look()
        await self._repairs.close()

    async def _sweep_places(self) -> None:
        """Leases that ran out while nobody could renew them tell nothing; nor do they just after our own start."""
        now = asyncio.get_running_loop().time()
        since, self._reachable_since = self._reachable_since, None
        counts = since is not None and now - since >= _ROUNDS_OF_RENEWAL * self._interval_s
        await self._leftovers.sweep_places(leases_count=counts)
        self._reachable_since = now if since is None else since


def _whose(error: Exception, *, late: bool) -> str:
    """Who is in the way."""
    if late:
        return "the time limit of a round"
    if isinstance(error, TemporalAway):
        return "Temporal"
    if isinstance(error, StorageError):
        return "object storage"
    if isinstance(error, LauncherAway):
        return "a launcher"
    return "PostgreSQL" if is_away(error) else _OURS
