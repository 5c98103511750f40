"""Cancels of a sync: by our update or by Temporal's own, whenever they come."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from by_hand import assert_cancelled, details
from said import complete, success
from script import LIMITS, Script
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowUpdateFailedError
from temporalio.testing import WorkflowEnvironment
from workflow_servers import real

from airbyte_workers.client import Client, RunCancelled, SyncRun
from airbyte_workers.models import (
    AttemptOutcome,
    CancelRequest,
    FailureType,
    JobStatus,
    RetryRules,
    SyncInput,
    SyncReport,
)
from airbyte_workers.names import WATCH_QUEUE, sync_workflow_id
from airbyte_workers.settings import Settings

pytestmark = pytest.mark.temporal
INPUT = SyncInput.model_validate(
    {"connection": "demo", "source": {"command": ["source"]}, "destination": {"command": ["destination"]}}
)
ID = sync_workflow_id("demo")
RUNNING = "watch sync 0"
PATIENT = RetryRules(complete_failures_backoff_min_interval_s=1e6, complete_failures_backoff_max_interval_s=1e6)
CANCELLED = ["close attempt 0 cancelled", "close job cancelled"]


async def test_the_update_cancels_a_running_job_and_names_who_did_it(env: WorkflowEnvironment, airbyte: Client) -> None:
    script = Script(hold=[RUNNING])
    async with script.played(env.client):
        started = await airbyte.start_sync(INPUT)
        await script.reached(RUNNING)
        await airbyte.cancel("demo", by="me", reason="enough")
        with pytest.raises(RunCancelled):
            await started.report()
        await assert_cancelled(env, ID)
    assert script.closed is not None
    assert (script.closed.by, script.closed.reason) == ("me", "enough")
    assert script.calls[-2:] == CANCELLED


async def test_the_report_of_a_cancelled_sync_is_what_the_database_has(
    env: WorkflowEnvironment, airbyte: Client
) -> None:
    """Temporal keeps no result of a cancelled run; without a database there is no report."""
    kept = {7: SyncReport(job_id=7, connection="demo", status=JobStatus.CANCELLED)}

    async def stored(job_id: int) -> SyncReport | None:
        return kept.get(job_id)

    script = Script(hold=[RUNNING])
    async with script.played(env.client):
        without = await airbyte.start_sync(INPUT)
        await script.reached(RUNNING)
        await without.cancel(by="me")
        run = SyncRun(env.client.get_workflow_handle(ID, result_type=SyncReport), "demo", stored)
        assert await run.report() == kept[7]
        kept.clear()
        for each in (run, without):
            with pytest.raises(RunCancelled):
                await each.report()


async def test_a_second_cancel_can_ask_for_an_end_at_once(env: WorkflowEnvironment, airbyte: Client) -> None:
    script = Script(hold=[RUNNING])
    async with script.played(env.client):
        started = await airbyte.start_sync(INPUT)
        await script.reached(RUNNING)
        await asyncio.gather(started.cancel(by="me"), started.cancel(by="me", now=True))
        await assert_cancelled(env, ID)
    assert {"cancel by me", "cancel by me now"} <= set(script.calls)


@pytest.mark.parametrize("held", ["launch sync 0", RUNNING])
async def test_temporal_s_own_cancel_does_the_same(env: WorkflowEnvironment, airbyte: Client, held: str) -> None:
    script = Script(hold=[held])
    async with script.played(env.client):
        await airbyte.start_sync(INPUT)
        await script.reached(held)
        await env.client.get_workflow_handle(ID).cancel()
        await assert_cancelled(env, ID)
    assert script.calls[-2:] == CANCELLED
    assert script.closed is not None
    assert script.closed.by == "somebody, through Temporal"


async def test_a_cancel_of_another_job_is_refused(env: WorkflowEnvironment, airbyte: Client) -> None:
    script = Script(hold=[RUNNING])
    async with script.played(env.client):
        await airbyte.start_sync(INPUT)
        await script.reached(RUNNING)
        handle = env.client.get_workflow_handle(ID)
        with pytest.raises(WorkflowUpdateFailedError) as error:
            await handle.execute_update("cancel", CancelRequest(job_id=99))
        assert "not job 99" in str(error.value.cause)
        await handle.cancel()
        await assert_cancelled(env, ID)


async def test_a_cancel_during_the_wait_between_attempts_ends_the_job(
    env: WorkflowEnvironment, airbyte: Client
) -> None:
    script = Script([complete(), success()], rules=PATIENT)
    async with script.played(env.client):
        started = await airbyte.start_sync(INPUT)
        with env.auto_time_skipping_disabled():
            while (phase := await started.phase()) is None or phase.phase != "waiting":
                await asyncio.sleep(0.05)
            assert phase.next_attempt_at is not None
            assert phase.next_attempt_at - datetime.now(UTC) > timedelta(days=10)
            assert phase.detail == "attempt 2 starts in 277 h 46 m: 1 complete failure in a row"
            assert f"{phase.detail}\n\nnext attempt at {phase.next_attempt_at:%Y-%m-%d}" in await details(env, ID)
            await started.cancel(by="me", reason="enough")
            await assert_cancelled(env, ID)
    assert script.waits == [0]
    assert script.calls[-1] == "close job cancelled"
    assert script.closed is not None
    assert [(each.type, each.message) for each in script.closed.failures] == [
        (FailureType.MANUAL_CANCELLATION, "cancelled by me: enough")
    ]


@pytest.mark.parametrize("held", ["open job", "configure", "open attempt 0"])
async def test_a_cancel_while_the_books_are_kept_launches_nothing_afterwards(
    env: WorkflowEnvironment, airbyte: Client, held: str
) -> None:
    """The books are not stopped by a cancel, but it is not forgotten over them."""
    script = Script([success()], hold=[held])
    async with script.played(env.client):
        await airbyte.start_sync(INPUT)
        await script.reached(held)
        await env.client.get_workflow_handle(ID).cancel()
        script.release(held)
        await assert_cancelled(env, ID)
    assert not [call for call in script.calls if call.startswith("launch")]
    assert script.calls[-1] == "close job cancelled"


async def test_a_cancel_that_comes_too_late_leaves_the_success(env: WorkflowEnvironment, airbyte: Client) -> None:
    """Who cancels is answered first, by Temporal's cancel: the run then ends as its job did."""
    script = Script([success()], hold=["close job succeeded", "cancel by me"])
    async with script.played(env.client):
        started = await airbyte.start_sync(INPUT)
        await script.reached("close job succeeded")
        cancelling = asyncio.create_task(started.cancel(by="me"))
        await script.reached("cancel by me")
        script.release("close job succeeded")
        while (phase := await started.phase()) is None or phase.phase != "succeeded":
            await asyncio.sleep(0.05)
        script.release("cancel by me")
        await cancelling
        assert (await started.report()).status is JobStatus.SUCCEEDED


