"""Watching the pods that ask connectors: what their end is called, and what it leads to."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from desk import SOURCE, Desk, operation, sync
from still_launcher import StillLauncher
from temporalio.testing import ActivityEnvironment

from activities.workloads import WorkloadActivities
from airbyte_workers.models import (
    AttemptOutcome,
    AttemptRef,
    CloseOperation,
    Failure,
    FailureOrigin,
    FailureType,
    JobStatus,
)
from airbyte_workers.names import JobKind, Role, pod_name
from airbyte_workers.orchestrator.markers import Marker, Markers
from airbyte_workers.pods.pod import ContainerStatus, PodStatus
from airbyte_workers.store import workloads
from airbyte_workers.store.workloads import Workload

pytestmark = pytest.mark.postgres
ASKING = (JobKind.SPEC, JobKind.CHECK, JobKind.DISCOVER)
MOMENT = {"spec_timeout_minutes": 0.001, "check_timeout_minutes": 0.001, "discover_timeout_minutes": 0.001}
TOLD_TO_END = Failure(
    origin=FailureOrigin.SOURCE, type=FailureType.MANUAL_CANCELLATION, message="source: the job was cancelled"
)


@dataclass
class Launcher(StillLauncher):
    """A pod whose sidecar runs, and ends in order when it is told to."""

    desk: Desk
    ref: AttemptRef
    runs: bool = True
    done: list[str] = field(default_factory=list)

    async def inspect(self, pod: str) -> PodStatus:
        return PodStatus(pod, (ContainerStatus(Role.SIDECAR, self.runs, None if self.runs else 9),))

    async def terminate(self, pod: str) -> None:
        self.done.append("terminate")
        await self.desk.answered(self.ref, None, [TOLD_TO_END])
        self.runs = False

    async def kill(self, pod: str) -> None:
        self.done.append("kill")

    async def remove(self, pod: str) -> None:
        self.done.append(f"remove {pod}")


def watcher(desk: Desk, launcher: Launcher, **settings: Any) -> WorkloadActivities:
    return WorkloadActivities(desk.means(launcher, dataplane="here", **settings))


async def placed(desk: Desk, kind: JobKind, of: Role | None = None) -> AttemptRef:
    """A pod that has been launched: of a job of its own, or of a sync."""
    asked = operation(str(kind), {"image": SOURCE}) if of is None else sync({"image": SOURCE}, {"image": SOURCE})
    job_id = (await desk.open(asked)).job_id
    pod = pod_name(kind, job_id, 0, of)
    await workloads.claim(desk.db, Workload(pod, kind, job_id, 0, None, "here", "process", 0), limit=9, lease_s=600)
    return AttemptRef(job_id=job_id, attempt=0, kind=kind, of=of)


async def watch(desk: Desk, launcher: Launcher, **settings: Any) -> AttemptOutcome:
    activities = watcher(desk, launcher, **settings)
    return await ActivityEnvironment().run(activities.watch_workload, launcher.ref)


async def place(desk: Desk) -> str:
    return str(await desk.db.fetchval("select status from workloads"))


@pytest.mark.parametrize("of", [None, Role.SOURCE, Role.DESTINATION])
async def test_the_pod_that_was_asked_for_is_watched_and_removed(desk: Desk, of: Role | None) -> None:
    ref = await placed(desk, JobKind.SPEC, of)
    await desk.answered(ref, {"connectionSpecification": {}})
    launcher = Launcher(desk, ref, runs=False)
    assert await watch(desk, launcher) == AttemptOutcome(status="succeeded")
    assert launcher.done == [f"remove {pod_name(ref.kind, ref.job_id, 0, of)}"]
    assert await place(desk) == "success"


@pytest.mark.parametrize("kind", ASKING)
async def test_a_pod_that_took_too_long_is_ended_and_that_is_what_is_told(desk: Desk, kind: JobKind) -> None:
    """Told to end, its sidecar says that it was cancelled; nobody cancelled the job."""
    launcher = Launcher(desk, await placed(desk, kind))
    outcome = await watch(desk, launcher, **MOMENT)
    assert outcome.status == "failed"
    assert [(each.origin, each.type) for each in outcome.failures] == [
        (FailureOrigin.PLATFORM, FailureType.TIMED_OUT),
    ]
    assert launcher.done[0] == "terminate"
    end = await desk.books().close_operation(CloseOperation(ref=launcher.ref, outcome=outcome))
    assert (end.status, end.check) == (JobStatus.FAILED, None)
    assert "the limit" in end.failures[0].message


@pytest.mark.parametrize("kind", ASKING)
async def test_a_cancelled_pod_is_ended_and_its_job_cancelled(desk: Desk, kind: JobKind) -> None:
    launcher = Launcher(desk, await placed(desk, kind))
    environment = ActivityEnvironment()
    beats: asyncio.Queue[None] = asyncio.Queue()
    environment.on_heartbeat = lambda *_: beats.put_nowait(None)
    watching = asyncio.ensure_future(environment.run(watcher(desk, launcher).watch_workload, launcher.ref))
    await beats.get()
    environment.cancel()
    outcome = await watching
    assert (outcome.status, await place(desk)) == ("cancelled", "cancelled")
    end = await desk.books().close_operation(CloseOperation(ref=launcher.ref, outcome=outcome))
    assert (end.status, end.check) == (JobStatus.CANCELLED, None)


@pytest.mark.parametrize("kind", ASKING)
async def test_a_pod_whose_sidecar_is_gone_failed_for_the_platform(desk: Desk, kind: JobKind) -> None:
    launcher = Launcher(desk, await placed(desk, kind), runs=False)
    outcome = await watch(desk, launcher)
    assert [(each.origin, each.type) for each in outcome.failures] == [
        (FailureOrigin.PLATFORM, FailureType.ORCHESTRATOR_LOST)
    ]
    markers = Markers(desk.objects(), pod_name(kind, launcher.ref.job_id, 0))
    assert (await markers.read()).marker is Marker.FAILURE
    end = await desk.books().close_operation(CloseOperation(ref=launcher.ref, outcome=outcome))
    assert (end.status, end.check) == (JobStatus.FAILED, None)


async def test_a_pod_keeps_its_place_as_long_as_somebody_watches_it(desk: Desk) -> None:
    """It renews nothing itself: its lease is its watcher's."""
    launcher = Launcher(desk, await placed(desk, JobKind.CHECK))
    await desk.db.execute("update workloads set lease_until = now()")
    watching = asyncio.ensure_future(watch(desk, launcher))
    async with asyncio.timeout(30):
        while not await desk.db.fetchval("select lease_until > now() + interval '1 minute' from workloads"):
            await asyncio.sleep(0.01)
    await desk.answered(launcher.ref, {"status": "SUCCEEDED"})
    launcher.runs = False
    assert (await watching).status == "succeeded"
