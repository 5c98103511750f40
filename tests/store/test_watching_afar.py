"""Watching the pod of a host out of reach: its markers and its lease are all there is, and no launcher is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from desk import DESTINATION, SOURCE, Desk, operation, sync
from hosts import lease_over, seen
from rows import open_attempt
from still_launcher import StillLauncher
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.workloads import WorkloadActivities
from airbyte_workers.models import AttemptOutcome, AttemptRef, AttemptSummary, FailureType, JobStatus, StreamCounts
from airbyte_workers.names import JobKind
from airbyte_workers.orchestrator.markers import Marker, Markers
from airbyte_workers.pods.pod import PodStatus
from airbyte_workers.store import jobs, states, workloads
from airbyte_workers.store.states import Writer
from airbyte_workers.store.workloads import Workload

pytestmark = pytest.mark.postgres
HURRY = {
    "shutdown_grace_period_s": 0.01,
    "shutdown_term_period_s": 0.01,
    "exit_code_timeout_s": 0.01,
    "removal_timeout_s": 0.3,
    "marker_poll_interval_ms": 10,
}


class Launcher(StillLauncher):
    """There is nothing of the pod on this host."""

    async def inspect(self, pod: str) -> PodStatus:
        raise AssertionError(f"{pod} is looked for where it is not")

    async def terminate(self, pod: str) -> None:
        raise AssertionError(f"{pod} is ended where it is not")

    async def remove(self, pod: str) -> None:
        raise AssertionError(f"{pod} is removed where it is not")


def working(desk: Desk, **settings: Any) -> WorkloadActivities:
    return WorkloadActivities(desk.means(Launcher(), **({"dataplane": "here"} | HURRY | settings)))


@pytest.fixture
async def ref(desk: Desk) -> AttemptRef:
    """A sync whose first pod was launched on `there`, where no Temporal worker is."""
    job_id = (await desk.open(sync({"image": SOURCE}, {"image": DESTINATION}))).job_id
    attempt = await open_attempt(desk.db, job_id, 0)
    await place(desk, AttemptRef(job_id=job_id, attempt=0, kind=JobKind.SYNC), attempt.fence)
    await seen(desk.db, "here")
    await seen(desk.db, "there", ago_s=60)
    return AttemptRef(job_id=job_id, attempt=0, kind=JobKind.SYNC)


async def place(desk: Desk, ref: AttemptRef, fence: int) -> None:
    connection = 1 if ref.kind is JobKind.SYNC else None
    workload = Workload(ref.pod, ref.kind, ref.job_id, 0, connection, "there", "process", fence)
    await workloads.claim(desk.db, workload, limit=9, lease_s=600)
    await workloads.cleared(desk.db, ref.pod)
    await workloads.launched(desk.db, ref.pod)


@asynccontextmanager
async def watching(
    desk: Desk, ref: AttemptRef, **settings: Any
) -> AsyncIterator[tuple[ActivityEnvironment, asyncio.Task[AttemptOutcome]]]:
    """A watch from afar that has begun."""
    surroundings = ActivityEnvironment()
    async with asyncio.timeout(30):
        task = asyncio.create_task(surroundings.run(working(desk, **settings).watch_workload, ref))
        while not task.done() and "watched from afar" not in [event for event, _ in await desk.events(ref.job_id)]:
            await asyncio.sleep(0.01)
        yield surroundings, task
        if not task.done():
            task.cancel()


async def ended(desk: Desk, ref: AttemptRef, summary: AttemptSummary) -> None:
    """The pod has come to its end by itself."""
    marker = Marker.SUCCESS if summary.status == "succeeded" else Marker.FAILURE
    await Markers(desk.objects(), ref.pod).write(marker, summary.model_dump_json().encode())


async def row(desk: Desk, column: str) -> Any:
    return await desk.db.fetchval(f"select {column} from workloads")


async def until_asked(desk: Desk, how: str) -> None:
    while await row(desk, "stop_asked") != how:
        await asyncio.sleep(0.01)


# --- who watches ---


@pytest.mark.parametrize("activity", ["watch_workload", "end_workload"])
async def test_a_pod_whose_host_is_watched_is_left_to_a_worker_there(
    desk: Desk, ref: AttemptRef, activity: str
) -> None:
    await seen(desk.db, "there")
    with pytest.raises(ApplicationError, match="runs on there, a Temporal worker there must watch it") as raised:
        await ActivityEnvironment().run(getattr(working(desk), activity), ref)
    assert (raised.value.type, raised.value.non_retryable) == ("WorkerShutdown", False)
    assert await row(desk, "stop_asked") is None


async def test_a_host_whose_workers_only_launch_pods_is_not_watched(desk: Desk, ref: AttemptRef) -> None:
    await seen(desk.db, "there", watches=False)
    async with watching(desk, ref) as (_, watch):
        assert not watch.done()


async def test_once_a_worker_is_back_on_the_pods_host_it_goes_on(desk: Desk, ref: AttemptRef) -> None:
    async with watching(desk, ref) as (_, watch):
        await seen(desk.db, "there")
        with pytest.raises(ApplicationError, match="a Temporal worker is back on there") as raised:
            await watch
    assert raised.value.type == "WorkerShutdown"
    assert await row(desk, "status") == "launched"


async def test_a_worker_that_stops_gives_back_what_it_watches_from_afar(desk: Desk, ref: AttemptRef) -> None:
    async with watching(desk, ref) as (surroundings, watch):
        surroundings.worker_shutdown()
        with pytest.raises(ApplicationError, match="is stopping"):
            await watch
    assert await row(desk, "stop_asked") is None


# --- what its end counts as ---


async def test_the_pods_own_marker_is_its_end_and_it_keeps_its_place_for_whoever_removes_it(
    desk: Desk, ref: AttemptRef
) -> None:
    await states.commit(desk.db, Writer(1, ref.job_id, 0, 1), [], [StreamCounts(name="users", records_committed=5)])
    async with watching(desk, ref) as (_, watch):
        await ended(desk, ref, AttemptSummary(status="succeeded"))
        outcome = await watch
    assert (outcome.status, outcome.records_committed, outcome.failures) == ("succeeded", 5, ())
    assert await row(desk, "status") == "launched"


async def test_why_it_is_watched_from_afar_stands_in_the_jobs_past(desk: Desk, ref: AttemptRef) -> None:
    async with watching(desk, ref):
        told = dict(await desk.events(ref.job_id))["watched from afar"]
    assert told.startswith(f"pod {ref.pod} runs on there, where no Temporal worker that watches pods was seen since ")
    assert told.endswith(": here follows it by its markers and its lease")


async def test_without_a_marker_a_pod_is_lost_only_once_its_lease_was_over_for_long_enough(
    desk: Desk, ref: AttemptRef
) -> None:
    async with watching(desk, ref, lease_margin_seconds=60) as (_, watch):
        await lease_over(desk.db, ref.pod, 30)
        await asyncio.wait([watch], timeout=0.3)
        assert not watch.done()
        await lease_over(desk.db, ref.pod, 120)
        outcome = await watch
    (failure,) = outcome.failures
    assert (outcome.status, failure.type) == ("failed", FailureType.ORCHESTRATOR_LOST)
    assert "on there no Temporal worker that watches pods was seen since " in failure.message
    assert "its lease is over for 12" in failure.message
    assert (await Markers(desk.objects(), ref.pod).read()).marker is Marker.FAILURE
    assert await row(desk, "status") == "launched"


async def test_a_lease_that_nobody_could_renew_loses_no_pod(desk: Desk, ref: AttemptRef) -> None:
    await seen(desk.db, "here", since_s=1)
    async with watching(desk, ref) as (_, watch):
        await lease_over(desk.db, ref.pod)
        await asyncio.wait([watch], timeout=0.3)
        assert not watch.done()
        await seen(desk.db, "here")
        assert (await watch).status == "failed"


async def test_a_marker_that_comes_at_the_last_moment_counts(desk: Desk, ref: AttemptRef) -> None:
    await lease_over(desk.db, ref.pod)
    async with watching(desk, ref, marker_poll_interval_ms=3000) as (_, watch):
        await asyncio.sleep(0.5)  # it has found the lease over, and looks once more after its pause
        await ended(desk, ref, AttemptSummary(status="succeeded"))
        assert (await watch).status == "succeeded"


# --- its end, when somebody wants it ---


async def test_a_cancelled_pod_is_asked_to_end_and_its_own_word_counts(desk: Desk, ref: AttemptRef) -> None:
    async with watching(desk, ref, shutdown_grace_period_s=60) as (surroundings, watch):
        surroundings.cancel()
        await until_asked(desk, "end")
        assert not watch.done()
        await ended(desk, ref, AttemptSummary(status="cancelled"))
        outcome = await watch
    assert (outcome.status, outcome.failures, await row(desk, "status")) == ("cancelled", (), "launched")


async def test_a_cancelled_pod_that_never_answers_is_waited_for_no_longer_than_an_end_takes(
    desk: Desk, ref: AttemptRef
) -> None:
    async with watching(desk, ref) as (surroundings, watch):
        surroundings.cancel()
        outcome = await watch
    assert (outcome.status, outcome.failures[0].type) == ("cancelled", FailureType.MANUAL_CANCELLATION)
    assert (await row(desk, "stop_asked"), await row(desk, "status")) == ("end", "launched")


async def test_who_is_in_a_hurry_asks_for_the_end_at_once(desk: Desk, ref: AttemptRef) -> None:
    async with watching(desk, ref, shutdown_grace_period_s=60) as (surroundings, watch):
        surroundings.cancel()
        await until_asked(desk, "end")
        await jobs.request_cancel(desk.db, ref.job_id, by="somebody", now=True)
        await until_asked(desk, "now")
        assert (await watch).status == "cancelled"


async def test_an_attempt_that_takes_too_long_is_asked_to_end_and_has_failed(desk: Desk, ref: AttemptRef) -> None:
    async with watching(desk, ref, sync_job_max_timeout_days=1e-9, shutdown_grace_period_s=60) as (_, watch):
        await until_asked(desk, "end")
        await ended(desk, ref, AttemptSummary(status="cancelled"))
        outcome = await watch
    assert (outcome.status, outcome.failures[0].type) == ("failed", FailureType.TIMED_OUT)


async def test_what_a_cancel_left_is_ended_from_afar_too(desk: Desk, ref: AttemptRef) -> None:
    outcome = await ActivityEnvironment().run(working(desk).end_workload, ref)
    assert (outcome.status, await row(desk, "stop_asked"), await row(desk, "status")) == (
        "cancelled",
        "end",
        "launched",
    )


async def test_of_a_pod_that_was_never_launched_a_cancel_waits_for_nothing(desk: Desk, ref: AttemptRef) -> None:
    await desk.db.execute("update workloads set is_fresh = false")
    outcome = await ActivityEnvironment().run(working(desk, shutdown_grace_period_s=600).end_workload, ref)
    assert (outcome, await row(desk, "status")) == (AttemptOutcome(status="cancelled"), "launched")


async def test_a_connectors_pod_has_nobody_who_could_be_asked(desk: Desk) -> None:
    """Its sidecar knows no database: the question is given up when its time is over."""
    await seen(desk.db, "here")
    plan = await desk.open(operation("check", {"image": SOURCE, "config": {}}))
    asked = AttemptRef(job_id=plan.job_id, attempt=0, kind=JobKind.CHECK)
    await place(desk, asked, 0)
    limits = {"check_timeout_minutes": 1e-6, "shutdown_grace_period_s": 600}
    outcome = await ActivityEnvironment().run(working(desk, **limits).watch_workload, asked)
    assert (outcome.status, outcome.failures[0].type) == ("failed", FailureType.TIMED_OUT)
    assert await row(desk, "stop_asked") is None


# --- launching what runs elsewhere ---


async def test_a_pod_that_was_launched_elsewhere_is_adopted_there(desk: Desk, ref: AttemptRef) -> None:
    """The worker that launched it was killed before it could tell: nothing is launched twice."""
    assert (await ActivityEnvironment().run(working(desk).launch_workload, ref)).launched
    assert (await row(desk, "dataplane"), await row(desk, "status")) == ("there", "launched")
    assert (await desk.job(ref.job_id)).status is JobStatus.RUNNING
    assert ("running", f"pod {ref.pod} runs on there (process)") in await desk.events(ref.job_id)


@pytest.mark.parametrize(("ago_s", "delay_s"), [(0, 0.5), (60, 5)])
async def test_a_launch_is_given_back_less_often_while_nobody_is_there_to_take_it(
    desk: Desk, ref: AttemptRef, ago_s: float, delay_s: float
) -> None:
    await seen(desk.db, "there", ago_s=ago_s)
    await desk.db.execute("update workloads set status = 'claimed'")
    with pytest.raises(ApplicationError, match="has its place on there") as raised:
        await ActivityEnvironment().run(working(desk).launch_workload, ref)
    assert raised.value.next_retry_delay is not None
    assert raised.value.next_retry_delay.total_seconds() == delay_s
