"""Connections: made by the first sync of a name, changed by the next, stored sealed, with one live job at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airbyte_workers.jobs.busy import already_syncing
from airbyte_workers.models import Connector, SyncInput
from airbyte_workers.protocol.schema_sentences import close_to
from airbyte_workers.store.database import Database, Session
from airbyte_workers.store.sealing import Seal
from airbyte_workers.store.transitions import TERMINAL

_NAMES = 10_000  # connections among which a name is looked for that was spelt wrong
_HINT = "; see: airbyte-workers jobs list"


class Refused(Exception):
    """A request that cannot be carried out as it is; the message says why and what to do."""


class UnknownConnection(Refused):
    """No connection has this name."""


class ConnectionBusy(Refused):
    """The connection has a live job already; `job_id` where that is told."""

    def __init__(self, message: str, job_id: int | None = None) -> None:
        super().__init__(message)
        self.job_id = job_id


@dataclass(frozen=True)
class Connection:
    """A stored connection and what one job does with it; `catalog_id`: what it syncs, once that is settled."""

    id: int
    name: str
    input: SyncInput
    catalog_id: int | None = None


async def resolve(db: Session, seal: Seal, asked: SyncInput) -> Connection:
    """The connection that a sync is for, made or updated from its input; call it inside a transaction.

    Raises UnknownConnection, or Refused when the name already belongs to another connector.
    """
    row = await db.fetchrow(
        "select id, spec, source_name, destination_name, catalog_id from connections where name = $1 for update",
        asked.connection,
    )
    if asked.source is None or asked.destination is None:
        if row is None:
            otherwise = "; to make it, give source and destination, as with: airbyte-workers sync -f FILE"
            raise UnknownConnection(await no_connection(db, asked.connection, otherwise=otherwise))
        return Connection(row["id"], asked.connection, _merged(seal.open(row["spec"]), asked), row["catalog_id"])
    if row is not None:
        _refuse_other_connector(asked.connection, "source", row["source_name"], asked.source)
        _refuse_other_connector(asked.connection, "destination", row["destination_name"], asked.destination)
    return await _write(db, seal, asked)


def base_name(connector: Connector) -> str:
    """What stays the same when only the version changes: the image without its tag, or the program's name."""
    if connector.image is None:
        return connector.public_name
    name = connector.image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]


async def _write(db: Session, seal: Seal, asked: SyncInput) -> Connection:
    assert asked.source is not None
    assert asked.destination is not None
    stored = asked.model_copy(update={"max_retries": None, "launcher": None})
    row = await db.fetchrow(
        """
        insert into connections (name, spec, source_name, destination_name) values ($1, $2, $3, $4)
        on conflict (name) do update set spec = excluded.spec, source_name = excluded.source_name,
            destination_name = excluded.destination_name, updated_at = now()
        returning id, catalog_id
        """,
        asked.connection,
        seal.close(stored.model_dump(mode="json")),
        base_name(asked.source),
        base_name(asked.destination),
    )
    assert row is not None
    return Connection(row["id"], asked.connection, asked, row["catalog_id"])


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


@dataclass(frozen=True)
class LiveJob:
    """The job that has a connection's lock, and how many attempts it has had."""

    id: int
    attempts: int

    @property
    def words(self) -> str:
        """`job 12, attempt 2`."""
        return f"job {self.id}" + (f", attempt {self.attempts}" if self.attempts else "")


async def live_job(session: Database, connection_id: int) -> LiveJob | None:
    """The connection's job that has not ended."""
    row = await session.fetchrow(
        """
        select jobs.id, (select count(*) from attempts where job_id = jobs.id) as attempts from jobs
        where connection_id = $1 and kind in ('sync', 'clear', 'refresh') and not status = any($2)
        """,
        connection_id,
        TERMINAL,
    )
    return LiveJob(**row) if row is not None else None


async def refuse_busy(session: Session, connection: Connection) -> None:
    """Raises ConnectionBusy while a job of the connection is live."""
    live = await live_job(session, connection.id)
    if live is not None:
        raise ConnectionBusy(already_syncing(connection.name, live.words), live.id)


async def no_connection(db: Database, name: str, *, otherwise: str = _HINT) -> str:
    """What to tell of a name that no connection has: which one may be meant, or else `otherwise`."""
    rows = await db.fetch("select name from connections order by updated_at desc limit $1", _NAMES)
    names = [row["name"] for row in rows]
    return f"there is no connection {name}{close_to(name, names) or otherwise}"
