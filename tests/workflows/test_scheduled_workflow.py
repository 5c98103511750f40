"""What a schedule starts: the sync of its connection, or nothing where one runs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from by_hand import assert_cancelled
from said import complete, success
from script import Script
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.testing import WorkflowEnvironment
from workflow_servers import real

from airbyte_workers.client import AlreadySyncing, Client
from airbyte_workers.models import RetryRules
from airbyte_workers.names import SCHEDULED_SYNC, WORKFLOW_QUEUE
from airbyte_workers.schedules.triggering import ending

pytestmark = pytest.mark.temporal
RUNNING = "watch sync 0"
NO_RETRIES = RetryRules(max_retries=0)
PATIENT = RetryRules(complete_failures_backoff_min_interval_s=1e6, complete_failures_backoff_max_interval_s=1e6)
BY_NAME = {"connection": "demo"}


async def due(env: WorkflowEnvironment, id: str = "scheduled/demo-2027-01-01T00:00:00Z") -> WorkflowHandle[Any, Any]:
    """A run as a schedule starts it."""
    return await env.client.start_workflow(SCHEDULED_SYNC, BY_NAME, id=id, task_queue=WORKFLOW_QUEUE)


async def test_a_scheduled_run_syncs_and_its_job_is_marked_as_scheduled(env: WorkflowEnvironment) -> None:
    script = Script([success()])
    async with script.played(env.client):
        report = await (await due(env)).result()
    assert (report["job_id"], report["status"]) == (7, "succeeded")
    assert script.opened_job is not None
    assert (script.opened_job.workflow_id, script.opened_job.is_scheduled) == ("sync/demo", True)
    assert script.skipped is None


async def test_c3_a_sync_by_hand_is_not_marked_as_scheduled(env: WorkflowEnvironment, airbyte: Client) -> None:
    script = Script([success()])
    async with script.played(env.client):
        await airbyte.sync(BY_NAME)
    assert script.opened_job is not None
    assert not script.opened_job.is_scheduled


@pytest.mark.parametrize("memo", [{"is_scheduled": "no"}, {"is_scheduled": [1]}, {"another": True}])
async def test_a_memo_that_somebody_typed_stops_no_sync(env: WorkflowEnvironment, memo: dict[str, Any]) -> None:
    script = Script([success()])
    async with script.played(env.client):
        await env.client.execute_workflow("Sync", BY_NAME, id="sync/demo", task_queue=WORKFLOW_QUEUE, memo=memo)
    assert script.opened_job is not None
    assert not script.opened_job.is_scheduled


async def test_a_scheduled_run_is_skipped_while_a_sync_by_hand_runs(env: WorkflowEnvironment, airbyte: Client) -> None:
    script = Script([success()], hold=[RUNNING])
    async with script.played(env.client):
        by_hand = await airbyte.start_sync(BY_NAME)
        await script.reached(RUNNING)
        run = await due(env)
        skipped = await run.result()
        script.release(RUNNING)
        assert (await by_hand.result()).status == "succeeded"
    assert skipped == {
        "status": "skipped",
        "connection": "demo",
        "reason": "connection demo is syncing already (job 7)",
        "job_id": 7,
    }
    assert script.skipped is not None
    assert (script.skipped.run_id, script.skipped.schedule_id) == (run.result_run_id, None)
    assert script.calls.count("open job") == 1


async def test_a_scheduled_run_is_skipped_where_the_lock_is_the_database_s(env: WorkflowEnvironment) -> None:
    script = Script(busy="connection demo is already syncing (job 6)")
    async with script.played(env.client):
        skipped = await (await due(env)).result()
    assert skipped["status"] == "skipped"
    assert script.calls == ["open job", "note skip"]


async def test_a_sync_by_hand_is_refused_while_a_scheduled_one_runs(env: WorkflowEnvironment, airbyte: Client) -> None:
    script = Script([success()], hold=[RUNNING])
    async with script.played(env.client):
        run = await due(env)
        await script.reached(RUNNING)
        with pytest.raises(AlreadySyncing, match="connection demo is already syncing"):
            await airbyte.start_sync(BY_NAME)
        script.release(RUNNING)
        await run.result()
    assert script.calls.count("open job") == 1


@pytest.mark.parametrize(
    ("played", "type", "said"),
    [
        ({"outcomes": [complete()], "rules": NO_RETRIES}, "SyncFailed", "sync of demo failed: stopped after 1 attempt"),
        ({"refuse": "there is no connection demo"}, "InvalidInput", "there is no connection demo"),
    ],
)
async def test_a_scheduled_run_fails_as_its_sync_does(
    env: WorkflowEnvironment, played: dict[str, Any], type: str, said: str
) -> None:
    async with Script(**played).played(env.client):
        run = await due(env)
        with pytest.raises(WorkflowFailureError) as error:
            await run.result()
        became = await ending(run)
    cause = error.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.message[: len(said)]) == (type, said)
    assert [report["status"] for report in cause.details] == (["failed"] if type == "SyncFailed" else [])
    assert became == ({"job_id": 7} if type == "SyncFailed" else {"failed": f"{type}: {cause.message}"})


async def test_a_cancel_of_the_scheduled_run_cancels_its_sync_and_waits_for_its_end(env: WorkflowEnvironment) -> None:
    script = Script(hold=[RUNNING])
    async with script.played(env.client):
        run = await due(env)
        await script.reached(RUNNING)
        await run.cancel()
        await assert_cancelled(env, run.id)
        assert script.calls[-2:] == ["close attempt 0 cancelled", "close job cancelled"]
        await assert_cancelled(env, "sync/demo")


async def test_a_cancel_of_the_job_ends_its_scheduled_run(env: WorkflowEnvironment, airbyte: Client) -> None:
    script = Script(hold=[RUNNING])
    async with script.played(env.client):
        run = await due(env)
        await script.reached(RUNNING)
        await airbyte.cancel("demo", by="me")
        with pytest.raises(WorkflowFailureError) as error:  # Temporal calls cancelled what was asked to be alone
            await run.result()
    assert isinstance(error.value.cause, CancelledError)
    assert script.calls[-1] == "close job cancelled"


async def test_a_scheduled_run_that_is_terminated_cancels_its_sync() -> None:
    """On the dev server: the time-skipping one knows no parent close policy."""
    script = Script(hold=[RUNNING])
    async with await real() as env, script.played(env.client):
        run = await due(env)
        await script.reached(RUNNING)
        await run.terminate()
        await assert_cancelled(env, "sync/demo")


async def test_c25_a_run_that_is_due_during_a_long_backoff_is_skipped_and_the_job_goes_on(
    env: WorkflowEnvironment, airbyte: Client
) -> None:
    script = Script([complete(), success()], rules=PATIENT)
    async with script.played(env.client):
        first = await due(env)
        with env.auto_time_skipping_disabled():
            await waiting(airbyte)
            second = await due(env, "scheduled/demo-2027-01-01T01:00:00Z")
            async with asyncio.timeout(30):
                while (await second.describe()).status is WorkflowExecutionStatus.RUNNING:
                    await asyncio.sleep(0.05)
            assert script.closed is None
        assert (await second.result())["status"] == "skipped"
        assert (await first.result())["status"] == "succeeded"


async def test_a_database_that_is_away_keeps_the_skip_waiting(env: WorkflowEnvironment) -> None:
    script = Script(busy="connection demo is already syncing (job 6)", lost={"note skip": 3})
    async with script.played(env.client):
        assert (await (await due(env)).result())["status"] == "skipped"
    assert script.calls.count("note skip") == 4


async def waiting(airbyte: Client) -> None:
    """Until the sync backs off."""
    run = await airbyte.find_sync("demo")
    async with asyncio.timeout(30):
        while (phase := await run.phase()) is None or phase.phase != "waiting":
            await asyncio.sleep(0.05)
