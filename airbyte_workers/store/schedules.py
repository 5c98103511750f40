"""What the job database knows of schedules: their last jobs, the job in the way, the runs that were skipped for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from airbyte_workers.models import JobStatus, NoteSkip
from airbyte_workers.store import connections
from airbyte_workers.store.database import Database
from airbyte_workers.store.transitions import TERMINAL


@dataclass(frozen=True)
class Skips:
    """Runs of one schedule that found their connection busy."""

    skipped: int
    last_at: datetime
    last_job_id: int | None


@dataclass(frozen=True)
class ScheduledJob:
    """A job that a schedule started."""

    id: int
    status: JobStatus
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True)
class LiveJob:
    """A job that has a connection's lock, whoever started it."""

    id: int
    since: datetime
    is_scheduled: bool


@dataclass(frozen=True)
class Known:
    """What there is of one connection."""

    last: ScheduledJob | None
    live: LiveJob | None


_CONNECTIONS = "select id, name from connections where name = any($1)"
_LIVE = """
select connection_id, id, coalesce(started_at, created_at) as since, is_scheduled from jobs
where connection_id = any($1) and kind in ('sync', 'clear', 'refresh') and not status = any($2)
"""
_LAST = """
select distinct on (connection_id) connection_id, id, status, created_at, ended_at from jobs
where connection_id = any($1) and is_scheduled and kind = 'sync' order by connection_id, id desc
"""
_COUNT = """
insert into schedule_skips as known (schedule_id, skipped, last_run_id, last_job_id) values ($1, 1, $2, $3)
on conflict (schedule_id) do update set skipped = known.skipped + 1, last_run_id = $2, last_job_id = $3, last_at = now()
where known.last_run_id <> $2
"""
_FORGET = "delete from schedule_skips where schedule_id = $1 and ($2::timestamptz is null or last_at < $2)"


async def live_job(db: Database, connection: str) -> connections.LiveJob | None:
    """The job that has the connection's lock."""
    connection_id = await db.fetchval("select id from connections where name = $1", connection)
    return await connections.live_job(db, connection_id) if connection_id is not None else None


async def job_of_run(db: Database, run_id: str) -> int | None:
    """The job that a run has opened."""
    job_id: int | None = await db.fetchval("select id from jobs where run_id = $1", run_id)
    return job_id


async def count_skip(db: Database, skip: NoteSkip, job_id: int | None) -> None:
    """One more run that was skipped."""
    await db.execute(_COUNT, skip.schedule_id, skip.run_id, job_id)


async def forget_skips(db: Database, schedule_id: str, *, before: datetime | None = None) -> None:
    """A schedule that is made or deleted begins at none. `before`: unless one was counted since."""
    await db.execute(_FORGET, schedule_id, before)


async def counted(db: Database) -> Sequence[str]:
    """The ids of schedules for which something was counted, also of those that are gone."""
    return [row["schedule_id"] for row in await db.fetch("select schedule_id from schedule_skips")]


async def skips(db: Database, schedule_ids: Sequence[str]) -> Mapping[str, Skips]:
    """What was counted, by the schedules' ids."""
    rows = await db.fetch(
        "select schedule_id, skipped, last_at, last_job_id from schedule_skips where schedule_id = any($1)",
        schedule_ids,
    )
    return {row["schedule_id"]: Skips(row["skipped"], row["last_at"], row["last_job_id"]) for row in rows}


async def known(db: Database, names: Sequence[str]) -> Mapping[str, Known]:
    """The stored ones of these connections, by their names."""
    names_by_id = {row["id"]: row["name"] for row in await db.fetch(_CONNECTIONS, names)}
    ids = list(names_by_id)
    last = {row["connection_id"]: _scheduled_job(row) for row in await db.fetch(_LAST, ids)}
    rows = await db.fetch(_LIVE, ids, TERMINAL)
    live = {row["connection_id"]: LiveJob(row["id"], row["since"], row["is_scheduled"]) for row in rows}
    return {name: Known(last.get(id), live.get(id)) for id, name in names_by_id.items()}


def _scheduled_job(row: asyncpg.Record) -> ScheduledJob:
    return ScheduledJob(row["id"], JobStatus(row["status"]), row["created_at"], row["ended_at"])
