"""`airbyte-workers schedule trigger`."""

from __future__ import annotations

import click

from airbyte_workers.cli.environment import run
from airbyte_workers.cli.options import OUTPUT
from airbyte_workers.cli.output import Exit, Shape, say, show, show_json
from airbyte_workers.client import Client
from airbyte_workers.schedules.values import Triggered
from airbyte_workers.settings import Settings


@click.command("trigger")
@click.argument("name", metavar="CONNECTION")
@OUTPUT
@click.pass_context
def trigger(context: click.Context, name: str, output: Shape) -> None:
    """Run the schedule of a CONNECTION now, also a paused one, and say which job it became, or why it was skipped.

    It does not wait for the job's end; a run that failed before it had a job is exit code 1.
    """

    async def command(settings: Settings) -> Exit:
        async with Client.connect(settings) as client:
            became = await client.schedules.trigger(name)
        if output == "json":
            show_json(became.model_dump(mode="json"))
        else:
            _tell(became)
        return Exit.FAILED if became.failed is not None else Exit.DONE

    context.exit(run(command, output))


def _tell(became: Triggered) -> None:
    if became.job_id is not None:
        show(f"job {became.job_id} began; follow it with: airbyte-workers jobs logs {became.job_id} --follow")
    elif became.skipped is not None:
        show(f"skipped: {became.skipped}")
    elif became.failed is not None:
        say(f"the run failed: {became.failed}")
    else:
        show(f"asked for; {became.waits}")
