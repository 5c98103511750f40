"""Runs of gc: one at a time in a database, each written down, so that the next is due whoever ran the last one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime

import asyncpg

from airbyte_workers.jobs.gc_report import Report, RunStatus
from airbyte_workers.models import Value
from airbyte_workers.store.database import Session

GC_LOCK = 0x41425F4743  # "AB_GC"
KEPT_RUNS = 100


class GcBusy(Exception):
    """Another gc is at work in this database."""


class GcRun(Value):
    """A run of gc; one without an end is at work, or was killed."""

    id: int
    by: str
    started_at: datetime
    ended_at: datetime | None = None
    status: RunStatus
    report: Report | None = None
    error: str = ""


@asynccontextmanager
async def alone(db: asyncpg.Pool) -> AsyncIterator[Session]:
    """A session of the only gc in this database. Raises GcBusy."""
    async with db.acquire() as session:
        if not await session.fetchval("select pg_try_advisory_lock($1)", GC_LOCK):
            raise GcBusy(await _who(session))
        try:
            yield session
        finally:
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):  # its end is the lock's end too
                await session.execute("select pg_advisory_unlock($1)", GC_LOCK)


async def _who(session: Session) -> str:
    last = await session.fetchrow("select by, started_at, ended_at from gc_runs order by id desc limit 1")
    if last is None or last["ended_at"] is not None:
        return "another gc, or a dry run of one, is at work in this database: try again in a while"
    since = f"{last['started_at'].astimezone():%H:%M:%S}"
    return f"another gc is at work in this database since {since} ({last['by']}): it does what this one would have done"


async def begin(db: asyncpg.Pool, by: str) -> int:
    """Write down that a run has begun; the oldest of many are forgotten."""
    async with db.acquire() as session:
        run: int = await session.fetchval("insert into gc_runs (by) values ($1) returning id", by)
        await session.execute("delete from gc_runs where id <= $1", run - KEPT_RUNS)
        return run


async def end(db: asyncpg.Pool, run: int, status: RunStatus, report: Report, error: str = "") -> None:
    """Write down how it went, also half-way."""
    await db.execute(
        "update gc_runs set ended_at = clock_timestamp(), status = $2, report = $3, error = $4 where id = $1",
        run,
        status,
        report.model_dump(mode="json"),
        error,
    )


async def last(db: asyncpg.Pool) -> GcRun | None:
    """The newest run; None before the first."""
    row = await db.fetchrow("select * from gc_runs order by id desc limit 1")
    return GcRun.model_validate(dict(row)) if row is not None else None


async def due_in_s(db: asyncpg.Pool, *, interval_s: float, retry_s: float) -> float:
    """Seconds until the next run is due; a new database has its first one an interval after it was made."""
    left = await db.fetchval(
        """
        select extract(epoch from coalesce(
            (select started_at + make_interval(secs =>
                    case status when 'succeeded' then $1::float else least($1, $2::float) end)
                from gc_runs order by id desc limit 1),
            (select min(applied_at) + make_interval(secs => $1) from schema_migrations)) - clock_timestamp())
        """,
        interval_s,
        retry_s,
    )
    return float(left)
