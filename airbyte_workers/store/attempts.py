"""Attempts as rows: opened under a new fence, and what is read of them. Their ends are in `attempt_ends.py`."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

from airbyte_workers.jobs.status import job_has_ended
from airbyte_workers.models import OpenAttempt
from airbyte_workers.names import JobKind, pod_name
from airbyte_workers.protocol.generations import renewed
from airbyte_workers.store import catalogs, generations
from airbyte_workers.store.database import Database
from airbyte_workers.store.states import Writer, forget_all
from airbyte_workers.store.stream_requests import scope_of
from airbyte_workers.store.transitions import Event, HeldJob, held, write_event


class AttemptRefused(Exception):
    """No such attempt can be opened, now or later."""


class AttemptGone(LookupError):
    """The database has no such attempt: it was restored from an older copy while a run did the job."""

    def __init__(self, job_id: int, number: int) -> None:
        super().__init__(f"job {job_id} has no attempt {number + 1}")


class JobEnded(AttemptRefused):
    """An attempt was asked for of a job that has ended."""


@dataclass(frozen=True)
class Attempt:
    """An attempt as it was opened; `number` counts from 0."""

    job_id: int
    number: int
    fence: int
    pod: str


# --- opening ---


async def open_attempt(db: asyncpg.Pool, request: OpenAttempt) -> Attempt:
    """Raise the connection's fence and write the attempt's row; asked again while it runs, the same attempt.

    Attempts are numbered without gaps, and one runs at a time. Raises AttemptRefused and LookupError.
    """
    number = request.attempt
    async with held(db, request.job_id) as job:
        if job_has_ended(job.status):
            raise JobEnded(f"job {job.id} has ended ({job.status})")
        known = await running(job.session, job.id)
        if known is not None and known.number == number:
            return known
        await _refuse_unless_next(job, number, known)
        attempt = Attempt(job.id, number, await _raise_fence(job), pod_name(job.kind, job.id, number))
        await _insert(job, attempt, request.waited_s)
        await _begin_generations(job, attempt)
        await write_event(job.session, job.id, Event("attempt opened", number, reason=f"pod {attempt.pod}"))
        return attempt


async def _refuse_unless_next(job: HeldJob, number: int, running: Attempt | None) -> None:
    count: int = await job.session.fetchval("select count(*) from attempts where job_id = $1", job.id)
    if 0 <= number < count:
        raise AttemptRefused(f"attempt {number + 1} of job {job.id} has ended")
    if running is not None:
        raise AttemptRefused(f"attempt {running.number + 1} of job {job.id} is still running")
    if number != count:
        raise AttemptRefused(f"job {job.id} has had {count} attempt(s): its next is {count + 1}, not {number + 1}")


async def _raise_fence(job: HeldJob) -> int:
    fence: int = await job.session.fetchval(
        "update connections set fence = fence + 1 where id = $1 returning fence", job.connection_id
    )
    return fence


async def _insert(job: HeldJob, attempt: Attempt, waited_s: float) -> None:
    """`state_before` is the newest entry of the state log as the attempt finds it, before it changes anything."""
    await job.session.execute(
        """
        insert into attempts (job_id, number, fence, pod, waited_s, state_before)
        select $1, $2, $3, $4, $5, coalesce(max(id), 0)::text from state_log where connection_id = $6
        """,
        attempt.job_id,
        attempt.number,
        attempt.fence,
        attempt.pod,
        waited_s,
        job.connection_id,
    )


async def _begin_generations(job: HeldJob, attempt: Attempt) -> None:
    """What is read again from its beginning, or cleared, begins anew."""
    if job.catalog_id is None or job.connection_id is None:
        return
    configured = await catalogs.configured(job.session, job.catalog_id)
    row = await job.session.fetchrow("select kind, request, supports_refreshes from jobs where id = $1", job.id)
    assert row is not None
    scope = scope_of(row)
    streams = renewed(configured, scope, attempt.number)
    writer = Writer(job.connection_id, job.id, attempt.number, attempt.fence)
    whole = len(streams) == len(configured.streams)
    await generations.begin(job.session, writer, streams, whole=whole)
    if scope.kind is JobKind.CLEAR and scope.streams is None:
        await forget_all(job.session, writer)


# --- reading ---


async def running(db: Database, job_id: int) -> Attempt | None:
    """The one attempt of the job that runs, as far as its row says."""
    row = await db.fetchrow("select number, fence, pod from attempts where job_id = $1 and status = 'running'", job_id)
    return None if row is None else Attempt(job_id, row["number"], row["fence"], row["pod"])


async def read_attempt(db: asyncpg.Pool, job_id: int, number: int) -> Attempt:
    """The attempt. Raises AttemptGone."""
    row = await db.fetchrow("select fence, pod from attempts where job_id = $1 and number = $2", job_id, number)
    if row is None:
        raise AttemptGone(job_id, number)
    return Attempt(job_id, number, row["fence"], row["pod"])


async def has_succeeded(job: HeldJob) -> bool:
    """Whether an attempt of the job has."""
    return bool(
        await job.session.fetchval(
            "select exists (select from attempts where job_id = $1 and status = 'succeeded')", job.id
        )
    )


async def committed(db: asyncpg.Pool, job_id: int, number: int) -> tuple[int, int]:
    """Records committed and rejected in an attempt, as its own commits counted them."""
    row = await db.fetchrow(
        "select records_committed, records_rejected from attempts where job_id = $1 and number = $2", job_id, number
    )
    return (row["records_committed"], row["records_rejected"]) if row is not None else (0, 0)


async def has_committed(db: asyncpg.Pool, attempt: Attempt) -> bool:
    """Whether a pod of the attempt has committed states: another one under the same fence could not go on from them."""
    return bool(
        await db.fetchval(
            "select exists (select from state_log where job_id = $1 and attempt = $2 and fence = $3 and seq > 0)",
            attempt.job_id,
            attempt.number,
            attempt.fence,
        )
    )
