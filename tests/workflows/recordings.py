"""Runs of replication jobs whose histories are kept: what runs today must be able to go on with tomorrow's code."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from said import complete, discover, failure, partial, refused, spec, success
from script import LIMITS, Script
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from workflow_servers import real, time_skipping

from airbyte_workers.client import Client
from airbyte_workers.models import AttemptOutcome, FailureType, RetryRules, SyncInput
from airbyte_workers.names import (
    CONNECTION_ATTRIBUTE,
    IMAGES_ATTRIBUTE,
    SCHEDULED_SYNC,
    WORKFLOW_QUEUE,
    Role,
    scheduled_workflow_id,
    sync_workflow_id,
)
from airbyte_workers.runtime.search_attributes import Registered
from airbyte_workers.settings import Settings

FOLDER = Path(__file__).parent / "histories"
INPUT = SyncInput.model_validate(
    {"connection": "demo", "source": {"command": ["source"]}, "destination": {"command": ["destination"]}}
)
ID = sync_workflow_id("demo")
RUNNING = "watch sync 0"
CONFIG_ERROR = AttemptOutcome(status="failed", failures=(failure(FailureType.CONFIG_ERROR, "no such table"),))
SCHEDULED_ID = scheduled_workflow_id("demo")
SCHEDULED = frozenset({"scheduled", "scheduled_skipped"})
"""Recordings of what a schedule starts, not of its sync."""
REAL = frozenset({"worker_lost", "found"})
"""What the time-skipping server does not know: a task goes on to another worker when its own does not take it; search
attributes."""
FOUND_BY = {
    "keywords": {CONNECTION_ATTRIBUTE: "demo"},
    "lists": {IMAGES_ATTRIBUTE: ("source:1", "destination:1")},
    "status": True,
}
Play = Callable[[WorkflowEnvironment, Script], Awaitable[None]]


async def server_for(name: str) -> WorkflowEnvironment:
    """Where it is recorded."""
    return await (real() if name in REAL else time_skipping())


async def recorded(env: WorkflowEnvironment, name: str) -> WorkflowHandle[Any, Any]:
    """Play a recording to its end."""
    script, play = RECORDINGS[name]()
    await play(env, script)
    return env.client.get_workflow_handle(SCHEDULED_ID if name in SCHEDULED else ID)


# --- how they go ---


def _client(env: WorkflowEnvironment) -> Client:
    """No input of these has a config, so no job database is asked."""
    return Client(env.client, Settings())


async def _to_its_end(env: WorkflowEnvironment, script: Script) -> None:
    async with script.played(env.client):
        await _client(env).sync(INPUT, raise_on_failure=False)


async def _found_to_its_end(env: WorkflowEnvironment, script: Script) -> None:
    await Registered(env.client).look()
    await _to_its_end(env, script)


async def _clear(env: WorkflowEnvironment, script: Script) -> None:
    async with script.played(env.client):
        await _client(env).clear("demo", raise_on_failure=False)


async def _refresh(env: WorkflowEnvironment, script: Script) -> None:
    async with script.played(env.client):
        await _client(env).refresh("demo", raise_on_failure=False)


async def _scheduled(env: WorkflowEnvironment, script: Script) -> None:
    async with script.played(env.client):
        run = await env.client.start_workflow(
            SCHEDULED_SYNC, {"connection": "demo"}, id=SCHEDULED_ID, task_queue=WORKFLOW_QUEUE
        )
        await run.result()


async def _scheduled_meanwhile(env: WorkflowEnvironment, script: Script) -> None:
    async with script.played(env.client):
        by_hand = await _client(env).start_sync(INPUT)
        await script.reached(RUNNING)
        run = await env.client.start_workflow(
            SCHEDULED_SYNC, {"connection": "demo"}, id=SCHEDULED_ID, task_queue=WORKFLOW_QUEUE
        )
        await run.result()
        script.release(RUNNING)
        await by_hand.result()


async def _cancelled_in_attempt(env: WorkflowEnvironment, script: Script) -> None:
    async with script.played(env.client):
        started = await _client(env).start_sync(INPUT)
        await script.reached(RUNNING)
        await started.cancel(by="me", reason="enough")
        await _ended(env)


async def _cancelled_by_temporal(env: WorkflowEnvironment, script: Script) -> None:
    async with script.played(env.client):
        await _client(env).start_sync(INPUT)
        await script.reached("launch sync 0")
        await env.client.get_workflow_handle(ID).cancel()
        await _ended(env)


async def _cancelled_in_backoff(env: WorkflowEnvironment, script: Script) -> None:
    async with script.played(env.client):
        started = await _client(env).start_sync(INPUT)
        with env.auto_time_skipping_disabled():
            while (phase := await started.phase()) is None or phase.phase != "waiting":
                await asyncio.sleep(0.05)
            await started.cancel(by="me", reason="enough")
            await _ended(env)


async def _with_lost_workers(env: WorkflowEnvironment, script: Script) -> None:
    """The worker that watched says nothing any more, and the one that decided is replaced by one without a memory."""
    async with script.working(env.client):
        async with script.deciding(env.client):
            await _client(env).start_sync(INPUT)
            await script.reached("launch sync 0")
        script.release("launch sync 0")
        async with script.deciding(env.client):
            await _ended(env)


async def _ended(env: WorkflowEnvironment) -> None:
    """Without a skip of time: what is waited for here is not only timers."""
    handle = env.client.get_workflow_handle(ID)
    async with asyncio.timeout(60):
        while (await handle.describe()).status is WorkflowExecutionStatus.RUNNING:
            await asyncio.sleep(0.05)


# --- which there are ---

_HASTY = RetryRules(complete_failures_backoff_min_interval_s=0.2)
_PATIENT = RetryRules(complete_failures_backoff_min_interval_s=1e6, complete_failures_backoff_max_interval_s=1e6)

RECORDINGS: dict[str, Callable[[], tuple[Script, Play]]] = {
    "success": lambda: (Script([success()], plan={"previous_succeeded": True}), _to_its_end),
    "questions": lambda: (
        Script([success()], plan={"questions": (spec(Role.SOURCE), spec(Role.DESTINATION), discover())}),
        _to_its_end,
    ),
    "clear": lambda: (Script([complete(), success()]), _clear),
    "refresh": lambda: (Script([complete(), success()], plan={"questions": (discover(),)}), _refresh),
    "scheduled": lambda: (Script([success()]), _scheduled),
    "scheduled_skipped": lambda: (Script([success()], hold=[RUNNING]), _scheduled_meanwhile),
    "sync_of_schedule": lambda: (Script([success()]), _scheduled),
    "retried_success": lambda: (Script([complete(), partial(), success()]), _to_its_end),
    "found": lambda: (Script([complete(), success()], rules=_HASTY, plan={"search": FOUND_BY}), _found_to_its_end),
    "exhausted": lambda: (Script([complete()] * 5), _to_its_end),
    "config_error": lambda: (Script([CONFIG_ERROR]), _to_its_end),
    "check_failed": lambda: (Script(launches={"sync 0": refused("the check failed: no such host")}), _to_its_end),
    "cancelled_in_attempt": lambda: (Script(hold=[RUNNING]), _cancelled_in_attempt),
    "cancelled_while_launching": lambda: (Script(hold=["launch sync 0"]), _cancelled_by_temporal),
    "cancelled_in_backoff": lambda: (Script([complete()], rules=_PATIENT), _cancelled_in_backoff),
    "worker_lost": lambda: (
        Script(
            [success()],
            hold=["launch sync 0"],
            silent={RUNNING},
            limits=LIMITS.model_copy(update={"heartbeat_s": 1.0}),
        ),
        _with_lost_workers,
    ),
}
