"""Places on a dataplane when two worker processes race for them: never more pods of a kind than its limit."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import asyncpg
import pytest
from rows import open_job

from airbyte_workers.names import JobKind, pod_name
from airbyte_workers.store import workloads
from airbyte_workers.store.database import connected
from airbyte_workers.store.sealing import Seal
from airbyte_workers.store.workloads import Workload

pytestmark = pytest.mark.postgres
LIMITS = {JobKind.SPEC: 1, JobKind.CHECK: 2, JobKind.DISCOVER: 3, JobKind.SYNC: 4}
DATAPLANES = ("here", "there")
PODS_EACH = 8
Key = tuple[str, JobKind]


@pytest.fixture
async def pools(db: asyncpg.Pool, url: str) -> AsyncIterator[list[asyncpg.Pool]]:
    """Those of two worker processes."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(connected(url, size=6, timeout=60)) for _ in range(2)]


@pytest.fixture
async def wanted(db: asyncpg.Pool, seal: Seal) -> list[Workload]:
    """More pods of every kind on every dataplane than there are places for."""
    job_id = await open_job(db, seal)
    return [
        Workload(pod_name(kind, number, dataplane == "there"), kind, job_id, 0, None, dataplane, "process", 0)
        for kind in LIMITS
        for dataplane in DATAPLANES
        for number in range(PODS_EACH)
    ]


def key_of(workload: Workload) -> Key:
    return workload.dataplane, workload.kind


async def live(db: asyncpg.Pool) -> Counter[Key]:
    rows = await db.fetch(
        """
        select dataplane, kind, count(*) as pods from workloads
        where status in ('claimed', 'launched', 'running') group by dataplane, kind
        """
    )
    return Counter({(row["dataplane"], JobKind(row["kind"])): row["pods"] for row in rows})


async def test_of_all_that_want_a_place_at_once_as_many_get_one_as_there_are(
    db: asyncpg.Pool, pools: list[asyncpg.Pool], wanted: list[Workload]
) -> None:
    async def claim(number: int, each: Workload) -> Key | None:
        mine = await workloads.claim(pools[number % 2], each, limit=LIMITS[each.kind], lease_s=600)
        return key_of(each) if mine else None

    got = Counter(await asyncio.gather(*(claim(number, each) for number, each in enumerate(wanted))))
    del got[None]
    assert got == await live(db)
    assert got == {(dataplane, kind): limit for kind, limit in LIMITS.items() for dataplane in DATAPLANES}


@pytest.mark.parametrize("seed", range(4))
async def test_however_pods_come_and_go_their_limit_holds_and_everyone_has_a_turn(
    db: asyncpg.Pool, pools: list[asyncpg.Pool], wanted: list[Workload], seed: int
) -> None:
    dice = random.Random(seed)
    dice.shuffle(wanted)
    now: Counter[Key] = Counter()
    most: Counter[Key] = Counter()

    async def one(number: int, each: Workload) -> None:
        """A pod's life; some are claimed twice, as by a launch that was repeated on another worker."""
        mine, other = pools[number % 2], pools[(number + 1) % 2]
        limit, key = LIMITS[each.kind], key_of(each)
        while not await workloads.claim(mine, each, limit=limit, lease_s=600):
            await asyncio.sleep(0.01)
        now[key] += 1
        most[key] = max(most[key], now[key])
        if dice.random() < 0.3:
            assert await workloads.claim(other, each, limit=limit, lease_s=600)
        if dice.random() < 0.5:
            await workloads.launched(other, each.pod)
        assert (await live(mine))[key] <= limit
        now[key] -= 1
        await workloads.release(other, each.pod, dice.choice(["success", "failure", "cancelled"]))

    async with asyncio.TaskGroup() as tasks:
        for number, each in enumerate(wanted):
            tasks.create_task(one(number, each))
    assert [key for key, pods in most.items() if pods > LIMITS[key[1]]] == []
    assert len(most) == len(LIMITS) * len(DATAPLANES)
    assert await live(db) == Counter()
