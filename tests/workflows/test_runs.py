"""Started runs as the client sees them: where they are, how they end, how to end them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from by_hand import assert_cancelled
from said import IMAGE, spec, success
from script import Script
from temporalio.testing import WorkflowEnvironment

from airbyte_workers import pending, runs
from airbyte_workers.client import CancelAnswer, Client, InvalidInput, NotRunning, Run, RunCancelled, RunFailed
from airbyte_workers.models import JobStatus, SyncInput
from airbyte_workers.names import WATCH_QUEUE, JobKind

pytestmark = pytest.mark.temporal
KINDS = [JobKind.SPEC, JobKind.CHECK, JobKind.DISCOVER]
INPUT = {"image": IMAGE}
OWN_SPEC = {"questions": (spec(),)}
SYNC = SyncInput.model_validate({"connection": "demo", "source": INPUT, "destination": INPUT})


async def started(airbyte: Client, kind: JobKind, input: Mapping[str, Any] = INPUT) -> Run[Any]:
    starts = {
        JobKind.SPEC: airbyte.start_spec,
        JobKind.CHECK: airbyte.start_check,
        JobKind.DISCOVER: airbyte.start_discover,
    }
    return await starts[kind](input)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_wrong_input_is_told_before_anything_is_started(
    env: WorkflowEnvironment, airbyte: Client, kind: JobKind
) -> None:
    script = Script()
    async with script.played(env.client):
        with pytest.raises(InvalidInput, match="sauce: unknown field"):
            await started(airbyte, kind, {**INPUT, "sauce": "tabasco"})
    assert script.calls == []


# --- looking ----------------------------------------------------------------------------------------------------------


async def test_progress_goes_through_the_phases_in_order_and_ends_with_the_run(
    env: WorkflowEnvironment, airbyte: Client
) -> None:
    """Every step waits until the phase that it is in was seen."""
    steps = {
        "opening": "open check",
        "asking": "watch spec 0",
        "starting": "launch check 0",
        "running": "watch check 0",
    }
    script = Script(plan=OWN_SPEC, hold=list(steps.values()))
    seen = []
    async with script.played(env.client):
        run = await airbyte.start_check(INPUT)
        async for look in run.progress(every_s=0.01):
            assert look.phase is not None
            assert (look.phase.kind, look.phase.subject) == (JobKind.CHECK, IMAGE)
            seen.append(look.phase.phase)
            if look.phase.phase in steps:
                script.release(steps[look.phase.phase])
        assert (await run.result()).status == "succeeded"
    assert list(dict.fromkeys(seen)) == [*steps, "succeeded"]


async def test_a_look_has_the_live_figures_of_the_running_pod(env: WorkflowEnvironment, airbyte: Client) -> None:
    script = Script(hold=["watch discover 0"])
    async with script.played(env.client):
        run = await airbyte.start_discover(INPUT)
        await script.reached("watch discover 0")
        while (look := await run.look()).figures is None:
            await asyncio.sleep(0.05)
        assert look.figures.phase == "held"
        script.release("watch discover 0")
        await run.result()
        assert (await run.look()).figures is None


async def test_a_look_says_why_a_step_is_tried_again(env: WorkflowEnvironment, airbyte: Client) -> None:
    script = Script(lost={"launch spec 0": 1}, hold=["launch spec 0"])
    async with script.played(env.client):
        run = await airbyte.start_spec(INPUT)
        assert (await run.look()).trouble is None
        with env.auto_time_skipping_disabled():
            await script.reached("launch spec 0")
        assert "the database is away" in str((await run.look()).trouble)
        script.release("launch spec 0")
        await run.result()
        assert (await run.look()).trouble is None


async def test_a_look_says_that_nobody_takes_up_a_step(
    env: WorkflowEnvironment, airbyte: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "ALONE", timedelta(0))
    script = Script()
    async with script.deciding(env.client), script.working(env.client, but=WATCH_QUEUE):
        run = await airbyte.start_spec(INPUT)
        while "watch_workload" not in str(trouble := (await run.look()).trouble):
            await asyncio.sleep(0.05)
        assert str(trouble).startswith("no Temporal worker takes up watch_workload")
        async with script.watching(env.client):
            await run.result()


# --- ending -----------------------------------------------------------------------------------------------------------


DURING: list[tuple[JobKind, str]] = [(kind, f"{step} {kind} 0") for kind in KINDS for step in ("launch", "watch")]
DURING += [(JobKind.CHECK, "launch spec 0"), (JobKind.CHECK, "watch spec 0"), (JobKind.DISCOVER, "watch spec 0")]


def ended(held: str) -> list[str]:
    """Nobody watches a pod yet whose launch was cancelled: it is ended for certain."""
    return [held.replace("launch", "end")] if held.startswith("launch") else []


@pytest.mark.parametrize(("kind", "held"), DURING)
async def test_a_cancel_closes_the_job_cancelled_and_says_who_and_why(
    env: WorkflowEnvironment, airbyte: Client, kind: JobKind, held: str
) -> None:
    script = Script(plan={} if kind is JobKind.SPEC else OWN_SPEC, hold=[held])
    async with script.played(env.client):
        run = await started(airbyte, kind)
        await script.reached(held)
        before = len(script.calls)
        assert await run.cancel(by="me", reason="enough") is CancelAnswer.ACCEPTED
        with pytest.raises(RunCancelled):
            await run.result()
        await assert_cancelled(env, run.workflow_id)
    assert sorted(script.calls[before:]) == sorted(["cancel by me", f"close {kind} cancelled", *ended(held)])
    assert script.closed_operation is not None
    assert (script.closed_operation.by, script.closed_operation.reason) == ("me", "enough")


@pytest.mark.parametrize(("kind", "held"), [*DURING, (JobKind.CHECK, "check configs"), (JobKind.CHECK, "open check")])
async def test_temporal_s_own_cancel_does_the_same(
    env: WorkflowEnvironment, airbyte: Client, kind: JobKind, held: str
) -> None:
    script = Script(plan={} if kind is JobKind.SPEC else OWN_SPEC, hold=[held])
    async with script.played(env.client):
        run = await started(airbyte, kind)
        await script.reached(held)
        before = len(script.calls)
        await env.client.get_workflow_handle(run.workflow_id).cancel()
        if not held.startswith(("launch", "watch")):  # the books are kept to their end
            script.release(held)
        await assert_cancelled(env, run.workflow_id)
    assert script.calls[before:] == [*ended(held), f"close {kind} cancelled"]
    assert script.closed_operation is not None
    assert script.closed_operation.outcome.status == JobStatus.CANCELLED
    assert script.closed_operation.by == "somebody, through Temporal"


async def test_a_cancel_now_says_so(env: WorkflowEnvironment, airbyte: Client) -> None:
    script = Script(hold=["watch check 0"])
    async with script.played(env.client):
        run = await airbyte.start_check(INPUT)
        await script.reached("watch check 0")
        await run.cancel(by="me", now=True)
        await assert_cancelled(env, run.workflow_id)
    assert "cancel by me now" in script.calls


async def test_a_cancel_before_there_is_a_job_is_temporal_s(env: WorkflowEnvironment, airbyte: Client) -> None:
    script = Script(hold=["open spec"])
    async with script.played(env.client):
        run = await airbyte.start_spec(INPUT)
        await script.reached("open spec")
        assert await run.cancel(by="me", reason="enough") is CancelAnswer.LEFT_TO_TEMPORAL
        script.release("open spec")
        await assert_cancelled(env, run.workflow_id)
    assert script.calls == ["open spec", "close spec cancelled"]
    assert script.closed_operation is not None
    assert script.closed_operation.reason == "enough (asked for by me)"


async def test_while_no_worker_answers_temporal_keeps_the_cancel(
    env: WorkflowEnvironment, airbyte: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_QUERY_TIMEOUT", timedelta(seconds=0.5))
    script = Script()
    run = await airbyte.start_check(INPUT)
    assert await run.cancel(by="me") is CancelAnswer.LEFT_TO_TEMPORAL
    assert await run.cancel(by="me") is CancelAnswer.LEFT_TO_TEMPORAL
    assert await run.is_running()
    async with script.played(env.client):
        await assert_cancelled(env, run.workflow_id)


async def test_a_second_cancel_is_as_good_as_the_first(env: WorkflowEnvironment, airbyte: Client) -> None:
    script = Script(outcomes=[], hold=["watch sync 0", "close attempt 0 cancelled"])
    async with script.played(env.client):
        run = await airbyte.start_sync(SYNC)
        await script.reached("watch sync 0")
        assert await run.cancel(by="me", reason="first") is CancelAnswer.ACCEPTED
        await script.reached("close attempt 0 cancelled")
        assert await airbyte.cancel("demo", by="you", reason="second", now=True) is CancelAnswer.ACCEPTED
        script.release("close attempt 0 cancelled")
        with pytest.raises(RunCancelled):
            await run.result()
    assert "cancel by you now" in script.calls


async def test_a_connection_that_does_not_sync_has_nothing_to_cancel(env: WorkflowEnvironment, airbyte: Client) -> None:
    """Neither one that never did, nor one whose sync has ended."""
    async with Script(outcomes=[success()]).played(env.client):
        for _ in range(2):
            with pytest.raises(NotRunning, match="connection demo is not syncing"):
                await airbyte.cancel("demo")
            await (await airbyte.start_sync(SYNC, join=True)).report()


async def test_a_cancel_that_comes_too_late_changes_nothing(env: WorkflowEnvironment, airbyte: Client) -> None:
    async with Script().played(env.client):
        run = await airbyte.start_check(INPUT)
        result = await run.result()
        assert not await run.is_running()
        assert await run.cancel(by="me") is CancelAnswer.ENDED
        assert await run.result() == result


async def test_a_cancel_during_the_last_entry_in_the_books_leaves_the_result(
    env: WorkflowEnvironment, airbyte: Client
) -> None:
    script = Script(hold=["close check succeeded", "cancel by me"])
    async with script.played(env.client):
        run = await airbyte.start_check(INPUT)
        await script.reached("close check succeeded")
        cancelling = asyncio.create_task(run.cancel(by="me"))
        await script.reached("cancel by me")
        script.release("close check succeeded")
        while (phase := await run.phase()) is None or phase.phase != "succeeded":
            await asyncio.sleep(0.05)
        script.release("cancel by me")
        await cancelling
        assert (await run.result()).status == "succeeded"


@pytest.mark.parametrize("kind", [*KINDS, JobKind.SYNC])
async def test_a_run_that_is_terminated_has_failed(env: WorkflowEnvironment, airbyte: Client, kind: JobKind) -> None:
    held = f"watch {kind} 0"
    script = Script(hold=[held])
    async with script.played(env.client):
        run: Run[Any] = await (airbyte.start_sync(SYNC) if kind is JobKind.SYNC else started(airbyte, kind))
        await script.reached(held)
        await env.client.get_workflow_handle(run.workflow_id).terminate()
        with pytest.raises(RunFailed, match="the run was terminated") as error:
            await run.result()
    assert error.value.type == "Terminated"
