"""Rows that tests of the store begin with."""

from __future__ import annotations

import itertools
from typing import Any

import asyncpg

from airbyte_workers.models import (
    AttemptOutcome,
    Failure,
    FailureOrigin,
    FailureType,
    OpenJob,
    RetryRules,
    SyncInput,
)
from airbyte_workers.store import attempts, jobs, opening
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


def usual_rules(_: SyncInput) -> RetryRules:
    return RetryRules()


async def open_job(db: asyncpg.Pool, seal: Seal, connection: str = "demo") -> int:
    return await opening.open_sync(db, seal, request(sync_input(connection)), usual_rules)


async def open_with_catalog(db: asyncpg.Pool, seal: Seal, connection: str = "demo") -> int:
    job_id = await open_job(db, seal, connection)
    await jobs.set_catalog(db, await jobs.read_job(db, seal, job_id), CATALOG, "sha")
    return job_id


async def next_attempt(db: asyncpg.Pool, job_id: int, number: int) -> Attempt:
    """Open an attempt after the one before it has failed."""
    await attempts.close_attempt(db, job_id, number - 1, FAILED, None)
    return await attempts.open_attempt(db, job_id, number, waited_s=0)


async def succeed(db: asyncpg.Pool, job_id: int) -> None:
    """End a job that had no attempt yet with one that succeeds."""
    await attempts.open_attempt(db, job_id, 0, waited_s=0)
    await attempts.close_attempt(db, job_id, 0, SUCCEEDED, None)
