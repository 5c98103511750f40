"""Which command does once more what a job did, as a person types it."""

from __future__ import annotations

import shlex

from airbyte_workers.names import CONTAINER_LAUNCHERS, JobKind
from airbyte_workers.store.job_facts import JobFacts

PROGRAM = "airbyte-workers"


def question_again(job: JobFacts) -> str:
    """Asks the job's connector the same once more; the config is the asker's to give again."""
    config = "" if job.kind is JobKind.SPEC else " --config FILE"
    return f"{PROGRAM} {job.kind} {_connector(job)}{config}"


def retry(job: JobFacts) -> str:
    """Does the same once more, with the job's connection as it is stored now."""
    return f"{PROGRAM} jobs retry {job.job_id}"


def sync_again(job: JobFacts) -> str:
    """The same for a job that needs no retry."""
    return f"{PROGRAM} sync {job.subject}"


def join(job: JobFacts) -> str:
    """Follows the running sync."""
    return f"{PROGRAM} sync {job.subject} --join"


def cancel(job: JobFacts) -> str:
    """Ends the running job."""
    return f"{PROGRAM} jobs cancel {job.job_id}"


def _connector(job: JobFacts) -> str:
    """An image or a command: a job knows its connector's name alone, and a command's words may look like anything."""
    name = job.subject
    is_image = job.launcher in CONTAINER_LAUNCHERS or (
        "/" in name and " " not in name and not name.startswith(("/", "."))
    )
    return shlex.quote(name) if is_image else f"--command {shlex.quote(name)}"
