"""What people read of one job: the report of a sync, the job whole, its past."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import asyncpg

from airbyte_workers.models import (
    TERMINAL_JOB_STATUSES,
    AttemptReport,
    Evidence,
    StreamCounts,
    StreamRequest,
    StreamValidation,
    SyncReport,
    Value,
    Waits,
)
from airbyte_workers.store import job_facts, stream_counts
from airbyte_workers.store.database import Session


class Happening(Value):
    """One line of a job's past; `attempt` counts from 0."""

    at: datetime
    attempt: int | None = None
    event: str
    by: str = ""
    reason: str = ""


class AttemptHistory(AttemptReport):
    """Everything that is kept of an attempt; `streams` only where they were asked for."""

    queued_s: float = 0
    records_emitted: int = 0
    records_filtered: int = 0
    records_rejected: int = 0
    bytes_emitted: int = 0
    bytes_committed: int = 0
    bytes_filtered: int = 0
    log_lines_dropped: int = 0
    warnings: tuple[str, ...] = ()
    evidence: Evidence | None = None
    validation: tuple[StreamValidation, ...] = ()
    streams: tuple[StreamCounts, ...] = ()


class JobHistory(SyncReport):
    """Everything that is kept of a job: the report of a sync, and more. `request`: that of a clear or a refresh.

    `connectors`: what a sync ran with, by role; of commands the program alone. None: a job of an older release.
    """

    subject: str
    launcher: str | None = None
    workflow_id: str
    run_id: str
    is_scheduled: bool = False
    catalog_id: int | None = None
    connectors: dict[str, str] | None = None
    request: StreamRequest | None = None
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    attempts: tuple[AttemptHistory, ...] = ()
    events: tuple[Happening, ...] = ()


_END = """
select by, reason from job_events where job_id = $1 and attempt is null and event = any($2) order by id desc limit 1
"""
_JOB = """
select id, kind, connection, coalesce(connection, connector, '') as subject, status, failures, launcher, workflow_id,
    run_id, is_scheduled, catalog_id, connectors, request, created_at, started_at, ended_at from jobs where id = $1
"""
_ATTEMPTS = f"""
select number, attempts.status, started_at, attempts.ended_at, waited_s, {", ".join(stream_counts.TOTALS)},
    failures, warnings, evidence, validation, log_lines_dropped, peak_memory_bytes, {", ".join(Waits.model_fields)},
    greatest(extract(epoch from workloads.created_at - started_at)::float8, 0) as queued_s
from attempts left join workloads on workloads.pod = attempts.pod where attempts.job_id = $1 order by number
"""  # noqa: S608  # names of fields
_STREAMS = f"""
select stream as name, namespace, {stream_counts.OF_JOB}
from stream_stats where job_id = $1 group by stream, namespace order by namespace nulls first, stream
"""  # noqa: S608  # names of fields
_STREAMS_OF_ATTEMPTS = f"""
select attempt, stream as name, namespace, {", ".join(stream_counts.STATED)}
from stream_stats where job_id = $1 and ($2::int is null or attempt = $2 - 1)
order by attempt, namespace nulls first, stream
"""  # noqa: S608  # names of fields
A = TypeVar("A", bound=AttemptReport)


async def report(db: asyncpg.Pool, job_id: int, *, max_streams: int | None = None) -> SyncReport:
    """A job's attempts, streams summed over them, evidence of the last. Raises LookupError.

    Of more than `max_streams` streams those are left out first that are complete.
    """
    async with _one_moment(db) as session:
        rows = await _read(session, job_id)
    return SyncReport.model_validate(_told(rows, max_streams) | {"attempts": _attempts(rows, AttemptReport)})


async def whole(db: asyncpg.Pool, job_id: int) -> JobHistory:
    """The same with everything else that is kept of the job; streams of single attempts are read apart.

    Raises LookupError.
    """
    async with _one_moment(db) as session:
        rows = await _read(session, job_id)
        past = await _events(session, job_id)
    told = dict(rows.job) | _told(rows, None)
    return JobHistory.model_validate(told | {"attempts": _attempts(rows, AttemptHistory), "events": past})


