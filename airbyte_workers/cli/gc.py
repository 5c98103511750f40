"""`airbyte-workers gc`: remove what is old and not needed any more, or tell what that would be."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import aclosing
from datetime import timedelta

import asyncpg
import click
from rich.table import Table

from airbyte_workers.cli.environment import run
from airbyte_workers.cli.interrupts import whoever_asks
from airbyte_workers.cli.output import Exit, Problem, Shape, amount, console, say, show, show_json
from airbyte_workers.jobs.retention import Amount, Report, RunStatus, Thing
from airbyte_workers.quantities import duration
from airbyte_workers.runtime.database import DatabaseUnusable, job_database
from airbyte_workers.runtime.stack import stack_settings
from airbyte_workers.settings import Settings
from airbyte_workers.store import retention_runs
from airbyte_workers.store.objects import Objects
from airbyte_workers.store.retention_runs import GcBusy, Run

_AGE = re.compile(r"([0-9]{1,6}) *([hdw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_NAMES = {
    Thing.STREAM_STATS: "rows of statistics",
    Thing.EVENTS: "lines of jobs' pasts",
    Thing.RETRY_STATES: "retry counters",
    Thing.WORKLOADS: "rows of pods",
    Thing.LOGS: "log files",
    Thing.STATES: "old states",
    Thing.GENERATIONS: "old generations of streams",
    Thing.CONFIGS: "configs that nobody took up",
    Thing.PODS: "pods left behind",
    Thing.ENVIRONMENTS: "unused connector environments",
}


def _age(_: click.Context, parameter: click.Parameter, value: str | None) -> timedelta | None:
    """`30d`, `12h`, `6w`."""
    if value is None:
        return None
    found = _AGE.fullmatch(value.strip().lower())
    if found is None:
        raise click.BadParameter(f"{value!r} is no age; write 30d, 12h or 6w", param=parameter)
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


@click.command()
@click.option("--dry-run", is_flag=True, help="Tell what would be removed, and remove nothing.")
@click.option(
    "--older-than",
    metavar="AGE",
    callback=_age,
    help="How old jobs must be, since their end, instead of what the settings say: 30d, 12h, 6w.",
)
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="Shape of the result.")
@click.pass_context
def gc(context: click.Context, dry_run: bool, older_than: timedelta | None, output: Shape) -> None:
    """Remove old jobs with their logs, old states and catalogs, and what belongs to nobody any more.

    Never removed: live jobs, the last job and the last success of a connection, its last few jobs, committed states.
    Temporal workers do the same once a day by themselves.
    """

    async def command(settings: Settings) -> Exit:
        async with stack_settings(settings) as where, job_database(where) as db:
            return await _collect(where, db, (dry_run, older_than), output)

    context.exit(run(command, output))


async def _collect(settings: Settings, db: asyncpg.Pool, asked: tuple[bool, timedelta | None], output: Shape) -> Exit:
    from airbyte_workers.pods.docker import DockerLauncher  # noqa: PLC0415  # half a second that other commands save
    from airbyte_workers.pods.process import ProcessLauncher  # noqa: PLC0415
    from airbyte_workers.runtime.retention import collect  # noqa: PLC0415
    from airbyte_workers.runtime.retention_order import Order, Reach, Tally  # noqa: PLC0415

    dry_run, older_than = asked
    order = Order(whoever_asks(), dry_run, older_than)
    objects = Objects(settings.storage, timeout=settings.storage_timeout_s)
    tally = Tally()
    last = await retention_runs.last(db)
    async with aclosing(DockerLauncher(settings)) as docker:
        reach = Reach(db, settings, objects, {"process": ProcessLauncher(settings), "docker": docker})
        try:
            report = await collect(reach, order, tally)
        except GcBusy as busy:
            raise Problem(str(busy), type="GcBusy") from None
        except asyncio.CancelledError:
            _tell_broken_off(tally.report(dry_run=dry_run))
            raise
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            _tell_broken_off(tally.report(dry_run=dry_run))
            raise DatabaseUnusable(
                f"gc was broken off, PostgreSQL failed: {str(error) or 'no answer in time'}"
            ) from None
    if output == "json":
        show_json({**report.model_dump(mode="json"), "last_run": last.model_dump(mode="json") if last else None})
    else:
        _show(report, last)
    return Exit.FAILED if report.problems else Exit.DONE


def _tell_broken_off(so_far: Report) -> None:
    """What is gone is gone; every step leaves the rest whole, and the next gc goes on."""
    if not so_far.dry_run:
        say(f"broken off; removed so far: {_in_words(so_far)}; the next gc goes on from there")


def _show(report: Report, last: Run | None) -> None:
    if report.dry_run:
        show("dry run: nothing was removed")
        show(f"last run: {_of_run(last)}")
    gone = _gone(report)
    if gone:
        table = _table("would be removed" if report.dry_run else "removed", "count", "bytes")
        for thing, each in gone:
            table.add_row(_name(thing), f"{each.count:,}", amount(each.bytes) if each.bytes else "")
        console().print(table)
    else:
        show("nothing is old enough to be removed")
    if report.kept:
        table = _table("kept although it is old", "count")
        for why, count in sorted(report.kept.items()):
            table.add_row(why, f"{count:,}")
        console().print(table)
    for kind, lines in (("note", report.notes), ("error", report.problems)):
        for line in lines:
            say(f"{kind}: {line}")


def _table(*columns: str) -> Table:
    table = Table(box=None)
    for column in columns:
        table.add_column(column, justify="left" if column == columns[0] else "right")
    return table


def _name(thing: Thing) -> str:
    return _NAMES.get(thing, str(thing).replace("_", " "))


def _gone(report: Report) -> Sequence[tuple[Thing, Amount]]:
    """In the order in which things matter to people; a report that was stored has forgotten it."""
    return [
        (thing, report.removed[thing]) for thing in Thing if thing in report.removed and report.removed[thing].count
    ]


def _in_words(report: Report) -> str:
    return ", ".join(f"{each.count:,} {_name(thing)}" for thing, each in _gone(report)) or "nothing"


def _of_run(run: Run | None) -> str:
    """A run that has no end is at work, or was killed: nobody can tell here, and it does not matter."""
    if run is None:
        return "none yet"
    when = f"{run.started_at.astimezone():%Y-%m-%d %H:%M:%S} by {run.by}"
    if run.report is None:
        return f"{when}, which has not come to its end"
    how = {RunStatus.SUCCEEDED: "", RunStatus.FAILED: f", failed: {run.error}"}.get(run.status, f", {run.status}")
    return f"{when}{how}; removed in {duration(run.report.duration_s)}: {_in_words(run.report)}"
