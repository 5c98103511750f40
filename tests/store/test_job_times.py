"""The total time of a job: from when its first attempt ran, whatever came between, and nothing is launched after it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from rows import open_attempt, open_with_catalog

from airbyte_workers.models import JobStatus
from airbyte_workers.store.job_times import job_end
from airbyte_workers.store.jobs import Move, move
from airbyte_workers.store.sealing import Seal
from airbyte_workers.store.transitions import JobGone

pytestmark = pytest.mark.postgres


async def test_a_job_that_has_not_run_has_all_its_time_before_it(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_with_catalog(db, seal)
    await db.execute("update jobs set created_at = created_at - interval '1 day'")
    end = await job_end(db, job_id, 60)
    assert not end.is_over
    assert end.ends_by > datetime.now(UTC) + timedelta(minutes=59)


async def test_its_time_runs_from_when_its_first_attempt_ran(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_with_catalog(db, seal)
    await open_attempt(db, job_id, 0)
    await move(db, job_id, Move(JobStatus.RUNNING, [JobStatus.PENDING], "it runs"))
    started = await db.fetchval("update jobs set started_at = started_at - interval '10 minutes' returning started_at")
    assert (await job_end(db, job_id, 9.9)).is_over
    later = await job_end(db, job_id, 11)
    assert (later.is_over, later.ends_by) == (False, started + timedelta(minutes=11))


async def test_a_job_that_is_gone_has_no_time(db: asyncpg.Pool) -> None:
    with pytest.raises(JobGone):
        await job_end(db, 404, 1)
