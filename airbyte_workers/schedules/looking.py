"""One look at a schedule: what Temporal says of it, what the job database knows, and what is wrong with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from temporalio.client import (
    Client,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleDescription,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
)
from temporalio.exceptions import ApplicationError, CancelledError, FailureError
from temporalio.service import RPCError, RPCStatusCode

from airbyte_workers.names import SCHEDULE_ID_PREFIX, SCHEDULED_SYNC, SYNC_FAILED, WORKFLOW_QUEUE
from airbyte_workers.schedules.asking import matching_times
from airbyte_workers.schedules.notes import Note
from airbyte_workers.schedules.timings import jitter_s_of, span_words, timing_of
from airbyte_workers.schedules.values import LastRun, LiveRun, Overdue, ScheduleView, SkipCounts
from airbyte_workers.store.schedules import Known, Skips

NOBODY = "a run waits and no Temporal worker takes it up"
START_ONE = "start one: airbyte-workers worker (or, for the embedded stack, airbyte-workers local)"
_MOMENT = timedelta(seconds=1)
_TEMPORALS_OWN = timedelta(days=365)  # what it makes up for where nothing is said
_BROKEN_OFF = frozenset(
    {WorkflowExecutionStatus.FAILED, WorkflowExecutionStatus.TERMINATED, WorkflowExecutionStatus.TIMED_OUT}
)
_FIRST_TASK = 3  # events of a run that no worker has touched: started, task scheduled, task started at the most


def connection_of(description: ScheduleDescription) -> str | None:
    """Whose schedule it is; None where its input names no connection."""
    action = description.schedule.action
    assert isinstance(action, ScheduleActionStartWorkflow)
    for argument in action.args:
        found = _decoded(argument)
        if isinstance(found, dict) and isinstance(found.get("connection"), str):
            return str(found["connection"])
    named = description.id.removeprefix(SCHEDULE_ID_PREFIX)
    return named if named != description.id else None


def is_ours(description: ScheduleDescription) -> bool:
    """Whether it starts what a schedule of ours starts."""
    action = description.schedule.action
    return isinstance(action, ScheduleActionStartWorkflow) and action.workflow == SCHEDULED_SYNC


def foreign_queue(description: ScheduleDescription) -> str | None:
    """The task queue to which its runs go, where no Temporal worker of ours takes them."""
    action = description.schedule.action
    assert isinstance(action, ScheduleActionStartWorkflow)
    return action.task_queue if action.task_queue != WORKFLOW_QUEUE else None


@dataclass(frozen=True)
class Look:
    """At one schedule, at one moment. `known`: None where no such connection is stored."""

    client: Client
    description: ScheduleDescription
    connection: str | None
    known: Known | None
    skips: Skips | None
    now: datetime
    patience_s: float

    async def view(self) -> ScheduleView:
        described, info = self.description.schedule, self.description.info
        run, note = await self._last_run(), Note.of(described.state.note)
        return ScheduleView(
            schedule_id=self.description.id,
            connection=self.connection,
            timing=timing_of(described.spec),
            jitter_s=jitter_s_of(described.spec),
            catch_up_s=self._catch_up_s,
            paused=described.state.paused,
            note=note.kept,
            turned=note.turned,
            created_at=info.created_at,
            next_runs=() if self._is_still else tuple(info.next_action_times),
            last=self._last(),
            live=await self._live(run),
            skips=SkipCounts(
                overlap=info.num_actions_skipped_overlap,
                busy=self.skips.skipped if self.skips is not None else 0,
                missed=info.num_actions_missed_catchup_window,
            ),
            overdue=await self._overdue(run),
            trouble=self._trouble() or await self._failure(run),
        )

    @property
    def _catch_up_s(self) -> float:
        window = self.description.schedule.policy.catchup_window
        return window.total_seconds() if window is not None else _TEMPORALS_OWN.total_seconds()

    async def _last_run(self) -> WorkflowExecutionDescription | None:
        """The newest run that Temporal started, if it still knows it."""
        recent = self.description.info.recent_actions
        if not recent or not isinstance(recent[-1].action, ScheduleActionExecutionStartWorkflow):
            return None
        action = recent[-1].action
        handle = self.client.get_workflow_handle(action.workflow_id, run_id=action.first_execution_run_id)
        try:
            return await handle.describe()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return None

    def _last(self) -> LastRun | None:
        """The last job that it started, or the skip that came after it."""
        job = self.known.last if self.known is not None else None
        if self.skips is not None and (job is None or self.skips.last_at > job.created_at):
            return LastRun(at=self.skips.last_at, skipped_for=self.skips.last_job_id)
        return LastRun(at=job.created_at, job_id=job.id, status=job.status) if job is not None else None

    async def _live(self, run: WorkflowExecutionDescription | None) -> LiveRun | None:
        live = self.known.live if self.known is not None else None
        if live is not None:
            skipped = await self._due(max(live.since, self._changed), self.now)
            return LiveRun(job_id=live.id, since=live.since, is_scheduled=live.is_scheduled, skipped=len(skipped))
        if run is None or run.close_time is not None:
            return None
        return LiveRun(job_id=None, since=run.start_time, is_scheduled=True)

    async def _overdue(self, run: WorkflowExecutionDescription | None) -> Overdue | None:
        """A run that nobody takes up; or a time since the last run that started none."""
        limit = self.now - timedelta(seconds=self.patience_s)
        if run is not None and run.close_time is None:
            waits = run.start_time < limit and is_untouched(run)
            return Overdue(since=run.start_time, why=NOBODY, advice=START_ONE) if waits else None
        due = await self._due(self._settled(run), limit)
        if not due:
            return None
        why = "it was due and did not start: Temporal was away, or its scheduler stands still"
        catch_up = span_words(self._catch_up_s)
        advice = f"what is older than {catch_up} (--catch-up) is not made up for; start it with: {self._trigger()}"
        return Overdue(since=due[0], why=why, advice=advice)

    def _settled(self, run: WorkflowExecutionDescription | None) -> datetime:
        """Until when all is explained: by a change of the schedule, or by its last run."""
        times = [self._changed, run.close_time if run is not None else None]
        for action in self.description.info.recent_actions[-1:]:
            times += [action.scheduled_at, action.started_at]
        return max(time for time in times if time is not None)

    @property
    def _changed(self) -> datetime:
        """Since when it has the times that it has: made, changed, or resumed."""
        info = self.description.info
        return max(info.created_at, info.last_updated_at or info.created_at)

    @property
    def _is_still(self) -> bool:
        """Whether it starts nothing by itself: paused, or made for so many runs alone, which it has had."""
        state = self.description.schedule.state
        return state.paused or (state.limited_actions and not state.remaining_actions)

    async def _due(self, after: datetime, until: datetime) -> list[datetime]:
        """When it is due between the two, by its times; one that stands still never is."""
        if self._is_still or until <= after + _MOMENT:
            return []
        return await matching_times(self.client, self.description.id, after + _MOMENT, until)

    def _trouble(self) -> str | None:
        if self.connection is None:
            return "its input names no connection, so that its runs fail: delete it and make it anew"
        if (queue := foreign_queue(self.description)) is not None:
            return (
                f"its runs go to the task queue {queue}, which no Temporal worker of ours polls; ours: {WORKFLOW_QUEUE}"
            )
        if self.known is None:
            return (
                f"no connection {self.connection} is stored, so that its runs fail: sync it once, or delete the"
                f" schedule: airbyte-workers schedule delete {self.connection}"
            )
        return None

    async def _failure(self, run: WorkflowExecutionDescription | None) -> str | None:
        """Why the newest run came to no job, which is then told nowhere else."""
        job = self.known.last if self.known is not None else None
        if run is None or run.status not in _BROKEN_OFF or (job is not None and job.created_at >= run.start_time):
            return None
        try:
            await self.client.get_workflow_handle(run.id, run_id=run.run_id).result()
        except WorkflowFailureError as error:
            cause = error.cause
        else:
            return None
        had_job = isinstance(cause, ApplicationError) and cause.type == SYNC_FAILED  # by another clock, or cleaned up
        if had_job or isinstance(cause, CancelledError):
            return None
        said = cause.message if isinstance(cause, FailureError) else str(cause)
        return f"its last run failed before it had a job: {said}; try again with: {self._trigger()}"

    def _trigger(self) -> str:
        return f"airbyte-workers schedule trigger {self.connection}"


def is_untouched(run: WorkflowExecutionDescription) -> bool:
    """Whether a run goes on with which no Temporal worker has done anything."""
    return run.close_time is None and run.history_length <= _FIRST_TASK


def _decoded(argument: Any) -> Any:
    """An input as JSON; it comes as a payload, whatever made it."""
    data = getattr(argument, "data", None)
    if data is None:
        return argument
    try:
        return json.loads(data)
    except ValueError:
        return None
