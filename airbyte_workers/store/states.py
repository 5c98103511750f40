"""Committed states: loaded at the start of an attempt, written only under the attempt's fence."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import asyncpg
import msgspec
from msgspec import Raw

from airbyte_workers.models import StreamCounts
from airbyte_workers.protocol.catalog import StreamKey, stream_key
from airbyte_workers.replication.state_forms import without_streams
from airbyte_workers.store import state_changes
from airbyte_workers.store.state_changes import Session, StateRow, Writer

__all__ = ["StaleFence", "StateRow", "Writer", "commit", "forget", "forget_all", "load", "write_counts"]


class StaleFence(Exception):
    """A newer attempt of the connection has begun: nothing of this one may be committed any more."""


_FENCE = "select fence from connections where id = $1 for no key update"
_KEPT = "select type, stream, namespace, state from states where connection_id = $1"
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
            change = await state_changes.change_of(connection, writer)
            await state_changes.erase_other_types(connection, change, states[0].type)
            await state_changes.write(connection, change, states)
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


async def forget(session: Session, writer: Writer, streams: Collection[StreamKey], *, whole: bool = False) -> None:
    """Erase these streams' states: what is read of them begins anew. Call it with the connection's row held.

    A GLOBAL state loses their entries, and goes when none is left. `whole`: they are all that the connection syncs, so
    a GLOBAL state goes with what its streams share, and so does a LEGACY one, which nobody could divide.
    """
    if not streams and not whole:
        return
    kept = await session.fetch(_KEPT, writer.connection_id)
    without = [row for row in (_without(each, streams, whole=whole) for each in kept) if row is not None]
    await _write(session, writer, without)


async def forget_all(session: Session, writer: Writer) -> None:
    """Erase every state of the connection, also those of streams that it syncs no more. As `forget`."""
    kept = await session.fetch(_KEPT, writer.connection_id)
    await _write(session, writer, [_row(each, None) for each in kept])


async def _write(session: Session, writer: Writer, rows: Sequence[StateRow]) -> None:
    if rows:
        await state_changes.write(session, await state_changes.change_of(session, writer), rows)


def _row(kept: asyncpg.Record, left: bytes | None) -> StateRow:
    return StateRow(kept["type"], kept["stream"], kept["namespace"], None if left is None else left.decode(), seq=0)


def _without(kept: asyncpg.Record, streams: Collection[StreamKey], *, whole: bool) -> StateRow | None:
    """What a row becomes; None: it stays as it is."""
    state = str(kept["state"]).encode()
    left: bytes | None = state
    if kept["type"] == "STREAM":
        left = None if stream_key(kept["stream"], kept["namespace"]) in streams else state
    elif whole:
        left = None
    elif kept["type"] == "GLOBAL":
        left = without_streams(state, streams)
    if left == state:
        return None
    return _row(kept, left)


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
