"""The past of committed states: the log, page by page, and the states as they stood at any point of it, exactly.

A position is an entry's id: the states once its transaction was done. Position 0 is before the first one. Which
position somebody means is found in `state_positions.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from airbyte_workers.protocol.streams import StreamKey, stream_key
from airbyte_workers.replication.state_history import Rewind, Span
from airbyte_workers.store.connections import UnknownConnection, no_connection
from airbyte_workers.store.database import Database


@dataclass(frozen=True)
class Log:
    """The log of one connection; before `exact_from` it does not tell what was kept."""

    connection_id: int
    connection: str
    exact_from: int


@dataclass(frozen=True)
class Entry:
    """What one change did to the state under one key, or what is kept there since; without `state` it was erased.

    `job_id` and `attempt` (from 0) are those that committed the state; `by` and `reason` tell who put it there
    otherwise, and `restores` after which entry it was so before.
    """

    position: int
    at: datetime
    type: str
    stream: str
    namespace: str | None
    state: str | None
    job_id: int | None
    attempt: int | None
    records: int = 0
    by: str = ""
    reason: str = ""
    restores: int | None = None

    @property
    def key(self) -> tuple[str, StreamKey]:
        """Whose state it is."""
        return self.type, stream_key(self.stream, self.namespace)


@dataclass(frozen=True)
class Page:
    """Which entries to read: the newest `limit` before the position `before`, of one stream as people write it.

    `cut` bounds the characters of each state; a GLOBAL or LEGACY state speaks for every stream.
    """

    limit: int
    before: int | None = None
    stream: str | None = None
    cut: int | None = None


_LOG = "select id, state_log_from from connections where name = $1"
_HELD = "select id, state_log_from from connections where name = $1 for no key update"
_ENTRY = "id as position, at, type, stream, namespace, state, job_id, attempt, records_committed as records"
_WHY = "by, reason, restores"
_AS_OF = f"""
with recursive keys as (
    (select type, stream, coalesce(namespace, '') as namespace from state_log where connection_id = $1
     order by 1, 2, 3 limit 1)
    union all
    select next.* from keys, lateral (
        select type, stream, coalesce(namespace, '') from state_log
        where connection_id = $1 and (type, stream, coalesce(namespace, '')) > (keys.type, keys.stream, keys.namespace)
        order by type, stream, coalesce(namespace, '') limit 1) next
)
select entry.* from keys, lateral (
    select {_ENTRY}, {_WHY} from state_log
    where connection_id = $1 and type = keys.type and stream = keys.stream
        and coalesce(namespace, '') = keys.namespace and id <= $2
    order by id desc limit 1) entry
where state is not null order by stream, namespace nulls first
"""  # noqa: S608  # every part is a constant
_PAGE = f"""
select id as position, at, type, stream, namespace, left(state, $5) as state, job_id, attempt,
    records_committed as records, {_WHY} from state_log
where connection_id = $1 and ($2::bigint is null or id < $2)
    and ($3::text is null or type <> 'STREAM' or stream = $3 or namespace || '.' || stream = $3)
order by id desc limit $4
"""  # noqa: S608  # every part is a constant
_KEPT = """
select 0 as position, updated_at as at, type, stream, namespace, state, job_id, attempt, by from states
where connection_id = $1 order by stream, namespace nulls first
"""
_REWINDS = """
select min(id) as first, max(id) as last, restores from state_log
where connection_id = $1 and restores is not null group by at, restores order by 1
"""
_SINCE = """
select type, stream, namespace, sum(records_committed)::bigint as records from state_log
where connection_id = $1 and id > $2 and id <= $3 and by = '' and records_committed > 0
group by type, stream, namespace
"""


async def open_log(db: Database, connection: str, *, hold: bool = False) -> Log:
    """The connection's log; `hold`: nobody changes its states until the transaction ends. Raises UnknownConnection."""
    row = await db.fetchrow(_HELD if hold else _LOG, connection)
    if row is None:
        raise UnknownConnection(await no_connection(db, connection))
    return Log(row["id"], connection, row["state_log_from"])


async def head(db: Database, log: Log) -> int:
    """The position of now."""
    found: int = await db.fetchval(
        "select coalesce(max(id), 0) from state_log where connection_id = $1", log.connection_id
    )
    return found


async def kept(db: Database, log: Log) -> Sequence[Entry]:
    """What is kept now, as the next sync gets it."""
    return [Entry(**row) for row in await db.fetch(_KEPT, log.connection_id)]


async def as_of(db: Database, log: Log, position: int) -> Sequence[Entry]:
    """What was kept at a position that `locate` found."""
    return [Entry(**row) for row in await db.fetch(_AS_OF, log.connection_id, position)]


async def page(db: Database, log: Log, asked: Page) -> Sequence[Entry]:
    """Entries, the newest first."""
    cut = 2**31 - 1 if asked.cut is None else asked.cut
    rows = await db.fetch(_PAGE, log.connection_id, asked.before, asked.stream, asked.limit, cut)
    return [Entry(**row) for row in rows]


async def streams(db: Database, log: Log) -> Sequence[StreamKey]:
    """Every stream that the log speaks of by name."""
    rows = await db.fetch(
        "select distinct stream, namespace from state_log where connection_id = $1 and type = 'STREAM'",
        log.connection_id,
    )
    return [stream_key(row["stream"], row["namespace"]) for row in rows]


async def rewinds(db: Database, log: Log) -> Sequence[Rewind]:
    """Every rewind, the oldest first."""
    return [Rewind(**row) for row in await db.fetch(_REWINDS, log.connection_id)]


async def records(db: Database, log: Log, spans: Sequence[Span]) -> dict[tuple[str, StreamKey], int]:
    """Records that were committed with the entries of these spans, by the state that speaks for them."""
    total: dict[tuple[str, StreamKey], int] = {}
    for span in spans:
        for row in await db.fetch(_SINCE, log.connection_id, span.low, span.high):
            key = row["type"], stream_key(row["stream"], row["namespace"])
            total[key] = total.get(key, 0) + row["records"]
    return total
