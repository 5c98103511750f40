"""Live jobs, and what is known of the runs in Temporal that do them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from airbyte_workers.jobs.reconciliation import RECONCILER, TemporalNamespace
from airbyte_workers.jobs.status import job_has_ended
from airbyte_workers.names import JobKind
from airbyte_workers.store.transitions import Event, HeldJob, held, write_event


@dataclass(frozen=True)
class SightedJob:
    """A job that has not ended, and what was seen of its run: see `jobs/reconciliation.KnownJob`.

    `over_s`: since its run is known to be over; `has_pods`: a pod of it has a place on some dataplane.
    """

    id: int
    kind: JobKind
    workflow_id: str
    run_id: str
    silent_s: float
    seen_in: TemporalNamespace | None = None
    missing_s: float | None = None
    over_s: float | None = None
    cancel_requested: bool = False
    cancelled_by: str = ""
    has_pods: bool = False


@dataclass(frozen=True)
class Pace:
    """When runs are looked at, and how many at once.

    `grace_s`: how old a job must be; `interval_s`: between two looks; `recheck_s`: the same while a run is missing;
    `pod_limit_s`: a pod that is older is no sign of life of its job any more.
    """

    grace_s: float
    interval_s: float
    recheck_s: float
    pod_limit_s: float
    batch: int


_CLAIM = """
with due as (
    select jobs.id from jobs left join job_runs on job_runs.job_id = jobs.id
    where jobs.status not in ('failed', 'succeeded', 'cancelled')
        and jobs.created_at < $1::timestamptz - make_interval(secs => $2) and over_at is null
        and (looked_at is null or looked_at < $1::timestamptz - make_interval(
            secs => case when missing_at is null then $3::double precision else $4 end))
    order by looked_at nulls first, jobs.id limit $5
    for no key update of jobs skip locked
)
insert into job_runs (job_id) select id from due
on conflict (job_id) do update set looked_at = excluded.looked_at
where job_runs.looked_at is null or job_runs.looked_at < $1::timestamptz - make_interval(
    secs => case when job_runs.missing_at is null then $3::double precision else $4 end)
returning job_id
"""
_FACTS = """
select jobs.id, kind, workflow_id, run_id, cluster_id, namespace_id, jobs.cancel_requested_at,
    extract(epoch from now() - missing_at) as missing_s, extract(epoch from now() - over_at) as over_s,
    extract(epoch from now() - greatest(jobs.updated_at, seen_at, (
        select max(greatest(workloads.updated_at, heartbeat_at)) from workloads
        where job_id = jobs.id and created_at > now() - make_interval(secs => $2)))) as silent_s,
    (select by from job_events where job_id = jobs.id and event = 'cancel requested' order by id desc limit 1) as by,
    exists (
        select from workloads where job_id = jobs.id and workloads.status in ('claimed', 'launched', 'running')
    ) as has_pods
from jobs left join job_runs on job_runs.job_id = jobs.id
where jobs.id = any($1) and jobs.status not in ('failed', 'succeeded', 'cancelled') order by jobs.id
"""
_OVER = """
select job_id from job_runs join jobs on jobs.id = job_id
where over_at is not null and jobs.status not in ('failed', 'succeeded', 'cancelled') order by over_at limit $1
"""


async def clock(db: asyncpg.Pool) -> datetime:
    """The database's time: hosts need not agree about theirs."""
    now: datetime = await db.fetchval("select clock_timestamp()")
    return now


async def due(db: asyncpg.Pool, pace: Pace, at: datetime) -> Sequence[SightedJob]:
    """Live jobs whose runs nobody has looked at for a while before `at`; nobody else gets them to look at now.

    The condition stands twice: a statement that began before another's commit finds the jobs unlocked and `looked_at`
    as it was; only the row that is in conflict is read as it is now.
    """
    rows = await db.fetch(_CLAIM, at, pace.grace_s, pace.interval_s, pace.recheck_s, pace.batch)
    return await _facts(db, [row["job_id"] for row in rows], pace)


async def over(db: asyncpg.Pool, pace: Pace) -> Sequence[SightedJob]:
    """Live jobs whose runs are known to be over."""
    rows = await db.fetch(_OVER, pace.batch)
    return await _facts(db, [row["job_id"] for row in rows], pace)


async def sighted(db: asyncpg.Pool, job_id: int, pace: Pace) -> SightedJob | None:
    """One job; None when it has ended."""
    found = await _facts(db, [job_id], pace)
    return found[0] if found else None


