"""Beside the data: the lease is renewed, progress told, the log written, the RUNNING marker set."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import asyncpg

from airbyte_workers.jobs.failures import of_platform
from airbyte_workers.models import Failure, FailureType
from airbyte_workers.orchestrator.desk import Desk
from airbyte_workers.orchestrator.input import ReplicationInput
from airbyte_workers.orchestrator.markers import Marker
from airbyte_workers.orchestrator.replicate import Replication
from airbyte_workers.store import workloads
from airbyte_workers.store.database import is_away
from airbyte_workers.store.objects import StorageError
from airbyte_workers.store.workloads import StopAsked


class Upkeep:
    """Does its round every `progress_interval_s`; a round that fails is made up for by the next."""

    def __init__(self, given: ReplicationInput, desk: Desk, db: asyncpg.Pool, replication: Replication) -> None:
        self._given = given
        self._desk = desk
        self._settings = desk.settings
        self._db = db
        self._replication = replication
        self._renewed_at = 0.0
        self._lost = False
        self._stopped = False
        self._running_told = False

    def superseded(self) -> None:
        """A newer attempt owns the connection now: this one ends itself."""
        self._replication.fail(
            of_platform(FailureType.SUPERSEDED, "a newer attempt of this connection has begun, this one was stopped")
        )

    async def run(self) -> None:
        """Rounds until cancelled. The lease is renewed, and missed, at its own pace: storage that hangs holds up the
        log and the marker alone."""
        self._renewed_at = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._again(self._renew))
            tasks.create_task(self._again(self._write))

    async def _again(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            await step()
            await asyncio.sleep(self._settings.progress_interval_s)

    async def _write(self) -> None:
        await self._tell_running()
        await self._desk.flush()

    async def _renew(self) -> None:
        lease = self._settings.lease_seconds
        loop = asyncio.get_running_loop()
        try:
            held = workloads.Lease(self._given.pod, self._given.fence, lease)
            renewal = await workloads.renew(self._db, held, self._replication.progress())
        except Exception as error:
            if not is_away(error):
                raise
            if not self._lost and loop.time() - self._renewed_at > lease:
                self._lost = True
                self._replication.fail(self._lease_lost(lease))
            return
        self._renewed_at = loop.time()
        if not renewal.is_held:
            self.superseded()
        elif renewal.stop_asked is not None:
            self._stop(renewal.stop_asked)

    def _stop(self, how: StopAsked) -> None:
        """Somebody who does not reach this host wants the end; as a signal would, the first word counts."""
        if not self._stopped:
            self._stopped = True
            self._replication.cancel()
        if how is StopAsked.NOW:
            self._replication.kill()

    async def _tell_running(self) -> None:
        if self._running_told or self._replication.phase == "starting":
            return
        with contextlib.suppress(StorageError):
            await self._desk.markers.write(Marker.RUNNING)
            self._running_told = True

    @staticmethod
    def _lease_lost(lease: float) -> Failure:
        return of_platform(
            FailureType.LEASE_LOST,
            f"the database could not be reached for {lease:g} s (LEASE_SECONDS): the attempt ended itself",
        )
