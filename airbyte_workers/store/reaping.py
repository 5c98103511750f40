"""Pods and what the rows say of them: which of them nobody looks after any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg

from airbyte_workers.jobs.reconciliation import RECONCILER
from airbyte_workers.models import AttemptRef
from airbyte_workers.names import CONNECTOR_ROLES, JobKind, pod_name
from airbyte_workers.store.transitions import Event, held, write_event


@dataclass(frozen=True)
class PlacedPod:
    """A pod with a place on a dataplane; `run` is the one by which it is known. See `jobs/reconciliation.Placed`."""

    ref: AttemptRef
    pod: str
    launcher: str
    run: str
    age_s: float
    is_claimed: bool
    job_ended: bool
    run_over: bool
    attempt_ended: bool
    lease_over_s: float


async def placed(db: asyncpg.Pool, dataplane: str) -> Sequence[PlacedPod]:
    """Every pod that has a place on this dataplane."""
    rows = await db.fetch(
        """
        select workloads.*, coalesce(opening_run_id, run_id) as run,
            jobs.status in ('failed', 'succeeded', 'cancelled') as job_ended,
            over_at is not null as run_over, attempts.status <> 'running' as attempt_ended,
            extract(epoch from now() - lease_until) as lease_over_s,
            extract(epoch from now() - workloads.created_at) as age_s
        from workloads join jobs on jobs.id = job_id left join job_runs using (job_id)
            left join attempts on attempts.pod = workloads.pod
        where workloads.dataplane = $1 and workloads.status in ('claimed', 'launched', 'running')
        order by workloads.created_at
        """,
        dataplane,
    )
    return [_placed(row) for row in rows]


def _placed(row: asyncpg.Record) -> PlacedPod:
    return PlacedPod(
        ref=_ref_of(row),
        pod=row["pod"],
        launcher=row["launcher"],
        run=row["run"],
        age_s=float(row["age_s"]),
        is_claimed=row["status"] == "claimed",
        job_ended=row["job_ended"],
        run_over=row["run_over"],
        attempt_ended=bool(row["attempt_ended"]),
        lease_over_s=float(row["lease_over_s"]),
    )


def _ref_of(row: asyncpg.Record) -> AttemptRef:
    """What the pod was launched for; which connector of a sync it asks stands in its name alone."""
    kind, job_id, attempt = JobKind(row["kind"]), row["job_id"], row["attempt"]
    asked = [role for role in CONNECTOR_ROLES if pod_name(kind, job_id, attempt, role) == row["pod"]]
    return AttemptRef(job_id=job_id, attempt=attempt, kind=kind, of=asked[0] if asked else None)


@dataclass(frozen=True)
class PodRow:
    """What the rows say of a pod, wherever its place is; `run` is the one by which it is known."""

    job_id: int
    run: str
    is_live: bool
    quiet_s: float


async def rows_of(db: asyncpg.Pool, pods: Sequence[str]) -> Mapping[str, PodRow]:
    """The rows of these pods, by name; a pod without one is not in it."""
    rows = await db.fetch(
        """
        select pod, job_id, coalesce(opening_run_id, run_id) as run,
            workloads.status in ('claimed', 'launched', 'running') as is_live,
            extract(epoch from now() - workloads.updated_at) as quiet_s
        from workloads join jobs on jobs.id = job_id where pod = any($1)
        """,
        pods,
    )
    return {row["pod"]: PodRow(row["job_id"], row["run"], row["is_live"], float(row["quiet_s"])) for row in rows}


async def tell_removed(db: asyncpg.Pool, job_id: int, pod: str, why: str) -> None:
    """Tell the job's past of a pod that was ended because nobody else did it; once, also when two processes did.

    Raises JobGone.
    """
    reason = f"{pod}: {why}"
    async with held(db, job_id) as job:
        told = await job.session.fetchval(
            "select 1 from job_events where job_id = $1 and event = 'pod removed' and reason = $2", job_id, reason
        )
        if told is None:
            await write_event(job.session, job_id, Event("pod removed", by=RECONCILER, reason=reason))


async def installation(db: asyncpg.Pool) -> str:
    """The name of this database, which no other has."""
    return str(await db.fetchval("select name from installation"))
