"""`airbyte-workers state log`: every change of a connection's state, page by page."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import asyncpg
import click
from msgspec import Raw

from airbyte_workers.cli.environment import run
from airbyte_workers.cli.options import OUTPUT
from airbyte_workers.cli.output import Exit, Shape, bad_input, say, show
from airbyte_workers.cli.state_access import states_of
from airbyte_workers.cli.state_words import LONGEST_BLOB, READ_OF_EACH, as_json, blob, cut, who
from airbyte_workers.cli.tables import Column, table, terminal_width
from airbyte_workers.cli.times import local
from airbyte_workers.protocol.schema_sentences import close_to
from airbyte_workers.protocol.streams import shown
from airbyte_workers.settings import Settings
from airbyte_workers.store import state_log
from airbyte_workers.store.state_log import Entry, Log, Page

_PAGE = 200  # entries read at once
_COLUMNS = (
    Column("entry"),
    Column("committed", spare=1),
    Column("by", least=18),
    Column("stream", least=8),
    Column("records", right=True, spare=2),
    Column("state", least=16),
)
_ENTRY = re.compile(r"@?([0-9]{1,18})")


def _entry(context: click.Context, parameter: click.Parameter, typed: str | None) -> int | None:
    if typed is None:
        return None
    found = _ENTRY.fullmatch(typed)
    if found is None:
        raise click.BadParameter(f"{typed!r} is no entry such as @1234", context, parameter)
    return int(found[1])


@click.command("log")
@click.argument("connection")
@click.option("--stream", help="Only this stream, `name` or `namespace.name`.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="So many entries.")
@click.option("--before", callback=_entry, metavar="@ENTRY", help="Only what came before this entry.")
@OUTPUT
@click.pass_context
def show_log(context: click.Context, /, connection: str, output: Shape, **asked: Any) -> None:
    """List every change of a CONNECTION's state, the newest first.

    An entry tells what the state became, how many records came with it, and who made it: a job's attempt, or
    somebody's rewind. `state diff` and `state rewind` take an entry as `--to @ENTRY`.
    """
    page = Page(cut=READ_OF_EACH if output == "text" else None, **asked)

    async def command(settings: Settings) -> Exit:
        async with states_of(settings) as db:
            log = await state_log.open_log(db, connection)
            await (_print_json if output == "json" else _print)(db, log, page)
        return Exit.DONE

    context.exit(run(command, output))


async def _print(db: asyncpg.Pool, log: Log, asked: Page) -> None:
    last: Entry | None = None
    async for entries in _pages(db, log, asked):
        lines = list(table(_COLUMNS, [_line(entry) for entry in entries], terminal_width()))
        for line in lines[last is not None :]:
            show(line)
        last = entries[-1]
    if last is None:
        await _say_nothing(db, log, asked)
    elif await state_log.page(db, log, replace(asked, limit=1, before=last.position)):
        say(f"there are older ones: --before @{last.position}")


async def _print_json(db: asyncpg.Pool, log: Log, asked: Page) -> None:
    first = True
    async for entries in _pages(db, log, asked):
        for entry in entries:
            show(("[" if first else ",") + as_json(_json(entry)))
            first = False
    show("[]" if first else "]")


async def _pages(db: asyncpg.Pool, log: Log, asked: Page) -> AsyncIterator[Sequence[Entry]]:
    left, before = asked.limit, asked.before
    while left:
        entries = await state_log.page(db, log, replace(asked, limit=min(left, _PAGE), before=before))
        if not entries:
            return
        yield entries
        left -= len(entries)
        before = entries[-1].position


async def _say_nothing(db: asyncpg.Pool, log: Log, asked: Page) -> None:
    """Raises Problem for a stream that nobody knows."""
    if asked.stream is not None:
        known = [shown(key) for key in await state_log.streams(db, log)]
        if known and asked.stream not in known:
            hint = close_to(asked.stream, known)
            raise bad_input(f"no state of {log.connection} was ever of a stream {asked.stream}{hint}")
    show("nothing was committed" + (f" before @{asked.before}" if asked.before is not None else " yet"))


def _line(entry: Entry) -> tuple[str, ...]:
    _, key = entry.key
    return (
        f"@{entry.position}",
        local(entry.at),
        who(entry),
        shown(key) if entry.type == "STREAM" else "all streams",
        f"{entry.records:,}",
        cut(blob(entry.type, entry.state), LONGEST_BLOB) if entry.state is not None else "erased",
    )


def _json(entry: Entry) -> dict[str, Any]:
    by_stream = entry.type == "STREAM"
    return {
        "entry": entry.position,
        "at": entry.at,
        "job_id": entry.job_id,
        "attempt": entry.attempt + 1 if entry.attempt is not None else None,
        "by": entry.by,
        "reason": entry.reason,
        "restores": entry.restores,
        "type": entry.type,
        "stream": entry.stream if by_stream else None,
        "namespace": entry.namespace,
        "records": entry.records,
        "state": Raw(entry.state.encode()) if entry.state is not None else None,
    }
