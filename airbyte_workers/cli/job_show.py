"""`airbyte-workers jobs show`: one job whole."""

from __future__ import annotations

import asyncpg
import click

from airbyte_workers.cli.environment import run
from airbyte_workers.cli.job_page import Look, page
from airbyte_workers.cli.options import JOB, OUTPUT
from airbyte_workers.cli.output import Exit, Shape, bad_input, show, show_json
from airbyte_workers.cli.tables import terminal_width
from airbyte_workers.job_logs import no_attempt
from airbyte_workers.runtime.database import job_database
from airbyte_workers.runtime.stack import stack_settings
from airbyte_workers.settings import Settings
from airbyte_workers.store import history
from airbyte_workers.store.history import JobHistory


@click.command("show")
@JOB
@click.option("--attempt", type=click.IntRange(min=1), help="Streams and evidence of this attempt alone.")
@click.option(
    "--all", "every", is_flag=True, help="Every stream, attempt and event; json: the streams of each attempt."
)
@OUTPUT
@click.pass_context
def show_job(context: click.Context, /, job_id: int, attempt: int | None, output: Shape, *, every: bool) -> None:
    """Show one job: attempts, streams over all of them, the evidence of the last, every transition with who and why."""

    async def command(settings: Settings) -> Exit:
        async with stack_settings(settings) as where, job_database(where) as db:
            job = await _whole(db, job_id, attempt)
            if attempt is not None or (every and output == "json"):
                job = await _with_streams(db, job, attempt)
        if output == "json":
            show_json(job.model_dump(mode="json"))
            return Exit.DONE
        chosen = None if attempt is None else job.attempts[attempt - 1]
        show("\n".join(page(job, Look(attempt=chosen, all=every, width=terminal_width()))))
        return Exit.DONE

    context.exit(run(command, output))


async def _whole(db: asyncpg.Pool, job_id: int, attempt: int | None) -> JobHistory:
    """The job, which must have had the attempt. Raises Problem."""
    try:
        job = await history.whole(db, job_id)
    except LookupError as error:
        raise bad_input(str(error)) from None
    if attempt is not None and attempt > len(job.attempts):
        raise bad_input(no_attempt(job_id, attempt, had=len(job.attempts)))
    return job


async def _with_streams(db: asyncpg.Pool, job: JobHistory, attempt: int | None) -> JobHistory:
    """The job with the streams of each attempt, or of one."""
    streams = await history.streams_of_attempts(db, job.job_id, attempt)
    told = [each.model_copy(update={"streams": tuple(streams.get(each.number, ()))}) for each in job.attempts]
    return job.model_copy(update={"attempts": tuple(told)})
