"""Which streams of a connection a clear or a refresh is about, settled when its job is opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import asyncpg

from airbyte_workers.models import StreamName, StreamRequest
from airbyte_workers.names import JobKind
from airbyte_workers.protocol import generations
from airbyte_workers.protocol.generations import Scope
from airbyte_workers.protocol.schema_sentences import close_to
from airbyte_workers.protocol.stream_checks import names_shown
from airbyte_workers.protocol.streams import StreamKey, shown, stream_key
from airbyte_workers.store import catalogs
from airbyte_workers.store.connections import Connection, Refused
from airbyte_workers.store.database import Session


async def settle(session: Session, connection: Connection, request: StreamRequest) -> StreamRequest:
    """The request with every stream as the connection's catalog has it. Raises Refused."""
    _refuse_without_refreshes(connection, request)
    keys = await _known_streams(session, connection)
    if request.streams is None:
        return request
    found = [_find(keys, each, connection.name) for each in request.streams]
    settled = tuple(StreamName(name=name, namespace=namespace) for name, namespace in dict.fromkeys(found))
    if set(found) < set(keys):
        await _refuse_part_of_legacy(session, connection)
    return request.model_copy(update={"streams": settled})


def scope_of(job: asyncpg.Record) -> Scope:
    """What of a job's row decides about its streams: `kind`, `request`, `supports_refreshes`."""
    scope = Scope(JobKind(job["kind"]), supports_refreshes=job["supports_refreshes"])
    if job["request"] is None:
        return scope
    request = StreamRequest.model_validate(job["request"])
    named = None
    if request.streams is not None:
        named = frozenset(stream_key(each.name, each.namespace) for each in request.streams)
    return replace(scope, streams=named, truncates=request.order == "truncate")


def _refuse_without_refreshes(connection: Connection, request: StreamRequest) -> None:
    """A destination that ignores generations would write what is read again beside what it has."""
    destination = connection.input.destination
    if request.order == "clear" or (destination is not None and destination.supports_refreshes):
        return
    name = destination.name if destination is not None else "the destination"
    raise Refused(
        f"connection {connection.name}: {name} is not known to support refreshes; if it does, say so with"
        " destination.supports_refreshes: true; if not, clear the streams and sync again"
    )


async def _known_streams(session: Session, connection: Connection) -> Sequence[StreamKey]:
    if connection.catalog_id is None:
        raise Refused(f"connection {connection.name} has not synced yet: there is nothing to clear or to refresh")
    return generations.keys(await catalogs.configured(session, connection.catalog_id))


def _find(keys: Sequence[StreamKey], wanted: StreamName, connection: str) -> StreamKey:
    """By name and namespace, by a name that only one stream has, or by `namespace.name` as people read it."""
    exact = stream_key(wanted.name, wanted.namespace)
    if exact in keys:
        return exact
    alike = [key for key in keys if wanted.namespace is None and wanted.name in (key[0], shown(key))]
    if len(alike) == 1:
        return alike[0]
    if alike:
        places = ", ".join(sorted(map(shown, alike)))
        raise Refused(f"stream {wanted.name} is in several namespaces ({places}): say which with `namespace`")
    names = sorted(map(shown, keys))
    hint = close_to(shown(exact), names) or f"; it has {names_shown(names)}"
    raise Refused(f"connection {connection} does not sync a stream {shown(exact)}{hint}")


async def _refuse_part_of_legacy(session: Session, connection: Connection) -> None:
    legacy = await session.fetchval(
        "select exists (select from states where connection_id = $1 and type = 'LEGACY')", connection.id
    )
    if legacy:
        raise Refused(
            f"connection {connection.name} has one state for all of its streams (LEGACY): name no stream, and all"
            " of them are cleared or refreshed"
        )


async def undivided_before(db: asyncpg.Pool, job_id: int) -> tuple[str, str] | None:
    """Type and text of the one state (GLOBAL or LEGACY) that all streams shared before the job, if they did."""
    row = await db.fetchrow(_UNDIVIDED, job_id)
    return None if row is None else (row["type"], row["state"])


_UNDIVIDED = """
select type, state from (
    select distinct on (state_log.type) state_log.type, state_log.state
    from attempts join jobs on jobs.id = attempts.job_id
        join state_log on state_log.connection_id = jobs.connection_id and state_log.id <= attempts.state_before::bigint
    where attempts.job_id = $1 and attempts.number = 0 and state_log.type <> 'STREAM'
    order by state_log.type, state_log.id desc
) as newest where state is not null
"""
