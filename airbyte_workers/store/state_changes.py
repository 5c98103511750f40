"""The one place where committed states change: table `states` and its log together, so that the log is the truth.

Whoever calls holds the connection's row (`for no key update`, or an update of it) until the transaction ends: the
changes of a connection follow one another, entries have their order, and all of one transaction have one moment, which
is later than that of every entry before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from airbyte_workers.protocol.streams import StreamKey, stream_key
from airbyte_workers.store.database import Session


@dataclass(frozen=True)
class Writer:
    """Who commits: one attempt, under its fence."""

    connection_id: int
    job_id: int
    attempt: int
    fence: int


@dataclass(frozen=True)
class StateRow:
    """A state to commit: `seq` grows within an attempt; `stream` is empty for GLOBAL and LEGACY.

    Without `state` it erases what is kept under its key. `records` came since the key's previous state.
    """

    type: str
    stream: str
    namespace: str | None
    state: str | None
    seq: int
    records: int = 0

    @property
    def key(self) -> tuple[str, StreamKey]:
        """Whose state it is; null and empty namespaces are the same."""
        return self.type, stream_key(self.stream, self.namespace)


@dataclass(frozen=True)
class Change:
    """One change of a connection's states: its moment, and who makes it: a job's attempt, or somebody, `by`, and why.

    `restores` is the entry after which a rewind puts things back; job and attempt are then those of the old state.
    """

    connection_id: int
    fence: int
    at: datetime
    job_id: int | None = None
    attempt: int | None = None
    by: str = ""
    reason: str = ""
    restores: int | None = None


_MOMENT = """
select case when newest.xmin = pg_current_xact_id()::xid then newest.at
    else greatest(clock_timestamp(), newest.at + interval '1 microsecond') end
from (select) as now left join (
    select at, xmin from state_log where connection_id = $1 order by id desc limit 1) as newest on true
"""
_ENTRY = """
insert into state_log (connection_id, type, stream, namespace, state, fence, seq, job_id, attempt, records_committed,
    at, by, reason, restores)
"""
_PUT = f"""
with newer as (
    select where coalesce((
        select (fence, seq) < ($6, $7) from state_log
        where connection_id = $1 and type = $2 and stream = $3 and coalesce(namespace, '') = coalesce($4::text, '')
        order by id desc limit 1), true)
), kept as (
    insert into states (connection_id, type, stream, namespace, state, fence, seq, job_id, attempt, updated_at, by)
    select $1, $2, $3, $4, $5, $6, $7, $8, $9, $11, $12 from newer
    on conflict (connection_id, type, stream, coalesce(namespace, '')) do update
        set state = excluded.state, fence = excluded.fence, seq = excluded.seq, job_id = excluded.job_id,
            attempt = excluded.attempt, updated_at = excluded.updated_at, by = excluded.by
)
{_ENTRY}
select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14 from newer
"""  # noqa: S608  # both parts are constants
_ERASE = f"""
with gone as (
    delete from states
    where connection_id = $1 and type = $2 and stream = $3 and coalesce(namespace, '') = coalesce($4::text, '')
        and (fence, seq) <= ($6, $7)
    returning namespace
)
{_ENTRY}
select $1, $2, $3, namespace, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14 from gone
"""  # noqa: S608  # both parts are constants
_ERASE_OTHER_TYPES = f"""
with gone as (
    delete from states where connection_id = $1 and type <> $2 returning type, stream, namespace
)
{_ENTRY}
select $1, type, stream, namespace, null, $3, 0, $4, $5, 0, $6, '', '', null from gone
"""  # noqa: S608  # both parts are constants


async def change_of(session: Session, writer: Writer) -> Change:
    """A change that an attempt makes."""
    at = await moment(session, writer.connection_id)
    return Change(writer.connection_id, writer.fence, at, writer.job_id, writer.attempt)


async def moment(session: Session, connection_id: int) -> datetime:
    """When this transaction changes states: later than every change before, whatever the clock did."""
    at: datetime = await session.fetchval(_MOMENT, connection_id)
    return at


async def write(session: Session, change: Change, rows: Sequence[StateRow]) -> None:
    """Keep these states and log them; those without a blob are erased. One that is not newer changes nothing."""
    newest = {row.key: row for row in rows}.values()
    await session.executemany(_PUT, [_arguments(change, row) for row in newest if row.state is not None])
    await session.executemany(_ERASE, [_arguments(change, row) for row in newest if row.state is None])


async def erase_other_types(session: Session, change: Change, type: str) -> None:
    """A connection has states of one type: those of any other go."""
    await session.execute(
        _ERASE_OTHER_TYPES, change.connection_id, type, change.fence, change.job_id, change.attempt, change.at
    )


def _arguments(change: Change, row: StateRow) -> tuple[object, ...]:
    return (
        change.connection_id,
        row.type,
        row.stream,
        row.namespace or None,
        row.state.replace("\0", "") if row.state is not None else None,
        change.fence,
        row.seq,
        change.job_id,
        change.attempt,
        row.records,
        change.at,
        change.by,
        change.reason,
        change.restores,
    )
