"""Jobs that may go, in batches: found by age, measured by their connection, removed with all that is theirs.

The rules are in jobs/gc_rules.py. A dry run writes down in a table of its own session what it would have removed, so
that what comes after sees the same as after a real run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg

from airbyte_workers.jobs.gc_report import Amount, Thing
from airbyte_workers.jobs.gc_rules import Landmarks, OwningJob, Past
from airbyte_workers.models import JobStatus
from airbyte_workers.names import REPLICATION_KINDS, JobKind
from airbyte_workers.store.database import Session
from airbyte_workers.store.transitions import TERMINAL

LIVE = ("claimed", "launched", "running")
"""Statuses of workloads whose pod may be there."""

_DOOMED = """
drop table if exists pg_temp.gc_doomed;
create temporary table gc_doomed (id bigint primary key);
"""
_ENDED = """
select id, kind, status, ended_at, connection_id,
    exists (select from workloads where job_id = jobs.id and workloads.status = any($5)) as has_live_pod
from jobs where kind = $1 and ended_at < $2 and (ended_at, id) > ($3, $4) order by ended_at, id limit $6
"""
_LANDMARKS = """
select mine.id,
    (select id from jobs where connection_id = mine.id order by id desc limit 1) as last,
    (select id from jobs where connection_id = mine.id order by id desc offset $2 limit 1) as first_recent,
    array(
        select (select id from jobs where connection_id = mine.id and kind = wanted and status = 'succeeded'
            order by id desc limit 1)
        from unnest($3::text[]) as wanted
    ) as successes
from unnest($1::bigint[]) as mine (id)
"""
_HELD = """
select id from jobs where id = any($1) and status = any($2)
    and not exists (select from workloads where job_id = jobs.id and workloads.status = any($3))
for update skip locked
"""
_OF_JOBS = {
    Thing.STREAM_STATS: "stream_stats where job_id",
    Thing.EVENTS: "job_events where job_id",
    Thing.RETRY_STATES: "retry_states where job_id",
    Thing.WORKLOADS: "workloads where job_id",
    Thing.ATTEMPTS: "attempts where job_id",
    Thing.JOBS: "jobs where id",
}
"""What is a job's, in the order of removal: what others refer to comes last."""
_PODS = """
select pod from workloads where job_id = any($1) union select pod from attempts where job_id = any($1)
"""
_WITH_LOGS = """
select id from jobs where id > $1 and ended_at is not null and log_removed_at is null
    and not exists (select from pg_temp.gc_doomed where gc_doomed.id = jobs.id)
    and not exists (select from workloads where job_id = jobs.id and workloads.status = any($3))
order by id limit $2
"""
_OWNERS = """
select wanted.id, jobs.id is not null as exists, doomed.id is not null as doomed,
    jobs.log_removed_at is not null as log_removed
from unnest($1::bigint[]) as wanted (id)
left join jobs on jobs.id = wanted.id left join pg_temp.gc_doomed as doomed on doomed.id = wanted.id
"""
_HIGHEST = "select coalesce(pg_sequence_last_value(pg_get_serial_sequence('jobs', 'id')::regclass), 0)"


async def prepare(session: Session) -> None:
    """The place where a dry run writes down what it would have removed; empty in a real one."""
    await session.execute(_DOOMED)


# --- jobs by age ---


async def ended_before(session: Session, kind: JobKind, moment: datetime, batch: int) -> AsyncIterator[Sequence[Past]]:
    """The jobs of a kind that ended before the moment, the oldest first, in batches; what is left is not seen twice."""
    after = datetime.min.replace(tzinfo=UTC), 0  # for PostgreSQL: -infinity
    while True:
        rows = await session.fetch(_ENDED, kind, moment, after[0], after[1], LIVE, batch)
        if not rows:
            return
        yield [_past(row) for row in rows]
        after = rows[-1]["ended_at"], rows[-1]["id"]


