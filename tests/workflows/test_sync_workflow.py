"""The state machine of a sync job against a real (time-skipping) Temporal server, with scripted activities."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from script import Script, complete, failure, partial, success
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.testing import WorkflowEnvironment

from airbyte_workers.client import AirbyteClient, AlreadySyncing, RunFailed, SyncCancelled, SyncFailed
from airbyte_workers.models import (
    AttemptOutcome,
    CancelRequest,
    Configured,
    FailureType,
    JobStatus,
    Launched,
    RetryRules,
    SyncInput,
)
from airbyte_workers.names import WORKFLOW_QUEUE, JobKind

pytestmark = pytest.mark.temporal
INPUT = SyncInput.model_validate(
    {
        "connection": "demo",
        "source": {"command": ["source"], "config": {"password": "hunter2"}},
        "destination": {"command": ["destination"]},
    }
)


async def run(env: WorkflowEnvironment, script: Script) -> Any:
    async with script.played(env.client):
        started = await AirbyteClient(env.client).start_sync(INPUT)
        return await started.result(raise_on_failure=False)


async def test_a_sync_goes_through_open_attempt_close(env: WorkflowEnvironment) -> None:
    script = Script([success()])
    report = await run(env, script)
    assert report.status is JobStatus.SUCCEEDED
    assert script.calls == [
        "open job",
        "configure",
        "open attempt 0",
        "launch sync 0",
        "watch sync 0",
        "close attempt 0 succeeded",
        "close job succeeded",
    ]


async def test_connectors_are_asked_before_the_first_attempt_when_the_plan_says_so(env: WorkflowEnvironment) -> None:
    script = Script([success()], operations=(JobKind.DISCOVER, JobKind.SPEC))
    await run(env, script)
    assert script.calls[1:6] == ["launch discover 0", "watch discover 0", "launch spec 0", "watch spec 0", "configure"]


OUTCOMES: dict[str, Callable[[], AttemptOutcome]] = {"C": complete, "P": partial, "S": success}


@pytest.mark.parametrize(
    ("attempts", "waits", "status"),
    [
        ("CCPPPCS", [0, 10, 30, 0, 0, 0, 10], JobStatus.SUCCEEDED),  # A16
        ("PPPPPPCCCCC", [0, 0, 0, 0, 0, 0, 0, 10, 30, 90, 270], JobStatus.FAILED),  # A17
        ("CCCCC", [0, 10, 30, 90, 270], JobStatus.FAILED),  # A18
        ("P" * 20, [0] * 20, JobStatus.FAILED),  # A19
    ],
)
async def test_attempts_follow_each_other_by_upstream_s_rules(
    env: WorkflowEnvironment, attempts: str, waits: list[float], status: JobStatus
) -> None:
    script = Script([OUTCOMES[letter]() for letter in attempts])
    assert (await run(env, script)).status is status
    assert script.waits == waits
    assert [each.ref.attempt for each in script.closed_attempts] == list(range(len(attempts)))


async def test_the_counters_go_with_every_closed_attempt(env: WorkflowEnvironment) -> None:
    script = Script([complete(), partial(), success()])
    await run(env, script)
    tallies = [each.tally for each in script.closed_attempts]
    assert [(each.successive_complete, each.total_complete, each.total_partial) for each in tallies if each] == [
        (1, 1, 0),
        (0, 1, 1),
        (0, 1, 1),
    ]


async def test_without_retries_one_failed_attempt_ends_the_job(env: WorkflowEnvironment) -> None:
    script = Script([complete(), success()], rules=RetryRules(max_retries=0))
    assert (await run(env, script)).status is JobStatus.FAILED
    assert script.waits == [0]


async def test_a_config_error_is_not_retried(env: WorkflowEnvironment) -> None:
    script = Script([AttemptOutcome(status="failed", failures=(failure(FailureType.CONFIG_ERROR, "no such table"),))])
    assert (await run(env, script)).status is JobStatus.FAILED
    assert script.closed is not None
    assert script.closed.failures[0].message == "no such table"


async def test_a_pod_that_cannot_be_launched_is_a_failed_attempt_without_a_watch(env: WorkflowEnvironment) -> None:
    launched = Launched(launched=False, failure=failure(FailureType.CONFIG_ERROR, "it needs Docker"))
    script = Script(launched=launched)
    assert (await run(env, script)).status is JobStatus.FAILED
    assert "watch sync 0" not in script.calls
    assert "close attempt 0 failed" in script.calls


async def test_a_catalog_that_cannot_be_settled_fails_the_job_before_its_first_attempt(
    env: WorkflowEnvironment,
) -> None:
    script = Script(configured=Configured(failure=failure(FailureType.CONFIG_ERROR, "no stream users")))
    report = await run(env, script)
    assert (report.status, report.failures[0].message) == (JobStatus.FAILED, "no stream users")
    assert script.waits == []


async def test_books_are_kept_even_if_the_database_is_away_at_first(env: WorkflowEnvironment) -> None:
    script = Script([success()], failing_books=3)
    assert (await run(env, script)).status is JobStatus.SUCCEEDED
    assert script.calls.count("open job") == 4


async def test_a_failed_job_raises_with_its_report(env: WorkflowEnvironment) -> None:
    script = Script([complete()], rules=RetryRules(max_retries=0))
    async with script.played(env.client):
        started = await AirbyteClient(env.client).start_sync(INPUT)
        with pytest.raises(SyncFailed, match=r"sync of demo failed \(1 attempt\(s\)\): source: broke") as error:
            await started.result()
    assert error.value.report.status is JobStatus.FAILED


async def test_what_runs_the_pods_is_shown_and_stands_in_the_details(env: WorkflowEnvironment) -> None:
    script = Script(hang=True, launcher="docker (Docker engine 28.5 answers)")
    async with script.played(env.client):
        started = await AirbyteClient(env.client).start_sync(INPUT)
        await script.watching.wait()
        phase = await started.phase()
        assert phase is not None
        assert (phase.launcher, phase.attempt) == ("docker (Docker engine 28.5 answers)", 1)
        assert "launcher: docker (Docker engine 28.5 answers)" in await details(env)
        await started.cancel(by="me")
        await assert_cancelled(env, script)
        assert "launcher: docker (Docker engine 28.5 answers)" in await details(env)


async def details(env: WorkflowEnvironment) -> str:
    """The panel as Temporal's web page has it."""
    handle = env.client.get_workflow_handle("sync/demo")
    metadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    return str(metadata.current_details)