async def _facts(db: asyncpg.Pool, job_ids: Sequence[int], pace: Pace) -> Sequence[SightedJob]:
    return [_sighted(row) for row in await db.fetch(_FACTS, job_ids, pace.pod_limit_s)] if job_ids else []


def _sighted(row: asyncpg.Record) -> SightedJob:
    namespace: str | None = row["namespace_id"]
    return SightedJob(
        id=row["id"],
        kind=JobKind(row["kind"]),
        workflow_id=row["workflow_id"],
        run_id=row["run_id"],
        silent_s=float(row["silent_s"]),
        seen_in=TemporalNamespace(row["cluster_id"], namespace) if namespace is not None else None,
        missing_s=_seconds(row["missing_s"]),
        over_s=_seconds(row["over_s"]),
        cancel_requested=row["cancel_requested_at"] is not None,
        cancelled_by=row["by"] or "",
        has_pods=row["has_pods"],
    )


def _seconds(value: object) -> float | None:
    return None if value is None else float(str(value))


async def begin(db: asyncpg.Pool, job_id: int, namespace: TemporalNamespace) -> None:
    """The job was opened by a run there; nobody has looked at it yet."""
    await db.execute(
        """
        insert into job_runs (job_id, cluster_id, namespace_id, looked_at) values ($1, $2, $3, '-infinity')
        on conflict (job_id) do nothing
        """,
        job_id,
        namespace.cluster_id,
        namespace.namespace_id,
    )


async def saw(db: asyncpg.Pool, job: SightedJob, namespace: TemporalNamespace) -> None:
    """The run runs, there."""
    await db.execute(
        """
        insert into job_runs (job_id, cluster_id, namespace_id, seen_at) select id, $3, $4, now() from jobs
        where id = $1 and run_id = $2
        on conflict (job_id) do update set cluster_id = excluded.cluster_id, namespace_id = excluded.namespace_id,
            seen_at = excluded.seen_at, missing_at = null, over_at = null
        """,
        job.id,
        job.run_id,
        namespace.cluster_id,
        namespace.namespace_id,
    )


async def missed(db: asyncpg.Pool, job: SightedJob) -> None:
    """Temporal does not know the run."""
    await db.execute("update job_runs set missing_at = coalesce(missing_at, now()) where job_id = $1", job.id)


async def is_over(db: asyncpg.Pool, job: SightedJob, why: str) -> bool:
    """The run is over, the job not yet; tells the job's past. False when it was known, or is not true any more."""
    async with held(db, job.id) as row:
        if not await is_run_by(row, job.run_id):
            return False
        first = await row.session.fetchval(
            """
            insert into job_runs (job_id, over_at) values ($1, now())
            on conflict (job_id) do update set over_at = excluded.over_at where job_runs.over_at is null
            returning job_id
            """,
            job.id,
        )
        if first is not None:
            event = Event("run over", by=RECONCILER, reason=f"the job's run {why}")
            await write_event(row.session, job.id, event)
        return first is not None


async def follow(db: asyncpg.Pool, job: SightedJob, successor: str, why: str) -> bool:
    """Another run goes on with the job from now on; False when the job is not this run's any more."""
    async with held(db, job.id) as row:
        if not await is_run_by(row, job.run_id):
            return False
        await row.session.execute(
            """
            update jobs set run_id = $2, opening_run_id = coalesce(opening_run_id, run_id),
                updated_at = clock_timestamp() where id = $1
            """,
            job.id,
            successor,
        )
        await row.session.execute(
            "update job_runs set looked_at = '-infinity', missing_at = null, over_at = null where job_id = $1", job.id
        )
        reason = f"the job's run {why}; run {successor} goes on with the job"
        await write_event(row.session, job.id, Event("run replaced", by=RECONCILER, reason=reason))
        return True


async def forget_ended(db: asyncpg.Pool, *, limit: int) -> None:
    """What was known of runs whose jobs have ended."""
    await db.execute(
        """
        delete from job_runs where job_id in (
            select job_id from job_runs join jobs on jobs.id = job_id
            where jobs.status in ('failed', 'succeeded', 'cancelled') limit $1)
        """,
        limit,
    )


async def is_run_by(row: HeldJob, run_id: str) -> bool:
    """Whether the job lives and is this run's, now that nobody else can change that."""
    if job_has_ended(row.status):
        return False
    current: str = await row.session.fetchval("select run_id from jobs where id = $1", row.id)
    return current == run_id
