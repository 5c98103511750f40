"""Committed states: loaded at the start of an attempt, written only under the attempt's fence."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import asyncpg
import msgspec
from msgspec import Raw

from airbyte_workers import failpoints
from airbyte_workers.failpoints import Failpoint
from airbyte_workers.models import StreamCounts
from airbyte_workers.names import Role
from airbyte_workers.protocol.streams import StreamKey, stream_key
from airbyte_workers.replication.state_forms import without_streams
from airbyte_workers.store import state_changes, stream_counts
from airbyte_workers.store.database import Session
from airbyte_workers.store.state_changes import StateRow, Writer

__all__ = ["StaleFence", "StateRow", "Writer", "commit", "forget", "forget_all", "hold_fence", "load", "write"]


class StaleFence(Exception):
    """A newer attempt of the connection has begun: nothing of this one may be committed any more."""


_FENCE = "select fence from connections where id = $1 for no key update"
_KEPT = "select type, stream, namespace, state from states where connection_id = $1"


async def hold_fence(session: Session, connection_id: int, fence: int) -> None:
    """Let no newer attempt begin until the transaction ends. Raises StaleFence."""
    current = await session.fetchval(_FENCE, connection_id)
    if current != fence:
        raise StaleFence(f"fence {fence} is stale, the connection is at {current}")


async def commit(
    pool: asyncpg.Pool, writer: Writer, states: Sequence[StateRow], counts: Sequence[StreamCounts]
) -> None:
    """States and their counts in one transaction, or nothing. Raises StaleFence."""
    async with pool.acquire() as session, session.transaction():
        await hold_fence(session, writer.connection_id, writer.fence)
        await write(session, writer, states, counts)
        failpoints.reached(Failpoint.DURING_COMMIT, Role.ORCHESTRATOR)


async def write(session: Session, writer: Writer, states: Sequence[StateRow], counts: Sequence[StreamCounts]) -> None:
    """States and their counts, with the fence held."""
    if states:
        change = await state_changes.change_of(session, writer)
        await state_changes.erase_other_types(session, change, states[0].type)
        await state_changes.write(session, change, states)
    await stream_counts.write(session, writer.job_id, writer.attempt, counts)
    await stream_counts.add_up(session, writer.job_id, writer.attempt)


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
