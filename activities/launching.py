"""Launching a pod: its place on the dataplane, what must be ready first, and what a launch that fails leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import structlog

from activities.harvesting import Harvest
from activities.launch_configs import LaunchConfigs
from activities.lifecycle import AWAY_DELAY, HANDOVER_DELAY, hand_over, hand_over_if_stopping
from activities.means import Means
from activities.out_of_reach import OutOfReach
from activities.pod_specs import RUN, Author, origin_of, program
from airbyte_workers.models import AttemptRef, Connector, JobStatus
from airbyte_workers.names import REPLICATION_KINDS, Role
from airbyte_workers.orchestrator.markers import Markers
from airbyte_workers.pods.pod import Launcher, LauncherAway, LaunchFailed, PodSpec, PodStatus, RemovalFailed
from airbyte_workers.protocol import generations
from airbyte_workers.store import attempts, catalogs, dataplanes, jobs, workloads
from airbyte_workers.store.attempts import Attempt
from airbyte_workers.store.jobs import Job, Move
from airbyte_workers.store.journals import Taker
from airbyte_workers.store.workloads import Workload

_PLACE_POLL_S = 0.5
_log = structlog.get_logger(__name__)


class Launching:
    """Starts the pods of one dataplane."""

    def __init__(self, means: Means) -> None:
        self._db = means.db
        self._settings = means.settings
        self._objects = means.objects
        self._launchers = means.launchers
        self._reach = OutOfReach(means)
        self._harvest = Harvest(means.db)
        self._author = Author(means.db, means.settings, LaunchConfigs(means.db, means.seal, means.settings))

    async def is_launched(self, workload: Workload, run_id: str) -> bool:
        """Whether an earlier try has launched the pod, which may have ended since. Raises LauncherAway."""
        return _is_of_run(await self._launchers[workload.launcher].inspect(workload.pod), run_id)

    async def workload(self, job: Job, ref: AttemptRef) -> Workload:
        """The pod as this dataplane would run it."""
        fence = 0
        if ref.kind in REPLICATION_KINDS:
            fence = (await attempts.read_attempt(self._db, job.id, ref.attempt)).fence
        return Workload(
            pod=ref.pod,
            kind=ref.kind,
            job_id=job.id,
            attempt=ref.attempt,
            connection_id=job.connection_id if ref.kind in REPLICATION_KINDS else None,
            dataplane=self._settings.dataplane,
            launcher=job.launcher or await jobs.launcher_of(self._db, job.id),
            fence=fence,
        )

    async def require_here(self, workload: Workload) -> None:
        """Leave a pod with a place on another dataplane, where it may run, to a worker there until its lease is over.

        Raises WorkerShutdown.
        """
        elsewhere = await workloads.place_elsewhere(self._db, workload.pod, workload.dataplane)
        if elsewhere is None or await self._reach.is_gone(elsewhere.lease_over_s):
            return
        place = await dataplanes.place_of(self._db, workload.pod)
        after = HANDOVER_DELAY if place is not None and place.is_watched else AWAY_DELAY
        hand_over(
            f"pod {workload.pod} has its place on {elsewhere.dataplane}, a Temporal worker there must launch it", after
        )

    async def is_launched_elsewhere(self, job: Job, ref: AttemptRef, workload: Workload) -> bool:
        """Whether it runs on another dataplane, where an earlier try launched it: it is adopted there."""
        elsewhere = await workloads.place_elsewhere(self._db, workload.pod, workload.dataplane)
        if elsewhere is None or not elsewhere.is_launched or await self._reach.is_gone(elsewhere.lease_over_s):
            return False
        await self._tell_running(job, ref, elsewhere.dataplane, workload.launcher)
        return True

    async def place(self, job: Job, workload: Workload, waits: Callable[[], Awaitable[None]]) -> None:
        """Queue before start: nothing is started that does not fit; `waits` is called while that takes a while."""
        limit = self._settings.pods_at_once(workload.kind)
        told = False
        while not await workloads.claim(self._db, workload, limit=limit, lease_s=self._settings.lease_seconds):
            if not told:
                await self._tell_queued(job, f"{limit} {workload.kind} pods are live on {workload.dataplane}")
            told = True
            await waits()
            hand_over_if_stopping()
            await asyncio.sleep(_PLACE_POLL_S)
        if told:
            place = f"has its place on {workload.dataplane}"
            await jobs.move(self._db, job.id, Move(JobStatus.PENDING, [JobStatus.QUEUED], place))

    async def _tell_queued(self, job: Job, reason: str) -> None:
        """A new job is queued from now on; one that has got further only waits once more, and keeps its status."""
        if not await jobs.move(self._db, job.id, Move(JobStatus.QUEUED, [JobStatus.PENDING], reason)):
            await jobs.note(self._db, job.id, "waits for a place", reason=reason)

    async def launch_in_time(self, job: Job, ref: AttemptRef, workload: Workload) -> None:
        """Raises LaunchFailed; a database that takes too long is no launch that did."""
        minutes = self._settings.launch_timeout_minutes
        try:
            async with asyncio.timeout(minutes * 60) as limit:
                await self._launch(job, ref, workload)
        except TimeoutError:
            if not limit.expired():
                raise
            raise LaunchFailed(f"the pod did not start within {minutes:g} min") from None

    async def _launch(self, job: Job, ref: AttemptRef, workload: Workload) -> None:
        launcher = self._launchers[workload.launcher]
        if not await self._is_seen(workload, job):
            for role, connector in _connectors(job, ref).items():
                await _prepare(launcher, role, connector)
        if not await self._has_run(workload):
            spec = await self._spec(job, ref, workload)
            try:
                await self._forget_namesake(launcher, spec)
                await launcher.launch(spec)
            except LaunchFailed as error:
                raise _told_of(error, job, ref) from error
        await workloads.launched(self._db, workload.pod)
        _log.info("pod launched", pod=workload.pod, dataplane=workload.dataplane, launcher=launcher.name)
        await self._tell_running(job, ref, workload.dataplane, launcher.name)

    async def _is_seen(self, workload: Workload, job: Job) -> bool:
        """Whether the pod is there: what it needs was ready then. Where nobody answers, whoever prepares says so."""
        with suppress(LauncherAway):
            return await self.is_launched(workload, job.run_id)
        return False

    async def _tell_running(self, job: Job, ref: AttemptRef, dataplane: str, launcher: str) -> None:
        if ref.kind is job.kind:  # what a job asks first does not make it running
            reason = f"pod {ref.pod} runs on {dataplane} ({launcher})"
            before = [JobStatus.PENDING, JobStatus.QUEUED, JobStatus.INCOMPLETE]
            await jobs.move(self._db, job.id, Move(JobStatus.RUNNING, before, reason))

    async def _has_run(self, workload: Workload) -> bool:
        """Whether the attempt's pod has done some of its work, wherever it is now: a reset has led back here, or its
        launch was killed before it could be written down. Whoever watches it tells how it goes on.

        Another one could not commit under the same fence what the first has committed already.
        """
        return workload.kind in REPLICATION_KINDS and await attempts.has_committed(self._db, _attempt(workload))

    async def _forget_namesake(self, launcher: Launcher, spec: PodSpec) -> None:
        """A database that is made anew counts jobs from 1 again: what has this name may be another run's, not ours."""
        seen = await launcher.inspect(spec.name)
        if _is_of_run(seen, spec.labels[RUN]):
            return  # launched before, and adopted
        if seen.exists:
            await launcher.remove(spec.name)
        await Markers(self._objects, spec.name).clear()
        await workloads.cleared(self._db, spec.name)

    async def _spec(self, job: Job, ref: AttemptRef, workload: Workload) -> PodSpec:
        if ref.kind not in REPLICATION_KINDS:
            return await self._author.operation(job, ref)
        return await self._author.replication(job, _attempt(workload))

    async def _taker(self, job: Job, workload: Workload) -> Taker:
        assert job.catalog_id is not None
        catalog = await catalogs.configured(self._db, job.catalog_id)
        return Taker(workload.fence, frozenset(generations.renewed(catalog, job.scope, workload.attempt)))

    async def end_older(self, job: Job, workload: Workload) -> None:
        """The fence is raised: pods of earlier attempts are stopped and proven gone, or their lease is waited for.

        What the last one could not commit is committed here, before a state is loaded. Raises RemovalFailed,
        LauncherAway, and WorkerShutdown while it waits.
        """
        if workload.connection_id is None:
            return
        taker = await self._taker(job, workload)
        told: set[str] = set()
        while older := await workloads.older_pods(self._db, workload.connection_id, workload.fence):
            for pod in older:
                if pod.dataplane == workload.dataplane:
                    launcher = self._launchers[pod.launcher]
                    await self._harvest.of_older(launcher, pod.pod, taker)
                    await launcher.remove(pod.pod)
                if pod.dataplane == workload.dataplane or await self._reach.has_ended(pod):
                    await workloads.release(self._db, pod.pod, "failure")
                elif pod.pod not in told:
                    told.add(pod.pod)
                    reason = f"pod {pod.pod} may still run on {pod.dataplane}, out of reach from here"
                    await jobs.note(self._db, job.id, "waits for the end of a lease", reason=reason)
            hand_over_if_stopping()
            await asyncio.sleep(_PLACE_POLL_S)

    async def end(self, workload: Workload, status: str) -> None:
        """What was started goes again. What resists keeps its place: the connection's next attempt ends it first."""
        launcher = self._launchers[workload.launcher]
        try:
            if workload.connection_id is not None:
                await self._harvest.of_own(launcher, workload.pod)
            await launcher.remove(workload.pod)
        except (RemovalFailed, LauncherAway) as error:
            _log.error("pod not removed", pod=workload.pod, error=str(error))
        else:
            await workloads.release(self._db, workload.pod, status)

    async def release_if_nothing_is_there(self, workload: Workload) -> None:
        """Between two tries: a pod that runs, or that nobody can look at, keeps its place."""
        with suppress(LauncherAway):
            if not await self._launchers[workload.launcher].remains(workload.pod):
                await workloads.release(self._db, workload.pod, "failure")


