"""Activities that launch a pod and watch it: thin, because the pod goes on without them."""

from __future__ import annotations

import asyncio

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.checking import Checks
from activities.flow import Flow
from activities.job_time import out_of_time
from activities.launching import Launching
from activities.lifecycle import hand_over, heartbeating, leaves_pod_alone
from activities.means import Means
from activities.watching import Watch
from activities.watching_afar import FarWatch
from airbyte_workers.jobs.failures import cut, of_platform
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
from airbyte_workers.names import REPLICATION_KINDS
from airbyte_workers.pods.pod import LaunchFailed
from airbyte_workers.store import dataplanes, jobs, workloads
from airbyte_workers.store.jobs import Job
from airbyte_workers.store.secrets import SecretError
from airbyte_workers.store.workloads import Workload

_log = structlog.get_logger(__name__)


class WorkloadActivities:
    """Launches and watches the pods of one dataplane."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._db = means.db
        self._settings = means.settings
        self._launching = Launching(means)
        self._checks = Checks(means, self._launching)

    # --- launching ---

    @activity.defn(name="launch_workload")
    async def launch_workload(self, ref: AttemptRef) -> Launched:
        """Wait for a place on this dataplane, check what is to be checked, then start the pod.

        A pod of this name that lives is adopted.
        """
        job = await jobs.read_job(self._db, self._means.seal, ref.job_id)
        if job_has_ended(job.status):  # its run goes on all the same: after a reset, or a repair that took it for dead
            raise ApplicationError(f"job {job.id} has ended ({job.status})", type="JobEnded", non_retryable=True)
        workload = await self._launching.workload(job, ref)
        step = _Step()
        if await self._launching.is_launched_elsewhere(job, ref, workload):
            return Launched(launched=True)
        await self._launching.require_here(workload)
        async with heartbeating(lambda: Progress(phase=step.phase)):
            try:
                await self._launching.place(job, workload, step.queued)
                failure = await self._refusal(job, ref, workload, step)
                if failure is not None:
                    await self._launching.end(workload, "failure")
                    return Launched(launched=False, failure=failure)
                step.tell("launching")
                await self._launching.end_older(job, workload)
                await self._launching.launch_in_time(job, ref, workload)
            except (LaunchFailed, SecretError) as error:
                return await self._refused(workload, error)
            except ApplicationError:  # this worker stops, and the next one may be another host's
                await self._launching.release_if_nothing_is_there(workload)
                raise
            except asyncio.CancelledError:
                if not await leaves_pod_alone():
                    await self._launching.end(workload, "cancelled")
                raise
        return Launched(launched=True)

    async def _out_of_time(self, job: Job, ref: AttemptRef) -> Failure | None:
        """Asked once there is a place: until then nothing could be launched anyway."""
        return await out_of_time(self._db, self._settings, job) if ref.kind in REPLICATION_KINDS else None

    async def _refusal(self, job: Job, ref: AttemptRef, workload: Workload, step: _Step) -> Failure | None:
        """Why it is not launched: its job's time is over, or a check says no; what an earlier try has started stays."""
        over = await self._out_of_time(job, ref)
        if over is None and not ref.checks:
            return None
        if await self._launching.is_launched(workload, job.run_id):
            return None
        return over or await self._checks.failure(job, ref, workload, step.tell)

    async def _refused(self, workload: Workload, error: LaunchFailed | SecretError) -> Launched:
        tried = await workloads.count_failed_launch(self._db, workload.pod)
        if isinstance(error, LaunchFailed) and error.retryable and tried < self._settings.launch_tries:
            await self._launching.release_if_nothing_is_there(workload)
            # without its causes: with their traces a failure can be too large for Temporal, and says nothing then
            raise ApplicationError(cut(str(error), 2000), type="LaunchFailed") from None
        await self._launching.end(workload, "failure")
        _log.warning("launch refused", job_id=workload.job_id, pod=workload.pod, error=str(error))
        if isinstance(error, LaunchFailed):
            passing = error.retryable or error.origin == FailureOrigin.PLATFORM
            kind = FailureType.LAUNCH_FAILED if passing else FailureType.CONFIG_ERROR
            failure = Failure(origin=FailureOrigin(error.origin), type=kind, message=cut(str(error), 2000))
        else:
            failure = of_platform(FailureType.CONFIG_ERROR, str(error))
        return Launched(launched=False, failure=failure)

    # --- watching ---

    @activity.defn(name="watch_workload")
    async def watch_workload(self, ref: AttemptRef) -> AttemptOutcome:
        """Follow a launched pod to its end and remove it; cancelled, end it; worker stopped, leave it alone."""
        watch = await self._watch(ref)
        flow = Flow(self._means.figures, ref.kind, activity.info().heartbeat_details)
        async with heartbeating(lambda: flow.told(watch.progress)):
            try:
                await watch.until_final()
            except asyncio.CancelledError:
                if await leaves_pod_alone():
                    raise
                await watch.stop()
            outcome = await watch.finish()
        flow.end(watch.summary)
        return outcome

    @activity.defn(name="end_workload")
    async def end_workload(self, ref: AttemptRef) -> AttemptOutcome:
        """End what a cancelled job may have left: its pod, or the place of one that was about to start."""
        job = await jobs.read_job(self._db, self._means.seal, ref.job_id)
        watch = await self._watch(ref)
        async with heartbeating(lambda: watch.progress):
            await self._checks.end(job, ref)
            return await watch.end()

    async def _watch(self, ref: AttemptRef) -> Watch | FarWatch:
        """A pod of another host is left to the workers there while there are any: from here it would look lost.

        Raises WorkerShutdown.
        """
        place = await dataplanes.place_of(self._db, ref.pod)
        if place is None or place.dataplane == self._settings.dataplane:
            return Watch(self._means, await jobs.launcher_of(self._db, ref.job_id), ref)
        if place.is_watched:
            hand_over(f"pod {ref.pod} runs on {place.dataplane}, a Temporal worker there must watch it")
        return FarWatch(self._means, ref, place)


class _Step:
    """What a launch is doing, for whoever waits."""

    def __init__(self) -> None:
        self.phase = "launching"

    def tell(self, phase: str) -> None:
        self.phase = phase

    async def queued(self) -> None:
        self.phase = "queued"
