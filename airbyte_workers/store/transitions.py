"""The one place where the status of a job is written: its row is held, the move is allowed, the past is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import asyncpg

from airbyte_workers.jobs.status import job_moves, steps
from airbyte_workers.models import TERMINAL_JOB_STATUSES, CloseJob, JobStatus
from airbyte_workers.names import JobKind
from airbyte_workers.store.database import Session

TERMINAL = [str(status) for status in TERMINAL_JOB_STATUSES]
_WHY_PASSED = {JobStatus.PENDING: "it waits for no place any more", JobStatus.RUNNING: "its pod has run"}
_MOVE = """
update jobs set status = $2, updated_at = clock_timestamp(),
    queued_at = case when $2 = 'queued' then coalesce(queued_at, clock_timestamp()) else queued_at end,
    started_at = case when $2 = 'running' then coalesce(started_at, clock_timestamp()) else started_at end,
    ended_at = case when $2 = any($3) then clock_timestamp() else ended_at end
where id = $1
"""


class JobGone(LookupError):
    """The database has no such job: it was restored from an older copy, or emptied, while a run did the job."""

    def __init__(self, job_id: int) -> None:
        super().__init__(f"there is no job {job_id}")


@dataclass(frozen=True)
class Event:
    """A line of a job's past: what happened, to which attempt (from 0) if to one, by whom, why."""

    what: str
    attempt: int | None = None
    by: str = ""
    reason: str = ""


@dataclass(frozen=True)
class HeldJob:
    """A job whose row is locked until the transaction of `session` ends: nobody else writes its status."""

    session: Session
    id: int
    kind: JobKind
    status: JobStatus
    connection_id: int | None
    catalog_id: int | None


@asynccontextmanager
async def held(db: asyncpg.Pool, job_id: int) -> AsyncIterator[HeldJob]:
    """One transaction over a job. Raises JobGone."""
    async with db.acquire() as session, session.transaction():
        row = await session.fetchrow(
            "select kind, status, connection_id, catalog_id from jobs where id = $1 for update", job_id
        )
        if row is None:
            raise JobGone(job_id)
        yield HeldJob(
            session, job_id, JobKind(row["kind"]), JobStatus(row["status"]), row["connection_id"], row["catalog_id"]
        )


async def step(job: HeldJob, status: JobStatus, *, by: str = "", reason: str) -> HeldJob:
    """One move of the table; a job that has ended stays as it is. Raises IllegalTransition."""
    if not job_moves(job.id, job.status, status):
        return job
    await job.session.execute(_MOVE, job.id, str(status), TERMINAL)
    await write_event(job.session, job.id, Event(status, by=by, reason=reason))
    return replace(job, status=status)


async def reach(job: HeldJob, status: JobStatus, *, by: str = "", reason: str) -> HeldJob:
    """The same for the end of an attempt or a job, through what was not written on the way to it."""
    for passed in steps(job.status, status)[:-1]:
        job = await step(job, passed, reason=_WHY_PASSED[passed])
    return await step(job, status, by=by, reason=reason)


async def end(job: HeldJob, close: CloseJob) -> None:
    """The job's own end, with its reasons. Raises IllegalTransition."""
    await reach(job, close.status, by=close.by, reason=close.reason)
    written = storable([failure.model_dump(mode="json") for failure in close.failures])
    await job.session.execute("update jobs set failures = $2 where id = $1", job.id, written)


async def write_event(session: Session, job_id: int, event: Event) -> None:
    """Add a line to the job's past."""
    await session.execute(
        "insert into job_events (job_id, attempt, event, by, reason) values ($1, $2, $3, $4, $5)",
        job_id,
        event.attempt,
        str(event.what),
        storable(event.by),
        storable(event.reason),
    )


def storable(value: Any) -> Any:
    """PostgreSQL takes no NUL character and no half of a surrogate pair (airbyte-behaviour.md 1.7)."""
    if isinstance(value, str):
        return value.replace("\0", "").encode(errors="replace").decode()
    if isinstance(value, list):
        return [storable(item) for item in value]
    if isinstance(value, dict):
        return {name: storable(member) for name, member in value.items()}
    return value
