"""Clear and Refresh: the state machine of a sync, under the same lock, with what is different about them."""

from __future__ import annotations

from typing import Any

import pytest
from by_hand import details, failed_run, start
from said import complete, success
from script import Script
from temporalio.testing import WorkflowEnvironment

from airbyte_workers.client import AlreadySyncing, Client, InvalidInput, SyncFailed
from airbyte_workers.models import JobStatus, RetryRules, StreamName, StreamRequest, SyncInput
from airbyte_workers.names import CONNECTION_BUSY, JobKind, Role, sync_workflow_id

pytestmark = pytest.mark.temporal
NO_RETRIES = RetryRules(max_retries=0)
BOTH = ("clear", "refresh")


def started(airbyte: Client, kind: str, input: Any) -> Any:
    return {"clear": airbyte.clear, "refresh": airbyte.refresh}[kind](input)


@pytest.mark.parametrize(
    ("kind", "typed", "order"),
    [
        ("clear", "demo", StreamRequest(order="clear")),
        (
            "clear",
            {"connection": "demo", "streams": ["a"]},
            StreamRequest(order="clear", streams=(StreamName(name="a"),)),
        ),
        ("refresh", "demo", StreamRequest(order="merge")),
        (
            "refresh",
            {"connection": "demo", "mode": "truncate", "streams": [{"name": "a", "namespace": "n"}]},
            StreamRequest(order="truncate", streams=(StreamName(name="a", namespace="n"),)),
        ),
    ],
)
async def test_the_job_is_opened_with_what_was_asked_for(
    env: WorkflowEnvironment, airbyte: Client, kind: str, typed: Any, order: StreamRequest
) -> None:
    script = Script([success()])
    async with script.played(env.client):
        report = await started(airbyte, kind, typed)
    assert report.status is JobStatus.SUCCEEDED
    assert script.opened_job is not None
    assert (script.opened_job.kind, script.opened_job.request) == (JobKind(kind), order)
    assert script.opened_job.workflow_id == sync_workflow_id("demo"), "the lock is that of the connection's syncs"
    assert script.calls == [
        "open job",
        "configure",
        "open attempt 0",
        f"launch {kind} 0",
        f"watch {kind} 0",
        "close attempt 0 succeeded",
        "close job succeeded",
    ]


@pytest.mark.parametrize(
    ("kind", "checks"), [("clear", (Role.DESTINATION,)), ("refresh", (Role.SOURCE, Role.DESTINATION))]
)
@pytest.mark.parametrize("previous_succeeded", [True, False])
async def test_c15_a_clear_never_checks_a_source(
    env: WorkflowEnvironment, airbyte: Client, kind: str, checks: tuple[Role, ...], *, previous_succeeded: bool
) -> None:
    script = Script([complete(), success()], plan={"previous_succeeded": previous_succeeded})
    async with script.played(env.client):
        await started(airbyte, kind, "demo")
    assert [ref.checks for ref in script.launched] == [() if previous_succeeded else checks, checks]
    assert script.waits == [0, 10]


@pytest.mark.parametrize("kind", BOTH)
async def test_a_failure_says_which_job_failed(env: WorkflowEnvironment, airbyte: Client, kind: str) -> None:
    async with Script([complete()], rules=NO_RETRIES).played(env.client):
        with pytest.raises(SyncFailed, match=f"^{kind} of demo failed: "):
            await started(airbyte, kind, "demo")


@pytest.mark.parametrize("kind", BOTH)
async def test_the_panel_says_what_runs(env: WorkflowEnvironment, airbyte: Client, kind: str) -> None:
    script = Script([success()], hold=[f"watch {kind} 0"])
    async with script.played(env.client):
        run = await {"clear": airbyte.start_clear, "refresh": airbyte.start_refresh}[kind]("demo")
        await script.reached(f"watch {kind} 0")
        assert (await details(env, sync_workflow_id("demo"))).startswith(f"**{kind.capitalize()} of demo**, job 7")
        script.release(f"watch {kind} 0")
        await run.result()


@pytest.mark.parametrize("kind", BOTH)
async def test_neither_runs_beside_a_sync_of_its_connection(
    env: WorkflowEnvironment, airbyte: Client, kind: str
) -> None:
    script = Script([success()], hold=["watch sync 0"])
    async with script.played(env.client):
        sync = await airbyte.start_sync(SyncInput(connection="demo"))
        await script.reached("watch sync 0")
        way_out = "wait for its end, or cancel it with: airbyte-workers jobs cancel"
        told = rf"connection demo is already syncing \(job 7, attempt 1\); {way_out}$"
        with pytest.raises(AlreadySyncing, match=told):
            await started(airbyte, kind, "demo")
        by_hand = await failed_run(env, kind.capitalize(), {"connection": "demo"})
        assert by_hand.type == CONNECTION_BUSY
        assert by_hand.message == f"connection demo is already syncing (sync/demo); {way_out}"
        script.release("watch sync 0")
        await sync.result()


@pytest.mark.parametrize("kind", BOTH)
async def test_under_any_other_id_it_starts_the_fixed_one_and_returns_its_result(
    env: WorkflowEnvironment, kind: str
) -> None:
    script = Script([success()])
    async with script.played(env.client):
        handle = await start(env, kind.capitalize(), {"connection": "demo", "streams": ["a"]})
        assert (await handle.result())["status"] == "succeeded"
    assert script.opened_job is not None
    assert script.opened_job.workflow_id == sync_workflow_id("demo")
    assert script.opened_job.kind is JobKind(kind)


@pytest.mark.parametrize(
    ("kind", "typed", "field"),
    [
        ("clear", {"connection": "demo", "streams": []}, "streams"),
        ("clear", {"connection": "demo", "mode": "merge"}, "mode"),
        ("clear", {"connection": "de mo"}, "connection"),
        ("refresh", {"connection": "demo", "mode": "replace"}, "mode"),
        ("refresh", {"connection": "demo", "streams": [7]}, r"streams"),
        ("refresh", {}, "connection"),
    ],
)
async def test_bad_input_is_refused_with_its_field(
    env: WorkflowEnvironment, airbyte: Client, kind: str, typed: Any, field: str
) -> None:
    async with Script().played(env.client):
        with pytest.raises(InvalidInput, match=field):
            await started(airbyte, kind, typed)
        by_hand = await failed_run(env, kind.capitalize(), typed)
    assert by_hand.type == "InvalidInput"
    assert field in by_hand.message


async def test_the_old_word_for_a_clear_is_understood(env: WorkflowEnvironment) -> None:
    async with Script().played(env.client):
        assert "did you mean Clear?" in (await failed_run(env, "Reset", {"connection": "demo"})).message
