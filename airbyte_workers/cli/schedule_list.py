"""`airbyte-workers schedule list`."""

from __future__ import annotations

import click

from airbyte_workers.cli.environment import run
from airbyte_workers.cli.options import OUTPUT
from airbyte_workers.cli.output import Exit, Shape, say, show, show_json
from airbyte_workers.cli.schedule_words import last, live, named, state, warnings, when
from airbyte_workers.cli.tables import Column, table, terminal_width
from airbyte_workers.cli.times import local
from airbyte_workers.client import Client
from airbyte_workers.schedules.values import ScheduleView
from airbyte_workers.settings import Settings

_COLUMNS = (
    Column("connection", least=12),
    Column("when", least=12),
    Column("next run", spare=1),
    Column("last run", least=12),
    Column("skipped", right=True, spare=2),
    Column("state", least=8),
)


@click.command("list")
@OUTPUT
@click.pass_context
def list_schedules(context: click.Context, output: Shape) -> None:
    """List every schedule that starts ScheduledSync, also those that were made with `temporal` or on its page.

    Times are this machine's. What is overdue or broken is told below, with what to do.
    """

    async def command(settings: Settings) -> Exit:
        async with Client.connect(settings) as client:
            views = await client.schedules.list()
        if output == "json":
            show_json([view.model_dump(mode="json") for view in views])
            return Exit.DONE
        if not views:
            say("no schedules; make one with: airbyte-workers schedule create CONNECTION --every 6h")
            return Exit.DONE
        for line in table(_COLUMNS, [_row(view) for view in views], terminal_width()):
            show(line)
        for view in views:
            for title, warning in warnings(view):
                say(f"{named(view)}: {title}: {warning}")
        return Exit.DONE

    context.exit(run(command, output))


def _row(view: ScheduleView) -> tuple[str, ...]:
    return (
        named(view),
        when(view),
        local(view.next_runs[0]) if view.next_runs else "",
        live(view.live) if view.live is not None else last(view.last),
        f"{view.skips.total:,}",
        state(view),
    )
