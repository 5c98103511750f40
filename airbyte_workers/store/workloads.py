"""Workloads: which pods live on which dataplane, until when, and how far they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import asyncpg

from airbyte_workers.models import Progress
from airbyte_workers.names import JobKind

ADMISSION_LOCK = 0x41425F41  # "AB_A": pods are counted and claimed by one launcher at a time
_LIVE = ("claimed", "launched", "running")


@dataclass(frozen=True)
class Workload:
    """A pod's place on a dataplane."""

    pod: str
    kind: JobKind
    job_id: int
    attempt: int
    connection_id: int | None
    dataplane: str
    launcher: str
    fence: int


_COUNT = """
select count(*) from workloads
where dataplane = $1 and kind = $2 and status = any($3) and lease_until > now() and pod <> $4
"""
_CLAIM = """
insert into workloads (pod, kind, job_id, attempt, connection_id, dataplane, launcher, fence, lease_until)
values ($1, $2, $3, $4, $5, $6, $7, $8, now() + make_interval(secs => $9))
on conflict (pod) do update set lease_until = excluded.lease_until, updated_at = now(),
    dataplane = case when workloads.status = any($10) and workloads.lease_until > now()
        then workloads.dataplane else excluded.dataplane end,
    launcher = case when workloads.status = any($10) then workloads.launcher else excluded.launcher end,
    created_at = case when workloads.status = any($10) then workloads.created_at else now() end,
    launched_at = case when workloads.status = any($10) then workloads.launched_at end,
    gone_at = case when workloads.status = any($10) then workloads.gone_at end,
    stop_asked = case when workloads.status = any($10) then workloads.stop_asked end,
    status = case when workloads.status = any($10) then workloads.status else 'claimed' end
"""


async def claim(db: asyncpg.Pool, workload: Workload, *, limit: int, lease_s: float) -> bool:
    """Take a place for a pod unless the dataplane has `limit` live pods of its kind; asked again: still ours."""
    pod, kind, dataplane = workload.pod, str(workload.kind), workload.dataplane
    async with db.acquire() as session, session.transaction():
        await session.execute("select pg_advisory_xact_lock($1, hashtext($2))", ADMISSION_LOCK, dataplane)
        if await session.fetchval(_COUNT, dataplane, kind, _LIVE, pod) >= limit:
            return False
        await session.execute(
            _CLAIM,
            pod,
            kind,
            workload.job_id,
            workload.attempt,
            workload.connection_id,
            dataplane,
            workload.launcher,
            workload.fence,
            lease_s,
            _LIVE,
        )
        return True


@dataclass(frozen=True)
class Lease:
    """A pod's hold on its place, for so many seconds; a larger fence takes it away."""

    pod: str
    fence: int
    seconds: float


class StopAsked(StrEnum):
    """How somebody who does not reach the pod wants it to end: in order, or now."""

    END = "end"
    NOW = "now"


@dataclass(frozen=True)
class Renewal:
    """What a pod learns when it renews its lease; not `is_held`: it has been superseded or closed."""

    is_held: bool
    stop_asked: StopAsked | None = None


async def renew(db: asyncpg.Pool, lease: Lease, progress: Progress) -> Renewal:
    """Say that a pod lives and how far it is."""
    renewed = await db.fetchrow(
        """
        update workloads set status = 'running', heartbeat_at = now(), updated_at = now(), progress = $3,
            launched_at = coalesce(launched_at, now()),
            lease_until = now() + make_interval(secs => $4)
        where pod = $1 and fence = $2 and status = any($5)
            and fence >= coalesce((select connections.fence from connections where id = workloads.connection_id), fence)
        returning stop_asked
        """,
        lease.pod,
        lease.fence,
        progress.model_dump(mode="json"),
        lease.seconds,
        _LIVE,
    )
    if renewed is None:
        return Renewal(is_held=False)
    asked = renewed["stop_asked"]
    return Renewal(is_held=True, stop_asked=StopAsked(asked) if asked is not None else None)


async def ask_to_stop(db: asyncpg.Pool, pod: str, how: StopAsked) -> None:
    """Ask the pod of a sync to end, from wherever; who was asked to end now is not asked for order any more."""
    await db.execute(
        """
        update workloads set stop_asked = $2
        where pod = $1 and status = any($3) and stop_asked is distinct from $2 and stop_asked is distinct from 'now'
        """,
        pod,
        how,
        _LIVE,
    )


