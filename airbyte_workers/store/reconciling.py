"""Ends of jobs whose runs are over, written from what their pods have left."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

from airbyte_workers.jobs.reconciliation import End
from airbyte_workers.models import AttemptOutcome, AttemptSummary, CloseJob, JobStatus
from airbyte_workers.store import attempt_ends, attempts
from airbyte_workers.store.run_sightings import SightedJob, is_run_by
from airbyte_workers.store.transitions import Event, end, held, write_event


@dataclass(frozen=True)
class Left:
    """The attempt that still ran, None: none did; and what its pod has left, where it has come so far."""

    attempt: int | None = None
    summary: AttemptSummary | None = None


async def close(db: asyncpg.Pool, job: SightedJob, how: End, left: Left) -> bool:
    """End a job whose run is over, with the attempt that still ran; False when somebody else was at it meanwhile.

    Raises LookupError.
    """
    async with held(db, job.id) as row:
        running = await attempts.running(row.session, row.id)
        if not await is_run_by(row, job.run_id) or left.attempt != (running.number if running is not None else None):
            return False
        if how.status is JobStatus.SUCCEEDED:
            assert left.attempt is not None
            event = Event("closed from what its pod reported", left.attempt, by=how.by, reason=how.reason)
            await write_event(row.session, row.id, event)
            await attempt_ends.close_held(row, left.attempt, AttemptOutcome(status="succeeded"), left.summary)
            return True
        await attempt_ends.end_running(row, how.status, how.attempt, left.summary)
        told = CloseJob(job_id=row.id, status=how.status, failures=how.failures, by=how.by, reason=how.reason)
        await end(row, told)
        return True
