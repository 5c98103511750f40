"""`airbyte-workers state rewind`: put a connection's states back as they were, or say what that would do."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import click

from airbyte_workers.cli.environment import run
from airbyte_workers.cli.interrupts import whoever_asks
from airbyte_workers.cli.options import OUTPUT
from airbyte_workers.cli.output import Exit, Shape, show
from airbyte_workers.cli.state_access import point_option, states_of
from airbyte_workers.cli.state_consequences import Catalog, consequence_json, consequences, differences_of, sentences
from airbyte_workers.cli.state_points import typed
from airbyte_workers.cli.state_words import as_json, difference_json, lines
from airbyte_workers.replication.state_history import Point
from airbyte_workers.settings import Settings
from airbyte_workers.store import state_rewinds
from airbyte_workers.store.state_rewinds import Plan


@click.command("rewind")
@click.argument("connection")
@point_option("to", "The point to go back to", required=True)
@click.option("--yes", is_flag=True, help="Do it; without, only what it would do is told.")
@OUTPUT
@click.pass_context
def rewind(context: click.Context, /, connection: str, output: Shape, *, to_point: Point, yes: bool) -> None:
    """Put a CONNECTION's states back as they were, so that the next sync reads again what was committed since.

    Nothing is changed without --yes. The destination is not touched: what it does with records that come again depends
    on the destination sync mode of their stream. A rewind is an entry of the log too, and can be undone by another one.
    """

    async def command(settings: Settings) -> Exit:
        async with states_of(settings, "the rewind was done" if yes else "") as db:
            if yes:
                plan = await state_rewinds.rewind(db, connection, to_point, by=whoever_asks())
            else:
                plan = await state_rewinds.plan(db, connection, to_point)
            catalog = await state_rewinds.catalog_of(db, plan.log)
        if output == "json":
            show(as_json(_json(plan, catalog, done=yes)))
            return Exit.DONE
        for line in _told(plan, catalog, done=yes):
            show(line)
        return Exit.DONE

    context.exit(run(command, output))


def _told(plan: Plan, catalog: Catalog, *, done: bool) -> Iterator[str]:
    name = plan.log.connection
    if not plan.changed:
        yield f"{name}: the state is as it was at {plan.point} (@{plan.position}); nothing to change"
        return
    yield f"{name}: {'rewound' if done else 'a rewind'} to {plan.point} (@{plan.position})"
    yield from lines(differences_of(plan))
    yield "the next sync:"
    yield from (f"  {line}" for each in consequences(plan, catalog) for line in sentences(each, is_cut=plan.is_cut))
    for emptied in plan.emptied:
        yield (
            f"note: job {emptied.job_id} ({emptied.kind}) came since; what it had the destination remove does not come"
            " back by itself: what the earlier state says was read is not read again"
        )
    if done:
        yield f"to undo it: {_command(name, f'@{plan.before}')}"
    else:
        yield f"nothing is changed yet; to do it: {_command(name, typed(plan.point))}"


def _command(connection: str, point: str) -> str:
    return shlex.join(["airbyte-workers", "state", "rewind", connection, "--to", point, "--yes"])


def _json(plan: Plan, catalog: Catalog, *, done: bool) -> dict[str, Any]:
    changed = bool(plan.changed)
    return {
        "connection": plan.log.connection,
        "to": {"point": typed(plan.point), "entry": plan.position},
        "done": done and changed,
        "differences": [difference_json(each) for each in differences_of(plan)],
        "next_sync": [consequence_json(each) for each in consequences(plan, catalog)],
        "counts_are_exact": not plan.is_cut,
        "data_removed_by_jobs": [each.job_id for each in plan.emptied] if changed else [],
        "undo": f"@{plan.before}" if done and changed else None,
    }
