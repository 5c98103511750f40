"""`airbyte-workers jobs dead-letters`: the records that did not fit, and the lines that were lost."""

from __future__ import annotations

import click

from airbyte_workers.cli.environment import run
from airbyte_workers.cli.options import JOB
from airbyte_workers.cli.output import Exit, bad_input, say
from airbyte_workers.job_logs import no_attempt
from airbyte_workers.runtime.database import job_database
from airbyte_workers.runtime.stack import stack_settings
from airbyte_workers.settings import Settings
from airbyte_workers.store import dead_letters, job_facts
from airbyte_workers.store.job_facts import Standing
from airbyte_workers.store.objects import open_objects


@click.command("dead-letters")
@JOB
@click.option("--attempt", type=click.IntRange(min=1), help="Which attempt; default: the last.")
@click.pass_context
def show_dead_letters(context: click.Context, /, job_id: int, attempt: int | None) -> None:
    """Show the records of an attempt that did not fit and the lines that were lost, where they were kept.

    JSON lines: a record with its stream and the reasons, or a line that looks like data and could not be read. They are
    a customer's data, and are kept only for a connection with `validation: {dead_letters: true}`.
    """

    async def command(settings: Settings) -> Exit:
        async with stack_settings(settings) as where, job_database(where) as db:
            try:
                job = await job_facts.standing(db, job_id)
            except LookupError as error:
                raise bad_input(str(error)) from None
            if attempt is not None and attempt > job.attempts:
                raise bad_input(no_attempt(job_id, attempt, had=job.attempts))
            await _print(where, job, attempt or job.attempts)
        return Exit.DONE

    context.exit(run(command, "text"))


async def _print(settings: Settings, job: Standing, attempt: int) -> None:
    found = False
    async for lines in dead_letters.read(open_objects(settings), job.job_id, max(0, attempt - 1)):
        found = True
        click.echo(lines, nl=False)
    if not found:
        say(_nothing(job, attempt))


def _nothing(job: Standing, attempt: int) -> str:
    """Why nothing was printed."""
    if not attempt:
        return f"job {job.job_id} has had no attempt"
    whose = f"of attempt {attempt} of job {job.job_id}"
    if job.log_removed_at is not None:
        return f"the dead letters {whose}, if there were any, were removed by gc with its log"
    so_far = "" if job.has_ended or attempt < job.attempts else " so far"
    return (
        f"there are no dead letters {whose}{so_far}: everything that was looked at fits, or its connection had no "
        "`validation: {dead_letters: true}`"
    )
