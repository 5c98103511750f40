"""Configs that connectors sent in place of those they were given: one a connection and role, the newest.

They are sealed where they are read, to the workers' public key. Inside of the seal stands what they are based on: the
fingerprint of the config that people gave, its references resolved. It takes the key to make it, so nobody who only
writes to the database or to object storage can make a connector work with a config of his own; and a config that people
have changed since, be it in a file that a reference names, has another.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import asyncpg

from airbyte_workers.models import AttemptRef
from airbyte_workers.names import Role
from airbyte_workers.replication.control import NewConfig
from airbyte_workers.store.database import Database, Session
from airbyte_workers.store.seal_errors import SealError
from airbyte_workers.store.states import Writer, hold_fence
from airbyte_workers.store.transitions import Event, write_event

if TYPE_CHECKING:
    from airbyte_workers.store.sealing import Seal

EVENT, DROPPED = "new config", "new config dropped"
_FENCE = "select fence from connections where id = $1 for no key update"
_NEWEST = "select job_id, attempt, in_attempt from connector_configs where connection_id = $1 and role = $2"
_KEEP = """
insert into connector_configs (connection_id, role, sealed, job_id, attempt, in_attempt) values ($1, $2, $3, $4, $5, $6)
on conflict (connection_id, role) do update set sealed = excluded.sealed, job_id = excluded.job_id,
    attempt = excluded.attempt, in_attempt = excluded.in_attempt, stored_at = excluded.stored_at
"""


@dataclass(frozen=True)
class KeptConfig:
    """What was sealed: the config, JSON, and the fingerprint of what people gave when it was sent."""

    config: bytes = field(repr=False)
    based_on: str = field(repr=False)


def sealed(new: NewConfig) -> bytes:
    """The new config for the table. Raises SealError, also for one that belongs to no connection."""
    from airbyte_workers.store.sealing import seal_for  # noqa: PLC0415  # a fifth of a pod's start, which few need

    key = bytes.fromhex(new.launched.public_key)
    return seal_for(key, {"config": new.config.decode(), "based_on": new.launched.based_on})


def in_words(new: NewConfig) -> str:
    """The same, for the result of a pod that has no database."""
    return b64encode(sealed(new)).decode()


def opened(seal: Seal, kept: bytes) -> KeptConfig:
    """What `sealed` was given. Raises SealError."""
    value: Any = seal.open_handed(kept)
    if not isinstance(value, dict) or not all(isinstance(value.get(each), str) for each in ("config", "based_on")):
        raise SealError("a stored config has a form that this version does not know")
    return KeptConfig(value["config"].encode(), value["based_on"])


async def find(db: Database, connection_id: int, role: Role) -> bytes | None:
    """The connector's newest config, sealed; None when it never sent one, or it was dropped."""
    query = "select sealed from connector_configs where connection_id = $1 and role = $2"
    kept: bytes | None = await db.fetchval(query, connection_id, str(role))
    return kept


async def drop(db: Database, connection_id: int, role: Role, kept: bytes) -> None:
    """Forget this one; not one that came in its place."""
    query = "delete from connector_configs where connection_id = $1 and role = $2 and sealed = $3"
    await db.execute(query, connection_id, str(role), kept)


async def keep(pool: asyncpg.Pool, writer: Writer, role: Role, kept: bytes) -> None:
    """What a connector sent during an attempt. Raises states.StaleFence: a newer attempt has begun."""
    async with pool.acquire() as session, session.transaction():
        await hold_fence(session, writer.connection_id, writer.fence)
        await write(session, writer, role, kept)


async def write(session: Session, writer: Writer, role: Role, kept: bytes) -> None:
    """The same, with the fence held."""
    place = _Place(writer.connection_id, role, writer.job_id, writer.attempt, in_attempt=True)
    await _write(session, place, kept)


async def keep_told(pool: asyncpg.Pool, ref: AttemptRef, told: str | None) -> None:
    """What a connector sent while it was asked something for a job of a connection: the result's `new_config`.

    Nothing is written for a job without a connection, or once another was sent later.
    """
    if told is None:
        return
    try:
        kept = b64decode(told, validate=True)
    except ValueError:
        return
    async with pool.acquire() as session, session.transaction():
        connection_id = await session.fetchval("select connection_id from jobs where id = $1", ref.job_id)
        if connection_id is None or await session.fetchval(_FENCE, connection_id) is None:
            return
        place = _Place(connection_id, ref.of or Role.SOURCE, ref.job_id, ref.attempt, in_attempt=False)
        await _write(session, place, kept)


@dataclass(frozen=True)
class _Place:
    """Whose config it is, and when it was sent."""

    connection_id: int
    role: Role
    job_id: int
    attempt: int
    in_attempt: bool

    @property
    def moment(self) -> tuple[int, int, bool]:
        return self.job_id, self.attempt, self.in_attempt


async def _write(session: Session, place: _Place, kept: bytes) -> None:
    """With the connection's row held. The job's past tells it once an attempt, and once of its checks."""
    row = await session.fetchrow(_NEWEST, place.connection_id, str(place.role))
    newest = None if row is None else (row["job_id"], row["attempt"], row["in_attempt"])
    if newest is not None and newest > place.moment:
        return
    await session.execute(_KEEP, place.connection_id, str(place.role), kept, *place.moment)
    if newest != place.moment:
        reason = f"the {place.role} sent a new config (token refresh): stored, used from the next launch"
        attempt = place.attempt if place.in_attempt else None
        await write_event(session, place.job_id, Event(EVENT, attempt, reason=reason))
