"""Signs of life of hosts, and pods as they look from another one."""

from __future__ import annotations

import asyncpg
import pytest
from hosts import lease_over, seen
from rows import open_attempt, open_with_catalog

from airbyte_workers.models import Progress
from airbyte_workers.names import JobKind
from airbyte_workers.store import dataplanes, workloads
from airbyte_workers.store.dataplanes import Place, Sign
from airbyte_workers.store.sealing import Seal
from airbyte_workers.store.workloads import Lease, StopAsked, Workload

pytestmark = pytest.mark.postgres


async def placed(db: asyncpg.Pool, seal: Seal) -> Lease:
    """A pod that runs on `there`."""
    job_id = await open_with_catalog(db, seal)
    attempt = await open_attempt(db, job_id, 0)
    workload = Workload(attempt.pod, JobKind.SYNC, job_id, 0, 1, "there", "process", attempt.fence)
    await workloads.claim(db, workload, limit=9, lease_s=60)
    return Lease(attempt.pod, attempt.fence, 60)


async def place(db: asyncpg.Pool, pod: str) -> Place:
    found = await dataplanes.place_of(db, pod)
    assert found is not None
    return found


async def test_a_host_is_watched_for_as_long_as_its_last_sign_holds(db: asyncpg.Pool, seal: Seal) -> None:
    pod = (await placed(db, seal)).pod
    never = await place(db, pod)
    assert (never.dataplane, never.is_watched, never.watched_at) == ("there", False, None)
    await dataplanes.tell(db, Sign("there", watches=True, holds_s=60))
    told = await place(db, pod)
    assert (told.is_watched, told.watched_at is not None) == (True, True)
    await seen(db, "there", ago_s=16)
    assert not (await place(db, pod)).is_watched


async def test_a_worker_that_only_launches_pods_makes_no_host_watched_and_takes_nobodys_word_back(
    db: asyncpg.Pool, seal: Seal
) -> None:
    pod = (await placed(db, seal)).pod
    await dataplanes.tell(db, Sign("there", watches=False, holds_s=60))
    assert not (await place(db, pod)).is_watched
    await dataplanes.tell(db, Sign("there", watches=True, holds_s=60))
    await dataplanes.tell(db, Sign("there", watches=False, holds_s=60))
    assert (await place(db, pod)).is_watched


async def test_what_is_known_of_a_pod_elsewhere_is_its_lease_and_how_far_it_said_to_be(
    db: asyncpg.Pool, seal: Seal
) -> None:
    lease = await placed(db, seal)
    await workloads.renew(db, lease, Progress(records_emitted=7))
    known = await place(db, lease.pod)
    assert known.progress == Progress(records_emitted=7)
    assert -60 <= known.lease_over_s < -30
    await lease_over(db, lease.pod, 5)
    assert 5 <= (await place(db, lease.pod)).lease_over_s < 35
    assert await dataplanes.place_of(db, "nobody") is None


# --- for how long the database was there ---


async def test_signs_without_a_gap_tell_since_when_the_database_is_reached(db: asyncpg.Pool) -> None:
    assert await dataplanes.reachable_s(db, "here", holds_s=15) == 0
    await seen(db, "here", since_s=600, ago_s=14)
    await dataplanes.tell(db, Sign("here", watches=False, holds_s=15))
    assert await dataplanes.reachable_s(db, "here", holds_s=15) >= 600


async def test_nobody_knows_it_once_the_last_sign_is_too_old(db: asyncpg.Pool) -> None:
    await seen(db, "here", since_s=600, ago_s=16)
    assert await dataplanes.reachable_s(db, "here", holds_s=15) == 0


async def test_after_a_gap_it_is_counted_anew(db: asyncpg.Pool) -> None:
    await seen(db, "here", since_s=600, ago_s=16)
    await dataplanes.tell(db, Sign("here", watches=False, holds_s=15))
    assert await dataplanes.reachable_s(db, "here", holds_s=15) < 60


async def test_hosts_that_nobody_knows_any_more_are_forgotten_unless_a_pod_has_its_place_there(
    db: asyncpg.Pool, seal: Seal
) -> None:
    await placed(db, seal)
    for name in ("there", "container-1"):
        await seen(db, name, ago_s=2 * 86_400)
    await seen(db, "container-2", ago_s=3600)
    await dataplanes.forget(db, days=1)
    names = [row["name"] for row in await db.fetch("select name from dataplanes order by name")]
    assert names == ["container-2", "there"]


# --- what a pod is asked from afar ---


async def test_a_pod_learns_with_its_renewal_that_it_is_asked_to_end(db: asyncpg.Pool, seal: Seal) -> None:
    lease = await placed(db, seal)
    assert (await workloads.renew(db, lease, Progress())).stop_asked is None
    await workloads.ask_to_stop(db, lease.pod, StopAsked.END)
    assert (await workloads.renew(db, lease, Progress())).stop_asked is StopAsked.END
    await workloads.ask_to_stop(db, lease.pod, StopAsked.NOW)
    await workloads.ask_to_stop(db, lease.pod, StopAsked.END)
    assert (await workloads.renew(db, lease, Progress())).stop_asked is StopAsked.NOW


async def test_what_is_launched_again_under_the_same_name_is_asked_nothing(db: asyncpg.Pool, seal: Seal) -> None:
    lease = await placed(db, seal)
    await workloads.ask_to_stop(db, lease.pod, StopAsked.NOW)
    again = Workload(lease.pod, JobKind.SYNC, 1, 0, 1, "there", "process", lease.fence)
    await workloads.claim(db, again, limit=9, lease_s=60)
    assert (await workloads.renew(db, lease, Progress())).stop_asked is StopAsked.NOW
    await workloads.release(db, lease.pod, "failure")
    await workloads.claim(db, again, limit=9, lease_s=60)
    assert (await workloads.renew(db, lease, Progress())).stop_asked is None