def _attempt(workload: Workload) -> Attempt:
    return Attempt(workload.job_id, workload.attempt, workload.fence, workload.pod)


def _is_of_run(seen: PodStatus, run: str) -> bool:
    return seen.exists and seen.labels.get(RUN, "") in ("", run)


def _told_of(error: LaunchFailed, job: Job, ref: AttemptRef) -> LaunchFailed:
    """The launcher knows the role in the pod; people know a source or a destination."""
    role = job.asked(ref)
    if error.origin != Role.MAIN:
        return error
    return LaunchFailed(str(error), origin=origin_of(role, job.connectors[role]), retryable=error.retryable)


async def _prepare(launcher: Launcher, role: Role, connector: Connector) -> None:
    """Have what the connector runs ready. Raises LaunchFailed with whose it is: a wrong image is no fault of ours."""
    try:
        await launcher.prepare(program(connector))
    except LaunchFailed as error:
        raise LaunchFailed(str(error), origin=origin_of(role, connector), retryable=error.retryable) from error


def _connectors(job: Job, ref: AttemptRef) -> Mapping[Role, Connector]:
    """The connectors that the pod runs."""
    if ref.kind in REPLICATION_KINDS:
        return job.connectors
    role = job.asked(ref)
    return {role: job.connectors[role]}
