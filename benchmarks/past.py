"""A database with a past: ten thousand jobs as their rows would be, made by SQL alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from airbyte_workers.runtime.stack.home import open_home
from airbyte_workers.runtime.stack.ports import choose_ports
from airbyte_workers.runtime.stack.postgres import Postgres
from airbyte_workers.runtime.stack.server import Server

CONNECTIONS = 50
LONG_JOB_ATTEMPTS, LONG_JOB_STREAMS = 30, 1000

_CONNECTIONS = """
insert into connections (name, spec, source_name, destination_name)
select 'connection-' || n, ''::bytea, 'source', 'destination' from generate_series(1, $1) as n
"""
_JOBS = """
insert into jobs (kind, connection_id, connection, connector, status, input, launcher, workflow_id, run_id, created_at,
    started_at, ended_at)
select kind, connections.id, connections.name, case when connections.id is null then 'source' end,
    case when n % 10 = 0 then 'failed' when n % 97 = 0 then 'cancelled' else 'succeeded' end,
    convert_to(repeat(md5(n::text), 60), 'UTF8'), 'process', kind || '/' || n, 'past-' || n,
    at, at + interval '1 second', at + interval '1 minute'
from (
    select n, case when n % 4 < 3 then 'sync' when n % 8 = 3 then 'check' else 'discover' end as kind,
        now() - make_interval(secs => 60.0 * ($1 - n)) as at
    from generate_series(1, $1) as n
) as job left join connections on kind = 'sync' and connections.name = 'connection-' || (n % $2 + 1)
"""
_ATTEMPTS = """
insert into attempts (job_id, number, status, fence, pod, failures, evidence, records_committed, bytes_committed,
    started_at, ended_at)
select jobs.id, n, case when n + 1 = attempts and jobs.status = 'succeeded' then 'succeeded' else 'failed' end, 1,
    'pod-' || jobs.id || '-' || n, '[]', '{"source_exit_code": 0}', 1000, 100000, jobs.started_at, jobs.ended_at
from (select *, case when status = 'failed' then 10 else 1 end as attempts from jobs where kind = 'sync') as jobs,
    generate_series(0, attempts - 1) as n
"""
_STREAMS = """
insert into stream_stats (job_id, attempt, stream, status, records_emitted, records_committed, bytes_emitted,
    bytes_committed)
select job_id, number, 'stream_' || n, 'complete', 200, 200, 20000, 20000
from attempts, generate_series(1, 5) as n
"""
_EVENTS = """
insert into job_events (job_id, event, reason) select id, event, 'because' from jobs,
    unnest(array['opened', 'launcher', 'running', 'succeeded']) as event
"""
_LONG_JOB = """
with job as (
    insert into jobs (kind, connection_id, connection, status, input, workflow_id, run_id, created_at, ended_at)
    select 'sync', id, name, 'succeeded', ''::bytea, 'sync/' || name, 'past-long', now(), now()
    from connections where name = 'connection-1' returning id
), tries as (
    insert into attempts (job_id, number, status, fence, pod, failures)
    select id, n, case when n = $1 - 1 then 'succeeded' else 'failed' end, 1, 'long-' || n,
        '[{"origin": "source", "type": "system_error", "message": "it broke off"}]'
    from job, generate_series(0, $1 - 1) as n returning job_id, number
)
select job_id, array_agg(number) as numbers from tries group by job_id
"""
_LONG_STREAMS = """
insert into stream_stats (job_id, attempt, stream, namespace, status, records_emitted, records_committed)
select $1, number, 'stream_' || n, 'public', 'complete', 10, 10
from unnest($2::int[]) as number, generate_series(1, $3) as n
"""


@contextmanager
def running_server(folder: Path) -> Iterator[str]:
    """A PostgreSQL of one's own in the folder, by the URL of its first database."""
    home = open_home(folder)
    kind = Postgres(home, choose_ports(home))
    server = Server(kind)
    try:
        asyncio.run(server.start())
        yield kind.url
    finally:
        asyncio.run(server.stop())


async def new_database(server_url: str, name: str) -> str:
    """The URL of an empty database of this name."""
    connection = await asyncpg.connect(server_url)
    await connection.execute(f"create database {name}")
    await connection.close()
    return server_url.replace("/airbyte_workers?", f"/{name}?")


async def fill(db: asyncpg.Pool, jobs: int) -> None:
    """So many jobs of all kinds, every tenth with ten failed attempts; five streams in each attempt."""
    async with db.acquire() as session, session.transaction():
        await session.execute(_CONNECTIONS, CONNECTIONS)
        await session.execute(_JOBS, jobs, CONNECTIONS)
        for statement in (_ATTEMPTS, _STREAMS, _EVENTS):
            await session.execute(statement)
    await db.execute("vacuum analyze")


async def add_long_job(db: asyncpg.Pool) -> int:
    """One job with many attempts at many streams: its number."""
    (row,) = await db.fetch(_LONG_JOB, LONG_JOB_ATTEMPTS)
    await db.execute(_LONG_STREAMS, row["job_id"], row["numbers"], LONG_JOB_STREAMS)
    return int(row["job_id"])
