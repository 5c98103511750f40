"""`airbyte-workers jobs logs`: what a job's connectors and its pods said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import asyncpg
import click

from airbyte_workers.cli.environment import run
from airbyte_workers.cli.options import JOB
from airbyte_workers.cli.output import Exit, Shape, bad_input, say, show
from airbyte_workers.job_logs import MOST_LAST, LogRequest, Piece, RequestedLog
from airbyte_workers.protocol.schema_sentences import close_to
from airbyte_workers.protocol.streams import shown, stream_key
from airbyte_workers.runs import UnknownJob
from airbyte_workers.runtime.database import job_database
from airbyte_workers.runtime.stack import stack_settings
from airbyte_workers.settings import Settings
from airbyte_workers.store import history
from airbyte_workers.store.log_lines import Level, read_line


@click.command("logs")
@JOB
@click.option("--attempt", type=click.IntRange(min=1), help="Which attempt; default: the last.")
@click.option("-f", "--follow", is_flag=True, help="Go on as the log grows, until the job ends. Ctrl-C leaves.")
@click.option("--stream", help="Only lines about this stream: `name` or `namespace.name`.")
@click.option(
    "--level", type=click.Choice(list(Level), case_sensitive=False), help="Only lines of this level, and worse ones."
)
@click.option("--tail", "last", type=click.IntRange(0, MOST_LAST), help="Only so many lines at the end.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="json: lines as stored.")
@click.pass_context
def show_logs(context: click.Context, /, output: Shape, *, follow: bool, **which: Any) -> None:
    """Show the log of an attempt, with what its connectors were asked before it; of a spec, check or discover its own.

    It is read piece by piece, however long it is. With --stream it shows errors, statuses, commits, rate limits and
    dropped lines of that stream; a connector's own LOG lines name no stream and are left out.
    """
    request = LogRequest(**which)

    async def command(settings: Settings) -> Exit:
        async with stack_settings(settings) as where, job_database(where) as db:
            log = RequestedLog(db, where, request, tell=say)
            await _introduce(log, request)
            return await _until_left(_print(log.follow() if follow else log.read(), db, request, output))

    context.exit(run(command, output))


async def _introduce(log: RequestedLog, request: LogRequest) -> None:
    """Which attempt it will be, where there are several. Raises Problem."""
    try:
        job = await log.standing()
    except UnknownJob as error:
        raise bad_input(str(error)) from None
    if request.attempt is None and job.attempts > 1:
        say(f"attempt {job.attempts} of {job.attempts}; --attempt shows another one")


async def _until_left(printing: Awaitable[Exit]) -> Exit:
    """Ctrl-C cancels it, and is how a person stops reading: nothing has gone wrong."""
    try:
        return await printing
    except asyncio.CancelledError:
        return Exit.INTERRUPTED


async def _print(pieces: AsyncIterator[Piece], db: asyncpg.Pool, request: LogRequest, output: Shape) -> Exit:
    printed = looked_at = attempt = 0
    shape = _as_stored if output == "json" else _as_text
    async for piece in pieces:
        if attempt and piece.attempt != attempt:
            say(f"attempt {piece.attempt}")
        attempt = piece.attempt
        looked_at += piece.looked_at
        printed += len(piece.lines)
        if piece.lines:
            show("\n".join(map(shape, piece.lines)))
    if not printed and request.last != 0:
        say(await _nothing(db, request, looked_at))
    return Exit.DONE


async def _nothing(db: asyncpg.Pool, request: LogRequest, looked_at: int) -> str:
    """Why no line was printed."""
    if not looked_at:
        return "the log is empty so far"
    hint = ""
    if request.stream is not None:
        streams = (await history.report(db, request.job_id)).streams
        names = [shown(stream_key(each.name, each.namespace)) for each in streams] + [each.name for each in streams]
        hint = "" if request.stream in names else close_to(request.stream, names)
    return f"none of {looked_at:,} lines is what was asked for{hint}"


def _as_stored(stored: bytes) -> str:
    return stored.decode(errors="replace")


def _as_text(stored: bytes) -> str:
    line = read_line(stored)
    of = f"[{line.stream}] " if line.stream and line.stream not in line.text else ""
    return f"{line.at:<29} {line.leg:<16} {line.level:<5} {of}{line.text}"
