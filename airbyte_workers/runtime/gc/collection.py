"""One round of gc: what is old and not needed goes, in small steps, each of which leaves everything consistent.

A job's objects go before its rows. Whoever kills gc between the two leaves a row that is as old as before, and the next
gc finds it; the other way round there would be objects that no row tells of.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

import asyncpg

from airbyte_workers.jobs.gc_report import Amount, Report, RunStatus, Thing
from airbyte_workers.jobs.gc_rules import Kept, ObjectFate, Past, over_limit, reason_to_keep, rules_of
from airbyte_workers.names import JobKind
from airbyte_workers.pods import environment_gc
from airbyte_workers.runtime.gc.objects import Leaving, Shelf
from airbyte_workers.runtime.gc.order import GcOrder, GcTally, Reach
from airbyte_workers.runtime.gc.pods import HostPods
from airbyte_workers.store import gc_jobs, gc_rows, gc_runs
from airbyte_workers.store.database import Session
from airbyte_workers.store.gc_rows import Sweep
from airbyte_workers.store.log_objects import job_folder
from airbyte_workers.store.objects import StorageError, marker_folder

_LAST_WORDS_S = 5.0  # a process that stops does not wait longer for a database that does not answer


async def collect(reach: Reach, order: GcOrder, tally: GcTally) -> Report:
    """One round, alone in its database, written down unless it is a dry run; `tally` grows meanwhile.

    What one step cannot do is told among the problems, and the others go on. Raises gc_runs.GcBusy, and what the
    database raises.
    """
    async with gc_runs.alone(reach.db) as session, _written_down(reach.db, order, tally):
        await gc_jobs.prepare(session)
        now = await session.fetchval("select clock_timestamp()")
        await _Round(reach, session, order, now, tally).run()
        return tally.report(dry_run=order.dry_run)


@asynccontextmanager
async def _written_down(db: asyncpg.Pool, order: GcOrder, tally: GcTally) -> AsyncIterator[None]:
    if order.dry_run:
        yield
        return
    run = await gc_runs.begin(db, order.by)
    try:
        yield
    except BaseException as ended:
        broken_off = isinstance(ended, asyncio.CancelledError)
        status = RunStatus.INTERRUPTED if broken_off else RunStatus.FAILED
        error = "" if broken_off else str(ended) or type(ended).__name__
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):  # what ended it is worth more
            async with asyncio.timeout(_LAST_WORDS_S):
                await gc_runs.end(db, run, status, tally.report(dry_run=False), error)
        raise
    status = RunStatus.FAILED if tally.problems else RunStatus.SUCCEEDED
    await gc_runs.end(db, run, status, tally.report(dry_run=False), "; ".join(tally.problems))


class _Round:
    """`now` is a moment of the database's clock."""

    def __init__(self, reach: Reach, session: Session, order: GcOrder, now: datetime, tally: GcTally) -> None:
        settings = reach.settings
        self._session = session
        self._settings = settings
        self._dry = order.dry_run
        self._tally = tally
        self._rules = rules_of(settings, order.older_than)
        self._shelf = Shelf(reach.objects, settings.gc_storage_requests, order.dry_run)
        self._pods = HostPods(reach.db, settings, reach.launchers, order.dry_run)
        self._sweep = Sweep(session, settings.gc_batch, order.dry_run)
        self._now = now

    async def run(self) -> None:
        """Everything; what refers to jobs comes after them."""
        await self._rows()
        try:
            await self._jobs()
            await self._logs(await self._leftovers())
        except StorageError as error:
            self._tally.problems.append(f"{error}; old jobs are kept until their logs and markers can be removed")
        await self._catalogs()
        await self._pods_of_host()
        await self._environments()

    # --- rows alone ---

    async def _rows(self) -> None:
        settings = self._settings
        await self._add(Thing.CONFIGS, gc_rows.configs(self._sweep, self._before(settings.handed_config_days)))
        await self._add(Thing.STATES, gc_rows.states(self._sweep, self._before(settings.state_log_days)))
        await self._add(Thing.GENERATIONS, gc_rows.generations(self._sweep, self._before(settings.job_days)))

    async def _catalogs(self) -> None:
        discovered = self._before(self._settings.discovered_catalog_days)
        configured = self._before(self._settings.leftover_days)
        found = gc_rows.catalogs(self._sweep, discovered=discovered, configured=configured)
        await self._add(Thing.CATALOGS, found)

    def _before(self, days: float) -> datetime:
        """What is older than that may go; nothing goes that has just been written."""
        return self._now - max(timedelta(days=days), self._rules.rest)

    async def _add(self, thing: Thing, amounts: AsyncIterator[Amount]) -> None:
        async for amount in amounts:
            self._tally.add({thing: amount})

    # --- jobs, with their objects ---

    async def _jobs(self) -> None:
        for kind in JobKind:
            old = self._now - self._rules.kept_for(kind)
            async for page in gc_jobs.ended_before(self._session, kind, old, self._settings.gc_batch):
                if gone := await self._judged(page):
                    await self._remove(gone)

    async def _judged(self, page: Sequence[Past]) -> Sequence[int]:
        """Those that may go; why others stay is counted."""
        connections = {job.connection_id for job in page if job.connection_id is not None}
        marks = await gc_jobs.landmarks(self._session, connections, self._rules.per_connection)
        gone = []
        for job in page:
            mark = marks.get(job.connection_id) if job.connection_id is not None else None
            why = reason_to_keep(job, mark, self._rules, self._now)
            if why is None:
                gone.append(job.id)
            elif why is not Kept.YOUNG:
                self._tally.kept[why] += 1
        return gone

    async def _remove(self, jobs: Sequence[int]) -> None:
        pods = await gc_jobs.pods_of(self._session, jobs)
        logs = await self._shelf.remove([job_folder(job) for job in jobs])
        markers = await self._shelf.remove([marker_folder(pod) for pod in pods])
        rows = await (gc_jobs.doom if self._dry else gc_jobs.delete)(self._session, jobs)
        self._tally.add({Thing.LOGS: logs, Thing.MARKERS: markers, **rows})
        if missed := len(jobs) - rows[Thing.JOBS].count:
            self._tally.kept[Kept.BUSY] += missed

    # --- objects alone ---

    async def _leftovers(self) -> int:
        """Logs and markers that belong to nobody any more; returns the bytes of the logs that stay."""
        leaving = Leaving(self._now, timedelta(days=self._settings.leftover_days))
        kept = 0
        for thing in (Thing.MARKERS, Thing.LOGS):
            found = await self._shelf.sweep(self._session, thing, leaving)
            self._tally.add({thing: found[ObjectFate.LEFTOVER]})
            if foreign := found[ObjectFate.FOREIGN].count:
                self._tally.kept[f"{thing} of jobs that this database never had"] += foreign
            kept = found[ObjectFate.KEPT].bytes
        return kept

    async def _logs(self, total: int) -> None:
        """Over the limit the oldest logs go. Their jobs are marked first, so that what a kill leaves is a leftover."""
        limit = self._settings.total_log_bytes
        if limit is None or total <= limit:
            return
        excess = total - limit
        async for page in gc_jobs.jobs_with_logs(self._session, self._settings.gc_batch):
            sizes = await self._shelf.sizes([job_folder(job) for job in page])
            gone = over_limit(zip(page, (size.bytes for size in sizes), strict=True), excess)
            if not self._dry:
                await gc_jobs.mark_logs_removed(self._session, gone)
            removed = await self._shelf.remove([job_folder(job) for job in gone])
            self._tally.add({Thing.LOGS: removed})
            excess -= removed.bytes
            if excess <= 0:
                return

    # --- on this host ---

    async def _pods_of_host(self) -> None:
        try:
            async for removed in self._pods.remove_leftovers(self._now):
                self._tally.add({Thing.PODS: removed.amount})
                self._tally.notes.extend([removed.note] if removed.note else [])
                self._tally.problems.extend([removed.problem] if removed.problem else [])
        except OSError as error:
            self._tally.problems.append(f"the pods of this host cannot be looked at: {error}")

    async def _environments(self) -> None:
        try:
            async for unused in environment_gc.remove_unused(self._settings, self._now, dry=self._dry):
                self._tally.add({Thing.ENVIRONMENTS: Amount(count=1, bytes=unused.bytes)})
        except OSError as error:
            self._tally.problems.append(f"unused connector environments cannot be removed: {error}")
