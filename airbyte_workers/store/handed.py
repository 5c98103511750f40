"""Configs and catalogs on their way from a client to the activity that opens their job.

A client has the database and no key file: it seals to the public key that the Temporal workers published, and names
what it hands over by an id in the workflow's input, where everybody who may read Temporal's history can see it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID, uuid4

import asyncpg

from airbyte_workers.models import (
    Connector,
    Destination,
    Mapper,
    OpenJob,
    OpenOperation,
    Order,
    StreamChoice,
    SyncInput,
)
from airbyte_workers.store.connections import Refused
from airbyte_workers.store.database import Session
from airbyte_workers.store.seal_errors import SealError
from airbyte_workers.store.sealing import Seal, seal_for

C = TypeVar("C", Connector, Destination, Mapper)
I = TypeVar("I", SyncInput, Order)  # noqa: E741  # an input


class NoKey(Exception):
    """Nothing can be handed over: no Temporal worker has published a key."""


class UnknownConfig(Exception):
    """No handed config has this id, or none any more."""


# --- by the client ---


async def publish_key(db: asyncpg.Pool, seal: Seal) -> None:
    """Let clients seal to this Temporal worker. Raises SealError when the other workers have another key."""
    await db.execute("insert into public_keys (public_key) values ($1) on conflict do nothing", seal.public_key)
    if await db.fetchval("select public_key from public_keys") != seal.public_key:
        raise SealError(
            "this database's configs are encrypted with another key than this Temporal worker has: SECRETS_KEY_FILE"
            " must name the key file that the other Temporal workers use"
        )


async def hand_over(db: asyncpg.Pool, value: Mapping[str, Any]) -> UUID:
    """Leave a config or a catalog for the workflow that is started next; the id is for its input.

    What nobody takes is removed by gc. Raises NoKey, or SealError when it is not JSON.
    """
    handed = uuid4()
    async with db.acquire() as session, session.transaction():
        sealed = seal_for(await _published_key(session), dict(value))
        await session.execute("insert into handed_configs (id, sealed) values ($1, $2)", handed, sealed)
    return handed


async def _published_key(session: Session) -> bytes:
    try:
        key: bytes | None = await session.fetchval("select public_key from public_keys")
    except asyncpg.UndefinedTableError:  # the Temporal workers migrate, clients do not
        key = None
    if key is None:
        raise NoKey("no Temporal worker has used this database yet: start one first (airbyte-workers worker)")
    return key


# --- by the activity ---


async def take(session: Session, seal: Seal, handed: UUID) -> dict[str, Any]:
    """The value, which is gone when the caller's transaction commits. Raises UnknownConfig or SealError."""
    sealed = await session.fetchval("delete from handed_configs where id = $1 returning sealed", handed)
    if sealed is None:
        raise UnknownConfig(
            f"nothing is stored under the id {handed}: it was used already, or nobody used it for too long;"
            " start the job again"
        )
    value = seal.open_handed(sealed)
    if not isinstance(value, dict):
        raise SealError(f"what is stored under the id {handed} is not a JSON object: start the job again with one")
    return value


@dataclass(frozen=True)
class Taker:
    """Makes the input of one request whole, in the transaction that opens its job. Raises connections.Refused.

    Everything is taken once: a run that was reset to its beginning has it from the job of the run it was reset from.
    """

    session: Session
    seal: Seal
    request: OpenJob | OpenOperation

    async def sync(self, asked: SyncInput) -> SyncInput:
        """The input with its catalog and both configs."""
        before = await self._before(SyncInput)
        if asked.catalog_id is not None:
            catalog = await self._taken(asked.catalog_id, before.catalog if before is not None else None)
            asked = asked.model_copy(update={"catalog": catalog, "catalog_id": None})
        if asked.streams is not None:
            known = before.streams if before is not None and before.streams is not None else ()
            asked = asked.model_copy(update={"streams": await self._with_mappers(asked.streams, known)})
        if asked.source is None or asked.destination is None:
            return asked
        source = await self._put_back(asked.source, before.source if before is not None else None)
        destination = await self._put_back(asked.destination, before.destination if before is not None else None)
        return asked.model_copy(update={"source": source, "destination": destination})

    async def order(self, asked: Order) -> Order:
        """What is asked with its connector's config."""
        before = await self._before(Order)
        connector = await self._put_back(asked.connector, before.connector if before is not None else None)
        return asked.model_copy(update={"connector": connector})

    async def _with_mappers(
        self, streams: Sequence[StreamChoice], before: Sequence[StreamChoice]
    ) -> tuple[StreamChoice, ...]:
        """The streams with the whole configs of their mappers; `before`: the same of the run that was reset."""
        whole = []
        for place, stream in enumerate(streams):
            known = before[place].mappers if place < len(before) else ()
            mappers = [
                await self._put_back(mapper, known[number] if number < len(known) else None)
                for number, mapper in enumerate(stream.mappers)
            ]
            whole.append(stream.model_copy(update={"mappers": tuple(mappers)}))
        return tuple(whole)

    async def _put_back(self, holder: C, before: Connector | Mapper | None) -> C:
        if holder.config_id is None:
            return holder
        config = await self._taken(holder.config_id, before.config if before is not None else None)
        return holder.model_copy(update={"config": config, "config_id": None})

    async def _taken(self, handed: UUID, before: dict[str, Any] | None) -> dict[str, Any]:
        """`before`: what the run has taken from which this one was reset."""
        try:
            return await take(self.session, self.seal, handed)
        except (UnknownConfig, SealError) as error:
            if isinstance(error, UnknownConfig) and before is not None:
                return before
            raise Refused(str(error)) from None

    async def _before(self, form: type[I]) -> I | None:
        """What the first job of a workflow that was reset to its beginning worked with; None where it was not reset."""
        request = self.request
        if request.first_run_id in ("", request.run_id):
            return None
        row = await self.session.fetchrow(
            "select input from jobs where workflow_id = $1 and (run_id = $2 or opening_run_id = $2)",
            request.workflow_id,
            request.first_run_id,
        )
        return form.model_validate(self.seal.open(row["input"])) if row is not None else None