# --- cancel -----------------------------------------------------------------------------------------------------------


async def handle_of(env: WorkflowEnvironment) -> WorkflowHandle[Any, Any]:
    return env.client.get_workflow_handle("sync/demo")


async def assert_cancelled(env: WorkflowEnvironment, script: Script) -> None:
    handle = await handle_of(env)
    with pytest.raises(WorkflowFailureError) as error:
        await handle.result()
    assert isinstance(error.value.cause, CancelledError)
    assert (await handle.describe()).status is WorkflowExecutionStatus.CANCELED
    assert script.calls[-1] == "close job cancelled"


async def test_the_update_cancels_a_running_job_and_names_who_did_it(env: WorkflowEnvironment) -> None:
    script = Script(hang=True)
    async with script.played(env.client):
        started = await AirbyteClient(env.client).start_sync(INPUT)
        await script.watching.wait()
        await started.cancel(by="me", reason="enough")
        with pytest.raises(SyncCancelled):
            await started.result()
        await assert_cancelled(env, script)
    assert script.closed is not None
    assert (script.closed.by, script.closed.reason) == ("me", "enough")
    assert "close attempt 0 cancelled" in script.calls


async def test_a_second_cancel_can_ask_for_an_end_at_once(env: WorkflowEnvironment) -> None:
    script = Script(hang=True)
    async with script.played(env.client):
        started = await AirbyteClient(env.client).start_sync(INPUT)
        await script.watching.wait()
        await asyncio.gather(started.cancel(by="me"), started.cancel(by="me", now=True))
        await assert_cancelled(env, script)
    assert {"cancel by me", "cancel by me now"} <= set(script.calls)


async def test_temporal_s_own_cancel_does_the_same(env: WorkflowEnvironment) -> None:
    script = Script(hang=True)
    async with script.played(env.client):
        await AirbyteClient(env.client).start_sync(INPUT)
        await script.watching.wait()
        await (await handle_of(env)).cancel()
        await assert_cancelled(env, script)
    assert "close attempt 0 cancelled" in script.calls


async def test_a_cancel_of_another_job_is_refused(env: WorkflowEnvironment) -> None:
    script = Script(hang=True)
    async with script.played(env.client):
        await AirbyteClient(env.client).start_sync(INPUT)
        await script.watching.wait()
        handle = await handle_of(env)
        with pytest.raises(WorkflowUpdateFailedError) as error:
            await handle.execute_update("cancel", CancelRequest(job_id=99))
        assert "not job 99" in str(error.value.cause)
        await handle.cancel()
        await assert_cancelled(env, script)


async def test_a_cancel_during_the_wait_between_attempts_ends_the_job(env: WorkflowEnvironment) -> None:
    script = Script([complete(), success()], rules=RetryRules(backoff_min_interval_s=1e6, backoff_max_interval_s=1e6))
    async with script.played(env.client):
        started = await AirbyteClient(env.client).start_sync(INPUT)
        with env.auto_time_skipping_disabled():
            while (phase := await started.phase()) is None or phase.phase != "waiting":
                await asyncio.sleep(0.05)
            assert phase.next_attempt_in_s == 1e6
            assert "attempt 2 starts in" in phase.detail
            await started.cancel(by="me")
            await assert_cancelled(env, script)
    assert script.waits == [0]


