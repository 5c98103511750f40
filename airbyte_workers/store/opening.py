"""The first row of a job: written once per run, from a request that was made whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import asyncpg

from airbyte_workers.models import OpenJob, OpenOperation, Order, StreamRequest, SyncInput
from airbyte_workers.names import JobKind, Role
from airbyte_workers.store import connections, stream_requests
from airbyte_workers.store.connections import Connection
from airbyte_workers.store.database import Session
from airbyte_workers.store.handed import Taker
from airbyte_workers.store.sealing import Seal
from airbyte_workers.store.transitions import Event, write_event

OPENING_LOCK = 0x41425F4F  # "AB_O": the tries of one run open its job one after another
Admit = Callable[[SyncInput | Order], None]


def admit_all(_: SyncInput | Order) -> None:
    """No rules about what may run."""


async def open_sync(db: asyncpg.Pool, seal: Seal, request: OpenJob, admit: Admit = admit_all) -> int:
    """Write the row of a sync, clear or refresh, or find the one this run wrote before.

    `admit` sees the input whole and raises what it refuses; then nothing is written. Raises connections.Refused.
    """
    async with db.acquire() as session, session.transaction():
        opening = _Opening(session, seal, request)
        if (known := await opening.known()) is not None:
            return known
        asked = await Taker(session, seal, request).sync(request.input)
        connection = await connections.resolve(session, seal, asked)
        admit(connection.input)
        await connections.refuse_busy(session, connection)
        streams = await stream_requests.settle(session, connection, request.request) if request.request else None
        job_id = await opening.sync(connection, streams)
        await session.execute("insert into retry_states (job_id, connection_id) values ($1, $2)", job_id, connection.id)
        return job_id


async def open_operation(db: asyncpg.Pool, seal: Seal, request: OpenOperation, admit: Admit = admit_all) -> int:
    """Write the row of a spec, check or discover, or find the one this run wrote before. Raises as `open_sync`."""
    async with db.acquire() as session, session.transaction():
        opening = _Opening(session, seal, request)
        if (known := await opening.known()) is not None:
            return known
        order = await Taker(session, seal, request).order(request.order)
        admit(order)
        return await opening.operation(order)


@dataclass(frozen=True)
class _Opening:
    """One try of a run to open its job, in one transaction."""

    session: Session
    seal: Seal
    request: OpenJob | OpenOperation

    async def known(self) -> int | None:
        """The run's job, if it has one. A try that Temporal has given up may still be at it: it is waited for."""
        run_id = self.request.run_id
        await self.session.execute("select pg_advisory_xact_lock($1, hashtext($2))", OPENING_LOCK, run_id)
        known: int | None = await self.session.fetchval("select id from jobs where run_id = $1", run_id)
        return known

    async def sync(self, connection: Connection, streams: StreamRequest | None) -> int:
        destination = connection.input.destination
        return await self._insert(
            connection.input,
            connection_id=connection.id,
            connection=connection.name,
            catalog_id=connection.catalog_id if self.request.kind is JobKind.CLEAR else None,
            request=streams.model_dump(mode="json") if streams is not None else None,
            supports_refreshes=destination is not None and destination.supports_refreshes,
            is_scheduled=isinstance(self.request, OpenJob) and self.request.is_scheduled,
            connectors=self._connectors(connection.input),
        )

    def _connectors(self, input: SyncInput) -> dict[str, str]:
        """What people may know of the connectors without the key."""
        source = None if self.request.kind is JobKind.CLEAR else input.source
        ran = ((Role.SOURCE, source), (Role.DESTINATION, input.destination))
        return {str(role): each.public_name for role, each in ran if each is not None}

    async def operation(self, order: Order) -> int:
        return await self._insert(order, connector=order.connector.name)

    async def _insert(self, whole: SyncInput | Order, **columns: object) -> int:
        """`whole` is what everything later works with; `columns` are what is asked of the row itself."""
        request = self.request
        row = {
            "kind": str(request.kind),
            "input": self.seal.close(whole.model_dump(mode="json")),
            "workflow_id": request.workflow_id,
            "run_id": request.run_id,
            "traceparent": request.traceparent or None,
            **columns,
        }
        places = ", ".join(f"${number}" for number, _ in enumerate(row, start=1))
        job_id: int = await self.session.fetchval(
            f"insert into jobs ({', '.join(row)}) values ({places}) returning id",  # noqa: S608  # names of ours
            *row.values(),
        )
        await write_event(self.session, job_id, Event("opened", reason=f"workflow {request.workflow_id}"))
        return job_id
