"""What Temporal makes of a specification: asked by a schedule that is never run and does not stay."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from temporalio.api.workflowservice.v1 import ListScheduleMatchingTimesRequest
from temporalio.client import Client, Schedule, ScheduleActionStartWorkflow, ScheduleSpec, ScheduleState
from temporalio.service import RPCError, RPCStatusCode

from airbyte_workers.names import WORKFLOW_QUEUE
from airbyte_workers.runs import InvalidInput

MOST_TIMES = 1000  # Temporal tells no more at once
_QUESTION = "schedule-question/"
_REFUSED = "Invalid schedule spec: "
_NOTE = "asked for its times alone; it never runs and can be deleted"


@dataclass(frozen=True)
class Question:
    """A schedule that exists for as long as somebody asks about it."""

    client: Client
    id: str
    spec: ScheduleSpec

    async def times(self, first: datetime, last: datetime) -> list[datetime]:
        """When it would run from `first` to `last`."""
        return await matching_times(self.client, self.id, first, last)


@asynccontextmanager
async def asked(client: Client, spec: ScheduleSpec) -> AsyncIterator[Question]:
    """A question about a specification, which Temporal has brought into its own form. Raises InvalidInput."""
    id = f"{_QUESTION}{uuid4()}"
    action = ScheduleActionStartWorkflow("Never", id=id, task_queue=WORKFLOW_QUEUE)
    state = ScheduleState(paused=True, note=_NOTE)
    try:
        handle = await client.create_schedule(id, Schedule(action=action, spec=spec, state=state))
    except RPCError as error:
        raise _refused(error) from None
    try:
        yield Question(client, id, (await handle.describe()).schedule.spec)
    finally:
        await handle.delete()


async def matching_times(client: Client, id: str, first: datetime, last: datetime) -> list[datetime]:
    """When a schedule that exists is due from `first` to `last`, jitter included; MOST_TIMES at the most."""
    request = ListScheduleMatchingTimesRequest(namespace=client.namespace, schedule_id=id)
    request.start_time.FromDatetime(_bare(first))
    request.end_time.FromDatetime(_bare(last))
    answer = await client.workflow_service.list_schedule_matching_times(request)
    return [time.ToDatetime(UTC) for time in answer.start_time]


def _refused(error: RPCError) -> Exception:
    """Temporal's own words, under the name of the field that they are about."""
    if error.status is not RPCStatusCode.INVALID_ARGUMENT:
        return error
    said = error.message.removeprefix(_REFUSED)
    return InvalidInput(f"{'timezone' if 'time zone' in said or 'timezone' in said else 'cron'}: {said}")


def _bare(at: datetime) -> datetime:
    """UTC without saying so, as protobuf takes it."""
    return at.astimezone(UTC).replace(tzinfo=None)
