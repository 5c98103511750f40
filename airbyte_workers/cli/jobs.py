"""`airbyte-workers jobs`: the past, and what is going on."""

from __future__ import annotations

import click

from airbyte_workers.cli.cancelling import cancel_job
from airbyte_workers.cli.explaining import explain_job
from airbyte_workers.cli.job_list import list_jobs
from airbyte_workers.cli.job_logs import show_logs
from airbyte_workers.cli.job_show import show_job
from airbyte_workers.cli.retrying import retry_job


@click.group()
def jobs() -> None:
    """List jobs, show or explain one, read its log, cancel it, retry it."""


for _command in (list_jobs, show_job, explain_job, show_logs, cancel_job, retry_job):
    jobs.add_command(_command)
