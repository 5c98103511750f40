"""Activities that launch a pod and watch it: thin, because the pod goes on without them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import asyncpg
import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.answers import Answers
from activities.checking import Checks
from activities.launching import Launching
from activities.lifecycle import heartbeating, leaves_pod_alone
from activities.pod_specs import Author
from activities.watching import Watch
from airbyte_workers.jobs.failures import cut
from airbyte_workers.jobs.status import job_has_ended
from airbyte_workers.models import (
    AttemptOutcome,
    AttemptRef,
    Failure,
    FailureOrigin,
    FailureType,
    Launched,
    Progress,
)
from airbyte_workers.pods.pod import Launcher, LaunchFailed
from airbyte_workers.settings import Settings
from airbyte_workers.store import jobs, workloads
from airbyte_workers.store.jobs import Job
from airbyte_workers.store.objects import Objects
from airbyte_workers.store.sealing import Seal
from airbyte_workers.store.secrets import SecretError
from airbyte_workers.store.workloads import Workload

_PLACE_POLL_S = 0.5
_log = structlog.get_logger(__name__)


class WorkloadActivities:
    """Launches and watches the pods of one dataplane."""

    def __init__(
        self,
        db: asyncpg.Pool,
        seal: Seal,
        settings: Settings,
        objects: Objects,
        launchers: Mapping[str, Launcher],
        author: Author,
    ) -> None:
        self._db = db
        self._seal = seal
        self._settings = settings
        self._launching = Launching(db, settings, objects, launchers, author)
        self._checks = Checks(db, settings, Answers(db, settings, objects), self._launching)

    # --- launching ---

    @activity.defn(name="launch_workload")
    async def launch_workload(self, ref: AttemptRef) -> Launched:
        """Wait for a place on this dataplane, check what is to be checked, then start the pod.

        A pod of this name that lives is adopted.
        """
        job = await jobs.read_job(self._db, self._seal, ref.job_id)
        if job_has_ended(job.status):  # its run goes on all the same: after a reset, or a repair that took it for dead
            raise ApplicationError(f"job {job.id} has ended ({job.status})", type="JobEnded", non_retryable=True)
        workload = await self._launching.workload(job, ref)
        step = _Step()
        await self._launching.require_here(workload)
        async with heartbeating(lambda: Progress(phase=step.phase)):
            try:
                await self._launching.place(job, workload, step.queued)
                step.placed()
                failure = await self._check(job, ref, workload, step)
                if failure is not None:
                    await self._launching.end(job, workload, "failure")
                    return Launched(launched=False, failure=failure, queued_s=step.queued_s)
                step.tell("launching")
                await self._launching.launch_in_time(job, ref, workload)
            except (LaunchFailed, SecretError) as error:
                return await self._refused(job, workload, error, step.queued_s)
            except ApplicationError:  # this worker stops, and the next one may be another host's
                await self._launching.release_if_nothing_is_there(job, workload)
                raise
            except asyncio.CancelledError:
                if not await leaves_pod_alone():
                    await self._launching.end(job, workload, "cancelled")
                raise
        return Launched(launched=True, queued_s=step.queued_s)

    async def _check(self, job: Job, ref: AttemptRef, workload: Workload, step: _Step) -> Failure | None:
        """A pod that an earlier try of this activity started was checked by it."""
        if not ref.checks or await self._launching.is_launched(job, workload):
            return None
        return await self._checks.failure(job, ref, workload, step.tell)

    async def _refused(self, job: Job, workload: Workload, error: Exception, queued_s: float) -> Launched:
        tried = await workloads.count_failed_launch(self._db, workload.pod)
        if isinstance(error, LaunchFailed) and error.retryable and tried < self._settings.launch_tries:
            await self._launching.release_if_nothing_is_there(job, workload)
            # without its causes: with their traces a failure can be too large for Temporal, and says nothing then
            raise ApplicationError(cut(str(error), 2000), type="LaunchFailed") from None
        await self._launching.end(job, workload, "failure")
        _log.warning("launch refused", job=job.id, pod=workload.pod, error=str(error))
        if isinstance(error, LaunchFailed):
            passing = error.retryable or error.origin == FailureOrigin.PLATFORM
            kind = FailureType.LAUNCH_FAILED if passing else FailureType.CONFIG_ERROR
            failure = Failure(origin=FailureOrigin(error.origin), type=kind, message=cut(str(error), 2000))
        else:
            failure = Failure(origin=FailureOrigin.PLATFORM, type=FailureType.CONFIG_ERROR, message=str(error))
        return Launched(launched=False, failure=failure, queued_s=round(queued_s, 3))

    # --- watching ---

    @activity.defn(name="watch_workload")
    async def watch_workload(self, ref: AttemptRef) -> AttemptOutcome:
        """Follow a launched pod to its end and remove it; cancelled, end it; worker stopped, leave it alone."""
        watch = await self._watch(await jobs.read_job(self._db, self._seal, ref.job_id), ref)
        async with heartbeating(lambda: watch.progress):
            try:
                await watch.until_final()
            except asyncio.CancelledError:
                if await leaves_pod_alone():
                    raise
                await watch.stop()
            return await watch.finish()

    @activity.defn(name="end_workload")
    async def end_workload(self, ref: AttemptRef) -> AttemptOutcome:
        """End what a cancelled job may have left: its pod, or the place of one that was about to start."""
        job = await jobs.read_job(self._db, self._seal, ref.job_id)
        watch = await self._watch(job, ref)
        async with heartbeating(lambda: watch.progress):
            await self._checks.end(job, ref)
            return await watch.end()

    async def _watch(self, job: Job, ref: AttemptRef) -> Watch:
        """Raises WorkerShutdown for a pod of another host."""
        watch = self._launching.watch(job, ref)
        await watch.require_here()
        return watch


class _Step:
    """What a launch is doing, for whoever waits."""

    def __init__(self) -> None:
        self.phase = "launching"
        self.queued_s = 0.0
        self._began = time.monotonic()

    def tell(self, phase: str) -> None:
        self.phase = phase

    async def queued(self) -> None:
        self.phase = "queued"

    def placed(self) -> None:
        self.queued_s = round(time.monotonic() - self._began, 3)
