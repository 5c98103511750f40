"""What people read of jobs: lists, one job whole, the report of a sync."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg

from airbyte_workers.models import (
    TERMINAL_JOB_STATUSES,
    AttemptReport,
    Evidence,
    Failure,
    JobStatus,
    StreamCounts,
    SyncReport,
    Value,
)
from airbyte_workers.names import JobKind


class JobLine(Value):
    """One job in a list."""

    job_id: int
    kind: str
    connection: str | None
    connector: str | None
    status: JobStatus
    attempts: int
    records_committed: int
    bytes_committed: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class JobFacts(Value):
    """What a job is and which run does it; `subject` is what it works on: a connection, or the one connector asked."""

    job_id: int
    kind: JobKind
    status: JobStatus
    subject: str
    launcher: str | None = None
    workflow_id: str
    run_id: str
    created_at: datetime
    ended_at: datetime | None = None

    @property
    def has_ended(self) -> bool:
        """Nothing happens to it any more."""
        return self.status in TERMINAL_JOB_STATUSES


class Happening(Value):
    """One line of a job's past; `attempt` counts from 0."""

    at: datetime
    attempt: int | None = None
    event: str
    by: str = ""
    reason: str = ""


_FACTS = """
select id as job_id, kind, status, coalesce(connection, connector, '') as subject, launcher, workflow_id, run_id,
    created_at, ended_at from jobs where id = $1
"""
_END = """
select by, reason from job_events where job_id = $1 and attempt is null and event = any($2) order by id desc limit 1
"""
_LIST = """
select jobs.id as job_id, kind, connection, connector, jobs.status, jobs.created_at, jobs.started_at, jobs.ended_at,
    count(attempts.number) as attempts, coalesce(sum(attempts.records_committed), 0)::bigint as records_committed,
    coalesce(sum(attempts.bytes_committed), 0)::bigint as bytes_committed
from jobs left join attempts on attempts.job_id = jobs.id
where ($1::text is null or connection = $1) and ($2::text is null or jobs.status = $2) and kind = any($3)
group by jobs.id order by jobs.id desc limit $4
"""
_STREAMS = """
select stream as name, namespace,
    (array_agg(status order by attempt desc))[1] as status,
    sum(records_emitted)::bigint as records_emitted, sum(records_committed)::bigint as records_committed,
    sum(records_filtered)::bigint as records_filtered, sum(records_rejected)::bigint as records_rejected,
    sum(bytes_emitted)::bigint as bytes_emitted, sum(bytes_committed)::bigint as bytes_committed
from stream_stats where job_id = $1 group by stream, namespace order by min(ctid::text), stream
"""


async def list_jobs(
    db: asyncpg.Pool, *, connection: str | None, status: str | None, kinds: Sequence[str], limit: int
) -> Sequence[JobLine]:
    """The newest jobs first."""
    return [JobLine.model_validate(dict(row)) for row in await db.fetch(_LIST, connection, status, list(kinds), limit)]


async def facts(db: asyncpg.Pool, job_id: int) -> JobFacts:
    """What the job is. Raises LookupError."""
    row = await db.fetchrow(_FACTS, job_id) if 0 < job_id < 2**63 else None
    if row is None:
        raise LookupError(f"there is no job {job_id}")
    return JobFacts.model_validate(dict(row))


async def report(db: asyncpg.Pool, job_id: int, *, max_streams: int | None = None) -> SyncReport:
    """A job whole: attempts, streams summed over them, evidence of the last. Raises LookupError."""
    job = await db.fetchrow("select * from jobs where id = $1", job_id)
    if job is None:
        raise LookupError(f"there is no job {job_id}")
    attempts = await db.fetch("select * from attempts where job_id = $1 order by number", job_id)
    streams = [StreamCounts.model_validate(dict(row)) for row in await db.fetch(_STREAMS, job_id)]
    last = attempts[-1] if attempts else None
    end = await db.fetchrow(_END, job_id, [str(status) for status in TERMINAL_JOB_STATUSES])
    shown = streams if max_streams is None else streams[:max_streams]
    return SyncReport(
        job_id=job_id,
        connection=job["connection"] or "",
        status=job["status"],
        attempts=tuple(map(_attempt, attempts)),
        streams=tuple(shown),
        streams_omitted=len(streams) - len(shown),
        records_committed=sum(stream.records_committed for stream in streams),
        bytes_committed=sum(stream.bytes_committed for stream in streams),
        queued_s=_seconds(job["created_at"], job["started_at"] or job["ended_at"]),
        duration_s=_seconds(job["created_at"], job["ended_at"]),
        failures=_failures(job["failures"]),
        warnings=tuple(last["warnings"]) if last else (),
        evidence=Evidence.model_validate(last["evidence"]) if last and last["evidence"] else None,
        ended_by=end["by"] if end else "",
        reason=end["reason"] if end else "",
    )


async def events(db: asyncpg.Pool, job_id: int) -> Sequence[Happening]:
    """Every transition of a job: what, when, by whom, why."""
    rows = await db.fetch("select at, attempt, event, by, reason from job_events where job_id = $1 order by id", job_id)
    return [Happening.model_validate(dict(row)) for row in rows]


def _attempt(row: asyncpg.Record) -> AttemptReport:
    return AttemptReport(
        number=row["number"] + 1,
        status=row["status"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        waited_s=row["waited_s"],
        records_committed=row["records_committed"],
        failures=_failures(row["failures"]),
        peak_memory_bytes=row["peak_memory_bytes"],
    )


def _failures(stored: Sequence[dict[str, Any]]) -> tuple[Failure, ...]:
    return tuple(Failure.model_validate(each) for each in stored)


def _seconds(start: datetime, end: datetime | None) -> float:
    return round((end - start).total_seconds(), 3) if end is not None else 0.0
