"""Runs that were reset: they go on with what their first run took, with its pods, and never write twice over it."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest
from cut_off import Stand
from desk import SOURCE, Desk, operation
from rows import SUCCEEDED, close_attempt, open_attempt, open_with_catalog, request, sync_input
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from test_launching import Launcher

from activities.means import Means
from activities.workloads import WorkloadActivities
from airbyte_workers.jobs.reconciliation import Seen, Sighting
from airbyte_workers.models import AttemptRef, Launched, OpenJob
from airbyte_workers.names import JobKind, Role
from airbyte_workers.orchestrator.markers import Marker, Markers
from airbyte_workers.pods.pod import ContainerStatus, PodSpec, PodStatus
from airbyte_workers.settings import Settings
from airbyte_workers.store import jobs, opening, states
from airbyte_workers.store.objects import open_objects
from airbyte_workers.store.sealing import Seal

pytestmark = pytest.mark.postgres
POD = "replication-job-1-attempt-0"
ENDED = (ContainerStatus(Role.ORCHESTRATOR, running=False),)


# --- reset to the beginning -------------------------------------------------------------------------------------------


async def handed(desk: Desk, **run: str) -> OpenJob:
    source = {"image": SOURCE, "config_id": await desk.hand_over({"password": "hunter2"})}
    destination = {"command": ["destination-jsonl"], "config_id": await desk.hand_over({"path": "out"})}
    asked = request(sync_input(source=source, destination=destination), "first")
    return asked.model_copy(update={"first_run_id": "first"} | run)


async def test_a_run_that_is_reset_to_its_beginning_works_with_what_its_first_run_took(desk: Desk) -> None:
    asked = await handed(desk)
    first = await desk.open(asked, allow_local_commands=True)
    await open_attempt(desk.db, first.job_id, 0)
    await close_attempt(desk.db, first.job_id, 0, SUCCEEDED)
    again = await desk.open(asked.model_copy(update={"run_id": "second"}), allow_local_commands=True)
    assert again.job_id != first.job_id
    connectors = (await desk.job(again.job_id)).connectors
    assert connectors[Role.SOURCE].config == {"password": "hunter2"}
    assert connectors[Role.DESTINATION].config == {"path": "out"}


@pytest.mark.parametrize("change", [{"first_run_id": "second"}, {"workflow_id": "sync/other"}])
async def test_nobody_else_gets_what_was_taken(desk: Desk, change: dict[str, str]) -> None:
    asked = await handed(desk)
    first = await desk.open(asked, allow_local_commands=True)
    await open_attempt(desk.db, first.job_id, 0)
    await close_attempt(desk.db, first.job_id, 0, SUCCEEDED)
    with pytest.raises(ApplicationError, match="it was used already"):
        await desk.open(asked.model_copy(update={"run_id": "second"} | change), allow_local_commands=True)


async def test_a_question_that_is_asked_again_has_its_config_too(desk: Desk) -> None:
    typed = {"image": SOURCE, "config_id": str(await desk.hand_over({"password": "hunter2"}))}
    asked = operation("check", typed, "first")
    await desk.open(asked)
    again = await desk.open(asked.model_copy(update={"run_id": "second", "first_run_id": "first"}))
    assert (await desk.job(again.job_id)).connectors[Role.MAIN].config == {"password": "hunter2"}


async def test_a_run_that_goes_on_with_a_job_finds_its_row(desk: Desk) -> None:
    """Its first run opened it; what the reset has in its history already is not asked for again."""
    stand = Stand(desk)
    job_id = await stand.job()
    await stand.say(job_id, Sighting(Seen.CLOSED, "terminated", successor="second", successor_job=job_id))
    await stand.round()
    found = await opening.open_sync(desk.db, desk.seal, request(sync_input(), "second"))
    assert found == job_id


# --- reset into the middle --------------------------------------------------------------------------------------------


class Idle(Launcher):
    """Nothing may be launched."""

    async def launch(self, spec: PodSpec) -> PodStatus:
        raise AssertionError("a second pod")


async def launched(db: asyncpg.Pool, seal: Seal, folder: Path, launcher: Launcher, job_id: int) -> Launched:
    """What the launch of the job's first attempt returns."""
    settings = Settings(home=folder, database_url="postgresql://nowhere")
    objects = open_objects(settings)
    activities = WorkloadActivities(Means(db, seal, settings, objects, {"process": launcher}))
    ref = AttemptRef(job_id=job_id, attempt=0, kind=JobKind.SYNC)
    return await ActivityEnvironment().run(activities.launch_workload, ref)


