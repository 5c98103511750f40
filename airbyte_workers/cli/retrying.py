"""`airbyte-workers jobs retry`: what a sync did not get done, once more."""

from __future__ import annotations

import click

from airbyte_workers.cli import again
from airbyte_workers.cli.environment import run
from airbyte_workers.cli.options import JOB, LAUNCHER, OUTPUT
from airbyte_workers.cli.output import Exit, Shape, bad_input
from airbyte_workers.cli.sync import accompany
from airbyte_workers.client import AlreadySyncing, Client, SyncRun, UnknownJob
from airbyte_workers.models import JobStatus
from airbyte_workers.names import REPLICATION_KINDS, JobKind, LauncherChoice
from airbyte_workers.settings import Settings
from airbyte_workers.store.job_facts import JobFacts


@click.command("retry")
@JOB
@LAUNCHER
@click.option("--detach", is_flag=True, help="Start it and leave.")
@OUTPUT
@click.pass_context
def retry_job(
    context: click.Context, /, job_id: int, launcher: LauncherChoice | None, output: Shape, *, detach: bool
) -> None:
    """Do what a failed or cancelled sync, clear or refresh was to do, with its connection as it is stored now.

    It is a new job.

    Ctrl-C and exit codes are those of `sync`.
    """

    async def command(settings: Settings) -> Exit:
        async with Client.connect(settings) as client:
            try:
                job = await client.job(job_id)
            except UnknownJob as error:
                raise bad_input(str(error)) from None
            if why_not := refusal(job):
                raise bad_input(why_not)
            try:
                started = await _started(client, job, launcher)
            except AlreadySyncing as error:  # `retry` has no --join
                told = str(error).partition("; ")[0]
                raise AlreadySyncing(f"{told}; follow it with: {again.join(job)}") from None
            return await accompany(started, output, detach=detach)

    context.exit(run(command, output))


async def _started(client: Client, job: JobFacts, launcher: LauncherChoice | None) -> SyncRun:
    """Raises AlreadySyncing."""
    chosen = {"connection": job.subject, "launcher": launcher}
    if job.request is None:
        return await client.start_sync(chosen)
    chosen |= job.request.model_dump(include={"streams"})
    if job.kind is JobKind.CLEAR:
        return await client.start_clear(chosen)
    return await client.start_refresh(chosen | {"mode": job.request.order})


def refusal(job: JobFacts) -> str:
    """Why the job cannot be retried, and which command to use instead; empty when it can."""
    name = f"job {job.job_id}"
    if job.kind not in REPLICATION_KINDS:
        return f"{name} is a {job.kind}, not a sync; ask again with: {again.question_again(job)}"
    if not job.has_ended:
        return f"{name} has not ended ({job.status}); follow it with: {again.join(job)}, or end it: {again.cancel(job)}"
    if job.status is JobStatus.SUCCEEDED:
        return f"{name} succeeded, there is nothing to retry; sync again with: {again.sync_again(job)}"
    return ""
