"""Committed states: loaded at the start of an attempt, written only under the attempt's fence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
import msgspec
from msgspec import Raw

from airbyte_workers.models import StreamCounts


class StaleFence(Exception):
    """A newer attempt of the connection has begun: nothing of this one may be committed any more."""


@dataclass(frozen=True)
class Writer:
    """Who commits: one attempt, under its fence."""

    connection_id: int
    job_id: int
    attempt: int
    fence: int


@dataclass(frozen=True)
class StateRow:
    """A state to commit: `seq` grows within an attempt; `stream` is empty for GLOBAL and LEGACY."""

    type: str
    stream: str
    namespace: str | None
    state: str
    seq: int
    records: int = 0


_FENCE = "select fence from connections where id = $1 for share"
_STATE = """
insert into states (connection_id, type, stream, namespace, state, fence, seq, job_id, attempt)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (connection_id, type, stream, coalesce(namespace, '')) do update
    set state = excluded.state, fence = excluded.fence, seq = excluded.seq,
        job_id = excluded.job_id, attempt = excluded.attempt, updated_at = now()
    where (states.fence, states.seq) < (excluded.fence, excluded.seq)
"""
_LOG = """
insert into state_log (connection_id, type, stream, namespace, state, fence, seq, job_id, attempt, records_committed)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
_OTHER_TYPES = "delete from states where connection_id = $1 and type <> $2"
_COUNTS = """
insert into stream_stats (job_id, attempt, stream, namespace, status, records_emitted, records_committed,
    records_filtered, records_rejected, bytes_emitted, bytes_committed)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
on conflict (job_id, attempt, stream, coalesce(namespace, '')) do update
    set status = excluded.status, records_emitted = excluded.records_emitted,
        records_committed = excluded.records_committed, records_filtered = excluded.records_filtered,
        records_rejected = excluded.records_rejected, bytes_emitted = excluded.bytes_emitted,
        bytes_committed = excluded.bytes_committed, updated_at = now()
"""
_TOTALS = """
update attempts set (records_committed, records_rejected, bytes_committed) = (
    select coalesce(sum(records_committed), 0), coalesce(sum(records_rejected), 0), coalesce(sum(bytes_committed), 0)
    from stream_stats where job_id = $1 and attempt = $2)
where job_id = $1 and number = $2
"""


async def commit(
    pool: asyncpg.Pool, writer: Writer, states: Sequence[StateRow], counts: Sequence[StreamCounts]
) -> None:
    """States and their counts in one transaction, or nothing. Raises StaleFence."""
    async with pool.acquire() as connection, connection.transaction():
        fence = await connection.fetchval(_FENCE, writer.connection_id)
        if fence != writer.fence:
            raise StaleFence(f"fence {writer.fence} is stale, the connection is at {fence}")
        if states:
            await connection.execute(_OTHER_TYPES, writer.connection_id, states[0].type)
            await connection.executemany(_STATE, [_state_arguments(writer, state) for state in states])
            await connection.executemany(_LOG, [(*_state_arguments(writer, state), state.records) for state in states])
        await write_counts(connection, writer.job_id, writer.attempt, counts)
        await connection.execute(_TOTALS, writer.job_id, writer.attempt)


async def write_counts(
    connection: asyncpg.pool.PoolConnectionProxy, job_id: int, attempt: int, counts: Sequence[StreamCounts]
) -> None:
    """Per-stream counts of an attempt, absolute values: written twice they are the same."""
    await connection.executemany(
        _COUNTS,
        [
            (
                job_id,
                attempt,
                each.name,
                each.namespace,
                each.status,
                each.records_emitted,
                each.records_committed,
                each.records_filtered,
                each.records_rejected,
                each.bytes_emitted,
                each.bytes_committed,
            )
            for each in counts
        ],
    )


async def load(pool: asyncpg.Pool, connection_id: int) -> bytes | None:
    """The state file of a `read`: a list of state messages, a LEGACY blob, or None when nothing was committed."""
    rows = await pool.fetch(
        "select type, state from states where connection_id = $1 order by stream, namespace nulls first", connection_id
    )
    if not rows:
        return None
    if rows[0]["type"] == "LEGACY":
        return str(rows[0]["state"]).encode()
    return msgspec.json.encode([Raw(row["state"].encode()) for row in rows])


def _state_arguments(writer: Writer, state: StateRow) -> tuple[object, ...]:
    return (
        writer.connection_id,
        state.type,
        state.stream,
        state.namespace,
        state.state.replace("\0", ""),
        writer.fence,
        state.seq,
        writer.job_id,
        writer.attempt,
    )
