"""`airbyte-workers state diff`: what differs between two points of a connection's past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
import click

from airbyte_workers.cli.environment import run
from airbyte_workers.cli.options import OUTPUT
from airbyte_workers.cli.output import Exit, Shape, show
from airbyte_workers.cli.state_access import point_option, states_of
from airbyte_workers.cli.state_words import as_json, difference_json, lines, texts
from airbyte_workers.replication.state_differences import Difference, differences, parts
from airbyte_workers.replication.state_history import Point
from airbyte_workers.settings import Settings
from airbyte_workers.store import state_log
from airbyte_workers.store.connections import Refused
from airbyte_workers.store.state_log import Log
from airbyte_workers.store.state_positions import last_job, locate


@dataclass(frozen=True)
class _Compared:
    """Two positions, as they are called, and what differs."""

    names: tuple[str, str]
    positions: tuple[int, int]
    found: Sequence[Difference]


@click.command("diff")
@click.argument("connection")
@point_option("from", "The earlier point; by default before the last job, or before the job of --to")
@point_option("to", "The later point; by default now")
@OUTPUT
@click.pass_context
def diff(
    context: click.Context, /, connection: str, output: Shape, *, from_point: Point | None, to_point: Point | None
) -> None:
    """Show what differs between a CONNECTION's states at two points: by default, what its last job changed."""

    async def command(settings: Settings) -> Exit:
        async with states_of(settings) as db:
            compared = await _compare(db, connection, from_point, to_point)
        if output == "json":
            show(as_json(_json(connection, compared)))
            return Exit.DONE
        show(f"{connection}: from {compared.names[0]} to {compared.names[1]}")
        for line in lines(compared.found) if compared.found else ["  no difference"]:
            show(line)
        return Exit.DONE

    context.exit(run(command, output))


async def _compare(db: asyncpg.Pool, connection: str, start: Point | None, end: Point | None) -> _Compared:
    async with db.acquire() as session, session.transaction(isolation="repeatable_read", readonly=True):
        log = await state_log.open_log(session, connection)
        begin = start or await _before(session, log, end)
        low = await locate(session, log, begin)
        high = await locate(session, log, end) if end is not None else await state_log.head(session, log)
        old, new = await state_log.as_of(session, log, low), await state_log.as_of(session, log, high)
    names = str(begin), str(end) if end is not None else "now"
    return _Compared(names, (low, high), differences(parts(texts(old)), parts(texts(new))))


async def _before(db: asyncpg.pool.PoolConnectionProxy, log: Log, end: Point | None) -> Point:
    """Where a comparison begins when nobody said: before the job that it ends with, or the last one."""
    if end is not None and end.kind == "job":
        return Point("before", end.number)
    job_id = await last_job(db, log)
    if job_id is None:
        raise Refused(f"connection {log.connection} has had no job yet: there is nothing to compare")
    return Point("before", job_id)


def _json(connection: str, compared: _Compared) -> dict[str, object]:
    ends = [
        {"point": name, "entry": position} for name, position in zip(compared.names, compared.positions, strict=True)
    ]
    return {
        "connection": connection,
        "from": ends[0],
        "to": ends[1],
        "differences": [difference_json(each) for each in compared.found],
    }
