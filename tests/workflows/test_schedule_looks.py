"""What is said of a schedule on a real Temporal server, long after it was made: overdue or not, and why."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from temporalio import workflow
from temporalio.client import (
    Schedule,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    WorkflowFailureError,
    WorkflowHandle,
)
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker
from workflow_servers import real

from airbyte_workers.models import JobStatus
from airbyte_workers.names import SCHEDULED_SYNC, WORKFLOW_QUEUE
from airbyte_workers.schedules.looking import Look, connection_of
from airbyte_workers.schedules.values import LastRun, ScheduleView
from airbyte_workers.store.schedules import Known, LiveJob, ScheduledJob, Skips

pytestmark = [pytest.mark.temporal, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]
HOUR = timedelta(hours=1)
PATIENCE_S = 60
NOTHING = Known(None, None)
HOURLY = ScheduleSpec(cron_expressions=["0 * * * *"])
SOON = ScheduleSpec(intervals=[ScheduleIntervalSpec(timedelta(seconds=1))])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[WorkflowEnvironment]:
    async with await real() as env:
        yield env


async def looked(
    env: WorkflowEnvironment,
    id: str,
    later: timedelta = 3 * HOUR,
    known: Known | None = NOTHING,
    skips: Skips | None = None,
) -> ScheduleView:
    """A look at it so much later, as if nothing had happened meanwhile."""
    description = await env.client.get_schedule_handle(id).describe()
    now = datetime.now(UTC) + later
    return await Look(env.client, description, connection_of(description), known, skips, now, PATIENCE_S).view()


async def made(
    env: WorkflowEnvironment,
    id: str,
    input: Mapping[str, Any] | None = None,
    queue: str = WORKFLOW_QUEUE,
    state: ScheduleState | None = None,
    spec: ScheduleSpec | None = None,
) -> str:
    action = ScheduleActionStartWorkflow(
        SCHEDULED_SYNC, {"connection": "demo"} if input is None else input, id=id, task_queue=queue
    )
    policy = SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(hours=2))
    schedule = Schedule(action=action, spec=spec or HOURLY, policy=policy, state=state or ScheduleState())
    await env.client.create_schedule(id, schedule)
    return id


async def test_a_time_that_started_nothing_is_overdue_since_the_first_of_them(server: WorkflowEnvironment) -> None:
    view = await looked(server, await made(server, "late"))
    overdue = view.overdue
    assert overdue is not None
    assert overdue.since == (view.created_at + HOUR).replace(minute=0, second=0, microsecond=0)
    assert "Temporal was away" in overdue.why
    assert "older than 2h" in overdue.advice
    assert "airbyte-workers schedule trigger demo" in overdue.advice


async def test_nothing_is_overdue_before_its_time(server: WorkflowEnvironment) -> None:
    assert (await looked(server, await made(server, "early"), timedelta())).overdue is None


async def test_b8_a_paused_schedule_is_never_overdue_and_has_no_next_run(server: WorkflowEnvironment) -> None:
    view = await looked(server, await made(server, "paused", state=ScheduleState(paused=True)))
    assert (view.overdue, view.next_runs) == (None, ())


async def test_a_schedule_that_was_made_for_one_run_is_not_overdue_after_it(server: WorkflowEnvironment) -> None:
    state = ScheduleState(limited_actions=True, remaining_actions=1)
    handle = server.client.get_schedule_handle(await made(server, "once", state=state, spec=SOON))
    async with asyncio.timeout(30):
        while (await handle.describe()).schedule.state.remaining_actions:
            await asyncio.sleep(0.05)
    [action] = (await handle.describe()).info.recent_actions
    assert isinstance(action.action, ScheduleActionExecutionStartWorkflow)
    await server.client.get_workflow_handle(action.action.workflow_id).terminate()
    view = await looked(server, "once")
    assert (view.overdue, view.next_runs) == (None, ())


async def test_a_run_that_no_worker_touches_is_overdue_since_it_began(server: WorkflowEnvironment) -> None:
    handle = server.client.get_schedule_handle(await made(server, "untouched"))
    await handle.trigger()
    async with asyncio.timeout(30):
        while not (await handle.describe()).info.recent_actions:
            await asyncio.sleep(0.05)
    at_once = await looked(server, "untouched", timedelta())
    assert (at_once.overdue, at_once.live is not None) == (None, True)
    overdue = (await looked(server, "untouched")).overdue
    assert overdue is not None
    assert "no Temporal worker takes it up" in overdue.why
    assert "airbyte-workers worker" in overdue.advice


async def test_runs_from_before_the_schedule_was_as_it_is_are_not_said_to_be_skipped(
    server: WorkflowEnvironment,
) -> None:
    """By the moments of its making, and of a change of its times."""
    id = await made(server, "young")
    long_ago = Known(None, LiveJob(7, datetime.now(UTC) - 50 * HOUR, is_scheduled=False))
    first = await looked(server, id, 5 * HOUR, long_ago)
    assert first.live is not None
    assert first.live.skipped == 5

    before = datetime.now(UTC)
    await server.client.get_schedule_handle(id).update(lambda asked: ScheduleUpdate(asked.description.schedule))
    changed = (await server.client.get_schedule_handle(id).describe()).info.last_updated_at
    assert changed is not None
    assert changed >= before - timedelta(seconds=1)
    description = await server.client.get_schedule_handle(id).describe()
    as_if_old = replace(description, info=replace(description.info, created_at=before - 50 * HOUR))
    look = Look(server.client, as_if_old, "demo", long_ago, None, datetime.now(UTC) + 5 * HOUR, PATIENCE_S)
    second = (await look.view()).live
    assert second is not None
    assert second.skipped == 5


async def test_runs_that_were_due_since_a_job_began_are_said_to_be_skipped(server: WorkflowEnvironment) -> None:
    id = await made(server, "busy")
    now = datetime.now(UTC)
    known = Known(None, LiveJob(7, now, is_scheduled=False))
    view = await looked(server, id, 5 * HOUR, known)
    assert view.live is not None
    assert (view.live.job_id, view.live.skipped, view.live.is_scheduled) == (7, 5, False)


@pytest.mark.parametrize(
    ("id", "input", "queue", "known", "said"),
    [
        ("ghost", {"connection": "ghost"}, WORKFLOW_QUEUE, None, "no connection ghost is stored"),
        ("nobody's", {}, WORKFLOW_QUEUE, None, "its input names no connection"),
        ("elsewhere", {"connection": "demo"}, "airbit", NOTHING, "its runs go to the task queue airbit"),
    ],
)
async def test_what_makes_every_run_fail_is_said(
    server: WorkflowEnvironment, id: str, input: dict[str, Any], queue: str, known: Known | None, said: str
) -> None:
    view = await looked(server, await made(server, id, input, queue), timedelta(), known)
    assert view.trouble is not None
    assert said in view.trouble


@workflow.defn(name=SCHEDULED_SYNC, sandboxed=False)
class Fails:
    """A run that comes to no job, by what its input says."""

    @workflow.run
    async def run(self, input: dict[str, Any]) -> None:
        if input["type"] == "cancelled":
            raise CancelledError("the sync was cancelled")
        raise ApplicationError("what was wrong", type=input["type"], non_retryable=True)


async def ran(env: WorkflowEnvironment, id: str) -> WorkflowHandle[Any, Any]:
    """One run of a schedule that exists."""
    handle = env.client.get_schedule_handle(id)
    await handle.trigger()
    async with asyncio.timeout(30):
        while not (recent := (await handle.describe()).info.recent_actions):
            await asyncio.sleep(0.05)
    action = recent[-1].action
    assert isinstance(action, ScheduleActionExecutionStartWorkflow)
    return env.client.get_workflow_handle(action.workflow_id, run_id=action.first_execution_run_id)


async def broken_off(env: WorkflowEnvironment, id: str, type: str) -> ScheduleView:
    """A schedule after its only run, which a Temporal worker failed."""
    await made(env, id, {"connection": "demo", "type": type})
    async with Worker(env.client, task_queue=WORKFLOW_QUEUE, workflows=[Fails]):
        run = await ran(env, id)
        with pytest.raises(WorkflowFailureError):
            await run.result()
    return await looked(env, id, timedelta())


async def test_a_run_that_failed_before_it_had_a_job_is_said(server: WorkflowEnvironment) -> None:
    view = await broken_off(server, "refused", "InvalidInput")
    assert view.trouble is not None
    assert "its last run failed before it had a job: what was wrong; try again" in view.trouble
    assert "airbyte-workers schedule trigger demo" in view.trouble
    at = datetime.now(UTC) + HOUR
    later = Known(ScheduledJob(5, JobStatus.FAILED, at, at), None)
    assert (await looked(server, "refused", timedelta(), later)).trouble is None, "it had a job"
    before = Known(ScheduledJob(5, JobStatus.FAILED, at - 2 * HOUR, at - 2 * HOUR), None)
    assert (await looked(server, "refused", timedelta(), before)).trouble is not None


async def test_a_run_that_was_terminated_before_it_had_a_job_is_said(server: WorkflowEnvironment) -> None:
    run = await ran(server, await made(server, "terminated"))
    await run.terminate(reason="by mistake")
    view = await looked(server, "terminated", timedelta())
    assert view.trouble is not None
    assert "by mistake" in view.trouble


@pytest.mark.parametrize("type", ["SyncFailed", "cancelled"])
async def test_a_run_whose_job_failed_or_that_was_cancelled_breaks_no_schedule(
    server: WorkflowEnvironment, type: str
) -> None:
    """Also where the job's row is gone, or is said to be older by another clock."""
    assert (await broken_off(server, f"ended {type}", type)).trouble is None


async def test_the_last_run_is_the_later_of_a_job_and_a_skip(server: WorkflowEnvironment) -> None:
    id = await made(server, "ran")
    at = datetime.now(UTC)
    known = Known(ScheduledJob(5, JobStatus.SUCCEEDED, at, at), None)
    assert (await looked(server, id, timedelta(), known)).last == LastRun(at=at, job_id=5, status=JobStatus.SUCCEEDED)
    before, after = Skips(3, at - HOUR, 4), Skips(3, at + HOUR, 6)
    assert (await looked(server, id, timedelta(), known, before)).last == LastRun(
        at=at, job_id=5, status=JobStatus.SUCCEEDED
    )
    view = await looked(server, id, timedelta(), known, after)
    assert (view.last, view.skips.busy) == (LastRun(at=at + HOUR, skipped_for=6), 3)
