"""What Temporal knows of the activities that a run waits for: how far they are, and why they do not get on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import WorkflowExecutionDescription, WorkflowExecutionStatus

from airbyte_workers.models import Progress

ALONE = timedelta(seconds=8)  # a task that nobody takes for so long waits for a worker that is not there
_TELLING = frozenset({"launch_workload", "watch_workload"})  # the activities whose heartbeats carry progress


async def figures(description: WorkflowExecutionDescription) -> Progress | None:
    """What the running activity last said of the pod."""
    if description.status is not WorkflowExecutionStatus.RUNNING:
        return None
    for pending in description.raw_description.pending_activities:
        if pending.activity_type.name not in _TELLING or not pending.HasField("heartbeat_details"):
            continue
        if pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED:
            values = await description.data_converter.decode(pending.heartbeat_details.payloads, [Progress])
            return values[0] if values else None
    return None


def trouble(description: WorkflowExecutionDescription, now: datetime) -> str | None:
    """Why nothing moves: nobody takes a step up, or it is tried again."""
    for pending in description.raw_description.pending_activities:
        waits = pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED and pending.attempt <= 1
        if waits and now - pending.scheduled_time.ToDatetime(UTC) > ALONE:
            return (
                f"no Temporal worker takes up {pending.activity_type.name}: does one poll its queue?"
                " (airbyte-workers worker)"
            )
        failed = pending.last_failure
        if pending.attempt > 1 and failed.HasField("application_failure_info"):
            return f"trying again after: {failed.message}"  # others are lost workers: somebody else goes on
    return None
