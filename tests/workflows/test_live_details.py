"""The details panel of a run that works, as a real Temporal server hands it to whoever looks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from said import success
from script import Script
from temporalio import activity
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker
from workflow_servers import real

from airbyte_workers.models import AttemptOutcome, AttemptRef, Configured, Launched, Progress
from airbyte_workers.names import WORKFLOW_QUEUE
from airbyte_workers.runtime import live_details
from airbyte_workers.runtime.live_details import METADATA, LiveDetails
from airbyte_workers.runtime.pools import WORKFLOWS

pytestmark = pytest.mark.temporal
SYNC = {"connection": "demo", "source": {"image": "source:1"}, "destination": {"image": "destination:1"}}
ID = "sync/demo"
FIGURES = Progress(
    phase="running",
    records_emitted=12_345,
    records_estimated=50_000,
    records_committed=10_000,
    records_per_second=3_000,
    bytes_per_second=1_250_000,
    last_acknowledgement_age_s=2,
    waiting_for="destination",
    waiting_share=0.8,
)
CHOICE = Configured(choice=("users: incremental, append",))
SHOWN = """\
- 12,345 of about 50,000 records (24%, about 12.6 s left) emitted, 10,000 committed
- 3,000 records/s, 1.2 MB/s
- acknowledged 2 s ago
- waiting for the destination 80%"""


@dataclass
class Telling(Script):
    """The watch tells these figures until it is let go; `troubled`: a launch fails first."""

    figures: Any = FIGURES
    go: asyncio.Event = field(default_factory=asyncio.Event)
    troubled: bool = False

    @activity.defn(name="launch_workload")
    async def launch_workload(self, ref: AttemptRef) -> Launched:
        if self.troubled and activity.info().attempt > 1:
            await self._until_let_go()
        if self.troubled:
            raise ApplicationError("the registry is away```", type="LaunchFailed")
        return await super().launch_workload(ref)

    @activity.defn(name="watch_workload")
    async def watch_workload(self, ref: AttemptRef) -> AttemptOutcome:
        await self._until_let_go()
        return success()

    async def _until_let_go(self) -> None:
        while not self.go.is_set():
            activity.heartbeat(self.figures)
            await asyncio.sleep(0.05)


@asynccontextmanager
async def running(script: Telling, client: Client) -> AsyncIterator[Client]:
    """A sync in the middle of its first attempt, decided on by a worker as ours are."""
    deciding = Worker(client, task_queue=WORKFLOW_QUEUE, workflows=WORKFLOWS, interceptors=[LiveDetails(client)])
    async with script.working(client), deciding:
        handle = await client.start_workflow("Sync", SYNC, id=ID, task_queue=WORKFLOW_QUEUE)
        yield client
        script.go.set()
        script.troubled = False
        await handle.result()


async def panel(client: Client) -> str:
    """What Temporal's page asks, and gets."""
    answer = await client.get_workflow_handle(ID).query(METADATA, result_type=WorkflowMetadata)
    return answer.current_details


async def panel_with(text: str, client: Client) -> str:
    async with asyncio.timeout(30):
        while text not in (shown := await panel(client)):
            await asyncio.sleep(0.1)
    return shown


async def events(client: Client) -> int:
    return len((await client.get_workflow_handle(ID).fetch_history()).events)


async def test_it_says_how_far_the_pod_is_and_looking_leaves_no_trace_in_history() -> None:
    script = Telling(configured=CHOICE)
    async with await real() as server, running(script, server.client) as client:
        shown = await panel_with("committed", client)
        assert "**Sync of demo**, job 7" in shown
        assert "attempt 1: running: pod replication-job-7-attempt-0\n\nrunning (at " in shown
        assert shown.endswith(f"{SHOWN}\n\nstreams:\n\n- users: incremental, append")
        before = await events(client)
        script.figures = FIGURES.model_copy(update={"records_committed": 11_111, "waiting_for": ""})
        assert "waiting for" not in await panel_with("11,111 committed", client)
        assert await events(client) == before


async def test_it_says_why_a_step_is_tried_again_in_a_block_of_its_own() -> None:
    async with await real() as server, running(Telling(configured=CHOICE, troubled=True), server.client) as client:
        shown = await panel_with("nothing moves", client)
        assert (
            "\n\nnothing moves:\n\n````\ntrying again after: the registry is away```\n````\n\nstreams:\n\n- users"
            in shown
        )


async def test_while_temporal_does_not_answer_in_time_it_says_what_the_run_knows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with await real() as server, running(Telling(configured=CHOICE), server.client) as client:
        await panel_with("committed", client)
        monkeypatch.setattr(live_details, "ANSWER_S", 0.0)
        shown = await panel(client)
        assert shown.endswith(
            "attempt 1: running: pod replication-job-7-attempt-0\n\nstreams:\n\n- users: incremental, append"
        )


async def test_figures_that_cannot_be_read_leave_the_rest_of_the_panel() -> None:
    """A worker of another release tells them."""
    async with await real() as server, running(Telling(figures={"phase": 7}), server.client) as client:
        assert "attempt 1: running" in await panel_with("attempt 1: running", client)


async def test_other_questions_are_answered_as_ever() -> None:
    async with await real() as server, running(Telling(configured=CHOICE), server.client) as client:
        await panel_with("committed", client)
        phase = await client.get_workflow_handle(ID).query("progress")
        assert phase["phase"] == "running"
