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
    StreamRequest,
    SyncInput,
)
from airbyte_workers.names import JobKind
from airbyte_workers.store import configs, connections, stream_requests
from airbyte_workers.store.sealing import Seal, SealError
from airbyte_workers.store.transitions import TERMINAL, write_event

OPENING_LOCK = 0x41425F4F  # "AB_O": the tries of one run open its job one after another
C = TypeVar("C", bound=Connector)
Admit = Callable[[SyncInput | Order], None]
Rules = Callable[[SyncInput], RetryRules]


class ConnectionBusy(connections.Refused):
    """The connection has a live job already; `job_id` where that is told."""

    def __init__(self, message: str, job_id: int | None = None) -> None:
        super().__init__(message)
        self.job_id = job_id


def admit_all(_: SyncInput | Order) -> None:
    """No rules about what may run."""


async def open_sync(db: asyncpg.Pool, seal: Seal, request: OpenJob, rules: Rules, admit: Admit = admit_all) -> int:
    """Write the row of a sync, clear or refresh, or find the one this run wrote before.

    `admit` sees the input whole and raises what it refuses; then nothing is written. `rules` of its retries come from
    the same whole input. Raises connections.Refused.
    """
    async with db.acquire() as session, session.transaction():
        known = await _known(session, request.run_id)
        if known is not None:
            return known
        asked = await _with_handed(session, seal, request)
        connection = await connections.resolve(session, seal, asked)
        admit(connection.input)
        await _refuse_busy(session, connection)
        streams = await stream_requests.settle(session, connection, request.request) if request.request else None
        row = _Row(request.kind, connection.input, connection, rules(connection.input), streams)
        job_id = await _insert(session, seal, request, row)
        await session.execute("insert into retry_states (job_id, connection_id) values ($1, $2)", job_id, connection.id)
        return job_id


async def open_operation(db: asyncpg.Pool, seal: Seal, request: OpenOperation, admit: Admit = admit_all) -> int:
    """Write the row of a spec, check or discover, or find the one this run wrote before. Raises as `open_sync`."""
    async with db.acquire() as session, session.transaction():
        known = await _known(session, request.run_id)
        if known is not None:
            return known
        earlier = await _earlier_input(session, seal, request)
        known_by = earlier.connector if isinstance(earlier, Order) else None
        connector = await _put_back(session, seal, request.order.connector, known_by)
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
    request: StreamRequest | None = None

    @property
    def supports_refreshes(self) -> bool:
        """Whether the job's destination knows generations."""
        destination = self.input.destination if isinstance(self.input, SyncInput) else None
        return destination is not None and destination.supports_refreshes


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
        insert into jobs (kind, connection_id, connection, input, workflow_id, run_id, retry_rules, connector, request,
            supports_refreshes, catalog_id)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,
            case when $1 = 'clear' then (select catalog_id from connections where id = $2) end) returning id
        """,
        str(row.kind),
        row.connection.id if row.connection is not None else None,
        row.connection.name if row.connection is not None else None,
        seal.close(row.input.model_dump(mode="json")),
        request.workflow_id,
        request.run_id,
        row.rules.model_dump(mode="json") if row.rules is not None else {},
        row.input.connector.name if isinstance(row.input, Order) else None,
        row.request.model_dump(mode="json") if row.request is not None else None,
        row.supports_refreshes,
    )
    await write_event(session, job_id, None, "opened", reason=f"workflow {request.workflow_id}")
    return job_id


@dataclass(frozen=True)
class LiveJob:
    """The job that has a connection's lock, and how many attempts it has had."""

    id: int
    attempts: int


async def live_job(session: asyncpg.pool.PoolConnectionProxy, connection_id: int) -> LiveJob | None:
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


async def _refuse_busy(session: asyncpg.pool.PoolConnectionProxy, connection: connections.Connection) -> None:
    live = await live_job(session, connection.id)
    if live is not None:
        attempt = f", attempt {live.attempts}" if live.attempts else ""
        busy = f"connection {connection.name} is already syncing (job {live.id}{attempt}); use --join"
        raise ConnectionBusy(busy, live.id)


# --- handed configs ---


async def _with_handed(session: asyncpg.pool.PoolConnectionProxy, seal: Seal, request: OpenJob) -> SyncInput:
    """The input with everything in it that was handed over."""
    asked, earlier = request.input, await _earlier_input(session, seal, request)
    before = earlier if isinstance(earlier, SyncInput) else None
    if asked.catalog_id is not None:
        catalog = await _taken(session, seal, asked.catalog_id, before.catalog if before is not None else None)
        asked = asked.model_copy(update={"catalog": catalog, "catalog_id": None})
    if asked.source is None or asked.destination is None:
        return asked
    source = await _put_back(session, seal, asked.source, before.source if before is not None else None)
    destination = await _put_back(session, seal, asked.destination, before.destination if before is not None else None)
    return asked.model_copy(update={"source": source, "destination": destination})


async def _put_back(
    session: asyncpg.pool.PoolConnectionProxy, seal: Seal, connector: C, earlier: Connector | None
) -> C:
    """The connector with the config that was handed over for it."""
    if connector.config_id is None:
        return connector
    config = await _taken(session, seal, connector.config_id, earlier.config if earlier is not None else None)
    return connector.model_copy(update={"config": config, "config_id": None})


async def _taken(
    session: asyncpg.pool.PoolConnectionProxy, seal: Seal, handed: UUID, earlier: dict[str, Any] | None
) -> dict[str, Any]:
    """What was handed over, which is taken once; `earlier`: what the run has taken from which this one was reset."""
    try:
        return await configs.take(session, seal, handed)
    except (configs.UnknownConfig, SealError) as error:
        if isinstance(error, configs.UnknownConfig) and earlier is not None:
            return earlier
        raise connections.Refused(str(error)) from None


async def _earlier_input(
    session: asyncpg.pool.PoolConnectionProxy, seal: Seal, request: OpenJob | OpenOperation
) -> SyncInput | Order | None:
    """What the first job of a workflow that was reset to its beginning worked with; None where it was not reset."""
    if request.first_run_id in ("", request.run_id):
        return None
    row = await session.fetchrow(
        "select input from jobs where workflow_id = $1 and (run_id = $2 or opening_run_id = $2)",
        request.workflow_id,
        request.first_run_id,
    )
    if row is None:
        return None
    form: type[SyncInput | Order] = SyncInput if isinstance(request, OpenJob) else Order
    return form.model_validate(seal.open(row["input"]))
