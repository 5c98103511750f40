"""One run of a schedule that somebody asked for, and what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg
from temporalio.client import (
    Client,
    ScheduleActionExecutionStartWorkflow,
    ScheduleDescription,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
)
from temporalio.exceptions import ApplicationError

from airbyte_workers.names import SYNC_FAILED
from airbyte_workers.schedules.looking import NOBODY, START_ONE, connection_of, is_untouched
from airbyte_workers.schedules.values import Triggered
from airbyte_workers.store import schedules

_LOOK_S = 0.1


@dataclass(frozen=True)
class Trigger:
    """Of one schedule as it stood before."""

    client: Client
    db: asyncpg.Pool
    before: ScheduleDescription
    wait_s: float

    async def pulled(self) -> Triggered:
        """Ask for the run, and look until it has a job, was skipped, has failed, or `wait_s` is over."""
        await self.client.get_schedule_handle(self.before.id).trigger()
        run: WorkflowHandle[Any, Any] | None = None
        try:
            async with asyncio.timeout(self.wait_s):
                while True:
                    run = run or await self._started()
                    if (found := await self._became(run) if run is not None else await self._skipped()) is not None:
                        return found
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            return self._told(run, waits=await self._why(run))

    async def _started(self) -> WorkflowHandle[Any, Any] | None:
        """The run that is new, as soon as Temporal has started it."""
        info = (await self._described()).info
        if info.num_actions <= self.before.info.num_actions or not info.recent_actions:
            return None
        action = info.recent_actions[-1].action
        assert isinstance(action, ScheduleActionExecutionStartWorkflow)
        return self.client.get_workflow_handle(action.workflow_id, run_id=action.first_execution_run_id)

    async def _skipped(self) -> Triggered | None:
        """Temporal starts none while the schedule's own last run goes on."""
        info = (await self._described()).info
        if info.num_actions_skipped_overlap <= self.before.info.num_actions_skipped_overlap:
            return None
        connection = connection_of(self.before)
        live = await schedules.live_job(self.db, connection) if connection is not None else None
        job = live.words if live is not None else "it waits for a Temporal worker"
        return self._told(None, skipped=f"the schedule's last run is not over ({job})")

    async def _became(self, run: WorkflowHandle[Any, Any]) -> Triggered | None:
        description = await run.describe()
        if description.status is WorkflowExecutionStatus.RUNNING:
            job_id = await self._job_of_child(description)
            return self._told(run, job_id=job_id) if job_id is not None else None
        return self._told(run, **await ending(run))

    async def _job_of_child(self, description: WorkflowExecutionDescription) -> int | None:
        for child in description.raw_description.pending_children:
            return await schedules.job_of_run(self.db, child.run_id)
        return None

    async def _why(self, run: WorkflowHandle[Any, Any] | None) -> str:
        if run is None:
            return f"Temporal has not started it after {self.wait_s:g} s"
        if is_untouched(await run.describe()):
            return f"{NOBODY}; {START_ONE}"
        return f"it has no job yet after {self.wait_s:g} s"

    async def _described(self) -> ScheduleDescription:
        return await self.client.get_schedule_handle(self.before.id).describe()

    def _told(self, run: WorkflowHandle[Any, Any] | None, **became: Any) -> Triggered:
        return Triggered(schedule_id=self.before.id, workflow_id=run.id if run is not None else None, **became)


async def ending(run: WorkflowHandle[Any, Any]) -> Mapping[str, Any]:
    """What a run that is over came to: a field of Triggered. That its job failed is for the job to tell."""
    try:
        result = await run.result()
    except WorkflowFailureError as error:
        job_id = _job_of_failure(error.cause)
        return {"job_id": job_id} if job_id is not None else {"failed": str(error.cause)}
    if result["status"] == "skipped":
        return {"skipped": result["reason"]}
    return {"job_id": result["job_id"]}


def _job_of_failure(cause: BaseException) -> int | None:
    """The job that failed; its report goes with the failure."""
    if not isinstance(cause, ApplicationError) or cause.type != SYNC_FAILED:
        return None
    return next((report["job_id"] for report in cause.details), None)
