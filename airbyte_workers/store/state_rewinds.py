"""Rewinds: a connection's states as they were at a point of the past, put back as one more entry of the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import asyncpg

from airbyte_workers.protocol.messages import ConfiguredStream
from airbyte_workers.protocol.streams import StreamKey, key_of
from airbyte_workers.replication.state_history import Point, between
from airbyte_workers.store import catalogs, state_changes, state_log
from airbyte_workers.store.connections import ConnectionBusy, live_job
from airbyte_workers.store.database import Database, Session
from airbyte_workers.store.state_changes import Change, StateRow
from airbyte_workers.store.state_log import Entry, Log
from airbyte_workers.store.state_positions import locate
from airbyte_workers.store.transitions import storable

StateKey = tuple[str, StreamKey]


@dataclass(frozen=True)
class Emptied:
    """A job that had the destination remove data: what was written before it is gone."""

    job_id: int
    kind: str


@dataclass(frozen=True)
class Plan:
    """What a rewind changes, and what follows from it.

    `again`: records committed since, by the state that speaks for them: the next sync reads them again. `skipped`:
    those committed up to the point but not up to now: they count as read once more. Both may be too small where the
    log was cut off since (`is_cut`). `emptied`: later jobs that removed data.
    """

    log: Log
    point: Point
    position: int
    before: int
    now: Sequence[Entry]
    then: Sequence[Entry]
    again: dict[StateKey, int]
    skipped: dict[StateKey, int]
    is_cut: bool
    emptied: Sequence[Emptied]

    @property
    def changed(self) -> Sequence[StateKey]:
        """Whose states are not as they were."""
        now, then = _texts(self.now), _texts(self.then)
        return [key for key in {**now, **then} if now.get(key) != then.get(key)]


async def plan(db: asyncpg.Pool, connection: str, point: Point) -> Plan:
    """What `rewind` would do. Raises Refused."""
    async with db.acquire() as session, session.transaction(isolation="repeatable_read", readonly=True):
        return await _plan(session, await state_log.open_log(session, connection), point)


async def rewind(db: asyncpg.Pool, connection: str, point: Point, *, by: str) -> Plan:
    """Put the states back, unless they are so already; no attempt that began before commits any more.

    Raises Refused, and ConnectionBusy while a job of the connection is live.
    """
    async with db.acquire() as session, session.transaction():
        log = await state_log.open_log(session, connection, hold=True)
        await _refuse_busy(session, log)
        planned = await _plan(session, log, point)
        if planned.changed:
            await _put_back(session, planned, storable(by) or "somebody")
        return planned


async def catalog_of(db: Database, log: Log) -> dict[StreamKey, ConfiguredStream]:
    """The streams that the connection synced last; empty when it never came so far."""
    catalog = await catalogs.synced_last(db, log.connection_id)
    streams = catalog.streams if catalog is not None else []
    return {key_of(each.stream): each for each in streams}


async def _refuse_busy(session: Session, log: Log) -> None:
    live = await live_job(session, log.connection_id)
    if live is not None:
        raise ConnectionBusy(f"connection {log.connection} is syncing (job {live.id}): wait for its end, or cancel it")


async def _plan(db: Database, log: Log, point: Point) -> Plan:
    position = await locate(db, log, point)
    head = await state_log.head(db, log)
    apart = between(head, position, await state_log.rewinds(db, log))
    return Plan(
        log=log,
        point=point,
        position=position,
        before=head,
        now=await state_log.kept(db, log),
        then=await state_log.as_of(db, log, position),
        again=await state_log.records(db, log, apart.ours),
        skipped=await state_log.records(db, log, apart.theirs),
        is_cut=apart.parted < log.exact_from,
        emptied=await _emptied_since(db, log, position),
    )


async def _emptied_since(db: Database, log: Log, position: int) -> Sequence[Emptied]:
    rows = await db.fetch(
        """
        select jobs.id as job_id, kind from jobs join attempts on attempts.job_id = jobs.id and attempts.number = 0
        where jobs.connection_id = $1 and state_before::bigint >= $2
            and (kind = 'clear' or (kind = 'refresh' and request ->> 'order' = 'truncate')) order by jobs.id
        """,
        log.connection_id,
        position,
    )
    return [Emptied(**row) for row in rows]


async def _put_back(session: Session, planned: Plan, by: str) -> None:
    log, changed = planned.log, set(planned.changed)
    fence: int = await session.fetchval(
        "update connections set fence = fence + 1 where id = $1 returning fence", log.connection_id
    )
    at = await state_changes.moment(session, log.connection_id)
    reason = f"rewind to {planned.point}"
    change = Change(log.connection_id, fence, at, by=by, reason=reason, restores=planned.position)
    kept = {entry.key for entry in planned.then}
    gone = [_row(entry, None) for entry in planned.now if entry.key in changed and entry.key not in kept]
    await state_changes.write(session, change, gone)
    for entry in planned.then:
        if entry.key in changed:
            whose = replace(change, job_id=entry.job_id, attempt=entry.attempt)
            await state_changes.write(session, whose, [_row(entry, entry.state)])


def _row(entry: Entry, state: str | None) -> StateRow:
    return StateRow(entry.type, entry.stream, entry.namespace, state, seq=0)


def _texts(entries: Sequence[Entry]) -> dict[StateKey, str | None]:
    return {entry.key: entry.state for entry in entries}
