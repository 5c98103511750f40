"""Connections: made by the first sync of a name, changed by the next, stored sealed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import asyncpg

from airbyte_workers.models import Connector, SyncInput
from airbyte_workers.protocol.schema_sentences import close_to
from airbyte_workers.store.sealing import Seal

_NAMES = 10_000  # connections among which a name is looked for that was spelt wrong


class Refused(Exception):
    """A request that cannot be carried out as it is; the message says why and what to do."""


class UnknownConnection(Refused):
    """No connection has this name."""


@dataclass(frozen=True)
class Connection:
    id: int
    name: str
    input: SyncInput


async def resolve(db: asyncpg.pool.PoolConnectionProxy, seal: Seal, asked: SyncInput) -> Connection:
    """The connection that a sync is for, made or updated from its input; call it inside a transaction.

    Raises UnknownConnection, or Refused when the name already belongs to another connector.
    """
    row = await db.fetchrow(
        "select id, spec, source_name, destination_name from connections where name = $1 for update", asked.connection
    )
    if asked.source is None or asked.destination is None:
        if row is None:
            otherwise = "; give source and destination to make it"
            raise UnknownConnection(await no_connection(db, asked.connection, otherwise=otherwise))
        return Connection(row["id"], asked.connection, _merged(seal.open(row["spec"]), asked))
    if row is not None:
        _refuse_other_connector(asked.connection, "source", row["source_name"], asked.source)
        _refuse_other_connector(asked.connection, "destination", row["destination_name"], asked.destination)
    return Connection(await _write(db, seal, asked), asked.connection, asked)


def base_name(connector: Connector) -> str:
    """What stays the same when only the version changes: the image without its tag, or the program's name."""
    if connector.image is None:
        return (connector.command or ("",))[0].rsplit("/", 1)[-1]
    name = connector.image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]


async def _write(db: asyncpg.pool.PoolConnectionProxy, seal: Seal, asked: SyncInput) -> int:
    assert asked.source is not None
    assert asked.destination is not None
    stored = asked.model_copy(update={"max_retries": None, "launcher": None})
    identifier: int = await db.fetchval(
        """
        insert into connections (name, spec, source_name, destination_name) values ($1, $2, $3, $4)
        on conflict (name) do update set spec = excluded.spec, source_name = excluded.source_name,
            destination_name = excluded.destination_name, updated_at = now()
        returning id
        """,
        asked.connection,
        seal.close(stored.model_dump(mode="json")),
        base_name(asked.source),
        base_name(asked.destination),
    )
    return identifier


def _refuse_other_connector(connection: str, role: str, stored: str, asked: Connector) -> None:
    if stored != base_name(asked):
        raise Refused(
            f"connection {connection} has the {role} {stored}, not {base_name(asked)}: its state belongs to that one;"
            " use another connection name for another connector"
        )


def _merged(stored: dict[str, Any], asked: SyncInput) -> SyncInput:
    """The stored connection with what this run's input says beside the name; what it leaves out came as null."""
    said = asked.model_dump(mode="json", exclude_defaults=True)
    replaced = {"streams", "catalog"} if said.keys() & {"streams", "catalog"} else set()
    kept = {field: value for field, value in stored.items() if field not in replaced}
    return SyncInput.model_validate(kept | said)


async def no_connection(db: asyncpg.Pool | asyncpg.pool.PoolConnectionProxy, name: str, *, otherwise: str = "") -> str:
    """What to tell of a name that no connection has: which one may be meant, or else `otherwise`."""
    rows = await db.fetch("select name from connections order by updated_at desc limit $1", _NAMES)
    names = [row["name"] for row in rows]
    return f"there is no connection {name}{close_to(name, names) or otherwise}"
