"""Rows that tests of the store begin with."""

from __future__ import annotations

import itertools
from typing import Any

import asyncpg

from airbyte_workers.models import (
    AttemptOutcome,
    AttemptRef,
    AttemptSummary,
    CloseAttempt,
    CloseJob,
    Failure,
    FailureOrigin,
    FailureType,
    JobStatus,
    OpenAttempt,
    OpenJob,
    SyncInput,
)
from airbyte_workers.names import JobKind
from airbyte_workers.store import attempt_ends, attempts, jobs, opening
from airbyte_workers.store.attempts import Attempt
from airbyte_workers.store.sealing import Seal

_runs = itertools.count()
SUCCEEDED = AttemptOutcome(status="succeeded")
FAILED = AttemptOutcome(
    status="failed",
    failures=(Failure(origin=FailureOrigin.SOURCE, type=FailureType.SYSTEM_ERROR, message="broke"),),
)
CATALOG = (
    '{"streams":[{"stream":{"name":"users","json_schema":{},"supported_sync_modes":["full_refresh","incremental"]},'
    '"sync_mode":"incremental","destination_sync_mode":"append"},'
    '{"stream":{"name":"logs","namespace":"n","json_schema":{},"supported_sync_modes":["full_refresh"]},'
    '"sync_mode":"full_refresh","destination_sync_mode":"overwrite"}]}'
)


def sync_input(connection: str = "demo", **changes: Any) -> SyncInput:
    return SyncInput.model_validate(
        {
            "connection": connection,
            "source": {"image": "airbyte/source-faker:7.2.1", "config": {"password": "hunter2"}},
            "destination": {"command": ["destination-jsonl"], "config": {"path": "out"}},
        }
        | changes
    )


def request(input: SyncInput, run_id: str | None = None) -> OpenJob:
    return OpenJob(input=input, workflow_id=f"sync/{input.connection}", run_id=run_id or f"run-{next(_runs)}")


async def open_job(db: asyncpg.Pool, seal: Seal, connection: str = "demo") -> int:
    return await opening.open_sync(db, seal, request(sync_input(connection)))


async def open_with_catalog(db: asyncpg.Pool, seal: Seal, connection: str = "demo") -> int:
    job_id = await open_job(db, seal, connection)
    await jobs.set_catalog(db, await jobs.read_job(db, seal, job_id), CATALOG, "sha")
    return job_id


async def open_attempt(db: asyncpg.Pool, job_id: int, number: int, *, waited_s: float = 0) -> Attempt:
    return await attempts.open_attempt(db, OpenAttempt(job_id=job_id, attempt=number, waited_s=waited_s))


async def close_attempt(
    db: asyncpg.Pool,
    job_id: int,
    number: int,
    outcome: AttemptOutcome,
    summary: AttemptSummary | None = None,
    **more: Any,
) -> None:
    ref = AttemptRef(job_id=job_id, attempt=number, kind=JobKind.SYNC)
    await attempt_ends.close_attempt(db, CloseAttempt(ref=ref, outcome=outcome, **more), summary)


async def close_job(db: asyncpg.Pool, job_id: int, status: JobStatus, **more: Any) -> None:
    await jobs.close_job(db, CloseJob(job_id=job_id, status=status, **more))


async def next_attempt(db: asyncpg.Pool, job_id: int, number: int) -> Attempt:
    """Open an attempt after the one before it has failed."""
    await close_attempt(db, job_id, number - 1, FAILED)
    return await open_attempt(db, job_id, number)


async def succeed(db: asyncpg.Pool, job_id: int) -> None:
    """End a job that had no attempt yet with one that succeeds."""
    await open_attempt(db, job_id, 0)
    await close_attempt(db, job_id, 0, SUCCEEDED)
