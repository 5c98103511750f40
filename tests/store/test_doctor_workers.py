"""What `doctor` concludes from the signs that Temporal workers leave in the job database."""

from __future__ import annotations

import asyncpg
import pytest
from hosts import lease_over, seen
from rows import open_attempt, open_with_catalog

from airbyte_workers.doctor.workers import Busy, at_work, busy, served_from
from airbyte_workers.names import JobKind
from airbyte_workers.store import workloads
from airbyte_workers.store.database import connected
from airbyte_workers.store.sealing import Seal
from airbyte_workers.store.workloads import Workload

pytestmark = pytest.mark.postgres
HOLDS_S = 15
FULL = Busy(frozenset({JobKind.SYNC}), watched=True, waits=True)


async def placed(db: asyncpg.Pool, seal: Seal) -> str:
    """A pod that runs on `there`, and an attempt of another job that waits for a place."""
    job_id = await open_with_catalog(db, seal)
    attempt = await open_attempt(db, job_id, 0)
    workload = Workload(attempt.pod, JobKind.SYNC, job_id, 0, 1, "there", "process", attempt.fence)
    await workloads.claim(db, workload, limit=1, lease_s=60)
    await open_attempt(db, await open_with_catalog(db, seal, "other"), 0)
    return attempt.pod


async def test_a_host_is_busy_while_it_gives_signs_its_pods_live_and_others_wait(db: asyncpg.Pool, seal: Seal) -> None:
    pod = await placed(db, seal)
    assert await busy(db, HOLDS_S) == Busy(waits=True)
    await seen(db, "elsewhere")
    assert await busy(db, HOLDS_S) == Busy(waits=True)
    await seen(db, "there")
    assert await busy(db, HOLDS_S) == FULL
    await seen(db, "there", watches=False)
    assert await busy(db, HOLDS_S) == Busy(FULL.launched, watched=False, waits=True)
    await seen(db, "there", ago_s=HOLDS_S + 5)
    assert await busy(db, HOLDS_S) == Busy(waits=True)
    await seen(db, "there")
    await lease_over(db, pod)
    assert await busy(db, HOLDS_S) == Busy(waits=True)


async def test_where_no_job_waits_no_launch_holds_a_slot(db: asyncpg.Pool, seal: Seal) -> None:
    await placed(db, seal)
    await seen(db, "there")
    await db.execute("update jobs set status = 'cancelled' where connection = 'other'")
    assert await busy(db, HOLDS_S) == Busy(FULL.launched, watched=True)


async def test_a_host_that_served_it_is_known_after_its_last_sign(db: asyncpg.Pool) -> None:
    await seen(db, "there", ago_s=3600)
    assert (await served_from(db, "there"), await served_from(db, "laptop")) == (True, False)


async def test_workers_are_at_work_by_their_signs_or_by_their_pods(db: asyncpg.Pool, seal: Seal) -> None:
    assert not await at_work(db, HOLDS_S)
    pod = await placed(db, seal)
    assert await at_work(db, HOLDS_S)
    await lease_over(db, pod)
    assert not await at_work(db, HOLDS_S)
    await seen(db, "there")
    assert await at_work(db, HOLDS_S)


async def test_a_schema_without_signs_says_nothing_of_hosts_and_shows_pods(db: asyncpg.Pool, seal: Seal) -> None:
    await placed(db, seal)
    await seen(db, "there")
    await db.execute("drop table dataplanes")
    assert (await busy(db, HOLDS_S), await served_from(db, "there")) == (Busy(), False)
    assert await at_work(db, HOLDS_S)


async def test_an_empty_database_is_used_by_nobody(empty_url: str) -> None:
    async with connected(empty_url, size=1, timeout=20) as db:
        assert not await at_work(db, HOLDS_S)
        assert await busy(db, HOLDS_S) == Busy()
