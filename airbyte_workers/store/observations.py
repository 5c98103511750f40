"""What has happened to jobs, for whoever counts and traces: each happening is taken once, by one process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from airbyte_workers.models import LegTimes, Value
from airbyte_workers.names import JobKind
from airbyte_workers.store import history
from airbyte_workers.store.history import JobHistory


class Observed(Value):
    """One line of a job's past, as it is counted; `attempt` counts from 0."""

    job_id: int
    kind: JobKind
    attempt: int | None = None
    event: str


class PodTimes(Value):
    """One pod of a job: when it had its place, when its processes had been started, when nothing was left of it.

    `failed_launches`: tries to start it that failed. Of an older release's pods the times are about right.
    """

    pod: str
    kind: JobKind
    attempt: int
    status: str
    dataplane: str
    launcher: str
    created_at: datetime
    launched_at: datetime | None = None
    ended_at: datetime | None = None
    failed_launches: int = 0


class AttemptTimes(Value):
    """What the pod of an attempt noted of its own parts; `number` counts from 1.

    `began_at`, `ran_s`: of its orchestrator; None: it left nothing.
    """

    number: int
    legs: tuple[LegTimes, ...] = ()
    began_at: datetime | None = None
    ran_s: float = 0


@dataclass(frozen=True)
class JobPast:
    """All that is told of a job in figures and in its trace."""

    job: JobHistory
    pods: Sequence[PodTimes]
    attempts: Mapping[int, AttemptTimes]
    traceparent: str | None


_TAKE = """
update job_events set is_observed = true from jobs
where jobs.id = job_id and job_events.id in (
    select id from job_events where not is_observed and at > now() - make_interval(secs => $1)
    order by at limit $2 for update skip locked
)
returning job_events.id, job_id, kind, attempt, event
"""
_PODS = """
select pod, kind, attempt, status, dataplane, launcher, created_at, failed_launches,
    coalesce(launched_at, heartbeat_at) as launched_at,
    coalesce(gone_at, case when status not in ('claimed', 'launched', 'running') then updated_at end) as ended_at
from workloads where job_id = $1 order by created_at, pod
"""
_ATTEMPTS = """
select number + 1 as number, legs, (throughput ->> 'began_at')::timestamptz as began_at,
    coalesce((throughput -> 'marks' -> -1 ->> 'at_s')::float8, 0) as ran_s
from attempts where job_id = $1
"""


@asynccontextmanager
async def taking(db: asyncpg.Pool, *, young_s: float, limit: int) -> AsyncIterator[Sequence[Observed]]:
    """What nobody has taken yet, oldest first; taken once the block has ended well. What happened longer ago than
    `young_s` is not told any more."""
    async with db.acquire() as session, session.transaction():
        rows = await session.fetch(_TAKE, young_s, limit)
        yield [Observed.model_validate(dict(row)) for row in sorted(rows, key=lambda row: row["id"])]


async def past(db: asyncpg.Pool, job_id: int) -> JobPast:
    """The job whole, with the times of its pods. Raises LookupError."""
    job = await history.whole(db, job_id)
    pods = [PodTimes.model_validate(dict(row)) for row in await db.fetch(_PODS, job_id)]
    attempts = [AttemptTimes.model_validate(dict(row)) for row in await db.fetch(_ATTEMPTS, job_id)]
    traceparent = await db.fetchval("select traceparent from jobs where id = $1", job_id)
    return JobPast(job, pods, {each.number: each for each in attempts}, traceparent)


class Load(Value):
    """Jobs that have not ended, by what they do: `status`, how many, the age of the oldest in seconds."""

    kind: JobKind
    status: str
    jobs: int
    oldest_s: float


class Places(Value):
    """Pods of one kind: how many live on this dataplane, and how many wait anywhere."""

    kind: JobKind
    live: int = 0
    waiting: int = 0


_LOAD = """
select kind, status, count(*) as jobs, extract(epoch from now() - min(coalesce(started_at, created_at)))::float8
    as oldest_s from jobs where status not in ('failed', 'succeeded', 'cancelled') group by kind, status
"""
_LIVE = """
select kind, count(*) as live from workloads
where dataplane = $1 and status in ('claimed', 'launched', 'running') and lease_until > now() group by kind
"""
_WAITING = """
select jobs.kind, count(*) as waiting from jobs left join lateral (
    select true as waits from attempts where attempts.job_id = jobs.id and attempts.status = 'running'
        and not exists (select from workloads where workloads.pod = attempts.pod) limit 1
) as attempt on true
where jobs.status not in ('failed', 'succeeded', 'cancelled') and (jobs.status = 'queued' or waits)
group by jobs.kind
"""
_ORPHANS = """
select count(*) from jobs cross join lateral (
    select from job_runs where job_id = jobs.id and over_at is not null limit 1
) as over where jobs.status not in ('failed', 'succeeded', 'cancelled')
"""
_LONG = """
select count(*) from jobs as running cross join lateral (
    select max(extract(epoch from ended_at - started_at)) as longest_s from (
        select started_at, ended_at from jobs as earlier where earlier.connection_id = running.connection_id
            and earlier.kind = running.kind and earlier.status = 'succeeded' order by earlier.id desc limit $3
    ) as last
) as past
where running.kind = 'sync' and running.status in ('running', 'incomplete') and longest_s is not null
    and extract(epoch from now() - running.started_at) > greatest(longest_s * $1, $2)
"""


async def load(db: asyncpg.Pool) -> Sequence[Load]:
    """How many jobs there are to do."""
    return [Load.model_validate(dict(row)) for row in await db.fetch(_LOAD)]


async def places(db: asyncpg.Pool, dataplane: str) -> Sequence[Places]:
    """Who lives here, and who waits for a place."""
    live = {row["kind"]: row["live"] for row in await db.fetch(_LIVE, dataplane)}
    waiting = {row["kind"]: row["waiting"] for row in await db.fetch(_WAITING)}
    return [Places(kind=kind, live=live.get(kind, 0), waiting=waiting.get(kind, 0)) for kind in JobKind]


async def orphans(db: asyncpg.Pool) -> int:
    """Jobs that are not closed though their run is over."""
    return int(await db.fetchval(_ORPHANS))


@dataclass(frozen=True)
class Unusual:
    """From when on a sync runs unusually long: beside the longest of so many earlier ones, and at least so long."""

    factor: float
    least_s: float
    beside: int


async def unusually_long(db: asyncpg.Pool, unusual: Unusual) -> int:
    """Syncs that run far longer than the connection's last ones did."""
    return int(await db.fetchval(_LONG, unusual.factor, unusual.least_s, unusual.beside))
