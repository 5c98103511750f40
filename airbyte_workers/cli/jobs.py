"""`airbyte-workers jobs`: the past, and what is going on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import asyncpg
import click
from rich.table import Table

from airbyte_workers.cli.cancelling import cancel_job
from airbyte_workers.cli.environment import run
from airbyte_workers.cli.explaining import explain_job
from airbyte_workers.cli.output import Exit, Shape, amount, bad_input, console, show, show_json
from airbyte_workers.cli.report import print_report
from airbyte_workers.cli.retrying import retry_job
from airbyte_workers.models import TERMINAL_JOB_STATUSES, JobStatus, SyncReport
from airbyte_workers.names import REPLICATION_KINDS, JobKind
from airbyte_workers.quantities import duration
from airbyte_workers.runtime.database import job_database
from airbyte_workers.runtime.stack import stack_settings
from airbyte_workers.settings import Settings
from airbyte_workers.store import history
from airbyte_workers.store.history import Happening
from airbyte_workers.store.objects import Objects

_FOLLOW_EVERY_S = 1.0
_NEVER_CUT = frozenset({"job", "status", "records"})
_OUTPUT = click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", help="Shape of the result."
)


@click.group()
def jobs() -> None:
    """List jobs, show or explain one, read its log, cancel it, retry it."""


for _command in (explain_job, cancel_job, retry_job):
    jobs.add_command(_command)


@jobs.command("list")
@click.option("--connection", help="Only jobs of this connection.")
@click.option("--status", type=click.Choice([str(status) for status in JobStatus]), help="Only jobs with this status.")
@click.option("-a", "--all", "every", is_flag=True, help="Also spec, check and discover jobs.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@_OUTPUT
@click.pass_context
def list_jobs(context: click.Context, /, output: Shape, every: bool, **filters: Any) -> None:
    """The newest jobs first."""
    kinds = sorted(JobKind if every else REPLICATION_KINDS)

    async def command(settings: Settings) -> Exit:
        async with stack_settings(settings) as where, job_database(where) as db:
            lines = await history.list_jobs(db, kinds=kinds, **filters)
        if output == "json":
            show_json([line.model_dump(mode="json") for line in lines])
        else:
            console().print(_table(lines) if lines else "no jobs yet")
        return Exit.DONE

    context.exit(run(command, output))


@jobs.command("show")
@click.argument("job_id", type=click.IntRange(1, 2**63 - 1))
@_OUTPUT
@click.pass_context
def show_job(context: click.Context, job_id: int, output: Shape) -> None:
    """One job: attempts, streams, evidence, and every transition with who and why."""

    async def command(settings: Settings) -> Exit:
        async with stack_settings(settings) as where, job_database(where) as db:
            report = await _report(db, job_id)
            happened = await history.events(db, job_id)
        if output == "json":
            show_json(report.model_dump(mode="json"))
            return Exit.DONE
        print_report(report, console())
        for event in happened:
            show(_event(event))
        return Exit.DONE

    context.exit(run(command, output))


@jobs.command("logs")
@click.argument("job_id", type=click.IntRange(1, 2**63 - 1))
@click.option("--attempt", type=click.IntRange(min=1), help="Which attempt; default: the last.")
@click.option("-f", "--follow", is_flag=True, help="Go on as the log grows, until the job ends.")
@click.pass_context
def show_logs(context: click.Context, job_id: int, attempt: int | None, follow: bool) -> None:
    """The log of an attempt; of a job that never got so far, that of what was asked of its connectors."""

    async def command(settings: Settings) -> Exit:
        async with stack_settings(settings) as where, job_database(where) as db:
            objects = Objects(where.storage, timeout=where.storage_timeout_s)
            seen: dict[str, int] = {}
            while True:
                report = await _report(db, job_id)
                await _print_new(objects, _log_of(report, attempt), seen)
                if not follow or report.status in TERMINAL_JOB_STATUSES:
                    return Exit.DONE
                await asyncio.sleep(_FOLLOW_EVERY_S)

    context.exit(run(command))


async def _report(db: asyncpg.Pool, job_id: int) -> SyncReport:
    try:
        return await history.report(db, job_id)
    except LookupError as error:
        raise bad_input(str(error)) from None


def _log_of(report: SyncReport, attempt: int | None) -> str:
    """Where the log is that was asked for."""
    attempts = len(report.attempts)
    if attempt is not None and attempt > attempts:
        raise bad_input(f"job {report.job_id} has {attempts} attempt(s)")
    number = attempt or attempts
    return f"logs/{report.job_id}/{number - 1}" if number else f"logs/{report.job_id}"


async def _print_new(objects: Objects, prefix: str, seen: dict[str, int]) -> None:
    """Print what the log has beyond what was seen of each of its objects."""
    for key in await objects.keys(prefix):
        body = await objects.get(key) or b""
        for line in _lines(body[seen.get(key, 0) :]):
            show(line)
        seen[key] = len(body)


def _lines(body: bytes) -> Iterator[str]:
    for raw in body.splitlines():
        line = json.loads(raw)
        yield f"{line['at']} {line['leg']:<12} {line['level']:<5} {line['text']}"


def _table(lines: Any) -> Table:
    table = Table(box=None)
    for column in ("job", "kind", "connection", "status", "attempts", "records", "bytes", "started", "took"):
        table.add_column(column, no_wrap=column in _NEVER_CUT)
    for line in lines:
        began = line.started_at or line.created_at
        took = duration((line.ended_at - began).total_seconds()) if line.ended_at else ""
        table.add_row(
            str(line.job_id),
            line.kind,
            line.connection or line.connector or "",
            line.status,
            str(line.attempts),
            f"{line.records_committed:,}",
            amount(line.bytes_committed),
            began.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
            took,
        )
    return table


def _event(event: Happening) -> str:
    attempt = f"attempt {event.attempt + 1}: " if event.attempt is not None else ""
    by = f" by {event.by}" if event.by else ""
    reason = f" ({event.reason})" if event.reason else ""
    return f"{event.at.astimezone():%H:%M:%S}  {attempt}{event.event}{by}{reason}"
