"""Places on a dataplane: counted under a lock, kept by a lease, superseded by the fence."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import asyncpg
import pytest
from rows import next_attempt, open_attempt, open_with_catalog

from airbyte_workers.models import Progress
from airbyte_workers.names import JobKind
from airbyte_workers.store import jobs, workloads
from airbyte_workers.store.sealing import Seal
from airbyte_workers.store.workloads import Workload

pytestmark = pytest.mark.postgres


async def workload(
    db: asyncpg.Pool, seal: Seal, name: str, dataplane: str = "here", launcher: str = "process"
) -> Workload:
    job_id = await open_with_catalog(db, seal, name)
    attempt = await open_attempt(db, job_id, 0)
    job = await jobs.read_job(db, seal, job_id)
    return Workload(attempt.pod, JobKind.SYNC, job_id, 0, job.connection_id, dataplane, launcher, attempt.fence)


async def test_no_more_pods_than_the_limit_however_many_ask_at_once(db: asyncpg.Pool, seal: Seal) -> None:
    wanted = [await workload(db, seal, f"c{number}") for number in range(6)]
    claimed = await asyncio.gather(*(workloads.claim(db, each, limit=2, lease_s=60) for each in wanted))
    assert sum(claimed) == 2
    elsewhere = await workload(db, seal, "other", dataplane="there")
    assert await workloads.claim(db, elsewhere, limit=2, lease_s=60)


async def test_a_claim_asked_for_again_is_still_ours_and_an_ended_pod_frees_its_place(
    db: asyncpg.Pool, seal: Seal
) -> None:
    first, second = await workload(db, seal, "a"), await workload(db, seal, "b")
    assert await workloads.claim(db, first, limit=1, lease_s=60)
    assert await workloads.claim(db, first, limit=1, lease_s=60)
    assert not await workloads.claim(db, second, limit=1, lease_s=60)
    await workloads.release(db, first.pod, "success")
    assert await workloads.claim(db, second, limit=1, lease_s=60)


async def test_a_pod_whose_lease_is_over_takes_no_place(db: asyncpg.Pool, seal: Seal) -> None:
    first, second = await workload(db, seal, "a"), await workload(db, seal, "b")
    assert await workloads.claim(db, first, limit=1, lease_s=0.001)
    await asyncio.sleep(0.01)
    assert await workloads.claim(db, second, limit=1, lease_s=60)


async def test_renewing_tells_progress_until_a_newer_attempt_begins(db: asyncpg.Pool, seal: Seal) -> None:
    mine = await workload(db, seal, "a")
    await workloads.claim(db, mine, limit=1, lease_s=60)
    held = await workloads.renew(db, workloads.Lease(mine.pod, mine.fence, 60), Progress(records_emitted=7))
    assert held == workloads.Renewal(is_held=True)
    told = await workloads.progress_of(db, mine.pod)
    assert told is not None
    assert told.records_emitted == 7
    newer = await next_attempt(db, mine.job_id, 1)
    assert not (await workloads.renew(db, workloads.Lease(mine.pod, mine.fence, 60), Progress())).is_held
    assert mine.connection_id is not None
    assert [pod.pod for pod in await workloads.older_pods(db, mine.connection_id, newer.fence)] == [mine.pod]


async def test_a_released_pod_cannot_renew(db: asyncpg.Pool, seal: Seal) -> None:
    mine = await workload(db, seal, "a")
    await workloads.claim(db, mine, limit=1, lease_s=60)
    await workloads.release(db, mine.pod, "failure")
    assert not (await workloads.renew(db, workloads.Lease(mine.pod, mine.fence, 60), Progress())).is_held


# --- what runs a pod ---


async def launcher_of(db: asyncpg.Pool, pod: str) -> str:
    launcher: str = await db.fetchval("select launcher from workloads where pod = $1", pod)
    return launcher


async def test_a_claim_of_a_live_pod_keeps_what_runs_it(db: asyncpg.Pool, seal: Seal) -> None:
    """Where it was started it must be looked for, whatever is chosen now."""
    mine = await workload(db, seal, "a", launcher="docker")
    other = replace(mine, launcher="process", dataplane="there")

    async def keeps() -> None:
        assert await workloads.claim(db, other, limit=1, lease_s=60)
        assert await launcher_of(db, mine.pod) == "docker"
        assert await workloads.dataplane_of(db, mine.pod) == "here"

    await workloads.claim(db, mine, limit=1, lease_s=60)
    await keeps()
    await workloads.launched(db, mine.pod)
    await keeps()
    await workloads.renew(db, workloads.Lease(mine.pod, mine.fence, 60), Progress())
    await keeps()


@pytest.mark.parametrize("end", ["success", "failure", "cancelled"])
async def test_a_claim_of_a_pod_that_has_ended_takes_what_is_chosen_now(db: asyncpg.Pool, seal: Seal, end: str) -> None:
    mine = await workload(db, seal, "a", launcher="docker")
    await workloads.claim(db, mine, limit=1, lease_s=60)
    await workloads.release(db, mine.pod, end)
    assert await workloads.claim(db, replace(mine, launcher="process", dataplane="there"), limit=1, lease_s=60)
    assert await launcher_of(db, mine.pod) == "process"
    assert await workloads.dataplane_of(db, mine.pod) == "there"


async def test_of_an_older_pod_it_is_told_what_runs_it(db: asyncpg.Pool, seal: Seal) -> None:
    first = await workload(db, seal, "a", launcher="docker")
    await workloads.claim(db, first, limit=5, lease_s=60)
    newer = await next_attempt(db, first.job_id, 1)
    second = replace(first, pod=newer.pod, attempt=1, fence=newer.fence, launcher="process", dataplane="there")
    await workloads.claim(db, second, limit=5, lease_s=-1)
    newest = await next_attempt(db, first.job_id, 2)
    assert first.connection_id is not None
    older = await workloads.older_pods(db, first.connection_id, newest.fence)
    assert sorted((pod.pod, pod.launcher, pod.dataplane, pod.lease_over_s > 0) for pod in older) == [
        (first.pod, "docker", "here", False),
        (second.pod, "process", "there", True),
    ]
