"""Pods of this dataplane that nobody looks after: of jobs that have ended or were cut off, and what removals left."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from activities.means import Means
from activities.pod_specs import DATABASE, RUN
from activities.watching import Watch
from airbyte_workers.jobs.reconciliation import UNRENEWED, Listed, Placed, reason_to_end, reason_to_remove
from airbyte_workers.names import REPLICATION_KINDS
from airbyte_workers.pods.pod import Launcher, LauncherAway, PodStatus, RemovalFailed
from airbyte_workers.store import reaping, workloads
from airbyte_workers.store.database import is_away
from airbyte_workers.store.objects import StorageError
from airbyte_workers.store.reaping import PlacedPod, PodRow
from airbyte_workers.store.transitions import JobGone

_QUIET_S = 60.0  # between a place that is given back and one that is taken again, a launch tries once more
_ENDS_AT_ONCE = 8
_RENEWALS = 5
_LONGEST_PAUSE_S = 600.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Overdue:
    """A pod that has a place though nobody looks after it, and why it goes."""

    pod: PlacedPod
    why: str


@dataclass(frozen=True)
class Stray:
    """A pod that a launcher has and no place is for, and why it goes."""

    launcher: Launcher
    pod: str
    job_id: int | None
    why: str


class Leftovers:
    """Ends and removes them, each in a task of its own: a connector may take its time. End it with `aclose`."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._db = means.db
        self._settings = means.settings
        self._objects = means.objects
        self._launchers = means.launchers
        self._at_once = asyncio.Semaphore(_ENDS_AT_ONCE)
        self._ending: dict[str, asyncio.Task[None]] = {}
        self._listed_before: dict[str, frozenset[str]] = {}
        self._troubles: dict[str, str] = {}
        self._pauses: dict[str, float] = {}
        self._not_before: dict[str, float] = {}

    async def aclose(self) -> None:
        """Leave what is not ended yet to the next Temporal worker."""
        tasks = list(self._ending.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    # --- pods that have a place ---

    async def sweep_places(self, *, leases_count: bool) -> None:
        """Begin to end pods that still have a place though nobody looks after them."""
        for each in await self.overdue(leases_count=leases_count):
            if each.pod.pod not in self._ending and self._is_due(each.pod.pod):
                self._begin(each)

    async def overdue(self, *, leases_count: bool) -> Sequence[Overdue]:
        """Those pods; nothing is done to them. `leases_count`: as `reason_to_end` has it."""
        placed = await reaping.placed(self._db, self._settings.dataplane)
        found = (Overdue(each, reason_to_end(self._facts(each), leases_count=leases_count)) for each in placed)
        return [each for each in found if each.why]

    def _facts(self, pod: PlacedPod) -> Placed:
        is_replication = pod.ref.kind in REPLICATION_KINDS
        return Placed(
            is_replication=is_replication,
            job_ended=pod.job_ended,
            run_over=pod.run_over,
            attempt_ended=pod.attempt_ended,
            lease_over=pod.lease_over_s > (self._settings.lease_margin_seconds if is_replication else 0),
            about_to_start=pod.is_claimed and pod.age_s < self._settings.launch_timeout_minutes * 60 + _QUIET_S,
        )

    def _begin(self, overdue: Overdue) -> None:
        pod = overdue.pod.pod
        task = asyncio.create_task(self._end(overdue))
        self._ending[pod] = task
        task.add_done_callback(lambda _: self._ending.pop(pod, None))

    async def _end(self, overdue: Overdue) -> None:
        pod = overdue.pod.pod
        async with self._at_once:
            try:
                if await self.end(overdue):
                    self._forget(pod)
                else:
                    self._put_off(pod)
            except (LauncherAway, StorageError) as error:
                self._trouble(pod, error)
            except Exception as error:  # a bug of ours keeps no other pod from being ended
                if not is_away(error):
                    self._trouble(pod, error, bug=error)

    async def end(self, overdue: Overdue) -> bool:
        """End it and give its place back, which its job's past tells; False: something of it resists.

        Raises LauncherAway, StorageError, and what a database raises.
        """
        pod, why = overdue.pod, overdue.why
        if why == UNRENEWED and not await self._stays_unrenewed(overdue):
            return False
        if not await self._ended(pod, hangs=why == UNRENEWED):
            return False
        _log.warning("pod removed", pod=pod.pod, job_id=pod.ref.job_id, why=why)
        with suppress(JobGone):  # with whoever would have read of it
            await reaping.tell_removed(self._db, pod.ref.job_id, pod.pod, why)
        return True

    async def _stays_unrenewed(self, overdue: Overdue) -> bool:
        """After time for some renewals: a host that was asleep has a pod that would renew its lease right now, and a
        look may be old."""
        await asyncio.sleep(_RENEWALS * self._settings.progress_interval_s)
        return overdue.why in [
            again.why for again in await self.overdue(leases_count=True) if again.pod.pod == overdue.pod.pod
        ]

    async def _ended(self, pod: PlacedPod, *, hangs: bool) -> bool:
        """Whether it is gone now and its place free. A pod of its name that is another database's is left alone."""
        launcher = self._launchers[pod.launcher]
        seen = await launcher.inspect(pod.pod)
        if seen.exists and seen.labels.get(RUN, pod.run) != pod.run:  # what is half removed may have none
            await workloads.release(self._db, pod.pod, "failure")
            return True
        watch = Watch(self._means, pod.launcher, pod.ref)
        await (watch.end_unrenewed() if hangs else watch.end())
        return not await workloads.is_live(self._db, pod.pod)

    # --- pods that have none ---

    async def sweep_listed(self) -> None:
        """Remove what launchers have and no place is for. Two sweeps must see it: what is being launched takes a
        place first, and what is being removed is gone soon."""
        for name, launcher in self._launchers.items():
            try:
                strays = await self.strays(launcher)
            except LauncherAway as error:  # also of a host that has no engine, and needs none
                _log.debug("pods cannot be listed", launcher=name, error=str(error))
                continue
            for each in strays:
                try:
                    await self.remove(each)
                except RemovalFailed as error:
                    self._trouble(each.pod, error)
                else:
                    self._forget(each.pod)

    async def strays(self, launcher: Launcher) -> Sequence[Stray]:
        """Those of this launcher that the call before saw, too; nothing is done to them. Raises LauncherAway."""
        listed = [each for each in await launcher.list() if each.name not in self._ending]
        rows = await reaping.rows_of(self._db, [each.name for each in listed])
        database = await reaping.installation(self._db)
        before = self._listed_before.get(launcher.name, frozenset())
        self._listed_before[launcher.name] = frozenset(each.name for each in listed)
        found = []
        for each in listed:
            row = rows.get(each.name)
            why = reason_to_remove(facts_of(each, row, database), seen_before=each.name in before)
            found.append(Stray(launcher, each.name, row.job_id if row is not None else None, why))
        return [each for each in found if each.why]

    async def remove(self, stray: Stray) -> None:
        """Remove it, which its job's past tells. Raises RemovalFailed."""
        await stray.launcher.remove(stray.pod)
        _log.warning("pod removed", pod=stray.pod, job_id=stray.job_id, why=stray.why)
        if stray.job_id is not None:
            with suppress(JobGone):
                await reaping.tell_removed(self._db, stray.job_id, stray.pod, stray.why)

    # --- what resists ---

    def _is_due(self, pod: str) -> bool:
        return asyncio.get_running_loop().time() >= self._not_before.get(pod, 0)

    def _put_off(self, pod: str) -> None:
        """What could not be removed is tried again, each time later."""
        first = self._settings.reconcile_interval_s
        pause = self._pauses[pod] = min(2 * self._pauses.get(pod, first / 2), _LONGEST_PAUSE_S)
        self._not_before[pod] = asyncio.get_running_loop().time() + pause

    def _forget(self, pod: str) -> None:
        for kept in (self._troubles, self._pauses, self._not_before):
            kept.pop(pod, None)

    def _trouble(self, pod: str, error: Exception, *, bug: Exception | None = None) -> None:
        """Told once for each reason, however often it is tried."""
        if self._troubles.get(pod) != str(error):
            self._troubles[pod] = str(error)
            _log.error("pod not removed", pod=pod, error=str(error), exc_info=bug)


def facts_of(seen: PodStatus, row: PodRow | None, database: str) -> Listed:
    """What a launcher sees of a pod beside what its row tells, in the database of this name."""
    if row is None:
        return Listed(has_row=False, is_ours=seen.labels.get(DATABASE) == database)
    ours = seen.labels.get(RUN) == row.run
    return Listed(has_row=True, is_ours=ours, is_live=row.is_live, is_quiet=row.quiet_s >= _QUIET_S)
