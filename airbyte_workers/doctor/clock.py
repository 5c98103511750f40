"""The check of clocks: this host's against those of both servers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, timedelta
from uuid import uuid4

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, PollActivityTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from airbyte_workers.doctor.findings import Finding, Skip, fault, ok
from airbyte_workers.doctor.means import Means
from airbyte_workers.runtime.background import alongside

QUEUE = "airbyte-doctor"
"""A task queue that nobody else uses: Temporal tells its time only as that of a poll."""
_LOOK_S = 0.05
_TIME = "select extract(epoch from clock_timestamp())::float8"


@dataclass(frozen=True)
class Reading:
    """A server's time, which it told at a moment between two of our own; seconds since 1970."""

    server: str
    before: float
    told: float
    after: float

    @property
    def ahead_s(self) -> float:
        """How far this host's clock is ahead of the server's, at least; less than 0: it is behind."""
        return max(0.0, self.before - self.told) - max(0.0, self.told - self.after)


async def look_at_clocks(means: Means) -> Sequence[Finding]:
    readings = [each for each in await asyncio.gather(_of_postgresql(means), _of_temporal(means)) if each is not None]
    if not readings:
        raise Skip("there is no server to compare with")
    return judge_clocks(readings, means.settings.doctor_clock_skew_s)


def judge_clocks(readings: Sequence[Reading], limit_s: float) -> Sequence[Finding]:
    """Timeouts, leases and schedules are counted on more than one host."""
    advice = "let both hosts set their clocks by the network (chrony, systemd-timesyncd)"
    wrong = [fault(_told(each), advice) for each in readings if abs(each.ahead_s) > limit_s]
    return wrong or [ok("; ".join(map(_told, readings)))]


def _told(reading: Reading) -> str:
    if not reading.ahead_s:
        return f"as {reading.server}'s"
    how = "ahead of" if reading.ahead_s > 0 else "behind"
    return f"this host's clock is {abs(reading.ahead_s):,.1f} s {how} {reading.server}'s"


async def _of_postgresql(means: Means) -> Reading | None:
    with suppress(Skip):
        db = await means.database.through()
        async with db.acquire() as session:  # making one would widen the interval
            return await _read("PostgreSQL", lambda: session.fetchval(_TIME))
    return None


async def _of_temporal(means: Means) -> Reading | None:
    with suppress(Skip, TimeoutError, RPCError):  # a client may lack the right to poll
        client = await means.temporal.through()
        return await _read("Temporal", lambda: _temporals_time(client, means.limit_s))
    return None


async def _read(server: str, ask: Callable[[], Awaitable[float]]) -> Reading:
    before = time.time()
    told = await ask()
    return Reading(server, before, told, time.time())


async def _temporals_time(client: Client, within_s: float) -> float:
    """When a poll of ours came in, as Temporal's clock has it."""
    identity = str(uuid4())
    queue = TaskQueue(name=QUEUE)
    poll = PollActivityTaskQueueRequest(namespace=client.namespace, task_queue=queue, identity=identity)
    asked = DescribeTaskQueueRequest(
        namespace=client.namespace, task_queue=queue, task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
    )
    limit = timedelta(seconds=within_s)

    async def polling() -> None:
        with suppress(RPCError):  # it ends by its limit: there is nothing to be fetched
            await client.workflow_service.poll_activity_task_queue(poll, timeout=limit)

    async with alongside(polling()), asyncio.timeout(within_s):
        while True:
            described = await client.workflow_service.describe_task_queue(asked, timeout=limit)
            for poller in described.pollers:
                if poller.identity == identity:
                    return poller.last_access_time.ToDatetime(UTC).timestamp()
            await asyncio.sleep(_LOOK_S)
