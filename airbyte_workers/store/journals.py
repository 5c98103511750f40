"""What an orchestrator could not commit because PostgreSQL was away, as it stands on the disk of its pod's host.

Whoever removes the pod commits it first: under the attempt's own fence, or, once that is raised, under that of the very
next attempt before it loads a state (decisions.md, "The pod"). Later it is too late: nobody knows then what else was
decided about the state, and what is missing is read again.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import asyncpg
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from airbyte_workers.models import StreamCounts
from airbyte_workers.names import Role
from airbyte_workers.protocol.streams import StreamKey, stream_key
from airbyte_workers.store import connector_configs, states
from airbyte_workers.store.database import Database, Session
from airbyte_workers.store.states import StaleFence, StateRow, Writer


class States(BaseModel):
    """States that were acknowledged, and the counts of their streams once they are durable."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    rows: tuple[StateRow, ...]
    counts: tuple[StreamCounts, ...]


class Entry(BaseModel):
    """One commit: states, or the config that a connector sent anew, sealed and in base64."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    states: States | None = None
    role: Role | None = None
    config: str | None = Field(default=None, repr=False)


class Journal(BaseModel):
    """What waits, in the order in which it is to be committed, and whose it is."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    writer: Writer
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Taker:
    """Who commits a journal: the attempt of this fence. Streams that it reads anew keep none of their states."""

    fence: int
    renewed: Collection[StreamKey] = ()


def read(content: bytes) -> Journal | None:
    """None for what is no journal."""
    try:
        return Journal.model_validate_json(content)
    except ValidationError:
        return None


async def writer_of(db: Database, pod: str) -> Writer | None:
    """Whose the pod's journal must be; None for a pod that has no place, or is none of an attempt."""
    row = await db.fetchrow("select connection_id, job_id, attempt, fence from workloads where pod = $1", pod)
    return None if row is None or row["connection_id"] is None else Writer(**row)


async def commit(pool: asyncpg.Pool, journal: Journal, taker: Taker) -> None:
    """All of it in one transaction; committed again, nothing changes. Raises StaleFence."""
    writer = journal.writer
    if writer.fence not in (taker.fence, taker.fence - 1):
        raise StaleFence(f"fence {writer.fence} of the journal is too old for {taker.fence}")
    async with pool.acquire() as session, session.transaction():
        await states.hold_fence(session, writer.connection_id, taker.fence)
        for entry in journal.entries:
            if entry.states is not None:
                await _write(session, writer, entry.states, taker.renewed)
            elif entry.role is not None and entry.config is not None:
                await connector_configs.write(session, writer, entry.role, b64decode(entry.config))


async def _write(session: Session, writer: Writer, waiting: States, renewed: Collection[StreamKey]) -> None:
    rows = _still_wanted(waiting.rows, renewed)
    if rows or not waiting.rows:
        counts = [each for each in waiting.counts if stream_key(each.name, each.namespace) not in renewed]
        await states.write(session, writer, rows, counts)


def _still_wanted(rows: Sequence[StateRow], renewed: Collection[StreamKey]) -> Sequence[StateRow]:
    """A state of many streams is of use as long as none of them begins anew."""
    if not renewed:
        return rows
    return [row for row in rows if row.type == "STREAM" and row.key[1] not in renewed]
