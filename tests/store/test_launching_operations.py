"""Launching the pods that ask connectors: whose failure it is, when a job runs, and who waits for a place."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from desk import DESTINATION, SOURCE, Desk, operation, sync
from rows import CATALOG, open_attempt
from still_launcher import StillLauncher
from temporalio.testing import ActivityEnvironment

from activities.workloads import WorkloadActivities
from airbyte_workers.models import AttemptRef, FailureOrigin, FailureType, JobStatus, Launched
from airbyte_workers.names import REPLICATION_KINDS, JobKind, Role, pod_name
from airbyte_workers.pods.pod import LaunchFailed, PodSpec, PodStatus, Program
from airbyte_workers.store import jobs, workloads
from airbyte_workers.store.workloads import Workload

pytestmark = pytest.mark.postgres
ASKING = (JobKind.SPEC, JobKind.CHECK, JobKind.DISCOVER)
OTHER = "acme/postgres:1"
"""An image whose name does not tell what it is."""


@dataclass
class Launcher(StillLauncher):
    """Launches, or fails where it is told to."""

    prepares: Exception | None = None
    launches: Exception | None = None
    seen: list[str] = field(default_factory=list)

    async def prepare(self, program: Program) -> str:
        if self.prepares is not None:
            raise self.prepares
        return str(program)

    async def launch(self, spec: PodSpec) -> PodStatus:
        if self.launches is not None:
            raise self.launches
        self.seen.append(spec.name)
        return PodStatus(spec.name)


async def launch(desk: Desk, ref: AttemptRef, launcher: Launcher, **settings: Any) -> Launched:
    activities = WorkloadActivities(desk.means(launcher, dataplane="here", **settings))
    return await ActivityEnvironment().run(activities.launch_workload, ref)


async def asked_by(desk: Desk, kind: JobKind, image: str) -> AttemptRef:
    """The one pod of a job that asks an image by itself."""
    plan = await desk.open(operation(str(kind), {"image": image}))
    return AttemptRef(job_id=plan.job_id, attempt=0, kind=kind)


async def asked_by_sync(desk: Desk, kind: JobKind, of: Role | None) -> AttemptRef:
    plan = await desk.open(sync({"image": OTHER}, {"image": OTHER}))
    return AttemptRef(job_id=plan.job_id, attempt=0, kind=kind, of=of)


async def attempt_of_sync(desk: Desk) -> AttemptRef:
    plan = await desk.open(sync({"image": SOURCE}, {"image": DESTINATION}))
    await jobs.set_catalog(desk.db, await desk.job(plan.job_id), CATALOG, "sha")
    await open_attempt(desk.db, plan.job_id, 0)
    return AttemptRef(job_id=plan.job_id, attempt=0, kind=JobKind.SYNC)


async def eventually(is_so: Callable[[], Awaitable[bool]]) -> None:
    while not await is_so():
        await asyncio.sleep(0.02)


# --- whose failure it is ---

FAILING = {
    "prepares": lambda: Launcher(prepares=LaunchFailed("no such image")),
    "launches": lambda: Launcher(launches=LaunchFailed("no such program", origin="main")),
}


@pytest.mark.parametrize("fails", FAILING)
@pytest.mark.parametrize(
    ("image", "origin"),
    [
        (SOURCE, FailureOrigin.SOURCE),
        (DESTINATION, FailureOrigin.DESTINATION),
        ("destination.example/airbyte/source-x:1", FailureOrigin.SOURCE),
        (OTHER, FailureOrigin.SOURCE),
    ],
)
async def test_of_a_connector_asked_by_itself_its_name_tells_whose_failure_it_is(
    desk: Desk, fails: str, image: str, origin: FailureOrigin
) -> None:
    for kind in ASKING:
        launched = await launch(desk, await asked_by(desk, kind, image), FAILING[fails]())
        assert launched.failure is not None
        assert (launched.failure.origin, launched.failure.type) == (origin, FailureType.CONFIG_ERROR)


@pytest.mark.parametrize("fails", FAILING)
@pytest.mark.parametrize(
    ("kind", "of", "origin"),
    [
        (JobKind.SPEC, Role.SOURCE, FailureOrigin.SOURCE),
        (JobKind.SPEC, Role.DESTINATION, FailureOrigin.DESTINATION),
        (JobKind.CHECK, Role.DESTINATION, FailureOrigin.DESTINATION),
        (JobKind.DISCOVER, None, FailureOrigin.SOURCE),
    ],
)
async def test_of_a_syncs_connector_its_place_tells_whatever_its_name(
    desk: Desk, fails: str, kind: JobKind, of: Role | None, origin: FailureOrigin
) -> None:
    launched = await launch(desk, await asked_by_sync(desk, kind, of), FAILING[fails]())
    assert launched.failure is not None
    assert (launched.failure.origin, launched.failure.type) == (origin, FailureType.CONFIG_ERROR)


async def test_what_is_wrong_with_the_host_is_no_connectors_failure(desk: Desk) -> None:
    launcher = Launcher(launches=LaunchFailed("no space left"))
    launched = await launch(desk, await asked_by(desk, JobKind.CHECK, SOURCE), launcher)
    assert launched.failure is not None
    assert launched.failure.origin is FailureOrigin.PLATFORM
    assert launched.failure.type is FailureType.LAUNCH_FAILED


async def test_a_secret_that_is_not_there_is_refused_before_anything_runs(desk: Desk) -> None:
    typed = {"image": SOURCE, "config": {"pass": {"_secret": "env:AIRBYTE_SECRET_NOT_THERE"}}}
    plan = await desk.open(operation("check", typed))
    launcher = Launcher()
    launched = await launch(desk, AttemptRef(job_id=plan.job_id, attempt=0, kind=JobKind.CHECK), launcher)
    assert launched.failure is not None
    assert launched.failure.type is FailureType.CONFIG_ERROR
    assert "AIRBYTE_SECRET_NOT_THERE" in launched.failure.message
    assert launcher.seen == []


# --- when a job runs ---


@pytest.mark.parametrize("kind", ASKING)
async def test_a_job_runs_once_its_own_pod_does(desk: Desk, kind: JobKind) -> None:
    launcher = Launcher()
    ref = await asked_by(desk, kind, SOURCE)
    assert (await launch(desk, ref, launcher)).launched
    assert launcher.seen == [f"{kind}-job-{ref.job_id}-attempt-0"]
    assert (await desk.job(ref.job_id)).status is JobStatus.RUNNING


@pytest.mark.parametrize("kind", [JobKind.CHECK, JobKind.DISCOVER])
async def test_what_a_job_asks_first_does_not_make_it_run(desk: Desk, kind: JobKind) -> None:
    own = await asked_by(desk, kind, SOURCE)
    await launch(desk, own.model_copy(update={"kind": JobKind.SPEC}), Launcher())
    assert (await desk.job(own.job_id)).status is JobStatus.PENDING
    await launch(desk, own, Launcher())
    assert (await desk.job(own.job_id)).status is JobStatus.RUNNING


async def test_both_connectors_of_a_sync_can_be_asked_at_once(desk: Desk) -> None:
    launcher = Launcher()
    first = await asked_by_sync(desk, JobKind.SPEC, Role.SOURCE)
    refs = [first, first.model_copy(update={"of": Role.DESTINATION})]
    assert all(each.launched for each in await asyncio.gather(*(launch(desk, ref, launcher) for ref in refs)))
    names = [f"spec-job-{first.job_id}-attempt-0-{role}" for role in ("destination", "source")]
    assert sorted(launcher.seen) == names
    assert (await desk.job(first.job_id)).status is JobStatus.PENDING
    assert await desk.db.fetchval("select count(*) from workloads where connection_id is null") == 2


# --- places ---


async def held(desk: Desk, kind: JobKind, dataplane: str = "here") -> str:
    """A pod of another job that has a place."""
    plan = await desk.open(operation("spec", {"image": OTHER}))
    pod = pod_name(kind, plan.job_id, 0)
    workload = Workload(pod, kind, plan.job_id, 0, None, dataplane, "process", 0)
    assert await workloads.claim(desk.db, workload, limit=100, lease_s=600)
    return pod


async def wanting(desk: Desk, kind: JobKind) -> AttemptRef:
    return await (attempt_of_sync(desk) if kind in REPLICATION_KINDS else asked_by(desk, kind, SOURCE))


@pytest.mark.parametrize("kind", [*ASKING, JobKind.SYNC])
async def test_a_launch_waits_until_there_is_a_place_for_its_kind(desk: Desk, kind: JobKind) -> None:
    launcher, ref = Launcher(), await wanting(desk, kind)
    pod = await held(desk, kind)
    launching = asyncio.create_task(launch(desk, ref, launcher, **{f"max_{kind}_workers": 1}))

    async def queued() -> bool:
        return (await desk.job(ref.job_id)).status is JobStatus.QUEUED

    await eventually(queued)
    assert (launcher.seen, launching.done()) == ([], False)
    assert ("queued", f"1 {kind} pods are live on here") in await desk.events(ref.job_id)
    await workloads.release(desk.db, pod, "success")
    assert (await launching).launched
    assert (await desk.job(ref.job_id)).status is JobStatus.RUNNING


@pytest.mark.parametrize("kind", [*ASKING, JobKind.SYNC])
async def test_pods_of_another_kind_or_host_take_no_place(desk: Desk, kind: JobKind) -> None:
    for other in {*ASKING, JobKind.SYNC} - {kind}:
        await held(desk, other)
    await held(desk, kind, dataplane="there")
    ref = await wanting(desk, kind)
    limits = dict.fromkeys(("max_spec_workers", "max_check_workers", "max_discover_workers", "max_sync_workers"), 1)
    assert (await launch(desk, ref, Launcher(), **limits)).launched
    assert "queued" not in [event for event, _ in await desk.events(ref.job_id)]
