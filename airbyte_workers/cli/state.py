"""`airbyte-workers state`: what a connection's next sync begins with, and its past."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from airbyte_workers.cli.environment import run
from airbyte_workers.cli.options import OUTPUT
from airbyte_workers.cli.output import Exit, Shape, show
from airbyte_workers.cli.state_access import states_of
from airbyte_workers.cli.state_diff import diff
from airbyte_workers.cli.state_log import show_log
from airbyte_workers.cli.state_rewind import rewind
from airbyte_workers.cli.state_words import LONGEST_BLOB, cut, who
from airbyte_workers.cli.tables import Column, table, terminal_width
from airbyte_workers.cli.times import local
from airbyte_workers.replication.state_differences import compact, parts
from airbyte_workers.settings import Settings
from airbyte_workers.store import state_log
from airbyte_workers.store.state_log import Entry

_COLUMNS = (
    Column("stream", least=8),
    Column("type", spare=2),
    Column("committed", spare=1),
    Column("by", least=12),
    Column("state", least=16),
)


@click.group()
def state() -> None:
    """Show a connection's state and its past, compare two points of it, go back to one."""


for _command in (show_log, diff, rewind):
    state.add_command(_command)


@state.command("show")
@click.argument("connection")
@OUTPUT
@click.pass_context
def show_state(context: click.Context, connection: str, output: Shape) -> None:
    """Show the state that a CONNECTION's next sync begins with.

    As JSON it is the file that a source reads with `read --state`; no state is an empty list.
    """

    async def command(settings: Settings) -> Exit:
        async with states_of(settings) as db:
            kept = await state_log.kept(db, await state_log.open_log(db, connection))
        if output == "json":
            show(_file(kept))
        elif not kept:
            show("no state: the next sync reads everything")
        else:
            for line in table(_COLUMNS, list(_rows(kept)), terminal_width()):
                show(line)
        return Exit.DONE

    context.exit(run(command, output))


def _file(kept: Sequence[Entry]) -> str:
    """The states as a source gets them, every byte as it stands."""
    states = [entry.state for entry in kept if entry.state is not None]
    if kept and kept[0].type == "LEGACY":
        return states[0]
    return "[" + ",\n ".join(states) + "]"


def _rows(kept: Sequence[Entry]) -> Iterator[tuple[str, ...]]:
    for entry in kept:
        for part, blob in parts([(entry.type, entry.state or "")]).items():
            yield str(part), entry.type, local(entry.at), _origin(entry), cut(compact(blob), LONGEST_BLOB)


def _origin(entry: Entry) -> str:
    """Which job committed it, and who put it back since."""
    job = f"job {entry.job_id}, attempt {(entry.attempt or 0) + 1}"
    return f"{job}; put back by {entry.by}" if entry.by else who(entry)