async def begun(db: asyncpg.Pool, seal: Seal, *, committed: bool) -> int:
    """A job whose first attempt has, or has not, committed something."""
    job_id = await open_with_catalog(db, seal)
    await jobs.set_launcher(db, job_id, "process", "as asked for")
    attempt = await open_attempt(db, job_id, 0)
    if committed:
        writer = states.Writer(1, job_id, 0, attempt.fence)
        await states.commit(db, writer, [states.StateRow("STREAM", "users", None, "{}", seq=3)], [])
    return job_id


async def test_an_attempt_that_has_committed_gets_no_second_pod_under_its_fence(
    db: asyncpg.Pool, seal: Seal, tmp_path: Path
) -> None:
    """A new pod would count its states from 1 again, and what it commits would be taken for older. Its watcher tells
    how the first one ended."""
    job_id = await begun(db, seal, committed=True)
    markers = Markers(open_objects(Settings(home=tmp_path)), POD)
    await markers.write(Marker.SUCCESS, b"{}")
    launcher = Idle(None)
    done = await launched(db, seal, tmp_path, launcher, job_id)
    assert (done.launched, launcher.removed) == (True, [])
    assert (await markers.read()).marker is Marker.SUCCESS


async def test_an_attempt_that_has_committed_nothing_is_launched_once_more(
    db: asyncpg.Pool, seal: Seal, tmp_path: Path
) -> None:
    job_id = await begun(db, seal, committed=False)
    markers = Markers(open_objects(Settings(home=tmp_path)), POD)
    await markers.write(Marker.FAILURE, b"{}")
    assert (await launched(db, seal, tmp_path, Launcher(None), job_id)).launched
    assert (await markers.read()).marker is Marker.NOT_STARTED


async def test_a_pod_that_has_committed_is_left_to_go_on_though_its_launch_was_never_written_down(
    db: asyncpg.Pool, seal: Seal, tmp_path: Path
) -> None:
    """The Temporal worker was killed between the last start and its record."""
    job_id = await begun(db, seal, committed=True)
    launcher = Idle(None, alive=ENDED, run=(await jobs.read_job(db, seal, job_id)).run_id)
    assert (await launched(db, seal, tmp_path, launcher, job_id)).launched
    assert launcher.removed == []


async def test_a_pod_that_lives_is_adopted_whatever_it_has_committed(
    db: asyncpg.Pool, seal: Seal, tmp_path: Path
) -> None:
    job_id = await begun(db, seal, committed=True)
    launcher = Launcher(None, alive=ENDED, run=(await jobs.read_job(db, seal, job_id)).run_id)
    assert (await launched(db, seal, tmp_path, launcher, job_id)).launched
    assert launcher.removed == []


async def test_a_job_that_has_ended_gets_no_pod(db: asyncpg.Pool, seal: Seal, tmp_path: Path) -> None:
    job_id = await begun(db, seal, committed=False)
    await close_attempt(db, job_id, 0, SUCCEEDED)
    with pytest.raises(ApplicationError, match=rf"^JobEnded: job {job_id} has ended \(succeeded\)$") as refused:
        await launched(db, seal, tmp_path, Launcher(AssertionError("nothing is launched")), job_id)
    assert refused.value.non_retryable
