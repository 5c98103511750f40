"""`airbyte-workers sync`: run one sync, or start it and leave."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from airbyte_workers.cli.environment import run
from airbyte_workers.cli.follow import Interrupted, follow, left
from airbyte_workers.cli.inputs import show_input, start_line
from airbyte_workers.cli.options import LAUNCHER, OUTPUT
from airbyte_workers.cli.output import Exit, Shape, bad_input, say, show, show_json
from airbyte_workers.cli.report import report_lines
from airbyte_workers.cli.sync_file import read_sync_file
from airbyte_workers.cli.tables import terminal_width
from airbyte_workers.client import Client, SyncRun, checked
from airbyte_workers.models import FailureType, JobStatus, SyncInput, SyncReport
from airbyte_workers.names import sync_workflow_id
from airbyte_workers.settings import Settings

_EXITS = {JobStatus.SUCCEEDED: Exit.DONE, JobStatus.FAILED: Exit.FAILED, JobStatus.CANCELLED: Exit.CANCELLED}
_OPENING_S = 30.0
_OPENING_ROUND_S = 0.1


@click.command()
@click.argument("connection", required=False)
@click.option("-f", "--file", type=click.Path(path_type=Path), help="The sync file, YAML or JSON.")
@LAUNCHER
@click.option(
    "--retries", type=click.IntRange(min=0), help="Retries after a failed attempt; default: the stack's limits."
)
@click.option("--detach", is_flag=True, help="Start the sync and leave.")
@click.option("--join", is_flag=True, help="Follow the sync that runs already, if one does, instead of refusing.")
@click.option("--print-input", is_flag=True, help="Start nothing: print the workflow's input, as `temporal` takes it.")
@OUTPUT
@click.pass_context
def sync(context: click.Context, /, connection: str | None, file: Path | None, output: Shape, **options: Any) -> None:
    """Sync a CONNECTION that is stored, or the one that a file describes.

    Ctrl-C cancels the job; a second one ends its pods at once.
    Exit codes: 0 succeeded, 1 failed, 2 bad input, 3 cancelled, 130 interrupted.
    """

    async def command(settings: Settings) -> Exit:
        asked = _asked(connection, file, options)
        if options["print_input"]:
            return _print_input(asked)
        async with Client.connect(settings) as client:
            started = await client.start_sync(asked, join=options["join"])
            return await accompany(started, output, detach=options["detach"])

    context.exit(run(command, output))


def _asked(connection: str | None, file: Path | None, options: dict[str, Any]) -> SyncInput:
    """What was typed, as an input. Raises Problem, InvalidInput."""
    if (connection is None) == (file is None):
        raise bad_input("give either the name of a connection or -f FILE")
    content = read_sync_file(file) if file is not None else {"connection": connection}
    if options["launcher"] is not None:
        content["launcher"] = options["launcher"]
    if options["retries"] is not None:
        content["max_retries"] = options["retries"]
    return checked(SyncInput, content)


async def accompany(started: SyncRun, output: Shape, *, detach: bool) -> Exit:
    """Follow the sync to its report, or leave as soon as it has a job. Raises Problem, RunCancelled, RunFailed."""
    if detach:
        return await _left(started, output)
    try:
        report = await follow(started, started.report)
    except Interrupted:
        raise left() from None
    print_result(report, output)
    if output == "text" and started.local_root is not None and report.attempts:
        show(f"file output of connectors is below {started.local_root}")
    return _exit_of(report)


def _exit_of(report: SyncReport) -> Exit:
    """A config that nothing could run with is bad input, found late; one that fails its check is a failed sync."""
    never_ran = report.evidence is None and len(report.attempts) <= 1 and bool(report.failures)
    if report.status is JobStatus.FAILED and never_ran:
        first = report.failures[0]
        if first.type is FailureType.CONFIG_ERROR and first.command != "check":
            return Exit.USAGE
    return _EXITS[report.status]


async def _left(started: SyncRun, output: Shape) -> Exit:
    """Leave once the job is in the database: before that, nothing keeps an embedded stack running for it."""
    result = asyncio.ensure_future(started.report())
    try:
        async with asyncio.timeout(_OPENING_S):
            while (phase := await started.phase()) is None or phase.job_id is None:
                if result.done():
                    break
                await asyncio.sleep(_OPENING_ROUND_S)
    except TimeoutError:
        say(f"no Temporal worker has taken it up within {_OPENING_S:g} s: does one run? (airbyte-workers worker)")
        phase = None
    job_id = phase.job_id if phase is not None else None
    if phase is not None and phase.launcher:
        say(f"launcher: {phase.launcher}")
    if result.done():
        await result
    result.cancel()
    if output == "json":
        show_json({"job_id": job_id, "workflow_id": started.workflow_id, "connection": started.connection})
    else:
        name = f"job {job_id}" if job_id is not None else started.workflow_id
        show(f"started {name}; follow it with: airbyte-workers sync {started.connection} --join")
    return Exit.DONE


def print_result(report: SyncReport, output: Shape) -> None:
    """The report in the shape that was asked for."""
    if output == "json":
        show_json(report.model_dump(mode="json"))
    else:
        show("\n".join(report_lines(report, terminal_width())))


def _print_input(asked: SyncInput) -> Exit:
    """The workflow's input, and how to start it with it."""
    show_input(asked)
    say(f"start it with: {start_line('Sync', sync_workflow_id(asked.connection), '--input-file FILE')}")
    return Exit.DONE
