"""What gc does in object storage: it lists and removes in pages, and has one page of each request in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from airbyte_workers.jobs.gc_report import Amount, Thing
from airbyte_workers.jobs.gc_rules import ObjectFate, fate_of_object, job_of_log, job_of_marker
from airbyte_workers.store import gc_jobs
from airbyte_workers.store.database import Session
from airbyte_workers.store.objects import LOGS, MARKERS, Objects, Stored

_PREFIXES = {Thing.LOGS: LOGS, Thing.MARKERS: MARKERS}
_JOB_OF = {Thing.LOGS: job_of_log, Thing.MARKERS: job_of_marker}


@dataclass(frozen=True)
class Leaving:
    """What is left alone at `now`, a moment of the database: what was written less than `leave` ago."""

    now: datetime
    leave: timedelta


@dataclass(frozen=True)
class Shelf:
    """The logs and markers of all jobs; `at_once` requests are under way, `dry`: nothing is removed."""

    objects: Objects
    at_once: int
    dry: bool

    async def remove(self, prefixes: Sequence[str]) -> Amount:
        """Remove everything below the prefixes. Raises StorageError."""
        return _sum(await self._of_each(self._remove, prefixes))

    async def sizes(self, prefixes: Sequence[str]) -> Sequence[Amount]:
        """How much is below each prefix. Raises StorageError."""
        return await self._of_each(self._size, prefixes)

    async def sweep(self, session: Session, thing: Thing, leaving: Leaving) -> Mapping[ObjectFate, Amount]:
        """Go over all logs, or all markers; remove what belongs to no job any more. Raises StorageError."""
        highest = await gc_jobs.highest_job(session)
        found = dict.fromkeys(ObjectFate, Amount())
        async for page in self.objects.pages(_PREFIXES[thing]):
            by_fate = await _by_fate(session, thing, page, leaving, highest)
            await self._delete(by_fate[ObjectFate.LEFTOVER])
            found = {fate: found[fate] + _amount(by_fate[fate]) for fate in ObjectFate}
        return found

    async def _remove(self, prefix: str) -> Amount:
        removed = Amount()
        async for page in self.objects.pages(prefix):
            await self._delete(page)
            removed += _amount(page)
        return removed

    async def _size(self, prefix: str) -> Amount:
        return _sum([_amount(page) async for page in self.objects.pages(prefix)])

    async def _delete(self, some: Sequence[Stored]) -> None:
        if some and not self.dry:
            await self.objects.delete_all([each.key for each in some])

    async def _of_each(self, work: Callable[[str], Awaitable[Amount]], prefixes: Sequence[str]) -> Sequence[Amount]:
        """So many at once; of several that fail, the first failure alone is told."""
        places = asyncio.Semaphore(self.at_once)

        async def one(prefix: str) -> Amount:
            async with places:
                return await work(prefix)

        try:
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(one(prefix)) for prefix in prefixes]
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return [each.result() for each in running]


async def _by_fate(
    session: Session, thing: Thing, page: Sequence[Stored], leaving: Leaving, highest_job: int
) -> Mapping[ObjectFate, Sequence[Stored]]:
    """What becomes of a page; the jobs are looked up after it was listed, so none is younger than its objects."""
    jobs = {each.key: _JOB_OF[thing](each.key) for each in page}
    owners = await gc_jobs.owners(session, {job for job in jobs.values() if job is not None})
    by_fate: dict[ObjectFate, list[Stored]] = {fate: [] for fate in ObjectFate}
    for each in page:
        job = jobs[each.key]
        fate = fate_of_object(
            job,
            owners.get(job) if job is not None else None,
            highest_job=highest_job,
            is_fresh=leaving.now - each.modified < leaving.leave,
            is_log=thing is Thing.LOGS,
        )
        by_fate[fate].append(each)
    return by_fate


def _amount(some: Sequence[Stored]) -> Amount:
    return Amount(count=len(some), bytes=sum(each.size for each in some))


def _sum(amounts: Sequence[Amount]) -> Amount:
    return sum(amounts, Amount())
