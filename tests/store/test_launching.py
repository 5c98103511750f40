"""The activity that launches a pod: a place is given back only with proof that nothing of the pod is there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest
from rows import open_attempt, open_with_catalog
from still_launcher import StillLauncher
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.means import Means
from activities.workloads import WorkloadActivities
from airbyte_workers.models import AttemptRef, FailureOrigin, FailureType
from airbyte_workers.names import JobKind, Role
from airbyte_workers.orchestrator.markers import Marker, Markers
from airbyte_workers.pods.pod import (
    ContainerStatus,
    LauncherAway,
    LaunchFailed,
    PodSpec,
    PodStatus,
    Program,
    RemovalFailed,
)
from airbyte_workers.settings import Settings
from airbyte_workers.store import jobs
from airbyte_workers.store.objects import open_objects
from airbyte_workers.store.sealing import Seal

pytestmark = pytest.mark.postgres
POD = "replication-job-1-attempt-0"


@dataclass
class Launcher(StillLauncher):
    """Fails to launch as it is told, and says of the pod what it is told."""

    error: Exception | None
    left: tuple[str, ...] | Exception = ()
    alive: tuple[ContainerStatus, ...] = ()
    run: str = ""
    removed: list[str] = field(default_factory=list)

    async def prepare(self, program: Program) -> str:
        if self.error is not None:
            raise self.error
        return "/bin/connector"

    async def remains(self, pod: str) -> tuple[str, ...]:
        if isinstance(self.left, Exception):
            raise self.left
        return self.left

    async def remove(self, pod: str) -> None:
        self.removed.append(pod)
        if self.left:
            raise RemovalFailed(f"pod {pod} is still there")

    async def launch(self, spec: PodSpec) -> PodStatus:
        assert self.error is None, "nothing was prepared"
        return await self.inspect(spec.name)

    async def inspect(self, pod: str) -> PodStatus:
        return PodStatus(pod, () if self.removed else self.alive, {"run": self.run})


async def launching(db: asyncpg.Pool, seal: Seal, folder: Path, launcher: Launcher, **settings: object) -> object:
    """What the activity returns or raises for the first attempt of a new job."""
    job_id = await open_with_catalog(db, seal)
    await jobs.set_launcher(db, job_id, "process", "as asked for")
    await open_attempt(db, job_id, 0)
    chosen = Settings(home=folder, database_url="postgresql://nowhere").model_copy(update=settings)
    objects = open_objects(chosen)
    activities = WorkloadActivities(Means(db, seal, chosen, objects, {"process": launcher}))
    ref = AttemptRef(job_id=job_id, attempt=0, kind=JobKind.SYNC)
    try:
        return await ActivityEnvironment().run(activities.launch_workload, ref)
    except ApplicationError as error:
        return error


async def status(db: asyncpg.Pool) -> str:
    return str(await db.fetchval("select status from workloads where pod = $1", POD))


@pytest.mark.parametrize(
    ("left", "kept"),
    [((), False), (("container of it (running)",), True), (LauncherAway("no answer"), True)],
    ids=["nothing is there", "it runs", "nobody knows"],
)
async def test_between_two_tries_a_place_is_kept_unless_nothing_is_there(
    db: asyncpg.Pool, seal: Seal, tmp_path: Path, left: tuple[str, ...] | Exception, kept: bool
) -> None:
    """A pod that was launched before may only not be seen just now: its orchestrator must not be superseded."""
    launcher = Launcher(LaunchFailed("no answer in time", retryable=True), left)

    raised = await launching(db, seal, tmp_path, launcher)

    assert isinstance(raised, ApplicationError)
    assert (raised.type, launcher.removed) == ("LaunchFailed", [])
    assert await status(db) == ("claimed" if kept else "failure")


@pytest.mark.parametrize(("left", "end"), [((), "failure"), (("folder of it",), "claimed")])
async def test_after_the_last_try_the_pod_is_removed_and_what_resists_keeps_its_place(
    db: asyncpg.Pool, seal: Seal, tmp_path: Path, left: tuple[str, ...], end: str
) -> None:
    launcher = Launcher(LaunchFailed("no answer in time", origin="source", retryable=True), left)

    launched = await launching(db, seal, tmp_path, launcher, launch_tries=1)

    assert launched.failure.type is FailureType.LAUNCH_FAILED  # type: ignore[attr-defined]  # a Launched
    assert launched.failure.origin is FailureOrigin.SOURCE  # type: ignore[attr-defined]  # a Launched
    assert (launcher.removed, await status(db)) == ([POD], end)


async def test_what_will_not_pass_is_a_config_error_of_its_connector(
    db: asyncpg.Pool, seal: Seal, tmp_path: Path
) -> None:
    launched = await launching(db, seal, tmp_path, Launcher(LaunchFailed("no such image", origin="source")))

    failure = launched.failure  # type: ignore[attr-defined]  # a Launched
    assert (failure.origin, failure.type) == ("source", FailureType.CONFIG_ERROR)


async def test_a_database_that_takes_too_long_is_no_launch_that_did(
    db: asyncpg.Pool, seal: Seal, tmp_path: Path
) -> None:
    """Its driver raises the same TimeoutError; Temporal tries again, and the pod is left alone."""
    launcher = Launcher(TimeoutError("statement"))

    with pytest.raises(TimeoutError):
        await launching(db, seal, tmp_path, launcher)

    assert launcher.removed == []


async def test_a_launch_that_takes_too_long_says_so(db: asyncpg.Pool, seal: Seal, tmp_path: Path) -> None:
    class Slow(Launcher):
        async def prepare(self, program: Program) -> str:
            await asyncio.sleep(60)
            return ""

    launched = await launching(db, seal, tmp_path, Slow(AssertionError()), launch_timeout_minutes=0.001)

    failure = launched.failure  # type: ignore[attr-defined]  # a Launched
    assert failure.type in (FailureType.LAUNCH_FAILED, FailureType.CONFIG_ERROR)
    assert "did not start within 0.001 min" in failure.message


ENDED = (ContainerStatus(Role.ORCHESTRATOR, running=False),)


# --- markers that are there already -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alive", "run", "kept"),
    [((), "", Marker.NOT_STARTED), (ENDED, "another run", Marker.NOT_STARTED), (ENDED, "", Marker.SUCCESS)],
)
async def test_the_success_of_another_databases_pod_is_none_of_this_one(
    db: asyncpg.Pool, seal: Seal, tmp_path: Path, alive: tuple[ContainerStatus, ...], run: str, kept: Marker
) -> None:
    """A new database counts jobs from 1 again: an old marker of the same name would end the new pod as succeeded.

    A pod of this run that is there is adopted: it may have ended meanwhile, and its marker is its own.
    """
    markers = Markers(open_objects(Settings(home=tmp_path)), POD)
    await markers.write(Marker.SUCCESS, b"{}")
    launcher = Launcher(None, alive=alive, run=run)
    await launching(db, seal, tmp_path, launcher)
    assert (await markers.read()).marker is kept
    assert launcher.removed == ([POD] if run else [])
