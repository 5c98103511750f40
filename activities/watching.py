"""A watcher of one pod: its markers are the truth, the launcher says whether it still lives."""

from __future__ import annotations

import asyncio

import structlog

from activities import pod_logs
from activities.harvesting import Harvest
from activities.lifecycle import hand_over_if_stopping
from activities.means import Means
from activities.pod_ends import CANCELLED, PodEnd
from airbyte_workers import failpoints
from airbyte_workers.failpoints import Failpoint
from airbyte_workers.jobs.endings import orderly_end_s
from airbyte_workers.jobs.failures import of_platform
from airbyte_workers.models import AttemptOutcome, AttemptRef, AttemptSummary, Failure, FailureType, Progress
from airbyte_workers.names import REPLICATION_KINDS, Role
from airbyte_workers.orchestrator.markers import Markers
from airbyte_workers.pods.pod import ContainerStatus, LauncherAway, RemovalFailed
from airbyte_workers.store import jobs, workloads
from airbyte_workers.store.database import is_away

_INSPECT_EVERY_S = 1.0
_SHORTEST_PAUSE_S = 0.02
_PAUSE_SHARE = 0.1  # of the time watched so far
_EXIT_WAIT_S = 10.0
_log = structlog.get_logger(__name__)


class Watch:
    """Follows a pod to its final marker; ends it when told to."""

    def __init__(self, means: Means, launcher: str, ref: AttemptRef) -> None:
        self._db = means.db
        self._settings = means.settings
        self._launcher = means.launchers[launcher]
        self._markers = Markers(means.objects, ref.pod)
        self._ref = ref
        self._pod = ref.pod
        self._end = PodEnd(means, ref)
        self.progress: Progress | None = None

    @property
    def summary(self) -> AttemptSummary | None:
        """What the pod said at its end, once that was read."""
        return self._end.summary

    async def until_final(self) -> None:
        """Return once the pod has a final marker, its own or one it was given. Raises WorkerShutdown."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        deadline = began + self._end.limit_s - await workloads.age_s(self._db, self._pod)
        inspect_at = loop.time() + _INSPECT_EVERY_S
        while not (await self._end.seen()).final:
            hand_over_if_stopping()
            await self._look()
            if loop.time() >= deadline:
                await self._stop(self._end.timed_out())
                return
            if loop.time() >= inspect_at:
                inspect_at = loop.time() + _INSPECT_EVERY_S
                await self._report_exits()
                if await self._is_lost():
                    break
            await asyncio.sleep(self._pause_s(loop.time() - began))
        await failpoints.passed(Failpoint.FINAL_MARKER_WRITTEN, self._pod)

    async def stop(self) -> None:
        """The job was cancelled: end the pod in order, or at once when somebody asks for that."""
        self._end.cancelled = True
        await self._stop(CANCELLED)

    async def end(self) -> AttemptOutcome:
        """End a pod that nobody looked after when its job was cancelled; one that was never launched is as good."""
        if not await workloads.owns_markers(self._db, self._pod):  # what stands there is another database's
            if await self._remove():
                await workloads.release(self._db, self._pod, "cancelled")
            return AttemptOutcome(status="cancelled")
        await self.stop()
        return await self.finish()

    async def end_unrenewed(self) -> AttemptOutcome:
        """End a pod at once whose orchestrator hangs: it has not renewed its lease though it could have."""
        await self._kill()
        if not (await self._markers.read()).final:
            await self._end.write(self._end.unrenewed())
        return await self.finish()

    async def finish(self) -> AttemptOutcome:
        """Remove the pod, prove that nothing is left, and say how it ended."""
        reading = await self._markers.read()
        if not await self._has_exited():  # its journal is whole only once it writes no more
            await self._kill()
        await pod_logs.repeat(self._launcher, self._pod)
        gone = await self._remove()
        outcome = await self._end.outcome(reading)
        _log.info("pod ended", pod=self._pod, status=outcome.status, removed=gone)
        if gone:  # else it keeps its place until its lease is over, and the connection's next attempt ends it first
            ends = {"succeeded": "success", "failed": "failure", "cancelled": "cancelled"}
            await workloads.release(self._db, self._pod, ends[outcome.status])
        return outcome

    # --- looking ---

    def _pause_s(self, watched_s: float) -> float:
        """A pod that has just begun may be about to end: a spec is a second's work, and a person waits for it."""
        longest = self._settings.marker_poll_interval_ms / 1000
        return min(longest, max(_SHORTEST_PAUSE_S, watched_s * _PAUSE_SHARE))

    async def _look(self) -> None:
        if self._ref.kind not in REPLICATION_KINDS:
            await workloads.extend(self._db, self._pod, lease_s=self._settings.lease_seconds)
            return
        self.progress = await workloads.progress_of(self._db, self._pod)

    async def _is_lost(self) -> bool:
        """Whether the pod's own program has ended without a final marker; then it gets one from us."""
        if await self._program_runs():
            return False
        await asyncio.sleep(_INSPECT_EVERY_S)
        if (await self._markers.read()).final:
            return True
        try:
            status = await self._launcher.inspect(self._pod)
        except LauncherAway:
            return False
        seen = ", ".join(f"{each.role} {_state(each)}" for each in status.containers)
        await self._end.write(
            of_platform(
                FailureType.ORCHESTRATOR_LOST,
                f"the pod's orchestrator ended without a result ({seen or 'the pod is gone'})",
            )
        )
        return True

    async def _report_exits(self) -> None:
        """The launcher knows ends that a container killed whole could not write down."""
        try:
            await self._launcher.report_exits(self._pod)
        except LauncherAway as error:
            _log.warning("exit codes cannot be written down", pod=self._pod, error=str(error))

    async def _program_runs(self) -> bool:
        """Whether the pod's own program runs, as far as anybody knows."""
        try:
            status = await self._launcher.inspect(self._pod)
        except LauncherAway as error:
            _log.warning("pod cannot be looked at", pod=self._pod, error=str(error))
            return True
        own = status.container(self._own_role())
        return own is not None and own.running

    def _own_role(self) -> Role:
        return Role.ORCHESTRATOR if self._ref.kind in REPLICATION_KINDS else Role.SIDECAR

    # --- ending ---

    async def _stop(self, failure: Failure) -> None:
        """One path for every end that is not the pod's own: in order, then by force, each step with a limit."""
        self._end.stopped_because = failure
        await self._terminate()
        if self._end.cancelled:
            await failpoints.passed(Failpoint.DURING_CANCEL, self._pod)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + orderly_end_s(self._settings)
        while not (await self._end.seen()).final:
            await self._report_exits()
            if await self._is_hurried() or loop.time() >= deadline or not await self._program_runs():
                await self._kill()
                if not (await self._markers.read()).final:
                    await self._end.write(failure)
                return
            await asyncio.sleep(self._settings.marker_poll_interval_ms / 1000)

    async def _is_hurried(self) -> bool:
        """Whether somebody asked for the end at once; while the database is away nobody can have."""
        try:
            return await jobs.cancel_now(self._db, self._ref.job_id)
        except Exception as error:
            if not is_away(error):
                raise
            return False

    async def _terminate(self) -> None:
        try:
            await self._launcher.terminate(self._pod)
        except LauncherAway as error:
            _log.warning("pod cannot be told to end", pod=self._pod, error=str(error))

    async def _kill(self) -> None:
        try:
            await self._launcher.kill(self._pod)
        except RemovalFailed as error:  # the removal that follows tries again, and tells what is left
            _log.error("pod not killed", pod=self._pod, error=str(error))

    async def _has_exited(self) -> bool:
        """After some time for it: the marker comes a moment before its writer's exit."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _EXIT_WAIT_S
        while runs := await self._program_runs():
            if loop.time() >= deadline:
                break
            await asyncio.sleep(_SHORTEST_PAUSE_S)
        return not runs

    async def _remove(self) -> bool:
        """Whether nothing of the pod is left; an engine may be restarting, so it is tried again."""
        await failpoints.passed(Failpoint.TEARDOWN_BEGUN, self._pod)
        for tried in range(self._settings.removal_tries):
            await asyncio.sleep(tried**3)
            try:
                if self._ref.kind in REPLICATION_KINDS:
                    await Harvest(self._db).of_own(self._launcher, self._pod)
                await self._launcher.remove(self._pod)
            except (RemovalFailed, LauncherAway) as error:
                _log.error("pod not removed", pod=self._pod, error=str(error))
            else:
                return True
        return False


def _state(container: ContainerStatus) -> str:
    if container.running:
        return "runs"
    if container.exit_code is None:
        return "is gone"
    return f"exited with {container.exit_code}" + (f": {container.detail}" if container.detail else "")
