"""`airbyte-workers schedule create`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from airbyte_workers.cli.environment import run
from airbyte_workers.cli.options import OUTPUT
from airbyte_workers.cli.output import Exit, Shape, say, show, show_json
from airbyte_workers.cli.schedule_stack import KEEP_RUNNING, stops_by_itself
from airbyte_workers.cli.schedule_words import SHOWN_RUNS, run_lines, spread, warnings, when
from airbyte_workers.client import Client, checked
from airbyte_workers.schedules.values import ScheduleOrder, ScheduleView
from airbyte_workers.settings import Settings


def times(command: Callable[..., None]) -> Callable[..., None]:
    """When: what `create` and `preview` are both given."""
    for option in reversed(
        (
            click.option("--every", metavar="LENGTH", help="An interval: 30s, 15m, 6h, 1d, 1w, 1mo (30 days)."),
            click.option("--cron", metavar="CRON", help='Five fields, such as "0 3 * * *", or @daily.'),
            click.option(
                "--timezone", metavar="ZONE", help="Of --cron, such as Europe/Berlin.  [default: this machine's]"
            ),
            click.option(
                "--jitter", metavar="LENGTH", help="Spread runs so far; 0: not at all.  [default: by their distance]"
            ),
        )
    ):
        command = option(command)
    return command


@click.command("create")
@click.argument("connection")
@times
@click.option("--catch-up", metavar="LENGTH", help="Make up for runs that Temporal could not start.  [default: 1h]")
@click.option("--no-first-run", "first_run", flag_value=False, default=True, help="Do not run --every at once.")
@click.option("--paused", is_flag=True, help="Make it, and start no runs until it is resumed.")
@click.option("--note", default="", help="Kept with the schedule.")
@click.option("--replace", is_flag=True, help="Change the schedule that the connection has.")
@OUTPUT
@click.pass_context
def create(context: click.Context, /, output: Shape, *, replace: bool, **typed: Any) -> None:
    """Sync a CONNECTION by itself, --every so often or by --cron. It must have been synced once.

    The first run of --every comes at once, unless the schedule of this connection ran less than that long ago.
    """

    async def command(settings: Settings) -> Exit:
        order = checked(ScheduleOrder, typed)
        async with Client.connect(settings) as client:
            view = await client.schedules.create(order, replace=replace)
        if output == "json":
            show_json(view.model_dump(mode="json"))
        else:
            _tell(view)
        if stops_by_itself(settings):
            say(KEEP_RUNNING)
        return Exit.DONE

    context.exit(run(command, output))


def _tell(view: ScheduleView) -> None:
    show(f"{view.connection} is synced {_adverb(view)}; jitter: {spread(view.jitter_s)}")
    if view.paused:
        show(f"it is paused; start it with: airbyte-workers schedule resume {view.connection}")
    else:
        show("next runs:")
        for line in run_lines(view.next_runs[:SHOWN_RUNS], view.timing):
            show(f"  {line}")
    for _, warning in warnings(view):
        say(warning)


def _adverb(view: ScheduleView) -> str:
    return when(view) if view.timing.every_s is not None else f"at {when(view)}"