def _past(row: asyncpg.Record) -> Past:
    return Past(
        id=row["id"],
        kind=JobKind(row["kind"]),
        status=JobStatus(row["status"]),
        ended_at=row["ended_at"],
        connection_id=row["connection_id"],
        has_live_pod=row["has_live_pod"],
    )


async def landmarks(session: Session, connections: Collection[int], per_connection: int) -> Mapping[int, Landmarks]:
    """What the jobs of these connections are measured by."""
    rows = await session.fetch(_LANDMARKS, list(connections), per_connection - 1, sorted(REPLICATION_KINDS))
    return {
        row["id"]: Landmarks(row["last"], row["first_recent"], frozenset(row["successes"]) - {None}) for row in rows
    }


async def pods_of(session: Session, jobs: Sequence[int]) -> Sequence[str]:
    """The pods that jobs had, whose markers are in object storage."""
    return [row["pod"] for row in await session.fetch(_PODS, jobs)]


async def doom(session: Session, jobs: Sequence[int]) -> Mapping[Thing, Amount]:
    """What `delete` would have removed; from now on these jobs count as gone."""
    await session.execute("insert into gc_doomed select unnest($1::bigint[]) on conflict do nothing", jobs)
    return {thing: await gone(session, rows, jobs, dry=True) for thing, rows in _OF_JOBS.items()}


async def delete(session: Session, jobs: Sequence[int]) -> Mapping[Thing, Amount]:
    """Remove jobs and all rows that are theirs, at once; one that somebody works on stays, and nobody waits for us.

    Of jobs with so many rows that this takes too long, fewer are removed at once. Raises TimeoutError if a single one
    takes too long.
    """
    try:
        async with session.transaction():
            held = [row["id"] for row in await session.fetch(_HELD, jobs, TERMINAL, LIVE)]
            return {thing: await gone(session, rows, held, dry=False) for thing, rows in _OF_JOBS.items()}
    except TimeoutError:
        if len(jobs) == 1:
            raise
    middle = len(jobs) // 2
    first, second = await delete(session, jobs[:middle]), await delete(session, jobs[middle:])
    return {thing: first[thing] + second[thing] for thing in first}


async def gone(session: Session, rows: str, keys: Sequence[Any], *, dry: bool) -> Amount:
    """Remove the rows of `TABLE where COLUMN` whose column is among the keys, or only count them; told alike."""
    removal = f"with gone as (delete from {rows} = any($1))" if not dry else ""  # noqa: S608  # names of ours
    sizes = f"select pg_column_size(each.*) as size from (select * from {rows} = any($1)) as each"  # noqa: S608  # names of ours
    row = await session.fetchrow(
        f"{removal} select count(*) as count, coalesce(sum(size), 0)::bigint as bytes from ({sizes}) as sizes",  # noqa: S608  # names of ours
        keys,
    )
    assert row is not None
    return Amount(count=row["count"], bytes=row["bytes"])


# --- objects and whose they are ---


async def highest_job(session: Session) -> int:
    """The highest number that this database ever gave to a job: what is above is another database's."""
    return int(await session.fetchval(_HIGHEST))


async def owners(session: Session, jobs: Collection[int]) -> Mapping[int, OwningJob]:
    """What is known of the jobs that objects belong to."""
    return {
        row["id"]: OwningJob(row["exists"], row["doomed"], row["log_removed"])
        for row in await session.fetch(_OWNERS, list(jobs))
    }


async def jobs_with_logs(session: Session, batch: int) -> AsyncIterator[Sequence[int]]:
    """Jobs that have ended and whose logs nobody removed, the oldest first, in batches."""
    after = 0
    while rows := await session.fetch(_WITH_LOGS, after, batch, LIVE):
        yield [row["id"] for row in rows]
        after = rows[-1]["id"]


async def mark_logs_removed(session: Session, jobs: Sequence[int]) -> None:
    """Let readers know that these jobs have no log any more."""
    await session.execute("update jobs set log_removed_at = clock_timestamp() where id = any($1)", jobs)