# --- starts by hand ---------------------------------------------------------------------------------------------------


async def test_a_second_start_of_a_running_sync_is_refused_and_can_join(env: WorkflowEnvironment) -> None:
    script = Script(hang=True)
    async with script.played(env.client):
        client = AirbyteClient(env.client)
        started = await client.start_sync(INPUT)
        await script.watching.wait()
        with pytest.raises(AlreadySyncing, match=r"already syncing \(job 7, attempt 1\); use --join"):
            await client.start_sync(INPUT)
        joined = await client.start_sync(INPUT, join=True)
        assert joined.workflow_id == started.workflow_id
        await joined.cancel()
        await assert_cancelled(env, script)


async def test_a_sync_under_any_other_id_starts_the_fixed_one_and_returns_its_result(env: WorkflowEnvironment) -> None:
    script = Script([success()])
    async with script.played(env.client):
        result = await env.client.execute_workflow("Sync", INPUT, id="my own id", task_queue=WORKFLOW_QUEUE)
        assert result["status"] == "succeeded"
        assert (await (await handle_of(env)).describe()).status is WorkflowExecutionStatus.COMPLETED


async def test_a_failure_under_another_id_reads_the_same(env: WorkflowEnvironment) -> None:
    script = Script([complete()], rules=RetryRules(max_retries=0))
    async with script.played(env.client):
        error = await failed_run(env, "Sync", INPUT.model_dump(mode="json"))
    assert (error.type, error.details[0]["status"]) == ("SyncFailed", "failed")


async def test_a_sync_under_another_id_is_refused_while_the_fixed_one_runs(env: WorkflowEnvironment) -> None:
    script = Script(hang=True)
    async with script.played(env.client):
        await AirbyteClient(env.client).start_sync(INPUT)
        await script.watching.wait()
        error = await failed_run(env, "Sync", INPUT.model_dump(mode="json"))
        assert (error.type, "already syncing" in error.message) == ("ConnectionBusy", True)
        await (await handle_of(env)).cancel()
        await assert_cancelled(env, script)


async def failed_run(env: WorkflowEnvironment, kind: str, *arguments: Any) -> ApplicationError:
    with pytest.raises(WorkflowFailureError) as error:
        await env.client.execute_workflow(kind, args=list(arguments), id="by hand", task_queue=WORKFLOW_QUEUE)
    cause = error.value.cause
    assert isinstance(cause, ApplicationError)
    return cause


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "takes one JSON object as input, got 0"),
        ([{"connection": "demo"}, {}], "takes one JSON object as input, got 2"),
        ([{"connection": "demo", "sauce": 1}], "sauce: unknown field"),
        ([{"connection": "demo", "source": {"image": "i", "config": {"password": "hunter2"}}}], "neither"),
        ([{"connection": 5}], "connection: Input should be a valid string"),
        ([{"connection": "a/b"}], "connection: String should match"),
        ([{}], "connection: is missing"),
        (["hunter2"], "Input should be"),
        ([None], "takes one JSON object as input, got null"),
    ],
)
async def test_bad_input_fails_the_run_at_once_and_echoes_no_value(
    env: WorkflowEnvironment, arguments: list[Any], named: str
) -> None:
    async with Script([success()]).played(env.client):
        error = await failed_run(env, "Sync", *arguments)
    assert error.type == "InvalidInput"
    assert named in error.message
    assert "hunter2" not in error.message


async def test_an_unknown_type_fails_with_a_hint(env: WorkflowEnvironment) -> None:
    async with Script().played(env.client):
        error = await failed_run(env, "Snyc", {"x": 1})
    assert (error.type, "did you mean Sync?" in error.message) == ("UnknownWorkflow", True)


async def test_what_the_first_activity_refuses_is_the_run_s_own_failure(env: WorkflowEnvironment) -> None:
    script = Script(refuse="source.command: commands may not run on this stack")
    async with script.played(env.client):
        started = await AirbyteClient(env.client).start_sync(INPUT)
        with pytest.raises(RunFailed, match="commands may not run") as error:
            await started.result()
    assert error.value.type == "InvalidInput"


async def test_no_secret_of_the_input_is_in_what_the_run_says(env: WorkflowEnvironment) -> None:
    script = Script([complete()], rules=RetryRules(max_retries=0))
    async with script.played(env.client):
        started = await AirbyteClient(env.client).start_sync(INPUT)
        await started.result(raise_on_failure=False)
        history = await (await handle_of(env)).fetch_history()
    typed = [event for event in history.events if event.HasField("workflow_execution_started_event_attributes")]
    opened = [event for event in history.events if event.HasField("activity_task_scheduled_event_attributes")][:1]
    told = [event for event in history.events if event not in typed and event not in opened]
    assert b"hunter2" not in b"".join(event.SerializeToString() for event in told)
