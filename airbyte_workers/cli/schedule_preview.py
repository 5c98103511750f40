"""`airbyte-workers schedule preview`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from airbyte_workers.cli.environment import run
from airbyte_workers.cli.options import OUTPUT
from airbyte_workers.cli.output import Exit, Shape, say, show, show_json
from airbyte_workers.cli.schedule_make import times
from airbyte_workers.cli.schedule_words import run_lines, spread
from airbyte_workers.cli.times import Moment
from airbyte_workers.client import Client, checked
from airbyte_workers.schedules.values import MOST_SHOWN, Preview, Times, Window
from airbyte_workers.settings import Settings


@click.command("preview")
@click.argument("name", metavar="[CONNECTION]", required=False)
@times
@click.option("--from", "begin", type=Moment(), help="Runs after 2027-03-27 or 2027-03-27T22:00.  [default: now]")
@click.option("--to", "end", type=Moment(), help="Runs until then.")
@click.option("--count", type=click.IntRange(1, MOST_SHOWN), default=10, show_default=True, help="At most so many.")
@OUTPUT
@click.pass_context
def preview(
    context: click.Context, /, name: str | None, output: Shape, *, begin: datetime | None, end: datetime | None,
    count: int, **typed: Any
) -> None:  # fmt: skip
    """Show when the schedule of a CONNECTION runs, or, with --every or --cron, one that is not made.

    Temporal itself is asked, so that what is shown is what would happen, changes of clocks included.
    """
    if (name is None) == (typed["every"] is None and typed["cron"] is None):
        raise click.UsageError("give either a CONNECTION, or --every or --cron")

    async def command(settings: Settings) -> Exit:
        which = name if name is not None else checked(Times, typed)
        async with Client.connect(settings) as client:
            found = await client.schedules.preview(which, Window(begin=begin, end=end, count=count))
        if output == "json":
            show_json(found.model_dump(mode="json"))
        else:
            _tell(found, begin)
        return Exit.DONE

    context.exit(run(command, output))


def _tell(found: Preview, begin: datetime | None) -> None:
    say(f"{found.timing.what}; jitter: {spread(found.jitter_s)}{'' if found.exact else ' (not in these times)'}")
    if found.at_once and begin is None:
        say("a first run comes at once, when it is made")
    for line in run_lines(found.runs, found.timing):
        show(line)
    if not found.runs:
        say("no runs in that time")