async def extend(db: asyncpg.Pool, pod: str, *, lease_s: float) -> None:
    """Keep a pod's place while its watcher looks after it (a connector pod renews nothing itself)."""
    await db.execute(
        "update workloads set lease_until = now() + make_interval(secs => $2) where pod = $1 and status = any($3)",
        pod,
        lease_s,
        _LIVE,
    )


async def launched(db: asyncpg.Pool, pod: str) -> None:
    """The pod's processes have been started."""
    await db.execute(
        """
        update workloads set status = case status when 'claimed' then 'launched' else status end, updated_at = now(),
            launched_at = coalesce(launched_at, now())
        where pod = $1 and status = any($2)
        """,
        pod,
        _LIVE,
    )


async def cleared(db: asyncpg.Pool, pod: str) -> None:
    """Object storage has nothing under the pod's name that is not its own."""
    await db.execute("update workloads set is_fresh = true where pod = $1", pod)


async def owns_markers(db: asyncpg.Pool, pod: str) -> bool:
    """Whether markers under the pod's name are its own: it was about to be launched at least once."""
    return bool(await db.fetchval("select is_fresh from workloads where pod = $1", pod))


async def is_live(db: asyncpg.Pool, pod: str) -> bool:
    """Whether the pod has a place."""
    found = await db.fetchval("select 1 from workloads where pod = $1 and status = any($2)", pod, _LIVE)
    return found is not None


async def count_failed_launch(db: asyncpg.Pool, pod: str) -> int:
    """One more try to start the pod has failed: how many now."""
    return int(
        await db.fetchval(
            "update workloads set failed_launches = failed_launches + 1 where pod = $1 returning failed_launches", pod
        )
        or 1
    )


async def release(db: asyncpg.Pool, pod: str, status: str) -> None:
    """The pod is gone, with this end (`success`, `failure`, `cancelled`): its place is free."""
    await db.execute(
        """
        update workloads set status = $2, updated_at = now(), gone_at = clock_timestamp()
        where pod = $1 and status = any($3)
        """,
        pod,
        status,
        _LIVE,
    )


async def progress_of(db: asyncpg.Pool, pod: str) -> Progress | None:
    """What the pod last said of itself."""
    progress = await db.fetchval("select progress from workloads where pod = $1", pod)
    return Progress.model_validate(progress) if progress else None


@dataclass(frozen=True)
class OlderPod:
    """A pod of an earlier attempt of the same connection that may still live."""

    pod: str
    dataplane: str
    launcher: str
    lease_over_s: float


async def older_pods(db: asyncpg.Pool, connection_id: int, fence: int) -> Sequence[OlderPod]:
    """The live pods of a connection with a smaller fence."""
    rows = await db.fetch(
        """
        select pod, dataplane, launcher, extract(epoch from now() - lease_until)::float as lease_over_s from workloads
        where connection_id = $1 and fence < $2 and status = any($3)
        """,
        connection_id,
        fence,
        _LIVE,
    )
    return [OlderPod(**row) for row in rows]


@dataclass(frozen=True)
class Elsewhere:
    """A pod's place on another dataplane; `is_launched`: its processes were started there."""

    dataplane: str
    is_launched: bool
    lease_over_s: float


async def place_elsewhere(db: asyncpg.Pool, pod: str, dataplane: str) -> Elsewhere | None:
    """The place that the pod has on another dataplane than this; its lease may be over."""
    row = await db.fetchrow(
        """
        select dataplane, status <> 'claimed' as is_launched,
            extract(epoch from now() - lease_until)::float as lease_over_s
        from workloads where pod = $1 and dataplane <> $2 and status = any($3)
        """,
        pod,
        dataplane,
        _LIVE,
    )
    return Elsewhere(**row) if row is not None else None


async def dataplane_of(db: asyncpg.Pool, pod: str) -> str | None:
    """The host on which the pod was started; None for one that has no place."""
    dataplane: str | None = await db.fetchval("select dataplane from workloads where pod = $1", pod)
    return dataplane


async def age_s(db: asyncpg.Pool, pod: str) -> float:
    """Seconds since the pod took its place; 0 for one that has none."""
    age = await db.fetchval("select extract(epoch from now() - created_at) from workloads where pod = $1", pod)
    return float(age or 0)
