"""Our workflows as children of somebody else's, whose worker knows nothing of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from by_hand import assert_cancelled
from said import ENDS, IMAGE, complete, success
from script import Script
from somebody import INPUT, Careful, Hasty, Nightly
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError, ChildWorkflowError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker
from workflow_servers import real

from airbyte_workers.models import RetryRules
from airbyte_workers.names import JobKind

pytestmark = pytest.mark.temporal
IDS = ["sync/demo", "nightly sync"]
RUNNING = "watch sync 0"
NO_RETRIES = RetryRules(max_retries=0)


@asynccontextmanager
async def somebody_s(env: WorkflowEnvironment) -> AsyncIterator[Client]:
    """Without our plugin, so with Temporal's own converter."""
    client = await Client.connect(env.client.service_client.config.target_host)
    async with Worker(client, task_queue="somebody", workflows=[Nightly, Careful, Hasty]):
        yield client


@pytest.fixture
async def somebody(env: WorkflowEnvironment) -> AsyncIterator[Client]:
    async with somebody_s(env) as client:
        yield client


async def parent(somebody: Client, workflow: type[Any], *arguments: Any) -> WorkflowHandle[Any, Any]:
    return await somebody.start_workflow(workflow.run, args=arguments, id="parent", task_queue="somebody")


@pytest.mark.parametrize("id", IDS)
async def test_the_parent_of_a_sync_gets_the_report_as_a_dict(
    env: WorkflowEnvironment, somebody: Client, id: str
) -> None:
    script = Script([success()])
    async with script.played(env.client):
        report = await (await parent(somebody, Nightly, "Sync", INPUT, id)).result()
    assert isinstance(report, dict)
    assert (report["job_id"], report["connection"], report["status"]) == (7, "demo", "succeeded")
    assert script.calls[-1] == "close job succeeded"


@pytest.mark.parametrize("kind", [JobKind.SPEC, JobKind.CHECK, JobKind.DISCOVER])
async def test_the_parent_of_a_question_gets_its_answer(
    env: WorkflowEnvironment, somebody: Client, kind: JobKind
) -> None:
    async with Script().played(env.client):
        handle = await parent(somebody, Nightly, kind.capitalize(), {"image": IMAGE}, "any id")
        answer = await handle.result()
    end = ENDS[kind].model_dump(mode="json")
    assert answer == end[kind]


@pytest.mark.parametrize("id", IDS)
async def test_the_parent_sees_why_a_sync_failed_and_its_report(
    env: WorkflowEnvironment, somebody: Client, id: str
) -> None:
    async with Script([complete()], rules=NO_RETRIES).played(env.client):
        seen = await (await parent(somebody, Careful, id)).result()
    assert seen["type"] == "SyncFailed"
    assert seen["message"].startswith("sync of demo failed: stopped after 1 attempt: ")
    assert seen["message"].endswith("; last reason: source: broke")
    [report] = seen["details"]
    assert (report["status"], report["failures"][0]["message"]) == ("failed", "broke")


@pytest.mark.parametrize(
    ("played", "type"),
    [
        ({"outcomes": [complete()], "rules": NO_RETRIES}, "SyncFailed"),
        ({"refuse": "source.command: no"}, "InvalidInput"),
    ],
)
async def test_a_parent_that_does_not_care_fails_with_the_same_cause(
    env: WorkflowEnvironment, somebody: Client, played: dict[str, Any], type: str
) -> None:
    async with Script(**played).played(env.client):
        handle = await parent(somebody, Nightly, "Sync", INPUT, "nightly sync")
        with pytest.raises(WorkflowFailureError) as error:
            await handle.result()
    assert isinstance(error.value.cause, ChildWorkflowError)
    cause = error.value.cause.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == type


async def test_a_sync_that_runs_already_is_told_to_the_parent(env: WorkflowEnvironment, somebody: Client) -> None:
    script = Script([success()], hold=[RUNNING])
    async with script.played(env.client):
        running = await env.client.start_workflow("Sync", INPUT, id="sync/demo", task_queue="airbyte")
        await script.reached(RUNNING)
        seen = await (await parent(somebody, Careful, "nightly sync")).result()
        script.release(RUNNING)
        await running.result()
    assert seen["type"] == "ConnectionBusy"
    assert "connection demo is already syncing" in seen["message"]


@pytest.mark.parametrize("id", IDS)
async def test_a_cancel_of_the_parent_cancels_the_sync_and_waits_for_its_end(
    env: WorkflowEnvironment, somebody: Client, id: str
) -> None:
    script = Script(hold=[RUNNING])
    async with script.played(env.client):
        handle = await parent(somebody, Nightly, "Sync", INPUT, id)
        await script.reached(RUNNING)
        await handle.cancel()
        await assert_cancelled(env, "parent")
        assert script.calls[-2:] == ["close attempt 0 cancelled", "close job cancelled"]
        await assert_cancelled(env, id)
        await assert_cancelled(env, "sync/demo")


@pytest.mark.parametrize(("id", "terminated"), [("sync/demo", True), ("nightly sync", False)])
async def test_the_end_of_a_parent_that_does_not_wait_cancels_the_sync(id: str, terminated: bool) -> None:
    """On the dev server: the time-skipping one knows no parent close policy."""
    script = Script(hold=[RUNNING])
    async with await real() as env, somebody_s(env) as somebody, script.played(env.client):
        handle = await parent(somebody, Hasty, id)
        await script.reached(RUNNING)
        await (handle.terminate() if terminated else handle.cancel())
        await assert_cancelled(env, "sync/demo")
    assert script.calls[-1] == "close job cancelled"
