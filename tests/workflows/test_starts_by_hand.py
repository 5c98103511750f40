"""Starts by whoever can start a workflow: any JSON, type and id; nothing that is typed wrong leaves a run stuck."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from by_hand import assert_cancelled, failed_run, last_event, start
from said import complete, spec, success
from script import Script
from temporalio.api.enums.v1 import EventType
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from airbyte_workers.models import RetryRules
from airbyte_workers.names import sync_workflow_id

pytestmark = pytest.mark.temporal
SYNC = {"connection": "demo", "source": {"image": "source:1"}, "destination": {"image": "destination:1"}}
ID = sync_workflow_id("demo")
SECRET = {"password": "hunter2"}

BAD_SYNC: list[tuple[Any, str]] = [
    ("hunter2", ""),
    ({}, "connection"),
    ({"connection": 5}, "connection"),
    ({"connection": "hunter2/b"}, "connection"),
    ({"connection": "demo", "sauce": "hunter2"}, "sauce"),
    ({"connection": "demo", "source": {"image": "i", "config": SECRET}}, ""),
    ({**SYNC, "source": {"config": SECRET}}, "source"),
    ({**SYNC, "source": {"image": "i", "config": "hunter2"}}, "source.config"),
    ({**SYNC, "streams": [{"name": "hunter2"}, {"name": 5}]}, "streams[1].name"),
    ({**SYNC, "streams": [{"name": "hunter2"}], "catalog": {"streams": []}}, ""),
]
BAD_QUESTIONS: list[tuple[Any, str]] = [
    ("hunter2", ""),
    (["hunter2"], ""),
    ({}, ""),
    ({"image": "hunter2", "command": ["hunter2"]}, ""),
    ({"image": "i", "sauce": "hunter2"}, "sauce"),
    ({"image": ["hunter2"]}, "image"),
    ({"image": " "}, "image"),
    ({"command": "hunter2"}, "command"),
    ({"command": []}, "command"),
    ({"command": ["hunter2", 5]}, "command[1]"),
    ({"image": "i", "resources": "hunter2"}, "resources"),
    ({"image": "i", "resources": {"memory_limit": ["hunter2"]}}, "resources.memory_limit"),
    ({"image": "i", "resources": {"memory_limit": "hunter2"}}, "resources.memory_limit"),
    ({"image": "i", "resources": {"cpu_limit": "hunter2"}}, "resources.cpu_limit"),
    ({"image": "i", "resources": {"pids_limit": -1}}, "resources.pids_limit"),
    ({"image": "i", "resources": {"memory": "hunter2"}}, "resources.memory"),
    ({"image": "i", "launcher": "hunter2"}, "launcher"),
    ({"image": "i", "local_root": 5}, "local_root"),
]
BAD_CONFIGS: list[tuple[Any, str]] = [
    ({"image": "i", "config": "hunter2"}, "config"),
    ({"image": "i", "config": None}, "config"),
    ({"image": "i", "config_file": "hunter2"}, ""),
    ({"image": "i", "config_id": "hunter2"}, "config_id"),
    ({"image": "i", "config": SECRET, "config_id": "7d0b3a6e-6c0f-4f53-9d58-3a1c3b1f0c55"}, ""),
]
BAD = {
    "Sync": BAD_SYNC,
    "Spec": [*BAD_QUESTIONS, ({"image": "i", "config": SECRET}, "config")],
    "Check": BAD_QUESTIONS + BAD_CONFIGS,
    "Discover": BAD_QUESTIONS + BAD_CONFIGS,
}


def named(error: ApplicationError) -> list[str]:
    """The fields that a failure names; nothing where it is the input as a whole."""
    [details] = error.details
    assert all(problem in error.message for problem in details["problems"])
    fields = [re.match(r"[\w.\[\]]+(?=: )", problem) for problem in details["problems"]]
    return [field[0] if field else "" for field in fields]


@pytest.mark.parametrize("kind", BAD)
async def test_bad_input_fails_the_run_at_once_names_the_field_and_echoes_no_value(
    env: WorkflowEnvironment, kind: str
) -> None:
    script = Script()
    rows = BAD[kind]
    async with script.played(env.client):
        with env.auto_time_skipping_disabled():  # else what waits for its turn times out
            runs = (failed_run(env, kind, typed, id=f"row {number}") for number, (typed, _) in enumerate(rows))
            errors = await asyncio.gather(*runs)
    told = [(typed, *named(error)) for (typed, _), error in zip(rows, errors, strict=True)]
    assert told == rows
    assert {(error.type, error.non_retryable) for error in errors} == {("InvalidInput", True)}
    assert "hunter2" not in str([(error.message, error.details) for error in errors])
    assert script.calls == []


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize(
    ("arguments", "got"), [([], "0"), ([SYNC, {}], "2"), ([{"image": "i"}, SECRET], "2"), ([None], "null")]
)
async def test_anything_but_one_object_fails_the_run_at_once(
    env: WorkflowEnvironment, kind: str, arguments: list[Any], got: str
) -> None:
    async with Script().played(env.client):
        error = await failed_run(env, kind, *arguments)
    assert (error.type, error.message) == ("InvalidInput", f"{kind} takes one JSON object as input, got {got}")


async def test_every_wrong_field_is_named(env: WorkflowEnvironment) -> None:
    async with Script().played(env.client):
        error = await failed_run(env, "Check", {"image": 5, "sauce": 1, "launcher": "podman"})
    assert sorted(named(error)) == ["image", "launcher", "sauce"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("Snyc", "Sync"),
        ("sync", "Sync"),
        ("Chek", "Check"),
        ("Discovery", "Discover"),
        ("spec", "Spec"),
        ("ScheduleSync", "ScheduledSync"),
    ],
)
@pytest.mark.parametrize("arguments", [[], [{"image": "i"}], [1, 2]])
async def test_an_unknown_type_fails_with_a_hint(
    env: WorkflowEnvironment, typed: str, meant: str, arguments: list[Any]
) -> None:
    async with Script().played(env.client):
        error = await failed_run(env, typed, *arguments)
    assert error.type == "UnknownWorkflow"
    assert error.message == f"there is no workflow type '{typed}'; did you mean {meant}?"


async def test_a_type_that_is_like_none_fails_with_all_of_them(env: WorkflowEnvironment) -> None:
    async with Script().played(env.client):
        error = await failed_run(env, "Quux")
    assert error.message == (
        "there is no workflow type 'Quux'; choose Sync, Clear, Refresh, Check, Discover, Spec, ScheduledSync"
    )


@pytest.mark.parametrize(
    ("kind", "typed"),
    [
        ("Sync", {**SYNC, "source": {"image": "source:1", "config": SECRET}}),
        ("Check", {"image": "i:1", "config": SECRET}),
        ("Discover", {"image": "i:1", "config": SECRET}),
    ],
)
async def test_no_secret_of_the_input_is_in_what_the_run_says(env: WorkflowEnvironment, kind: str, typed: Any) -> None:
    script = Script([complete(), success()], lost={"watch check 0": 1}, plan={"questions": (spec(),)})
    async with script.played(env.client):
        handle = await start(env, kind, typed, id=ID)
        await handle.result()
        history = await handle.fetch_history()
    asked = [event for event in history.events if event.HasField("workflow_execution_started_event_attributes")]
    opened = [event for event in history.events if event.HasField("activity_task_scheduled_event_attributes")][:1]
    assert all(b"hunter2" in event.SerializeToString() for event in asked + opened)
    told = [event for event in history.events if event not in asked + opened]
    assert b"hunter2" not in b"".join(event.SerializeToString() for event in told)


# --- any id -----------------------------------------------------------------------------------------------------------


async def test_a_sync_under_any_other_id_starts_the_fixed_one_and_returns_its_result(env: WorkflowEnvironment) -> None:
    async with Script([success()]).played(env.client):
        result = await (await start(env, "Sync", SYNC)).result()
        assert result["status"] == "succeeded"
        fixed = env.client.get_workflow_handle(ID)
        assert await last_event(fixed) == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED


async def test_a_failure_under_another_id_reads_the_same(env: WorkflowEnvironment) -> None:
    async with Script([complete()], rules=RetryRules(max_retries=0)).played(env.client):
        error = await failed_run(env, "Sync", SYNC)
    assert error.type == "SyncFailed"
    assert error.message.startswith("sync of demo failed: stopped after 1 attempt: ")
    assert error.message.endswith("; last reason: source: broke")
    assert error.details[0]["status"] == "failed"


async def test_a_cancel_under_another_id_cancels_the_fixed_one(env: WorkflowEnvironment) -> None:
    script = Script(hold=["watch sync 0"])
    async with script.played(env.client):
        handle = await start(env, "Sync", SYNC)
        await script.reached("watch sync 0")
        await handle.cancel()
        await assert_cancelled(env)
        await assert_cancelled(env, ID)
    assert script.calls[-1] == "close job cancelled"


async def test_a_sync_under_another_id_is_refused_while_the_fixed_one_runs(env: WorkflowEnvironment) -> None:
    script = Script([success()], hold=["watch sync 0"])
    async with script.played(env.client):
        running = await start(env, "Sync", SYNC, id=ID)
        await script.reached("watch sync 0")
        error = await failed_run(env, "Sync", SYNC)
        assert (error.type, "already syncing" in error.message) == ("ConnectionBusy", True)
        script.release("watch sync 0")
        assert (await running.result())["status"] == "succeeded"
