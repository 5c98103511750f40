"""`airbyte-workers jobs cancel`: end one job, whatever its kind, and see it end."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import click
from temporalio.service import RPCError

from airbyte_workers.cli.environment import run
from airbyte_workers.cli.follow import Interrupted, follow, left
from airbyte_workers.cli.interrupts import left_by_ctrl_c, whoever_asks
from airbyte_workers.cli.options import JOB, OUTPUT
from airbyte_workers.cli.output import Exit, Problem, Shape, bad_input, say
from airbyte_workers.cli.sync import print_result
from airbyte_workers.client import CancelAnswer, Client, NotRunning, UnknownJob
from airbyte_workers.models import TERMINAL_JOB_STATUSES, JobStatus, SyncReport
from airbyte_workers.quantities import duration
from airbyte_workers.runs import Run
from airbyte_workers.runtime.database import DatabaseUnusable
from airbyte_workers.settings import Settings
from airbyte_workers.store import history

_LOOK_EVERY_S = 0.5
_AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, DatabaseUnusable, RPCError)


@click.command("cancel")
@JOB
@click.option("--reason", default="", help="Why; `jobs show` tells it.")
@click.option("--now", is_flag=True, help="End its pods at once, without waiting for the destination to finish.")
@OUTPUT
@click.pass_context
def cancel_job(context: click.Context, /, job_id: int, output: Shape, **options: Any) -> None:
    """End a job of any kind, and follow it to its end. Ctrl-C leaves it; it goes on ending.

    Exit codes: 0 it is cancelled, 1 it ended otherwise meanwhile, 2 it had ended before, or there is no such job.
    """

    async def command(settings: Settings) -> Exit:
        async with Client.connect(settings) as client:
            started = await _asked(client, job_id, **options)
            try:
                report = await follow(started, lambda: _ended(client, job_id), left_by_ctrl_c)
            except Interrupted:
                raise left() from None
        print_result(report, output)
        if report.status is JobStatus.CANCELLED:
            return Exit.DONE
        say(f"job {job_id} was not cancelled: it {report.status} before")
        return Exit.FAILED

    context.exit(run(command, output))


async def _asked(client: Client, job_id: int, *, reason: str, now: bool) -> Run[Any]:
    """The run that was asked to end. Raises Problem."""
    try:
        answer = await client.cancel_job(job_id, by=whoever_asks(), reason=reason, now=now)
    except (UnknownJob, NotRunning) as error:
        raise bad_input(str(error)) from None
    started = client.run_of(await client.job(job_id))
    if answer is CancelAnswer.ACCEPTED:
        say(f"cancelling job {job_id}: {'its pods end at once' if now else started.ending} (Ctrl-C: leave)")
    elif answer is CancelAnswer.LEFT_TO_TEMPORAL:
        say(
            f"no Temporal worker answers for job {job_id}: Temporal keeps the cancel, it takes effect when one runs"
            " (airbyte-workers worker; Ctrl-C: leave)"
        )
    return started


async def _ended(client: Client, job_id: int) -> SyncReport:
    """The job's report once its row has ended; whoever is away meanwhile is waited for. Raises Problem."""
    patience = _Patience(client.settings)
    while True:
        try:
            running = await client.run_of(await client.job(job_id)).is_running()
            report = await history.report(await client.database(), job_id)
        except _AWAY:
            await asyncio.sleep(_LOOK_EVERY_S)
            continue
        if report.status in TERMINAL_JOB_STATUSES:
            return report
        if not running and patience.is_over(job_id):  # looked at before the row: the row is written before the run ends
            raise Problem(
                f"job {job_id} is {report.status}: {cut_off(client.settings)}; none has: does one run?"
                " (airbyte-workers worker)"
            )
        await asyncio.sleep(_LOOK_EVERY_S)


class _Patience:
    """How long the reconciler is waited for by whoever sees a run that is over before its job."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._until: float | None = None

    def is_over(self, job_id: int) -> bool:
        now = asyncio.get_running_loop().time()
        if self._until is None:
            self._until = now + 2 * reconciled_within_s(self._settings)
            say(f"job {job_id}: {cut_off(self._settings)} (Ctrl-C: leave)")
        return now >= self._until


def cut_off(settings: Settings) -> str:
    """What to tell of a live job whose run is over."""
    within = duration(reconciled_within_s(settings))
    return (
        "Temporal does not run it any more, its run was terminated or is forgotten; a Temporal worker ends the job"
        f" within {within}"
    )


def reconciled_within_s(settings: Settings) -> float:
    """The longest that a job whose run is over stays live while a Temporal worker runs: found, and its pod waited for.

    As far as its settings are ours; a job that may be another Temporal's takes longer.
    """
    return settings.reconcile_interval_s + settings.reconcile_pod_wait_s + 10
