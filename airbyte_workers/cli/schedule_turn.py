"""`airbyte-workers schedule pause`, `resume` and `delete`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import click

from airbyte_workers.cli.environment import run
from airbyte_workers.cli.interrupts import whoever_asks
from airbyte_workers.cli.options import OUTPUT
from airbyte_workers.cli.output import Exit, Shape, say, show, show_json
from airbyte_workers.cli.schedule_words import SHOWN_RUNS, run_lines
from airbyte_workers.client import Client
from airbyte_workers.schedules.values import ScheduleView
from airbyte_workers.settings import Settings

_CONNECTION = click.argument("name", metavar="CONNECTION")
_REASON = click.option("--reason", default="", help="Why: one line, kept beside the schedule's note.")


@click.command("pause")
@_CONNECTION
@_REASON
@OUTPUT
@click.pass_context
def pause(context: click.Context, name: str, reason: str, output: Shape) -> None:
    """Start no runs until the schedule is resumed. A sync that runs goes on."""

    _turn(context, output, lambda client: client.schedules.pause(name, reason=reason, by=whoever_asks()))


@click.command("resume")
@_CONNECTION
@_REASON
@OUTPUT
@click.pass_context
def resume(context: click.Context, name: str, reason: str, output: Shape) -> None:
    """Start runs again, from the next time on; those that were due meanwhile are not made up for."""

    _turn(context, output, lambda client: client.schedules.resume(name, reason=reason, by=whoever_asks()))


@click.command("delete")
@_CONNECTION
@OUTPUT
@click.pass_context
def delete(context: click.Context, name: str, output: Shape) -> None:
    """Delete the schedule of a CONNECTION. The connection, its state and its jobs stay; a sync that runs goes on."""

    async def command(settings: Settings) -> Exit:
        async with Client.connect(settings) as client:
            gone = await client.schedules.delete(name)
        if output == "json":
            show_json(gone.model_dump(mode="json"))
            return Exit.DONE
        show(f"the schedule {gone.schedule_id} is deleted; the connection, its state and its jobs stay")
        if gone.job_id is not None:
            say(f"job {gone.job_id} goes on; end it with: airbyte-workers jobs cancel {gone.job_id}")
        return Exit.DONE

    context.exit(run(command, output))


def _turn(context: click.Context, output: Shape, change: Callable[[Client], Awaitable[ScheduleView]]) -> None:
    async def command(settings: Settings) -> Exit:
        async with Client.connect(settings) as client:
            view = await change(client)
        _tell(view, output)
        return Exit.DONE

    context.exit(run(command, output))


def _tell(view: ScheduleView, output: Shape) -> None:
    if output == "json":
        show_json(view.model_dump(mode="json"))
        return
    show(f"the schedule of {view.connection} is {view.turned}")
    if view.live is not None and view.paused and view.live.job_id is not None:
        say(f"job {view.live.job_id} goes on; end it with: airbyte-workers jobs cancel {view.live.job_id}")
    if view.next_runs:
        show("next runs:")
    for line in run_lines(view.next_runs[:SHOWN_RUNS], view.timing):
        show(f"  {line}")
