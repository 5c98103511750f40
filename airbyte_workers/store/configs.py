"""Configs on their way from a client to the activity that opens its job.

A client has the database and no key file: it seals to the public key that the Temporal workers published, and names
the config by an id in the workflow's input, where everybody who may read Temporal's history can see it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from airbyte_workers.store.sealing import Seal, SealError, seal_for


class NoKey(Exception):
    """Nothing can be handed over: no Temporal worker has published a key."""


class UnknownConfig(Exception):
    """No handed config has this id, or none any more."""


async def publish_key(db: asyncpg.Pool, seal: Seal) -> None:
    """Let clients seal to this Temporal worker. Raises SealError when the other workers have another key."""
    await db.execute("insert into public_keys (public_key) values ($1) on conflict do nothing", seal.public_key)
    if await db.fetchval("select public_key from public_keys") != seal.public_key:
        raise SealError(
            "this database's configs are sealed with another key than this Temporal worker has: SECRETS_KEY_FILE must"
            " name the key file that the other Temporal workers use"
        )


async def hand_over(db: asyncpg.Pool, config: Mapping[str, Any], *, keep_days: float) -> UUID:
    """Leave a config for the workflow that is started next; the id is for `Connector.config_id`.

    Also removes what nobody took for `keep_days`. Raises NoKey, or SealError when the config is not JSON.
    """
    config_id = uuid4()
    async with db.acquire() as session, session.transaction():
        sealed = seal_for(await _published_key(session), dict(config))
        await _purge(session, keep_days)
        await session.execute("insert into handed_configs (id, sealed) values ($1, $2)", config_id, sealed)
    return config_id


async def take(session: asyncpg.pool.PoolConnectionProxy, seal: Seal, config_id: UUID) -> dict[str, Any]:
    """The config, which is gone when the caller's transaction commits. Raises UnknownConfig or SealError."""
    sealed = await session.fetchval("delete from handed_configs where id = $1 returning sealed", config_id)
    if sealed is None:
        raise UnknownConfig(
            f"there is no handed config {config_id}: it was used already, or nobody used it for too long; start again"
        )
    config = seal.open_handed(sealed)
    if not isinstance(config, dict):
        raise SealError(f"handed config {config_id} is not a JSON object: start again with one")
    return config


async def _published_key(session: asyncpg.pool.PoolConnectionProxy) -> bytes:
    try:
        key: bytes | None = await session.fetchval("select public_key from public_keys")
    except asyncpg.UndefinedTableError:  # the Temporal workers migrate, clients do not
        key = None
    if key is None:
        raise NoKey("no Temporal worker has used this database yet: start one first")
    return key


async def _purge(session: asyncpg.pool.PoolConnectionProxy, keep_days: float) -> None:
    await session.execute(
        # one that is being taken stays: its taker shall not wait for us, nor we for it
        """
        delete from handed_configs where id in (
            select id from handed_configs where created_at < now() - $1 * interval '1 day' for update skip locked
        )
        """,
        keep_days,
    )
