"""Spec, check and discover against a real (time-skipping) Temporal server, with scripted activities."""

from __future__ import annotations

from typing import Any

import pytest
from by_hand import details, failed_run, last_event, start
from said import ENDS, IMAGE, complete, failure, refused, spec, success
from script import Script
from temporalio.api.enums.v1 import EventType
from temporalio.testing import WorkflowEnvironment

from airbyte_workers.client import Client, ConnectorFailed, InvalidInput
from airbyte_workers.models import (
    AttemptOutcome,
    CheckResult,
    Configured,
    DiscoverResult,
    FailureOrigin,
    FailureType,
    JobStatus,
    OperationEnd,
)
from airbyte_workers.names import JobKind

pytestmark = pytest.mark.temporal
KINDS = [JobKind.SPEC, JobKind.CHECK, JobKind.DISCOVER]
INPUT = {"image": IMAGE}
OWN_SPEC = {"questions": (spec(),)}
ASKED = ["launch spec 0", "watch spec 0", "check configs"]


async def by_hand(env: WorkflowEnvironment, script: Script, kind: JobKind) -> Any:
    """The result as JSON."""
    async with script.played(env.client):
        return await (await start(env, kind.capitalize(), INPUT)).result()


def ask(airbyte: Client, kind: JobKind) -> Any:
    return {JobKind.SPEC: airbyte.spec, JobKind.CHECK: airbyte.check, JobKind.DISCOVER: airbyte.discover}[kind](INPUT)


# --- results ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "plan", "asked"),
    [
        (JobKind.SPEC, {}, []),
        (JobKind.CHECK, {}, []),
        (JobKind.CHECK, OWN_SPEC, ASKED),
        (JobKind.DISCOVER, {}, []),
        (JobKind.DISCOVER, OWN_SPEC, ASKED),
    ],
)
async def test_the_spec_is_asked_for_where_nobody_knows_it_then_the_question_itself(
    env: WorkflowEnvironment, kind: JobKind, plan: Any, asked: list[str]
) -> None:
    script = Script(plan=plan)
    await by_hand(env, script, kind)
    own = [f"launch {kind} 0", f"watch {kind} 0", f"close {kind} succeeded"]
    assert script.calls == [f"open {kind}", *asked, *own]


@pytest.mark.parametrize(
    ("kind", "result"),
    [
        (JobKind.SPEC, {"image": IMAGE, "spec": {"connectionSpecification": {"type": "object"}}}),
        (JobKind.CHECK, {"status": "succeeded", "message": "welcome"}),
        (JobKind.DISCOVER, {"catalog_id": 3, "streams": 1, "catalog": {"streams": [{"name": "users"}]}}),
    ],
)
async def test_a_result_is_a_plain_object(env: WorkflowEnvironment, kind: JobKind, result: Any) -> None:
    assert await by_hand(env, Script(), kind) == result


async def test_a_catalog_that_is_too_large_is_told_by_its_id(env: WorkflowEnvironment) -> None:
    end = OperationEnd(status=JobStatus.SUCCEEDED, discover=DiscoverResult(catalog_id=3, streams=5000))
    assert await by_hand(env, Script(end=end), JobKind.DISCOVER) == {"catalog_id": 3, "streams": 5000, "catalog": None}


@pytest.mark.parametrize("kind", KINDS)
async def test_the_client_has_the_result_as_a_model(env: WorkflowEnvironment, airbyte: Client, kind: JobKind) -> None:
    async with Script().played(env.client):
        found = await ask(airbyte, kind)
    end = ENDS[kind]
    assert found == (end.spec or end.check or end.discover)


@pytest.mark.parametrize("outcome", [success(), complete()], ids=["says no", "ends with an error"])
async def test_a_failed_check_is_a_result_of_a_completed_run(env: WorkflowEnvironment, outcome: AttemptOutcome) -> None:
    end = OperationEnd(status=JobStatus.SUCCEEDED, check=CheckResult(status="failed", message="wrong password"))
    script = Script(answers={"check 0": outcome}, end=end)
    assert await by_hand(env, script, JobKind.CHECK) == {"status": "failed", "message": "wrong password"}
    async with script.played(env.client):
        handle = env.client.get_workflow_handle("by hand")
        assert await last_event(handle) == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED


async def test_what_was_typed_is_what_is_opened(env: WorkflowEnvironment) -> None:
    typed = {
        "command": ["source-x", "--fast"],
        "config": {"count": 3},
        "resources": {"memory_limit": "1Gi"},
        "launcher": "process",
        "local_root": "/data",
    }
    script = Script()
    async with script.played(env.client):
        handle = await start(env, "Check", typed)
        await handle.result()
    assert script.opened is not None
    order = script.opened.order
    assert (script.opened.workflow_id, script.opened.run_id) == (handle.id, handle.result_run_id)
    assert (order.launcher, order.local_root) == ("process", "/data")
    assert order.connector.command == ("source-x", "--fast")
    assert order.connector.config == {"count": 3}
    assert order.connector.resources.memory_limit == "1Gi"


# --- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_a_connector_that_gives_no_answer_fails_the_run_with_the_end_as_details(
    env: WorkflowEnvironment, kind: JobKind
) -> None:
    script = Script(answers={f"{kind} 0": complete()})
    async with script.played(env.client):
        error = await failed_run(env, kind.capitalize(), INPUT)
    assert (error.type, error.message, error.non_retryable) == ("ConnectorFailed", f"{kind} failed: broke", True)
    [end] = error.details
    assert OperationEnd.model_validate(end) == OperationEnd(status=JobStatus.FAILED, failures=complete().failures)
    assert script.calls[-1] == f"close {kind} failed"


