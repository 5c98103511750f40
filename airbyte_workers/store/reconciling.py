"""Ends of jobs whose runs are over, written from what their pods have left."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

from airbyte_workers.jobs.reconciliation import End
from airbyte_workers.models import AttemptOutcome, AttemptSummary, JobStatus
from airbyte_workers.store import attempts
from airbyte_workers.store.job_runs import LiveJob, is_run_by
from airbyte_workers.store.transitions import held, reach, storable, write_event


@dataclass(frozen=True)
class RunningAttempt:
    """The attempt of a job that has not ended; `number` counts from 0."""

    number: int
    pod: str


async def running_attempt(db: asyncpg.Pool, job_id: int) -> RunningAttempt | None:
    """The one attempt of the job that runs, as far as its row says."""
    row = await db.fetchrow("select number, pod from attempts where job_id = $1 and status = 'running'", job_id)
    return None if row is None else RunningAttempt(row["number"], row["pod"])


@dataclass(frozen=True)
class Left:
    """The attempt that still ran, None: none did; and what its pod has left, where it has come so far."""

    attempt: int | None = None
    summary: AttemptSummary | None = None


async def close(db: asyncpg.Pool, job: LiveJob, end: End, left: Left) -> bool:
    """End a job whose run is over, with the attempt that still ran; False when somebody else was at it meanwhile.

    Raises LookupError.
    """
    async with held(db, job.id) as row:
        if not await is_run_by(row, job.run_id) or await attempts.running_number(row) != left.attempt:
            return False
        if end.status is JobStatus.SUCCEEDED:
            assert left.attempt is not None
            note = {"by": end.by, "reason": end.reason}
            await write_event(row.session, row.id, left.attempt, "closed from its marker", **note)
            await attempts.close_held(row, left.attempt, AttemptOutcome(status="succeeded"), left.summary)
            return True
        await attempts.end_running(row, end.status, end.attempt, left.summary)
        await reach(row, end.status, by=end.by, reason=end.reason)
        written = storable([failure.model_dump(mode="json") for failure in end.failures])
        await row.session.execute("update jobs set failures = $2 where id = $1", row.id, written)
        return True