async def streams_of_attempts(
    db: asyncpg.Pool, job_id: int, attempt: int | None = None
) -> Mapping[int, Sequence[StreamCounts]]:
    """The streams of each attempt, or of one, as they are counted there; attempts count from 1."""
    streams: dict[int, list[StreamCounts]] = {}
    for row in await db.fetch(_STREAMS_OF_ATTEMPTS, job_id, attempt):
        streams.setdefault(row["attempt"] + 1, []).append(StreamCounts.model_validate(dict(row)))
    return streams


async def events(db: asyncpg.Pool, job_id: int) -> Sequence[Happening]:
    """Every transition of a job: what, when, by whom, why."""
    async with db.acquire() as session:
        return await _events(session, job_id)


# --- reading ---


@asynccontextmanager
async def _one_moment(db: asyncpg.Pool) -> AsyncIterator[Session]:
    """Everything as it stood at one moment: a job that runs is written meanwhile."""
    async with db.acquire() as session, session.transaction(isolation="repeatable_read", readonly=True):
        yield session


@dataclass(frozen=True)
class _Rows:
    """What is read of a job, as it stood at one moment; `end`: the event that ended it."""

    job: asyncpg.Record
    attempts: Sequence[asyncpg.Record]
    streams: Sequence[asyncpg.Record]
    end: asyncpg.Record | None


async def _read(session: Session, job_id: int) -> _Rows:
    return _Rows(
        job=await job_facts.row_of(session, _JOB, job_id),
        attempts=await session.fetch(_ATTEMPTS, job_id),
        streams=await session.fetch(_STREAMS, job_id),
        end=await session.fetchrow(_END, job_id, [str(status) for status in TERMINAL_JOB_STATUSES]),
    )


def _told(rows: _Rows, max_streams: int | None) -> dict[str, Any]:
    """A report but for its attempts."""
    job, last = rows.job, rows.attempts[-1] if rows.attempts else None
    streams = [stream_counts.of_job(dict(row)) for row in rows.streams]
    shown = streams if max_streams is None else foremost(streams, max_streams)
    return {
        **{each: round(sum(row[each] for row in rows.attempts), 3) for each in Waits.model_fields},
        "job_id": job["id"],
        "kind": job["kind"],
        "connection": job["connection"] or "",
        "status": job["status"],
        "streams": tuple(shown),
        "streams_omitted": len(streams) - len(shown),
        "records_committed": sum(stream.records_committed for stream in streams),
        "bytes_committed": sum(stream.bytes_committed for stream in streams),
        "queued_s": _seconds(job["created_at"], job["started_at"] or job["ended_at"]),
        "duration_s": _seconds(job["created_at"], job["ended_at"]),
        "failures": job["failures"],
        "warnings": last["warnings"] if last else (),
        "evidence": (last["evidence"] or None) if last else None,
        "ended_by": rows.end["by"] if rows.end else "",
        "reason": rows.end["reason"] if rows.end else "",
    }


def foremost(streams: Sequence[StreamCounts], most: int) -> Sequence[StreamCounts]:
    """At most so many streams, in their order: those that are not complete before those that are."""
    if len(streams) <= most:
        return streams
    places = sorted(range(len(streams)), key=lambda place: (streams[place].status == "complete", place))
    return [streams[place] for place in sorted(places[:most])]


async def _events(session: Session, job_id: int) -> tuple[Happening, ...]:
    rows = await session.fetch(
        "select at, attempt, event, by, reason from job_events where job_id = $1 order by id", job_id
    )
    return tuple(Happening.model_validate(dict(row)) for row in rows)


def _attempts(rows: _Rows, form: type[A]) -> tuple[A, ...]:
    return tuple(form.model_validate(dict(row) | {"number": row["number"] + 1}) for row in rows.attempts)


def _seconds(start: datetime, end: datetime | None) -> float:
    return round((end - start).total_seconds(), 3) if end is not None else 0.0
