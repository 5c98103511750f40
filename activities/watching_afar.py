"""A watcher of a pod on a host where no Temporal worker watches: by its markers and its lease, never by a launcher.

The pod keeps its place. Whoever serves its host next removes what is left of it (`activities/leftovers.py`).
"""

from __future__ import annotations

import asyncio

import structlog

from activities.lifecycle import hand_over, hand_over_if_stopping
from activities.means import Means
from activities.out_of_reach import OutOfReach
from activities.pod_ends import CANCELLED, PodEnd
from airbyte_workers.jobs.endings import orderly_end_s
from airbyte_workers.jobs.failures import of_platform
from airbyte_workers.jobs.reach import FarPod, FarVerdict, judge
from airbyte_workers.models import AttemptOutcome, AttemptRef, AttemptSummary, Failure, FailureType, Progress
from airbyte_workers.names import REPLICATION_KINDS
from airbyte_workers.orchestrator.markers import Markers
from airbyte_workers.store import dataplanes, jobs, workloads
from airbyte_workers.store.dataplanes import Place
from airbyte_workers.store.workloads import StopAsked

_log = structlog.get_logger(__name__)


class FarWatch:
    """Follows a pod to its final marker, or to the end of its lease. Every method may raise WorkerShutdown: once a
    worker is back on the pod's host, that one goes on."""

    def __init__(self, means: Means, ref: AttemptRef, place: Place) -> None:
        self._db = means.db
        self._settings = means.settings
        self._markers = Markers(means.objects, ref.pod)
        self._reach = OutOfReach(means)
        self._ref = ref
        self._pod = ref.pod
        self._place = place
        self._end = PodEnd(means, ref)
        self.progress: Progress | None = place.progress

    @property
    def summary(self) -> AttemptSummary | None:
        """What the pod said at its end, once that was read."""
        return self._end.summary

    async def until_final(self) -> None:
        """Return once the pod has a final marker, its own or one it was given."""
        await self._tell()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._end.limit_s - await workloads.age_s(self._db, self._pod)
        while (verdict := await self._look()) is FarVerdict.WAIT:
            hand_over_if_stopping()
            if loop.time() >= deadline:
                await self._stop(self._end.timed_out())
                return
            await self._pause()
        if verdict is FarVerdict.LOST:
            await self._write_unless_final(self._lost())

    async def stop(self) -> None:
        """The job was cancelled: ask the pod to end, and wait no longer than that may take."""
        self._end.cancelled = True
        await self._stop(CANCELLED)

    async def end(self) -> AttemptOutcome:
        """End a pod that nobody looked after when its job was cancelled. What may have begun to start there without
        anything to tell keeps its place."""
        if not await workloads.owns_markers(self._db, self._pod):
            return AttemptOutcome(status="cancelled")
        await self.stop()
        return await self.finish()

    async def finish(self) -> AttemptOutcome:
        """How it ended."""
        return await self._end.outcome(await self._markers.read())

    # --- looking ---

    async def _look(self) -> FarVerdict:
        """Where it stands; a pod whose host is watched, or that has no place there any more, is left to others."""
        place = await dataplanes.place_of(self._db, self._pod)
        if place is None or place.dataplane != self._place.dataplane:
            hand_over(f"pod {self._pod} is not on {self._place.dataplane} any more")
        self._place = place
        self.progress = place.progress
        is_gone = await self._reach.is_gone(place.lease_over_s)
        verdict = judge(FarPod(place.is_watched, (await self._end.seen()).final, is_gone))
        if verdict is FarVerdict.HAND_OVER:
            hand_over(f"a Temporal worker is back on {place.dataplane}, it must watch pod {self._pod}")
        return verdict

    async def _pause(self) -> None:
        await asyncio.sleep(self._settings.marker_poll_interval_ms / 1000)

    # --- ending ---

    async def _stop(self, failure: Failure) -> None:
        """The orchestrator reads what is asked of it with its next renewal. A pod that does not end in time gets a
        marker and keeps its place: it commits nothing once a newer attempt has begun."""
        self._end.stopped_because = failure
        loop = asyncio.get_running_loop()
        now = loop.time()
        in_order, at_once = now + orderly_end_s(self._settings), now + self._settings.removal_timeout_s
        while await self._look() is FarVerdict.WAIT and self._ref.kind in REPLICATION_KINDS:
            hurried = await jobs.cancel_now(self._db, self._ref.job_id)
            await workloads.ask_to_stop(self._db, self._pod, StopAsked.NOW if hurried else StopAsked.END)
            if loop.time() >= (at_once if hurried else in_order):
                break
            await self._pause()
        await self._write_unless_final(failure)

    async def _write_unless_final(self, failure: Failure) -> None:
        """The last look at the markers comes after everything else that was looked at. Raises StorageError."""
        await self._pause()
        if not (await self._markers.read()).final:
            await self._end.write(failure)

    # --- words ---

    async def _tell(self) -> None:
        reason = f"pod {self._pod} runs on {self._place.dataplane}, where {self._unseen()}"
        told = f"{reason}: {self._settings.dataplane} follows it by its markers and its lease"
        _log.warning("pod watched from afar", job_id=self._ref.job_id, pod=self._pod, why=reason)
        await jobs.note(self._db, self._ref.job_id, "watched from afar", reason=told)

    def _unseen(self) -> str:
        at = self._place.watched_at
        if at is None:
            return "no Temporal worker that watches pods was ever seen"
        return f"no Temporal worker that watches pods was seen since {at:%Y-%m-%d %H:%M:%S} UTC"

    def _lost(self) -> Failure:
        return of_platform(
            FailureType.ORCHESTRATOR_LOST,
            f"the pod's host is out of reach: on {self._place.dataplane} {self._unseen()}, the pod left no result, and "
            f"its lease is over for {self._place.lease_over_s:.0f} s",
        )