def pod_calls(script: Script) -> list[str]:
    """What was done with the attempt's pod."""
    return [call for call in script.calls if call.endswith(" sync 0")]


async def test_a_pod_whose_launch_ends_with_the_cancel_is_ended(env: WorkflowEnvironment, airbyte: Client) -> None:
    """Both are news for the workflow at once."""
    script = Script([AttemptOutcome(status="cancelled")], hold=["launch sync 0"])
    handle = env.client.get_workflow_handle(ID)
    async with script.working(env.client):
        async with script.deciding(env.client, remembering=False):
            await airbyte.start_sync(INPUT)
            await script.reached("launch sync 0")
        await handle.cancel()
        script.release("launch sync 0")
        await until(env, EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED, 4)
        async with script.deciding(env.client, remembering=False):
            await assert_cancelled(env, ID)
    assert pod_calls(script)[-1] == "end sync 0"
    assert script.calls[-2:] == CANCELLED


async def test_a_pod_that_nobody_watches_at_the_cancel_is_ended(env: WorkflowEnvironment, airbyte: Client) -> None:
    """Temporal cancels by itself what no worker has begun, e.g. between the end of one worker and the next."""
    script = Script([AttemptOutcome(status="cancelled")])
    async with script.deciding(env.client), script.working(env.client, but=WATCH_QUEUE):
        await airbyte.start_sync(INPUT)
        await until(env, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, 5)
        await env.client.get_workflow_handle(ID).cancel()
        await until(env, EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED, 1)
        async with script.watching(env.client):
            await assert_cancelled(env, ID)
    assert pod_calls(script)[-1] == "end sync 0"
    assert script.calls[-2:] == CANCELLED


async def until(env: WorkflowEnvironment, kind: EventType.ValueType, count: int) -> None:
    """The run's history has so many of these events."""
    handle = env.client.get_workflow_handle(ID)
    async with asyncio.timeout(30):
        while [event.event_type for event in (await handle.fetch_history()).events].count(kind) < count:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("held", ["launch sync 0", RUNNING])
async def test_a_cancel_whose_worker_is_lost_ends_the_pod_all_the_same(held: str) -> None:
    """Temporal gives no other worker what was asked to stop: the loss is the activity's end."""
    brief = LIMITS.model_copy(update={"heartbeat_s": 1.0})
    script = Script([success()], silent={held}, limits=brief)
    async with await real() as env, script.played(env.client):
        await Client(env.client, Settings()).start_sync(INPUT)
        async with asyncio.timeout(30):
            while held not in script.calls:
                await asyncio.sleep(0.02)
        await env.client.get_workflow_handle(ID).cancel()
        await assert_cancelled(env, ID)
    assert script.calls[-3:] == ["end sync 0", *CANCELLED]


async def test_a_cancel_that_a_launch_did_not_see_ends_the_pod(env: WorkflowEnvironment, airbyte: Client) -> None:
    """Its worker learns of it by a heartbeat, and the launch may end before the next one."""
    script = Script([success()], deaf={"launch sync 0"}, hold=["launch sync 0"])
    async with script.played(env.client):
        await airbyte.start_sync(INPUT)
        await script.reached("launch sync 0")
        handle = env.client.get_workflow_handle(ID)
        await handle.cancel()
        async with asyncio.timeout(30):
            while not any(
                event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED
                for event in (await handle.fetch_history()).events
            ):
                await asyncio.sleep(0.02)
        script.release("launch sync 0")
        await assert_cancelled(env, ID)
    assert RUNNING not in script.calls
    assert script.calls[-3:] == ["end sync 0", *CANCELLED]
