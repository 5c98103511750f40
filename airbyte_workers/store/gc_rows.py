"""What may go beside jobs: catalogs, entries of the state log, generations, configs that nobody took up.

Each function goes over everything of its kind in batches, removes what is old and not needed (a dry run only counts
it), and hands out the amount of each batch.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from airbyte_workers.jobs.gc_report import Amount
from airbyte_workers.store.database import Session
from airbyte_workers.store.gc_jobs import gone


@dataclass(frozen=True)
class Sweep:
    """What is gone over: in which session, so many rows at once, `dry`: only to count."""

    session: Session
    batch: int
    dry: bool = False


_OLD_CATALOGS = """
select id, not exists (select from connections where catalog_id = each.id)
    and not exists (select from jobs where catalog_id = each.id
        and not exists (select from pg_temp.gc_doomed where gc_doomed.id = jobs.id))
    and (kind = 'configured' or exists (select from catalogs as newer
        where newer.kind = 'discovered' and newer.fingerprint = each.fingerprint
            and (newer.created_at, newer.id) > (each.created_at, each.id))) as is_spare
from (
    select id, kind, fingerprint, created_at from catalogs
    where id > $1 and created_at < case kind when 'discovered' then $2::timestamptz else $3::timestamptz end
    order by id limit $4) as each
order by id
"""
_STILL_SPARE_CATALOGS = """
select id from catalogs
where id = any($1) and created_at < case kind when 'discovered' then $2::timestamptz else $3::timestamptz end
    and not exists (select from connections where catalog_id = catalogs.id)
    and not exists (select from jobs where catalog_id = catalogs.id)
for update skip locked
"""
_OLD_STATES = """
select connections.id as connection_id, cut.id as cut from connections
cross join lateral (
    select id from state_log where connection_id = connections.id and at < $2 order by at desc, id desc limit 1) as cut
where connections.id > $1 order by connections.id limit $3
"""
_SPARE_STATES = """
select id from state_log as entry where connection_id = $1 and id > $2 and id < $3
    and (state is null and fence < $4 or exists (select from state_log as newer
        where newer.connection_id = entry.connection_id and newer.type = entry.type and newer.stream = entry.stream
            and coalesce(newer.namespace, '') = coalesce(entry.namespace, '')
            and newer.id > entry.id and newer.id <= $3))
order by id limit $5
"""
_BEGIN_AT = """
update connections set state_log_from = greatest(state_log_from, $2) where id = $1 returning fence
"""
_GENERATIONS = """
select id, created_at < $2 as old, exists (select from stream_generations as newer
    where newer.connection_id = each.connection_id and newer.stream = each.stream
        and coalesce(newer.namespace, '') = coalesce(each.namespace, '') and newer.generation_id > each.generation_id
    ) as is_past
from stream_generations as each where id > $1 order by id limit $3
"""
_CONFIGS = """
select id from handed_configs where created_at < $1 and id > $2 order by id limit $3 for update skip locked
"""


async def catalogs(sweep: Sweep, *, discovered: datetime, configured: datetime) -> AsyncIterator[Amount]:
    """Catalogs made before these moments that no job and no connection refers to.

    Of every source and config the newest discovered one stays. One that a job takes up meanwhile is dated anew by it,
    and stays as well.
    """
    after, session = 0, sweep.session
    while rows := await session.fetch(_OLD_CATALOGS, after, discovered, configured, sweep.batch):
        after = rows[-1]["id"]
        spare = [row["id"] for row in rows if row["is_spare"]]
        async with session.transaction():
            if not sweep.dry:
                held = await session.fetch(_STILL_SPARE_CATALOGS, spare, discovered, configured)
                spare = [row["id"] for row in held]
            removed = await _gone(sweep, "catalogs", spare)
        yield removed


async def states(sweep: Sweep, moment: datetime) -> AsyncIterator[Amount]:
    """Entries of state logs that no replay up to the moment or later needs.

    Of every key the newest entry up to the cut (the last one of the moment) is needed, unless it erases: a key without
    entries has nothing either. The cut itself stays, for it has the moment and the name of what it stands for, and so
    does an erasure by the attempt that may still commit, for it is what a late commit is compared with.
    """
    after = 0
    while rows := await sweep.session.fetch(_OLD_STATES, after, moment, sweep.batch):
        after = rows[-1]["connection_id"]
        for row in rows:
            async for removed in _states_of(sweep, row["connection_id"], row["cut"]):
                yield removed


async def _states_of(sweep: Sweep, connection: int, cut: int) -> AsyncIterator[Amount]:
    """In the transaction that removes entries the connection says from where on its log is whole."""
    after, session = 0, sweep.session
    fence = await session.fetchval("select fence from connections where id = $1", connection)
    while rows := await session.fetch(_SPARE_STATES, connection, after, cut, fence, sweep.batch):
        after = rows[-1]["id"]
        async with session.transaction():
            if not sweep.dry:
                await session.execute(_BEGIN_AT, connection, cut)
            removed = await _gone(sweep, "state_log", [row["id"] for row in rows])
        yield removed


async def generations(sweep: Sweep, moment: datetime) -> AsyncIterator[Amount]:
    """Generations of streams before the moment that are over: only the newest one counts."""
    after = 0
    while rows := await sweep.session.fetch(_GENERATIONS, after, moment, sweep.batch):
        after = rows[-1]["id"]
        old = [row for row in rows if row["old"]]
        if not old:  # their numbers grow with time: what follows is younger still
            return
        yield await _gone(sweep, "stream_generations", [row["id"] for row in old if row["is_past"]])


async def configs(sweep: Sweep, moment: datetime) -> AsyncIterator[Amount]:
    """Configs handed over before the moment that no workflow took up; one that is being taken stays."""
    after = UUID(int=0)
    while True:
        async with sweep.session.transaction():
            rows = await sweep.session.fetch(_CONFIGS, moment, after, sweep.batch)
            if not rows:
                return
            after = rows[-1]["id"]
            removed = await _gone(sweep, "handed_configs", [row["id"] for row in rows])
        yield removed


async def _gone(sweep: Sweep, table: str, rows: Sequence[Any]) -> Amount:
    return await gone(sweep.session, f"{table} where id", rows, dry=sweep.dry)
