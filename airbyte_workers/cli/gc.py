"""`airbyte-workers gc`: remove what is old and not needed any more, or tell what that would be."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import asyncpg
import click

from airbyte_workers.cli.environment import run
from airbyte_workers.cli.interrupts import whoever_asks
from airbyte_workers.cli.options import OUTPUT
from airbyte_workers.cli.output import Exit, Problem, Shape, amount, say, show, show_json
from airbyte_workers.cli.tables import Column, table, terminal_width
from airbyte_workers.cli.times import local, span
from airbyte_workers.jobs.gc_report import Amount, Report, RunStatus, Thing
from airbyte_workers.pods.launchers import opened
from airbyte_workers.quantities import duration
from airbyte_workers.runtime.database import DatabaseUnusable, job_database
from airbyte_workers.runtime.gc.collection import collect
from airbyte_workers.runtime.gc.order import GcOrder, GcTally, Reach
from airbyte_workers.runtime.stack import stack_settings
from airbyte_workers.settings import Settings
from airbyte_workers.store import gc_runs
from airbyte_workers.store.gc_runs import GcBusy, GcRun
from airbyte_workers.store.objects import open_objects

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
    try:
        return None if value is None else span(value.strip())
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is {error}", param=parameter) from None


@click.command()
@click.option("--dry-run", is_flag=True, help="Tell what would be removed, and remove nothing.")
@click.option(
    "--older-than",
    metavar="AGE",
    callback=_age,
    help="How old jobs must be, since their end, instead of what the settings say: 30d, 12h, 6w.",
)
@OUTPUT
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
    dry_run, older_than = asked
    order = GcOrder(whoever_asks(), dry_run, older_than)
    tally = GcTally()
    last = await gc_runs.last(db)
    async with opened(settings) as launchers:
        reach = Reach(db, settings, open_objects(settings), launchers.by_name)
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


def _show(report: Report, last: GcRun | None) -> None:
    if report.dry_run:
        show("dry run: nothing was removed")
        show(f"last run: {_of_run(last)}")
    gone = _gone(report)
    if gone:
        title = "would be removed" if report.dry_run else "removed"
        rows = [(_name(thing), f"{each.count:,}", amount(each.bytes) if each.bytes else "") for thing, each in gone]
        _show_table((title, "count", "bytes"), rows)
    else:
        show("nothing is old enough to be removed")
    if report.kept:
        _show_table(("kept although it is old", "count"), [(why, f"{n:,}") for why, n in sorted(report.kept.items())])
    for kind, lines in (("note", report.notes), ("error", report.problems)):
        for line in lines:
            say(f"{kind}: {line}")


def _show_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    columns = [Column(title, right=title != titles[0]) for title in titles]
    show("\n".join(table(columns, rows, terminal_width())))


def _name(thing: Thing) -> str:
    return _NAMES.get(thing, str(thing).replace("_", " "))


def _gone(report: Report) -> Sequence[tuple[Thing, Amount]]:
    """In the order in which things matter to people; a report that was stored has forgotten it."""
    return [
        (thing, report.removed[thing]) for thing in Thing if thing in report.removed and report.removed[thing].count
    ]


def _in_words(report: Report) -> str:
    return ", ".join(f"{each.count:,} {_name(thing)}" for thing, each in _gone(report)) or "nothing"


def _of_run(run: GcRun | None) -> str:
    """A run that has no end is at work, or was killed: nobody can tell here, and it does not matter."""
    if run is None:
        return "none yet"
    when = f"{local(run.started_at)} by {run.by}"
    if run.report is None:
        return f"{when}, which has not come to its end"
    how = {RunStatus.SUCCEEDED: "", RunStatus.FAILED: f", failed: {run.error}"}.get(run.status, f", {run.status}")
    return f"{when}{how}; removed in {duration(run.report.duration_s)}: {_in_words(run.report)}"