@pytest.mark.parametrize("kind", KINDS)
async def test_the_client_raises_with_the_failures(env: WorkflowEnvironment, airbyte: Client, kind: JobKind) -> None:
    async with Script(answers={f"{kind} 0": complete()}).played(env.client):
        with pytest.raises(ConnectorFailed, match=f"^{kind} failed: broke$") as error:
            await ask(airbyte, kind)
    assert error.value.failures == complete().failures


@pytest.mark.parametrize("kind", KINDS)
async def test_a_pod_that_cannot_be_launched_is_the_platform_s_failure(
    env: WorkflowEnvironment, airbyte: Client, kind: JobKind
) -> None:
    unlaunched = failure(FailureType.LAUNCH_FAILED, "no room").model_copy(update={"origin": FailureOrigin.PLATFORM})
    launches = {f"{kind} 0": refused().model_copy(update={"failure": unlaunched})}
    script = Script(launches=launches)
    async with script.played(env.client):
        with pytest.raises(ConnectorFailed, match="no room") as error:
            await ask(airbyte, kind)
    assert error.value.failures == (unlaunched,)
    assert script.calls == [f"open {kind}", f"launch {kind} 0", f"close {kind} failed"]


REFUSED = failure(FailureType.CONFIG_ERROR, "config.port: is missing")
NO_IMAGE = refused("there is no such image")
BOTH = (JobKind.CHECK, JobKind.DISCOVER)
REFUSALS: list[tuple[JobKind, dict[str, Any], str, list[str]]] = [
    *((kind, {"launches": {f"{kind} 0": NO_IMAGE}}, "there is no such image", [f"launch {kind} 0"]) for kind in KINDS),
    *((kind, {"plan": {"refused": REFUSED}}, REFUSED.message, []) for kind in BOTH),
    *((kind, {"plan": OWN_SPEC, "checked": Configured(failure=REFUSED)}, REFUSED.message, ASKED) for kind in BOTH),
    *(
        (kind, {"plan": OWN_SPEC, "launches": {"spec 0": NO_IMAGE}}, "there is no such image", ["launch spec 0"])
        for kind in BOTH
    ),
]


@pytest.mark.parametrize(("kind", "played", "message", "calls"), REFUSALS)
async def test_what_cannot_be_asked_is_an_invalid_input_and_nothing_more_is_launched(
    env: WorkflowEnvironment, kind: JobKind, played: dict[str, Any], message: str, calls: list[str]
) -> None:
    script = Script(**played)
    async with script.played(env.client):
        error = await failed_run(env, kind.capitalize(), INPUT)
    assert (error.type, error.message) == ("InvalidInput", message)
    assert script.calls == [f"open {kind}", *calls, f"close {kind} failed"]
    assert script.closed_operation is not None
    assert script.closed_operation.outcome.refused


@pytest.mark.parametrize("kind", KINDS)
async def test_what_the_first_activity_refuses_is_the_run_s_own_failure(
    env: WorkflowEnvironment, airbyte: Client, kind: JobKind
) -> None:
    script = Script(refuse="command: commands may not run on this stack")
    async with script.played(env.client):
        with pytest.raises(InvalidInput, match=r"^command: commands may not run on this stack$"):
            await ask(airbyte, kind)
    assert script.calls == [f"open {kind}"]


@pytest.mark.parametrize("kind", [JobKind.CHECK, JobKind.DISCOVER])
async def test_a_spec_that_is_not_told_does_not_stop_the_question(env: WorkflowEnvironment, kind: JobKind) -> None:
    script = Script(plan=OWN_SPEC, answers={"spec 0": complete()})
    await by_hand(env, script, kind)
    assert script.calls[-1] == f"close {kind} succeeded"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("call", ["open {}", "launch {} 0", "watch {} 0", "close {} succeeded"])
async def test_a_step_whose_first_try_is_lost_is_done_again(env: WorkflowEnvironment, kind: JobKind, call: str) -> None:
    lost = call.format(kind)
    script = Script(lost={lost: 1})
    assert await by_hand(env, script, kind) == await by_hand(env, Script(), kind)
    assert script.calls.count(lost) == 2


# --- what people see --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_the_details_say_who_is_asked_what(env: WorkflowEnvironment, kind: JobKind) -> None:
    running = f"watch {kind} 0"
    script = Script(plan={"launcher": "docker (as asked for)"}, hold=[f"open {kind}", running])
    async with script.played(env.client):
        handle = await start(env, kind.capitalize(), INPUT)
        await script.reached(f"open {kind}")
        assert await details(env) == f"**{kind.capitalize()} of airbyte/source-x:1**\n\nopening"
        script.release(f"open {kind}")
        await script.reached(running)
        assert await details(env) == (
            f"**{kind.capitalize()} of airbyte/source-x:1**, job 7\n\n"
            f"running: pod {kind}-job-7-attempt-0\n\nlauncher: docker (as asked for)"
        )
        script.release(running)
        await handle.result()
        assert "\n\nsucceeded\n\n" in await details(env)


async def test_the_details_say_why_it_failed(env: WorkflowEnvironment) -> None:
    async with Script(answers={"spec 0": complete()}).played(env.client):
        await failed_run(env, "Spec", INPUT)
        assert (await details(env)).endswith("\n\nfailed\n\nsource, system_error:\n\n```\nbroke\n```")


async def test_a_command_is_known_by_its_words(env: WorkflowEnvironment) -> None:
    async with Script().played(env.client):
        await (await start(env, "Spec", {"command": ["source-x", "--fast"]})).result()
        assert (await details(env)).startswith("**Spec of source-x --fast**, job 7")
