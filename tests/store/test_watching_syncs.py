"""Watching the pod of a sync: it goes on without its watcher, and what counts is what the database has."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest
from desk import DESTINATION, SOURCE, Desk, sync
from outage import way_to
from rows import open_attempt
from still_launcher import StillLauncher
from temporalio.activity import ActivityCancellationDetails
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities import watching as watching_module
from activities.workloads import WorkloadActivities
from airbyte_workers.models import (
    AttemptOutcome,
    AttemptRef,
    AttemptSummary,
    Failure,
    FailureOrigin,
    FailureType,
    StreamCounts,
)
from airbyte_workers.names import JobKind, Role
from airbyte_workers.orchestrator.markers import Marker, Markers
from airbyte_workers.pods.pod import ContainerStatus, LauncherAway, PodStatus, RemovalFailed
from airbyte_workers.store import journals, states, workloads
from airbyte_workers.store.database import connected, is_away
from airbyte_workers.store.journals import Entry, Journal, States
from airbyte_workers.store.states import StateRow, Writer
from airbyte_workers.store.workloads import Workload

pytestmark = pytest.mark.postgres
POD = "replication-job-1-attempt-0"
HURRY = {
    "shutdown_grace_period_s": 0.01,
    "shutdown_term_period_s": 0.01,
    "exit_code_timeout_s": 0.01,
    "removal_timeout_s": 0.01,
    "removal_tries": 1,
    "marker_poll_interval_ms": 10,
}


@dataclass
class Launcher(StillLauncher):
    """A pod whose orchestrator runs, and takes no notice of what it is told; `resists`: it cannot be removed."""

    runs: bool = True
    resists: bool = False
    done: list[str] = field(default_factory=list)
    kept: bytes | None = None
    away_for: int = 0

    async def journal(self, pod: str) -> bytes | None:
        if self.away_for:
            self.away_for -= 1
            raise LauncherAway("no engine answers")
        return None if "remove" in self.done else self.kept

    async def inspect(self, pod: str) -> PodStatus:
        return PodStatus(pod, (ContainerStatus(Role.ORCHESTRATOR, self.runs, None if self.runs else 9),))

    async def terminate(self, pod: str) -> None:
        self.done.append("terminate")

    async def kill(self, pod: str) -> None:
        self.done.append("kill")
        self.runs = False

    async def remove(self, pod: str) -> None:
        self.done.append("remove")
        if self.resists:
            raise RemovalFailed(f"pod {pod} is still there")


async def launched(desk: Desk) -> AttemptRef:
    """A sync whose first pod was launched here."""
    job_id = (await desk.open(sync({"image": SOURCE}, {"image": DESTINATION}))).job_id
    attempt = await open_attempt(desk.db, job_id, 0)
    place = Workload(POD, JobKind.SYNC, job_id, 0, 1, "here", "process", attempt.fence)
    await workloads.claim(desk.db, place, limit=9, lease_s=600)
    await workloads.cleared(desk.db, POD)
    await workloads.launched(desk.db, POD)
    return AttemptRef(job_id=job_id, attempt=0, kind=JobKind.SYNC)


def watcher(desk: Desk, launcher: Launcher, db: asyncpg.Pool | None = None, **settings: Any) -> WorkloadActivities:
    means = desk.means(launcher, **({"dataplane": "here"} | HURRY | settings))
    return WorkloadActivities(dataclasses.replace(means, db=db or desk.db))


@asynccontextmanager
async def watching(
    desk: Desk, launcher: Launcher, ref: AttemptRef, db: asyncpg.Pool | None = None
) -> AsyncIterator[tuple[ActivityEnvironment, asyncio.Task[AttemptOutcome]]]:
    """A watch that has begun."""
    surroundings, beats = ActivityEnvironment(), asyncio.Event()
    surroundings.on_heartbeat = lambda *_: beats.set()
    async with asyncio.timeout(30):
        task = asyncio.create_task(surroundings.run(watcher(desk, launcher, db).watch_workload, ref))
        await beats.wait()
        yield surroundings, task


async def ended(desk: Desk, summary: AttemptSummary) -> None:
    """The pod has come to its end by itself."""
    marker = Marker.SUCCESS if summary.status == "succeeded" else Marker.FAILURE
    await Markers(desk.objects(), POD).write(marker, summary.model_dump_json().encode())


async def place(desk: Desk) -> str:
    return str(await desk.db.fetchval("select status from workloads"))


# --- a pod needs no watcher ---


async def test_a_worker_that_stops_leaves_the_pod_alone_and_the_next_one_takes_up_its_end(desk: Desk) -> None:
    ref, launcher = await launched(desk), Launcher()
    async with watching(desk, launcher, ref) as (surroundings, watch):
        surroundings.worker_shutdown()
        with pytest.raises(ApplicationError) as raised:
            await watch
    assert (raised.value.type, raised.value.non_retryable) == ("WorkerShutdown", False)
    assert (launcher.done, await place(desk)) == ([], "launched")
    await ended(desk, AttemptSummary(status="succeeded"))
    launcher.runs = False
    outcome = await ActivityEnvironment().run(watcher(desk, launcher).watch_workload, ref)
    assert (outcome.status, launcher.done, await place(desk)) == ("succeeded", ["remove"], "success")


@pytest.mark.parametrize(
    "how",
    [
        {"timed_out": True},
        {"timed_out": True, "not_found": True},
        {"not_found": True},
        {"worker_shutdown": True},
        {"paused": True},
    ],
)
async def test_a_watch_that_temporal_has_lost_leaves_the_pod_alone(desk: Desk, how: dict[str, bool]) -> None:
    """No heartbeat got through for a while, or the worker's time to stop is over: nobody asked for the job's end, and
    Temporal, which is away, cannot say that the run is closed."""
    ref, launcher = await launched(desk), Launcher()
    async with watching(desk, launcher, ref) as (surroundings, watch):
        surroundings.cancel(ActivityCancellationDetails(**how))
        with pytest.raises(asyncio.CancelledError):
            await watch
    assert (launcher.done, await place(desk)) == ([], "launched")


async def test_a_watch_without_its_database_is_begun_again_and_leaves_the_pod_alone(
    desk: Desk, server_url: str
) -> None:
    ref, launcher = await launched(desk), Launcher()
    async with way_to(desk.db, server_url) as way, connected(way.url, size=2, timeout=20) as by_way:
        async with watching(desk, launcher, ref, by_way) as (_, watch):
            await way.cut()
            with pytest.raises(Exception) as raised:  # noqa: PT011  # whatever the driver says
                await watch
        assert is_away(raised.value)
        await way.open()
    assert (launcher.done, await place(desk)) == ([], "launched")


# --- what its end counts as ---


async def test_what_a_pod_says_it_committed_counts_only_as_far_as_the_database_has_it(desk: Desk) -> None:
    """Whether the next attempt waits depends on it."""
    ref = await launched(desk)
    await states.commit(desk.db, Writer(1, ref.job_id, 0, 1), [], [StreamCounts(name="users", records_committed=5)])
    await ended(desk, AttemptSummary(status="failed", streams=(StreamCounts(name="users", records_committed=9),)))
    outcome = await ActivityEnvironment().run(watcher(desk, Launcher(runs=False)).watch_workload, ref)
    assert (outcome.status, outcome.records_committed) == ("failed", 5)


async def test_what_a_pod_says_at_length_crosses_temporal_in_short(desk: Desk) -> None:
    ref = await launched(desk)
    long = Failure(origin=FailureOrigin.SOURCE, type=FailureType.SYSTEM_ERROR, message="x" * 20_000)
    told = tuple(long.model_copy(update={"internal_message": f"{number}"}) for number in range(10))
    await ended(desk, AttemptSummary(status="failed", failures=told))
    outcome = await ActivityEnvironment().run(watcher(desk, Launcher(runs=False)).watch_workload, ref)
    assert len(outcome.model_dump_json()) < 4000


async def test_a_pod_whose_orchestrator_is_gone_without_a_word_is_lost(desk: Desk) -> None:
    ref, launcher = await launched(desk), Launcher(runs=False)
    outcome = await ActivityEnvironment().run(watcher(desk, launcher).watch_workload, ref)
    assert [(each.origin, each.type) for each in outcome.failures] == [
        (FailureOrigin.PLATFORM, FailureType.ORCHESTRATOR_LOST)
    ]
    assert (await Markers(desk.objects(), POD).read()).marker is Marker.FAILURE


# --- its end ---


async def test_a_cancelled_pod_that_does_not_listen_is_ended_by_force_after_its_time(desk: Desk) -> None:
    ref, launcher = await launched(desk), Launcher()
    async with watching(desk, launcher, ref) as (surroundings, watch):
        surroundings.cancel()
        outcome = await watch
    assert launcher.done == ["terminate", "kill", "remove"]
    assert (outcome.status, await place(desk)) == ("cancelled", "cancelled")


async def test_an_attempt_that_takes_too_long_is_ended_and_has_failed(desk: Desk) -> None:
    ref, launcher = await launched(desk), Launcher()
    limit = {"sync_job_max_timeout_days": 1e-9}
    outcome = await ActivityEnvironment().run(watcher(desk, launcher, **limit).watch_workload, ref)
    assert (outcome.status, outcome.failures[0].type) == ("failed", FailureType.TIMED_OUT)
    assert launcher.done == ["terminate", "kill", "remove"]


async def test_without_proof_that_nothing_is_left_a_pod_keeps_its_place(desk: Desk) -> None:
    ref, launcher = await launched(desk), Launcher(runs=False, resists=True)
    await ended(desk, AttemptSummary(status="succeeded"))
    outcome = await ActivityEnvironment().run(watcher(desk, launcher).watch_workload, ref)
    assert (outcome.status, launcher.done, await place(desk)) == ("succeeded", ["remove"], "launched")


@pytest.mark.parametrize("away_for", [0, 1])
async def test_what_a_pod_could_not_commit_is_committed_before_it_is_removed(desk: Desk, away_for: int) -> None:
    """An engine that does not answer at first may be back for the removal."""
    ref, launcher = await launched(desk), Launcher(runs=False, away_for=away_for)
    writer = await journals.writer_of(desk.db, POD)
    assert writer is not None
    counts = (StreamCounts(name="users", records_emitted=9, records_committed=7),)
    body = '{"type":"STREAM","stream":{"stream_descriptor":{"name":"users"},"stream_state":{"n":7}}}'
    entry = Entry(states=States(rows=(StateRow("STREAM", "users", None, body, seq=1, records=7),), counts=counts))
    launcher.kept = Journal(writer=writer, entries=(entry,)).model_dump_json().encode()
    await ended(desk, AttemptSummary(status="failed", streams=(StreamCounts(name="users", records_emitted=9),)))
    patient = watcher(desk, launcher, removal_tries=2)
    outcome = await ActivityEnvironment().run(patient.watch_workload, ref)
    assert (outcome.status, outcome.records_committed, launcher.done) == ("failed", 7, ["remove"])
    assert await states.load(desk.db, 1) == f"[{body}]".encode()


async def test_a_pod_that_still_runs_is_killed_before_its_journal_is_read(desk: Desk) -> None:
    """Somebody out of reach gave it its marker, and it has gone on since."""
    ref, launcher = await launched(desk), Launcher()
    await ended(desk, AttemptSummary(status="failed"))
    with pytest.MonkeyPatch.context() as hurried:
        hurried.setattr(watching_module, "_EXIT_WAIT_S", 0.05)
        await ActivityEnvironment().run(watcher(desk, launcher).watch_workload, ref)
    assert launcher.done == ["kill", "remove"]
