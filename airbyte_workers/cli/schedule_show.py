"""`airbyte-workers schedule show`."""

from __future__ import annotations

import click

from airbyte_workers.cli.environment import run
from airbyte_workers.cli.options import OUTPUT
from airbyte_workers.cli.output import Exit, Shape, say, show, show_json
from airbyte_workers.cli.schedule_stack import KEEP_RUNNING, stops_by_itself
from airbyte_workers.cli.schedule_words import SHOWN_RUNS, page, run_lines
from airbyte_workers.client import Client
from airbyte_workers.schedules.values import ScheduleView
from airbyte_workers.settings import Settings


@click.command("show")
@click.argument("name", metavar="CONNECTION")
@OUTPUT
@click.pass_context
def show_schedule(context: click.Context, name: str, output: Shape) -> None:
    """Show the schedule of a CONNECTION: when it runs, what its last run became, what was skipped, what is wrong.

    The id of a schedule does as well as the connection's name.
    """

    async def command(settings: Settings) -> Exit:
        async with Client.connect(settings) as client:
            view = await client.schedules.show(name)
        if output == "json":
            show_json(view.model_dump(mode="json"))
        else:
            tell(view)
        if not view.paused and stops_by_itself(settings):
            say(KEEP_RUNNING)
        return Exit.DONE

    context.exit(run(command, output))


def tell(view: ScheduleView) -> None:
    """The whole page."""
    for title, words in page(view):
        show(f"{title + ':':<12}{words}")
    if view.next_runs:
        show("next runs:")
        for line in run_lines(view.next_runs[:SHOWN_RUNS], view.timing):
            show(f"  {line}")
