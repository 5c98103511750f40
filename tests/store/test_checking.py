"""The checks before an attempt: who is asked, what a no means, and what is nobody's failed attempt (C12 to C16)."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from desk import DESTINATION, SOURCE, Desk, sync
from hosts import lease_over, seen
from rows import CATALOG, open_attempt
from still_launcher import StillLauncher
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.workloads import WorkloadActivities
from airbyte_workers.models import (
    AttemptOutcome,
    AttemptRef,
    AttemptSummary,
    CloseAttempt,
    Failure,
    FailureOrigin,
    FailureType,
    JobStatus,
    Launched,
    StreamCounts,
)
from airbyte_workers.names import JobKind, Role
from airbyte_workers.orchestrator.markers import Marker, Markers
from airbyte_workers.pods.pod import ContainerStatus, LaunchFailed, PodSpec, PodStatus
from airbyte_workers.store import history, jobs, workloads
from airbyte_workers.store.workloads import Workload

pytestmark = pytest.mark.postgres
BOTH = (Role.SOURCE, Role.DESTINATION)
SOURCE_CHECK, DESTINATION_CHECK = "check-job-1-attempt-0-source", "check-job-1-attempt-0-destination"
PODS = [SOURCE_CHECK, DESTINATION_CHECK, "replication-job-1-attempt-0"]
YES, NO = {"status": "SUCCEEDED"}, {"status": "FAILED", "message": "no such host"}
Answer = dict[str, Any] | Failure | Exception | None


def failure(kind: FailureType, origin: FailureOrigin = FailureOrigin.SOURCE) -> Failure:
    return Failure(origin=origin, type=kind, message="broke")


@dataclass
class Launcher(StillLauncher):
    """Pods that answer a check with what is in `answers`, or with yes; None: they go on until they are ended."""

    desk: Desk
    answers: Mapping[str, Answer] = field(default_factory=dict)
    launched: list[str] = field(default_factory=list)
    alive: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    done: list[str] = field(default_factory=list)

    async def launch(self, spec: PodSpec) -> PodStatus:
        answer = self.answers.get(spec.name, YES)
        if isinstance(answer, Exception):
            raise answer
        self.launched.append(spec.name)
        self.alive.add(spec.name)
        if spec.name.startswith("check") and answer is not None:
            self.ended.add(spec.name)
            said, failures = (None, [answer]) if isinstance(answer, Failure) else (answer, [])
            await self.desk.answered(_ref(spec.name), said, failures)
        return await self.inspect(spec.name)

    async def inspect(self, pod: str) -> PodStatus:
        role = Role.SIDECAR if pod.startswith("check") else Role.ORCHESTRATOR
        runs = pod not in self.ended
        return PodStatus(pod, (ContainerStatus(role, runs, None if runs else 0),) if pod in self.alive else ())

    async def terminate(self, pod: str) -> None:
        self.done.append(f"terminate {pod}")
        self.alive.discard(pod)

    async def kill(self, pod: str) -> None:
        self.alive.discard(pod)

    async def remove(self, pod: str) -> None:
        self.done.append(f"remove {pod}")
        self.alive.discard(pod)


def _ref(pod: str) -> AttemptRef:
    return AttemptRef(job_id=1, attempt=0, kind=JobKind.CHECK, of=Role(pod.rpartition("-")[2]))


async def attempt(desk: Desk, checks: tuple[Role, ...] = BOTH) -> AttemptRef:
    plan = await desk.open(sync({"image": SOURCE}, {"image": DESTINATION}))
    await jobs.set_catalog(desk.db, await desk.job(plan.job_id), CATALOG, "sha")
    await open_attempt(desk.db, plan.job_id, 0)
    return AttemptRef(job_id=plan.job_id, attempt=0, kind=JobKind.SYNC, checks=checks)


def working(desk: Desk, launcher: Launcher, **settings: Any) -> WorkloadActivities:
    return WorkloadActivities(desk.means(launcher, **({"dataplane": "here"} | settings)))


async def launch(desk: Desk, launcher: Launcher, checks: tuple[Role, ...] = BOTH, **settings: Any) -> Launched:
    ref = await attempt(desk, checks)
    return await ActivityEnvironment().run(working(desk, launcher, **settings).launch_workload, ref)


@asynccontextmanager
async def checking(
    desk: Desk, launcher: Launcher, ref: AttemptRef
) -> AsyncIterator[tuple[ActivityEnvironment, asyncio.Task[Launched]]]:
    """A launch whose check of the source goes on until it is ended."""
    surroundings = ActivityEnvironment()
    launching = asyncio.create_task(surroundings.run(working(desk, launcher).launch_workload, ref))
    async with asyncio.timeout(30):
        while SOURCE_CHECK not in launcher.alive:
            await asyncio.sleep(0.02)
        yield surroundings, launching


async def live(desk: Desk) -> list[str]:
    rows = await desk.db.fetch("select pod from workloads where status in ('claimed', 'launched', 'running')")
    return [row["pod"] for row in rows]


async def test_the_source_is_checked_then_the_destination_then_the_pod_starts(desk: Desk) -> None:
    launcher = Launcher(desk)

    launched = await launch(desk, launcher)

    assert (launched.launched, launched.failure, launcher.launched) == (True, None, PODS)
    assert launcher.alive == {PODS[-1]}
    assert await live(desk) == [PODS[-1]]
    told = [each for each in await desk.events(1) if each[0].startswith("check of")]
    assert told == [("check of the source", "passed"), ("check of the destination", "passed")]


async def test_without_checks_the_pod_starts_at_once(desk: Desk) -> None:
    launcher = Launcher(desk)
    assert (await launch(desk, launcher, ())).launched
    assert launcher.launched == PODS[-1:]


async def test_of_a_clear_only_the_destination_is_checked(desk: Desk) -> None:
    launcher = Launcher(desk)
    assert (await launch(desk, launcher, (Role.DESTINATION,))).launched
    assert launcher.launched == PODS[1:]


@pytest.mark.parametrize(("pod", "asked"), [(SOURCE_CHECK, PODS[:1]), (DESTINATION_CHECK, PODS[:2])])
async def test_a_no_is_a_config_error_and_nothing_else_is_started(desk: Desk, pod: str, asked: list[str]) -> None:
    launcher = Launcher(desk, {pod: NO})

    launched = await launch(desk, launcher)

    told = launched.failure
    assert told is not None
    assert (launched.launched, told.type, told.message) == (
        False,
        FailureType.CONFIG_ERROR,
        "the check failed: no such host",
    )
    assert (told.origin, told.command) == (pod.rpartition("-")[2], "check")
    assert launcher.launched == asked
    assert (launcher.alive, await live(desk)) == (set(), [])
    assert (await desk.job(1)).status is JobStatus.PENDING


@pytest.mark.parametrize(
    "kind",
    [
        FailureType.SYSTEM_ERROR,
        FailureType.OUT_OF_MEMORY,
        FailureType.NO_RESULT,
        FailureType.TIMED_OUT,
        FailureType.NEVER_OPENED,
    ],
)
async def test_a_connector_that_breaks_in_its_check_fails_the_attempt_as_what_it_is(
    desk: Desk, kind: FailureType
) -> None:
    launcher = Launcher(desk, {SOURCE_CHECK: failure(kind)})

    told = (await launch(desk, launcher)).failure

    assert told is not None
    assert (told.origin, told.type, told.command) == (FailureOrigin.SOURCE, kind, "check")
    assert told.message == "the check of the source ended without an answer: broke"
    assert launcher.launched == [SOURCE_CHECK]


@pytest.mark.parametrize("kind", [FailureType.ORCHESTRATOR_LOST, FailureType.EXIT_UNKNOWN])
async def test_a_check_that_could_not_run_is_tried_again_by_temporal(desk: Desk, kind: FailureType) -> None:
    launcher = Launcher(desk, {SOURCE_CHECK: failure(kind, FailureOrigin.PLATFORM)})

    with pytest.raises(ApplicationError, match="the source could not be checked: broke") as raised:
        await launch(desk, launcher)

    assert not raised.value.non_retryable
    assert launcher.launched == [SOURCE_CHECK]
    assert await live(desk) == []


async def test_a_check_that_somebody_else_ended_is_tried_again(desk: Desk) -> None:
    """A shutdown of the host, not a cancel: nobody asked for one."""
    launcher = Launcher(desk, {SOURCE_CHECK: failure(FailureType.MANUAL_CANCELLATION)})
    with pytest.raises(ApplicationError, match="could not be checked: the pod was told to end, but not by us"):
        await launch(desk, launcher)


async def test_tries_are_counted_by_what_failed_not_by_temporal(desk: Desk) -> None:
    """Workers that were lost in between use none of them up."""
    launcher = Launcher(desk, {SOURCE_CHECK: LaunchFailed("no answer in time", retryable=True)})
    ref = await attempt(desk)
    fiftieth = ActivityEnvironment()
    fiftieth.info = dataclasses.replace(fiftieth.info, attempt=50)
    with pytest.raises(ApplicationError, match="no answer in time"):
        await fiftieth.run(working(desk, launcher, launch_tries=2).launch_workload, ref)
    launched = await fiftieth.run(working(desk, launcher, launch_tries=2).launch_workload, ref)
    assert launched.failure is not None
    assert launched.failure.type is FailureType.LAUNCH_FAILED


async def test_after_the_last_try_a_check_that_could_not_run_fails_the_attempt(desk: Desk) -> None:
    launcher = Launcher(desk, {SOURCE_CHECK: failure(FailureType.ORCHESTRATOR_LOST, FailureOrigin.PLATFORM)})
    told = (await launch(desk, launcher, launch_tries=1)).failure
    assert told is not None
    assert (told.origin, told.type) == (FailureOrigin.PLATFORM, FailureType.LAUNCH_FAILED)


async def test_a_check_whose_pod_cannot_start_gives_its_place_back(desk: Desk) -> None:
    launcher = Launcher(desk, {SOURCE_CHECK: LaunchFailed("no answer in time", retryable=True)})
    with pytest.raises(ApplicationError, match="no answer in time"):
        await launch(desk, launcher)
    assert await live(desk) == []


@pytest.mark.parametrize("ended", [False, True])
async def test_a_pod_that_was_started_before_is_adopted_unchecked(desk: Desk, ended: bool) -> None:
    """The worker was lost between the launch and its answer; the sync may have ended meanwhile."""
    launcher = Launcher(desk, alive={PODS[-1]}, ended={PODS[-1]} if ended else set())
    assert (await launch(desk, launcher)).launched
    assert launcher.launched == PODS[-1:]


async def test_a_cancel_ends_the_check_and_starts_nothing(desk: Desk) -> None:
    launcher = Launcher(desk, {SOURCE_CHECK: None})
    async with checking(desk, launcher, await attempt(desk)) as (surroundings, launching):
        surroundings.cancel()
        with pytest.raises(asyncio.CancelledError):
            await launching

    assert (launcher.launched, launcher.alive, await live(desk)) == ([SOURCE_CHECK], set(), [])
    assert f"remove {SOURCE_CHECK}" in launcher.done


async def test_checks_wait_for_a_place_of_their_own_and_keep_the_attempts(desk: Desk) -> None:
    other = Workload("check-job-9-attempt-0", JobKind.CHECK, 1, 0, None, "here", "process", 0)
    ref, launcher = await attempt(desk), Launcher(desk)
    await workloads.claim(desk.db, other, limit=1, lease_s=600)
    activities = working(desk, launcher, max_check_workers=1)
    launching = asyncio.create_task(ActivityEnvironment().run(activities.launch_workload, ref))
    async with asyncio.timeout(30):
        while (await desk.job(1)).status is not JobStatus.QUEUED:
            await asyncio.sleep(0.02)
        assert launcher.launched == []
        assert PODS[-1] in await live(desk)
        await workloads.release(desk.db, other.pod, "success")
        assert (await launching).launched
    assert launcher.launched == PODS
    moves = [event for event, _ in await desk.events(1) if event in {"queued", "pending", "running"}]
    assert moves == ["queued", "pending", "running"]


# --- what a cancel finds ---


async def end(desk: Desk, launcher: Launcher, ref: AttemptRef) -> AttemptOutcome:
    return await ActivityEnvironment().run(working(desk, launcher).end_workload, ref)


async def test_a_check_that_nobody_looked_after_at_the_cancel_is_ended(desk: Desk) -> None:
    """Its worker was lost, and no other one takes up what is cancelled."""
    ref, launcher = await attempt(desk), Launcher(desk, alive={SOURCE_CHECK})
    for pod, kind in ((PODS[-1], JobKind.SYNC), (SOURCE_CHECK, JobKind.CHECK)):
        await workloads.claim(desk.db, Workload(pod, kind, 1, 0, None, "here", "process", 1), limit=1, lease_s=600)

    assert (await end(desk, launcher, ref)).status == "cancelled"

    assert (launcher.alive, await live(desk)) == (set(), [])


async def test_a_check_on_another_host_is_ended_by_whoever_serves_that(desk: Desk) -> None:
    """Nobody may be there: the cancel does not wait."""
    ref, launcher = await attempt(desk), Launcher(desk, alive={SOURCE_CHECK})
    check = Workload(SOURCE_CHECK, JobKind.CHECK, 1, 0, None, "there", "process", 1)
    await workloads.claim(desk.db, check, limit=1, lease_s=600)

    assert (await end(desk, launcher, ref)).status == "cancelled"

    assert (launcher.alive, await live(desk)) == ({SOURCE_CHECK}, [SOURCE_CHECK])


async def test_markers_of_another_database_prove_nothing(desk: Desk) -> None:
    """The database was made anew and counts jobs from 1 again; object storage was kept."""
    summary = AttemptSummary(status="succeeded", streams=(StreamCounts(name="users", records_committed=9),))
    ref, launcher = await attempt(desk), Launcher(desk)
    await Markers(desk.objects(), PODS[-1]).write(Marker.SUCCESS, summary.model_dump_json().encode())
    await workloads.claim(
        desk.db, Workload(PODS[-1], JobKind.SYNC, 1, 0, None, "here", "process", 1), limit=1, lease_s=600
    )

    outcome = await end(desk, launcher, ref)
    await desk.books().close_attempt(CloseAttempt(ref=ref, outcome=outcome))

    assert outcome == AttemptOutcome(status="cancelled")
    report = await history.report(desk.db, 1)
    assert (report.attempts[0].status, report.records_committed) == ("failed", 0)
    assert await live(desk) == []


# --- workers that stop, and other hosts ---


async def test_a_worker_that_stops_leaves_nothing_that_another_host_would_wait_for(desk: Desk) -> None:
    launcher, ref = Launcher(desk, {SOURCE_CHECK: None}), await attempt(desk)
    async with checking(desk, launcher, ref) as (surroundings, launching):
        surroundings.worker_shutdown()
        with pytest.raises(ApplicationError) as raised:
            await launching

    assert raised.value.type == "WorkerShutdown"
    assert (launcher.alive, await live(desk)) == (set(), [])
    there = working(desk, Launcher(desk), dataplane="there")
    assert (await ActivityEnvironment().run(there.launch_workload, ref)).launched
    assert await workloads.dataplane_of(desk.db, PODS[-1]) == "there"


@pytest.mark.parametrize("pod", [PODS[-1], SOURCE_CHECK])
async def test_what_has_a_place_on_another_host_is_left_to_a_worker_there(desk: Desk, pod: str) -> None:
    """Its worker was killed: the pod may run there."""
    ref, launcher = await attempt(desk), Launcher(desk)
    kind = JobKind.CHECK if pod is SOURCE_CHECK else JobKind.SYNC
    await workloads.claim(desk.db, Workload(pod, kind, 1, 0, None, "there", "process", 1), limit=1, lease_s=600)

    with pytest.raises(ApplicationError, match=f"pod {pod} has its place on there"):
        await ActivityEnvironment().run(working(desk, launcher).launch_workload, ref)

    assert launcher.launched == []
    assert await workloads.dataplane_of(desk.db, pod) == "there"
    await seen(desk.db, "here")
    await lease_over(desk.db, pod, 1)
    with pytest.raises(ApplicationError, match=f"pod {pod} has its place on there"):
        await ActivityEnvironment().run(working(desk, launcher).launch_workload, ref)
    await lease_over(desk.db, pod)
    assert (await ActivityEnvironment().run(working(desk, launcher).launch_workload, ref)).launched
    assert await workloads.dataplane_of(desk.db, pod) == "here"
