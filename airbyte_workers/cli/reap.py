"""`airbyte-workers reap`: end and remove pods of this host that nobody looks after, or tell which these are."""

from __future__ import annotations

import click

from airbyte_workers.cli.environment import run
from airbyte_workers.cli.options import OUTPUT
from airbyte_workers.cli.output import Exit, Shape, say, show, show_json
from airbyte_workers.cli.tables import Column, table, terminal_width
from airbyte_workers.pods.launchers import opened
from airbyte_workers.runtime.database import job_database
from airbyte_workers.runtime.pools import means_of
from airbyte_workers.runtime.reaping import Reaped, Reaper
from airbyte_workers.runtime.stack import stack_settings
from airbyte_workers.settings import Settings

_COLUMNS = (Column("pod"), Column("job", right=True), Column("launcher", spare=1), Column("why", least=20))


@click.command()
@click.option("--dry-run", is_flag=True, help="Tell which pods would go, and why; end none.")
@OUTPUT
@click.pass_context
def reap(context: click.Context, dry_run: bool, output: Shape) -> None:
    """End and remove pods of this host that nobody looks after any more.

    Those whose job or attempt has ended, whose lease is over, and those that no job knows. Temporal workers do the same
    by themselves all the time; running syncs are left alone.
    """

    async def command(settings: Settings) -> Exit:
        async with stack_settings(settings) as where:
            return await _reap(where, output, dry=dry_run)

    context.exit(run(command, output))


async def _reap(settings: Settings, output: Shape, *, dry: bool) -> Exit:
    async with job_database(settings) as db, opened(settings) as launchers:
        reaper = Reaper(await means_of(db, settings, launchers))
        reaped: list[Reaped] = []
        async for each in reaper.reap(await reaper.found(), dry=dry):
            reaped.append(each)
            if output != "json" and not dry:
                say(f"{each.pod}: {each.problem or f'removed, {each.why}'}")
    if output == "json":
        pods = [each.model_dump(mode="json") for each in reaped]
        show_json({"dry_run": dry, "pods": pods, "notes": reaper.notes})
    else:
        _show(reaped, reaper.notes, dry=dry)
    return Exit.FAILED if any(each.problem for each in reaped) else Exit.DONE


def _show(reaped: list[Reaped], notes: list[str], *, dry: bool) -> None:
    if not reaped:
        show("nothing is left behind on this host")
    elif dry:
        show("dry run: nothing was ended")
        rows = [(each.pod, str(each.job_id or ""), each.launcher, each.why) for each in reaped]
        show("\n".join(table(_COLUMNS, rows, terminal_width())))
    else:
        gone = sum(not each.problem for each in reaped)
        show(f"{gone} removed" + (f", {len(reaped) - gone} not" if gone < len(reaped) else ""))
    for note in notes:
        say(f"note: {note}")
