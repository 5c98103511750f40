"""`airbyte-workers jobs report`: one job as a page of HTML."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import click

from airbyte_workers.cli.environment import run
from airbyte_workers.cli.job_report_data import Source, charted, job_report
from airbyte_workers.cli.job_report_model import JobReport
from airbyte_workers.cli.job_report_page import html
from airbyte_workers.cli.options import JOB, OUTPUT
from airbyte_workers.cli.output import Exit, Problem, Shape, amount, bad_input, show, show_json
from airbyte_workers.runtime.database import job_database
from airbyte_workers.runtime.stack import stack_settings
from airbyte_workers.settings import Settings
from airbyte_workers.store import history, job_facts, throughputs

_STDOUT = "-"


@click.command("report")
@JOB
@click.option("--html", "file", is_flag=False, flag_value="", metavar="[FILE]",
              help="Where to write the page; - is stdout.  [default: job-JOB.html here]")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@OUTPUT
@click.pass_context
def report_job(context: click.Context, /, job_id: int, file: str | None, output: Shape, *, force: bool) -> None:
    """Write one job as a page of HTML: what came of it and why, its attempts, its speed over time, whom it waited for,
    its streams, the evidence, how to go on.

    The page is one file that loads nothing and can be sent to anybody. With `-o json` what it shows is printed instead.
    """
    if output == "json" and (file is not None or force):
        raise click.UsageError("-o json prints what the page shows and writes no file; leave --html and --force out")
    target = None if file == _STDOUT or output == "json" else Path(file or f"job-{job_id}.html")

    async def command(settings: Settings) -> Exit:
        if target is not None:
            _refuse(target, force=force)
        async with stack_settings(settings) as where, job_database(where) as db:
            report = await _read(db, job_id)
        if output == "json":
            show_json(report.model_dump(mode="json"))
        elif target is None:
            click.echo(html(report).encode(), nl=False)
        else:
            show(_write(target, html(report).encode(), force=force))
        return Exit.DONE

    context.exit(run(command, output))


async def _read(db: asyncpg.Pool, job_id: int) -> JobReport:
    """What is kept of the job. Raises Problem."""
    try:
        facts = await job_facts.facts(db, job_id)
        job = await history.whole(db, job_id)
    except LookupError as error:
        raise bad_input(str(error)) from None
    courses = await throughputs.of_attempts(db, job_id, charted(job))
    seen = None if facts.has_ended else await throughputs.last_seen(db, job_id)
    return job_report(Source(facts, job, courses, seen, datetime.now(UTC)))


def _refuse(target: Path, *, force: bool) -> None:
    """Before anything is read. Raises Problem."""
    if target.is_dir():
        raise bad_input(f"{target} is a folder; name a file in it")
    if target.exists() and not force:
        raise bad_input(f"{target} is there already; --force replaces it, --html FILE writes another one")


def _write(target: Path, page: bytes, *, force: bool) -> str:
    """Says what was written where. Raises Problem."""
    try:
        with target.open("wb" if force else "xb") as opened:
            opened.write(page)
    except FileExistsError:
        raise bad_input(f"{target} is there already; --force replaces it") from None
    except OSError as error:
        raise Problem(f"cannot write {target}: {error.strerror}", type="CannotWrite") from None
    return f"wrote {target.resolve()} ({amount(len(page))})"
