"""The first row of a job: written once per run, with the configs that clients handed to the database put back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import asyncpg

from airbyte_workers.models import (
    Connector,
    OpenJob,
    OpenOperation,
    Order,
    RetryRules,
    SyncInput,
)
from airbyte_workers.names import JobKind
from airbyte_workers.store import configs, connections
from airbyte_workers.store.sealing import Seal, SealError
from airbyte_workers.store.transitions import TERMINAL, write_event

OPENING_LOCK = 0x41425F4F  # "AB_O": the tries of one run open its job one after another
C = TypeVar("C", bound=Connector)
Admit = Callable[[SyncInput | Order], None]
Rules = Callable[[SyncInput], RetryRules]


class ConnectionBusy(connections.Refused):
    """The connection has a live job already."""


def admit_all(_: SyncInput | Order) -> None:
    """No rules about what may run."""


async def open_sync(db: asyncpg.Pool, seal: Seal, request: OpenJob, rules: Rules, admit: Admit = admit_all) -> int:
    """Write the row of a sync, or find the one this run wrote before.

    `admit` sees the input whole and raises what it refuses; then nothing is written. `rules` of its retries come from
    the same whole input. Raises connections.Refused.
    """
    async with db.acquire() as session, session.transaction():
        known = await _known(session, request.run_id)
        if known is not None:
            return known
        asked = await _with_handed(session, seal, request.input)
        connection = await connections.resolve(session, seal, asked)
        admit(connection.input)
        await _refuse_busy(session, connection)
        job_id = await _insert(
            session, seal, request, _Row(JobKind.SYNC, connection.input, connection, rules(connection.input))
        )
        await session.execute("insert into retry_states (job_id, connection_id) values ($1, $2)", job_id, connection.id)
        return job_id


async def open_operation(db: asyncpg.Pool, seal: Seal, request: OpenOperation, admit: Admit = admit_all) -> int:
    """Write the row of a spec, check or discover, or find the one this run wrote before. Raises as `open_sync`."""
    async with db.acquire() as session, session.transaction():
        known = await _known(session, request.run_id)
        if known is not None:
            return known
        connector = await _put_back(session, seal, request.order.connector)
        order = request.order.model_copy(update={"connector": connector})
        admit(order)
        return await _insert(session, seal, request, _Row(request.kind, order))


@dataclass(frozen=True)
class _Row:
    """What is written of a job beside who asked for it."""

    kind: JobKind
    input: SyncInput | Order
    connection: connections.Connection | None = None
    rules: RetryRules | None = None


async def _known(session: asyncpg.pool.PoolConnectionProxy, run_id: str) -> int | None:
    """The run's job, if it has one. A try that Temporal has given up may still be at it: it is waited for."""
    await session.execute("select pg_advisory_xact_lock($1, hashtext($2))", OPENING_LOCK, run_id)
    known: int | None = await session.fetchval("select id from jobs where run_id = $1", run_id)
    return known


async def _insert(
    session: asyncpg.pool.PoolConnectionProxy, seal: Seal, request: OpenJob | OpenOperation, row: _Row
) -> int:
    job_id: int = await session.fetchval(
        """
        insert into jobs (kind, connection_id, connection, input, workflow_id, run_id, retry_rules, connector)
        values ($1, $2, $3, $4, $5, $6, $7, $8) returning id
        """,
        str(row.kind),
        row.connection.id if row.connection is not None else None,
        row.connection.name if row.connection is not None else None,
        seal.close(row.input.model_dump(mode="json")),
        request.workflow_id,
        request.run_id,
        row.rules.model_dump(mode="json") if row.rules is not None else {},
        row.input.connector.name if isinstance(row.input, Order) else None,
    )
    await write_event(session, job_id, None, "opened", reason=f"workflow {request.workflow_id}")
    return job_id


async def _refuse_busy(session: asyncpg.pool.PoolConnectionProxy, connection: connections.Connection) -> None:
    live = await session.fetchrow(
        """
        select jobs.id, (select count(*) from attempts where job_id = jobs.id) as attempts from jobs
        where connection_id = $1 and kind in ('sync', 'clear', 'refresh') and not status = any($2)
        """,
        connection.id,
        TERMINAL,
    )
    if live is not None:
        attempt = f", attempt {live['attempts']}" if live["attempts"] else ""
        raise ConnectionBusy(f"connection {connection.name} is already syncing (job {live['id']}{attempt}); use --join")


# --- handed configs ---


async def _with_handed(session: asyncpg.pool.PoolConnectionProxy, seal: Seal, asked: SyncInput) -> SyncInput:
    """The input with everything in it that was handed over."""
    if asked.catalog_id is not None:
        catalog = await _taken(session, seal, asked.catalog_id)
        asked = asked.model_copy(update={"catalog": catalog, "catalog_id": None})
    if asked.source is None or asked.destination is None:
        return asked
    source = await _put_back(session, seal, asked.source)
    destination = await _put_back(session, seal, asked.destination)
    return asked.model_copy(update={"source": source, "destination": destination})


async def _put_back(session: asyncpg.pool.PoolConnectionProxy, seal: Seal, connector: C) -> C:
    """The connector with the config that was handed over for it."""
    if connector.config_id is None:
        return connector
    config = await _taken(session, seal, connector.config_id)
    return connector.model_copy(update={"config": config, "config_id": None})


async def _taken(session: asyncpg.pool.PoolConnectionProxy, seal: Seal, handed: UUID) -> dict[str, Any]:
    try:
        return await configs.take(session, seal, handed)
    except (configs.UnknownConfig, SealError) as error:
        raise connections.Refused(str(error)) from None
