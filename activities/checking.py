"""The checks before an attempt: each connector is asked, on the dataplane that will run it, whether it can work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from temporalio.exceptions import ApplicationError

from activities.answers import Answers
from activities.launching import Launching
from activities.lifecycle import leaves_pod_alone
from activities.means import Means
from activities.operations import read_check
from activities.watching import Watch
from airbyte_workers.models import NEVER_RAN, AttemptOutcome, AttemptRef, Failure, FailureOrigin, FailureType
from airbyte_workers.names import JobKind, Role
from airbyte_workers.pods.pod import LaunchFailed
from airbyte_workers.store import jobs, workloads
from airbyte_workers.store.jobs import Job
from airbyte_workers.store.secrets import SecretError
from airbyte_workers.store.workloads import Workload


class Checks:
    """Runs the checks that an attempt needs; they cost no events in Temporal's history."""

    def __init__(self, means: Means, launching: Launching) -> None:
        self._means = means
        self._db = means.db
        self._settings = means.settings
        self._answers = Answers(means)
        self._launching = launching

    async def failure(self, job: Job, ref: AttemptRef, place: Workload, tell: Callable[[str], None]) -> Failure | None:
        """Why the attempt cannot go on: the first failed check is the last one. Its `place` is kept meanwhile.

        Raises LaunchFailed, retryable, for a check that could not run: that is nobody's failed attempt.
        """
        for role in ref.checks:
            tell(f"checking the {role}")
            await self._keep(place)
            failure = await self._check(job, _check_of(ref, role), place)
            verdict = failure.message if failure is not None else "passed"
            await jobs.note(self._db, job.id, f"check of the {role}", reason=verdict)
            if failure is not None:
                return failure
        return None

    async def _check(self, job: Job, ref: AttemptRef, place: Workload) -> Failure | None:
        workload = await self._launching.workload(job, ref)
        await self._launching.require_here(workload)
        try:
            await self._launching.place(job, workload, lambda: self._keep(place))
            await self._keep(place)
            await self._launching.launch_in_time(job, ref, workload)
            await self._keep(place)
            outcome = await self._followed(Watch(self._means, workload.launcher, ref))
        except (LaunchFailed, SecretError, ApplicationError):
            # also of a worker that stops: a check is soon asked again, wherever the attempt is launched then
            await self._launching.end(workload, "failure")
            raise
        except asyncio.CancelledError:
            if not await leaves_pod_alone():
                await self._launching.end(workload, "cancelled")
            raise
        return await self._judged(job, ref, outcome)

    async def _followed(self, watch: Watch) -> AttemptOutcome:
        try:
            await watch.until_final()
            return await watch.finish()
        except asyncio.CancelledError:
            if not await leaves_pod_alone():
                await watch.end()
            raise

    async def end(self, job: Job, ref: AttemptRef) -> None:
        """End checks that a cancel left without anybody who looks after them."""
        for role in ref.checks:
            workload = await self._launching.workload(job, _check_of(ref, role))
            here = await workloads.place_elsewhere(self._db, workload.pod, workload.dataplane) is None
            if here and await workloads.is_live(self._db, workload.pod):  # else it is ended by whoever serves its host
                await self._launching.end(workload, "cancelled")

    async def _judged(self, job: Job, ref: AttemptRef, outcome: AttemptOutcome) -> Failure | None:
        """A no is a config error, whatever it says; without an answer the connector's own failure counts."""
        role = job.asked(ref)
        told = await self._answers.result(ref)
        if told is not None and told.result is not None:
            check = read_check(told.result)
            return None if check.status == "succeeded" else _refusal(role, check.message)
        if not outcome.failures or outcome.failures[0].type in NEVER_RAN:
            why = outcome.failures[0].message if outcome.failures else "its answer is gone"
            raise LaunchFailed(f"the {role} could not be checked: {why}", origin=FailureOrigin.PLATFORM, retryable=True)
        first = outcome.failures[0]
        said = first.message.removeprefix(f"{role}: ")
        message = f"the check of the {role} ended without an answer: {said}"
        return first.model_copy(update={"message": message, "command": "check"})

    async def _keep(self, place: Workload) -> None:
        await workloads.extend(self._db, place.pod, lease_s=self._settings.lease_seconds)


def _check_of(ref: AttemptRef, role: Role) -> AttemptRef:
    return AttemptRef(job_id=ref.job_id, attempt=ref.attempt, kind=JobKind.CHECK, of=role)


def _refusal(role: Role, message: str) -> Failure:
    return Failure(
        origin=FailureOrigin(role),
        type=FailureType.CONFIG_ERROR,
        message=f"the check failed: {message or 'the connector gave no reason'}",
        command="check",
    )
