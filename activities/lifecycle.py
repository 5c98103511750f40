"""What surrounds a long activity: heartbeats of its own, and the difference between cancel and hand-over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import NoReturn

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.run_looks import RunLooks, TemporalAway
from airbyte_workers.jobs.reconciliation import Seen, Sighting
from airbyte_workers.models import Value

_BEATS_PER_TIMEOUT = 15
HANDOVER = "WorkerShutdown"
HANDOVER_DELAY = timedelta(seconds=0.5)
AWAY_DELAY = timedelta(seconds=5)


@asynccontextmanager
async def heartbeating(details: Callable[[], Value | None] = lambda: None) -> AsyncIterator[None]:
    """Beat for as long as the block runs, whatever it waits for; `details` is what a beat carries."""
    timeout = activity.info().heartbeat_timeout
    interval = timeout.total_seconds() / _BEATS_PER_TIMEOUT if timeout else 1.0
    # No TaskGroup: it would wrap the block's own error in a group, and Temporal reads the type of what is raised.
    beating = asyncio.create_task(_beat(min(interval, 1.0), details))
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.wait([beating])


async def _beat(interval: float, details: Callable[[], Value | None]) -> None:
    while True:
        value = details()
        activity.heartbeat(*([value] if value is not None else []))
        await asyncio.sleep(interval)


def hand_over_if_stopping() -> None:
    """Raise what lets Temporal give this activity to another worker, if this one is being stopped."""
    if activity.is_worker_shutdown():
        hand_over("the Temporal worker is stopping, another one goes on")


def hand_over(reason: str, after: timedelta = HANDOVER_DELAY) -> NoReturn:
    """Let another worker do this activity, soon; one that is away is not worth as many tries."""
    raise ApplicationError(reason, type=HANDOVER, next_retry_delay=after)


async def leaves_pod_alone() -> bool:
    """Whether somebody else looks after the pod now, or will: this worker stops, Temporal has lost this watch or is
    away itself, or the run was reset.

    The run that a reset has put in its place adopts the pod; if it does not, the reconciler ends it. A watch whose
    heartbeats did not get through is told that it timed out, and that Temporal does not know it any more: as long as
    the run goes on, another watch follows.
    """
    details = activity.cancellation_details()
    if details is None:
        return True
    if details.cancel_requested:
        return bool((await _run()).successor)
    return not details.not_found or not await _is_over()


async def _is_over() -> bool:
    """Whether the run has closed, and none goes on in its place; one that was deleted is closed first."""
    run = await _run()
    return run.seen is Seen.MISSING or (run.seen is Seen.CLOSED and not run.successor)


async def _run() -> Sighting:
    """This activity's run as far as Temporal says; nothing is known of it while Temporal is away."""
    info, unknown = activity.info(), Sighting(Seen.UNKNOWN)
    if info.workflow_id is None or info.workflow_run_id is None:
        return unknown
    try:
        return await RunLooks(activity.client()).look(info.workflow_id, info.workflow_run_id)
    except (TemporalAway, RuntimeError):  # the latter where an activity runs without a worker
        return unknown
