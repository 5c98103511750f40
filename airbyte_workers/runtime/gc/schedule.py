"""gc by itself: a Temporal worker process does it when it is due by the database's own record, one process at a time.

A stack that runs only while somebody uses it has no quiet hour: where gc is due, it does it as its last act.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
import structlog
from structlog.contextvars import bind_contextvars

from airbyte_workers.jobs.gc_report import Thing
from airbyte_workers.runtime.background import alongside
from airbyte_workers.runtime.gc.collection import collect
from airbyte_workers.runtime.gc.order import GcOrder, GcTally, Reach
from airbyte_workers.store import gc_runs
from airbyte_workers.store.gc_runs import GcBusy
from airbyte_workers.telemetry.figures import Figure, Figures

_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
_log = structlog.get_logger(__name__)


@asynccontextmanager
async def scheduled(reach: Reach, figures: Figures | None = None) -> AsyncIterator[Schedule]:
    """Have gc done while the block runs, if the settings want that; what is under way at its end is broken off."""
    schedule = Schedule(reach, figures or Figures())
    async with alongside(schedule.run()):
        yield schedule


class Schedule:
    """When this process does a round."""

    def __init__(self, reach: Reach, figures: Figures) -> None:
        self._reach = reach
        self._figures = figures
        self._settings = reach.settings
        self._hurried = asyncio.Event()
        self._not_before = 0.0
        self.at_work = False

    async def run(self) -> None:
        """Never returns; a round that fails is logged, and another one tried later."""
        bind_contextvars(task="gc")
        if not self._settings.db_prune_cron_enabled:
            return
        await self._pause(self._settings.gc_start_delay_s)
        while True:
            self._hurried.clear()
            left = await self._due_in_s()
            if left <= 0:
                await self._round()
            else:
                await self._pause(min(left, self._settings.gc_poll_minutes * 60))

    async def has_work_left(self) -> bool:
        """Whether a round is under way or due, for a stack that would stop; one that is due begins now."""
        if self.at_work or not self._settings.db_prune_cron_enabled:
            return self.at_work
        due = await self._due_in_s() <= 0
        if due:
            self._hurried.set()
        return due

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurried.wait()

    async def _due_in_s(self) -> float:
        """By the record, and after a failure that could not be recorded by our own memory."""
        retry = self._settings.gc_retry_minutes * 60
        remembered = self._not_before - asyncio.get_running_loop().time()
        if remembered > 0:
            return remembered
        try:
            return await gc_runs.due_in_s(
                self._reach.db, interval_s=self._settings.gc_interval_hours * 3600, retry_s=retry
            )
        except _FAILURES as error:
            _log.warning("cannot tell whether gc is due", error=str(error))
            self._put_off()
            return retry

    def _put_off(self) -> None:
        self._not_before = asyncio.get_running_loop().time() + self._settings.gc_retry_minutes * 60

    async def _round(self) -> None:
        tally = GcTally()
        self.at_work = True
        try:
            report = await collect(self._reach, GcOrder(by=f"worker {os.getpid()} on {socket.gethostname()}"), tally)
        except GcBusy as busy:
            self._put_off()
            _log.info("gc already runs elsewhere", why=str(busy))
        except Exception:
            self._put_off()
            _log.exception("gc failed")
        else:
            removed = {str(thing): amount.count for thing, amount in report.removed.items() if amount.count}
            if report.problems:
                _log.error("gc could not do everything", problems=report.problems, removed=removed)
            else:
                _log.info("gc done", removed=removed, took_s=report.duration_s)
        finally:
            self._figures.tell([Figure("database_pruning_jobs_deleted", tally.removed[Thing.JOBS].count)])
            self.at_work = False
