"""`airbyte-workers jobs list`: the newest jobs, one line each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import asyncpg
import click

from airbyte_workers.cli.environment import run
from airbyte_workers.cli.options import OUTPUT
from airbyte_workers.cli.output import Exit, Shape, amount, bad_input, say, show, show_json
from airbyte_workers.cli.tables import Column, table, terminal_width
from airbyte_workers.cli.times import Moment, local
from airbyte_workers.models import JobStatus
from airbyte_workers.names import REPLICATION_KINDS, JobKind
from airbyte_workers.quantities import duration
from airbyte_workers.runtime.database import job_database
from airbyte_workers.runtime.stack import stack_settings
from airbyte_workers.settings import Settings
from airbyte_workers.store import job_lists
from airbyte_workers.store.job_lists import COUNTED, MOST, JobFilter, JobLine, JobList

_COLUMNS = (
    Column("job", right=True),
    Column("status"),
    Column("kind", spare=2),
    Column("connection", least=12),
    Column("attempts", right=True, spare=3),
    Column("records", right=True),
    Column("bytes", right=True, spare=5),
    Column("started", spare=1),
    Column("took", spare=4),
)


@click.command("list")
@click.option("--connection", help="Only jobs of this connection.")
@click.option("--status", "statuses", multiple=True, type=click.Choice(list(JobStatus), case_sensitive=False),
              help="Only jobs with this status; may be given several times.")  # fmt: skip
@click.option("--kind", "kinds", multiple=True, type=click.Choice(list(JobKind), case_sensitive=False),
              help="Only jobs of this kind; may be given several times.  [default: sync, clear, refresh]")  # fmt: skip
@click.option("-a", "--all", "every", is_flag=True, help="Jobs of every kind.")
@click.option("--since", type=Moment(), help="Only jobs opened since 2026-11-26T08:30, or in the last 2h, 3d.")
@click.option("--before", type=click.IntRange(1, 2**63 - 1), metavar="JOB", help="Only jobs older than this one.")
@click.option("--limit", type=click.IntRange(1, MOST), default=20, show_default=True, help="At most so many jobs.")
@OUTPUT
@click.pass_context
def list_jobs(context: click.Context, /, output: Shape, *, every: bool, **filters: Any) -> None:
    """List the newest jobs first. Where there are older ones, the last line says how to see them."""
    wanted = _filter(every=every, **filters)

    async def command(settings: Settings) -> Exit:
        async with stack_settings(settings) as where, job_database(where) as db:
            found = await job_lists.list_jobs(db, wanted)
            nothing = "" if found.lines else await _why_nothing(db, wanted)
        if output == "json":
            show_json([line.model_dump(mode="json") for line in found.lines])
        elif found.lines:
            for line in lines(found, terminal_width()):
                show(line)
        if hint := nothing or _older(found):
            say(hint)
        return Exit.DONE

    context.exit(run(command, output))


def _filter(*, every: bool, kinds: tuple[JobKind, ...], **filters: Any) -> JobFilter:
    if every and kinds:
        raise click.UsageError("give either --kind or --all")
    chosen = tuple(JobKind) if every else kinds or tuple(sorted(REPLICATION_KINDS))
    return JobFilter(kinds=chosen, **filters)


def lines(found: JobList, width: int | None) -> Iterator[str]:
    """The list as text."""
    return table(_COLUMNS, [_row(line) for line in found.lines], width)


def _row(line: JobLine) -> tuple[str, ...]:
    began = line.started_at or line.created_at
    return (
        str(line.job_id),
        line.status,
        line.kind,
        line.subject,
        str(line.attempts),
        f"{line.records_committed:,}",
        amount(line.bytes_committed),
        local(began),
        duration((line.ended_at - began).total_seconds()) if line.ended_at else "",
    )


def _older(found: JobList) -> str:
    if not found.older:
        return ""
    many = f"{COUNTED:,} or more" if found.older >= COUNTED else f"{found.older:,}"
    jobs = "older job" if found.older == 1 else "older jobs"
    return f"{many} {jobs}: --before {found.lines[-1].job_id} shows the next"


# --- an empty list ---


async def _why_nothing(db: asyncpg.Pool, wanted: JobFilter) -> str:
    """What is not there. Raises Problem for a connection that is none."""
    if wanted.connection is not None and (unknown := await job_lists.unknown_connection(db, wanted.connection)):
        raise bad_input(unknown)
    if not await job_lists.has_jobs(db, tuple(JobKind)):
        return "no jobs yet"
    asked = ", ".join(_asked(wanted))
    others = "" if set(wanted.kinds) == set(JobKind) else " (jobs of other kinds: --all)"
    return f"no job is {asked}{others}"


def _asked(wanted: JobFilter) -> Iterator[str]:
    yield f"a {_or(wanted.kinds)}"
    if wanted.connection is not None:
        yield f"of {wanted.connection}"
    if wanted.statuses:
        yield _or(wanted.statuses)
    if wanted.since is not None:
        yield f"opened since {local(wanted.since)}"
    if wanted.before is not None:
        yield f"older than job {wanted.before}"


def _or(words: tuple[str, ...]) -> str:
    *some, last = words
    return f"{', '.join(some)} or {last}" if some else last
