"""What a real Temporal server says of runs, as the reconciler reads it: every way a run can end or be lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid4

import pytest
from said import success
from script import Script
from temporalio import activity
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import (
    DeleteWorkflowExecutionRequest,
    RegisterNamespaceRequest,
    ResetWorkflowExecutionRequest,
)
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from workflow_servers import real

from activities.lifecycle import leaves_pod_alone
from activities.run_looks import RunLooks, TemporalAway
from airbyte_workers.jobs.reconciliation import Seen, Sighting
from airbyte_workers.models import AttemptOutcome, AttemptRef
from airbyte_workers.runtime.plugin import AirbytePlugin
from airbyte_workers.runtime.stack.temporal import DYNAMIC_CONFIG

pytestmark = pytest.mark.temporal
SYNC = {"connection": "demo", "source": {"image": "source:1"}, "destination": {"image": "destination:1"}}
ID = "sync/demo"
HELD = "watch sync 0"
Handle = WorkflowHandle[object, object]


@pytest.fixture
async def server() -> AsyncIterator[WorkflowEnvironment]:
    async with await real() as environment:
        yield environment


async def started(client: Client, **options: timedelta) -> Handle:
    handle: Handle = await client.start_workflow("Sync", SYNC, id=ID, task_queue="airbyte", **options)
    return client.get_workflow_handle(ID, run_id=handle.result_run_id)


async def look(handle: Handle, client: Client) -> Sighting:
    assert handle.run_id is not None
    return await RunLooks(client).look(ID, handle.run_id)


async def reset(client: Client, handle: Handle, *, to: int) -> str:
    """Let the run begin again after its `to`th workflow task; the run that goes on."""
    events = [event async for event in handle.fetch_history_events()]
    tasks = [each.event_id for each in events if each.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED]
    request = ResetWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=handle.run_id),
        reason="try again",
        workflow_task_finish_event_id=tasks[to - 1],
        request_id=str(uuid4()),
    )
    return str((await client.workflow_service.reset_workflow_execution(request)).run_id)


async def deleted(client: Client, handle: Handle) -> None:
    execution = WorkflowExecution(workflow_id=ID, run_id=handle.run_id)
    await client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(namespace=client.namespace, workflow_execution=execution)
    )


async def until_closed(handle: Handle, client: Client) -> Sighting:
    async with asyncio.timeout(30):
        while (seen := await look(handle, client)).seen is Seen.RUNS:
            await asyncio.sleep(0.05)
    return seen


async def test_a_run_that_runs_and_then_is_terminated(server: WorkflowEnvironment) -> None:
    script = Script(hold=[HELD])
    async with script.played(server.client):
        handle = await started(server.client)
        await script.reached(HELD)
        assert await look(handle, server.client) == Sighting(Seen.RUNS)
        await handle.terminate(reason="too slow")
        seen = await look(handle, server.client)
    assert (seen.seen, seen.how, seen.reason, seen.successor) == (Seen.CLOSED, "terminated", "too slow", "")
    assert seen.by == server.client.service_client.config.identity


async def test_a_run_that_is_reset_says_which_run_goes_on_and_with_which_job(server: WorkflowEnvironment) -> None:
    script = Script(hold=[HELD])
    async with script.played(server.client):
        handle = await started(server.client)
        await script.reached(HELD)
        second = await reset(server.client, handle, to=2)
        assert await look(handle, server.client) == Sighting(Seen.CLOSED, "terminated", "", "try again", second, 7)
        goes_on = server.client.get_workflow_handle(ID, run_id=second)
        assert (await look(goes_on, server.client)).seen is Seen.RUNS
        script.hold = ()
        third = await reset(server.client, goes_on, to=1)
        of_second = await look(goes_on, server.client)
        assert (of_second.successor, (await look(handle, server.client)).successor) == (third, second)


@dataclass
class Watching(Script):
    """Notes of each watch that is told to stop whether it may end the pod."""

    leaves: list[bool] = field(default_factory=list)
    told: asyncio.Event = field(default_factory=asyncio.Event)

    @activity.defn(name="watch_workload")
    async def watch_workload(self, ref: AttemptRef) -> AttemptOutcome:
        try:
            await self._called("watch sync 0")
        except asyncio.CancelledError:
            self.leaves.append(await leaves_pod_alone())
            self.told.set()
            raise
        return success()


@pytest.mark.parametrize(
    ("way", "leaves"), [("reset", True), ("terminate", False), ("cancel", False), ("delete", False)]
)
@pytest.mark.parametrize("quick", [True, False], ids=["told at once", "told on a heartbeat"])
async def test_only_a_reset_leaves_the_pod_to_the_run_that_goes_on(quick: bool, way: str, leaves: bool) -> None:
    """Temporal tells activities of a run that is closed in two ways, one of which looks like a cancel."""
    script = Watching(hold=[HELD])
    async with await real(*(DYNAMIC_CONFIG if quick else ())) as server, script.played(server.client):
        handle = await started(server.client)
        await script.reached(HELD)
        if way == "reset":
            await reset(server.client, handle, to=2)
        elif way == "delete":
            await deleted(server.client, handle)
        else:
            await getattr(handle, way)()
        async with asyncio.timeout(30):
            await script.told.wait()
        script.release(HELD)
        assert script.leaves == [leaves]


async def test_a_run_that_is_reset_to_its_beginning_has_no_job_yet(server: WorkflowEnvironment) -> None:
    script = Script(hold=[HELD])
    async with script.working(server.client), script.deciding(server.client):
        handle = await started(server.client)
        await script.reached(HELD)
    second = await reset(server.client, handle, to=1)  # nobody works on it now
    assert await look(handle, server.client) == Sighting(Seen.CLOSED, "terminated", "", "try again", second, None)


@pytest.mark.parametrize("way", ["canceled", "timed_out", "failed", "completed"])
async def test_every_other_end_of_a_run(server: WorkflowEnvironment, way: str) -> None:
    script = Script(refuse="no such image" if way == "failed" else None, hold=[HELD])
    options = {"run_timeout": timedelta(seconds=1)} if way == "timed_out" else {}
    async with script.played(server.client):
        if way == "completed":
            spec = await server.client.start_workflow("Spec", {"image": "a"}, id=ID, task_queue="airbyte")
            handle: Handle = server.client.get_workflow_handle(ID, run_id=spec.result_run_id)
        else:
            handle = await started(server.client, **options)
        if way == "canceled":
            await script.reached(HELD)
            await handle.cancel()
        seen = await until_closed(handle, server.client)
    assert (seen.seen, seen.how, seen.successor) == (Seen.CLOSED, way, "")
    assert seen.reason == ("no such image" if way == "failed" else "")


async def test_runs_and_namespaces_that_are_not_there(server: WorkflowEnvironment) -> None:
    client = server.client
    looks = RunLooks(client)
    assert await looks.look(ID, str(uuid4())) == Sighting(Seen.MISSING)
    assert await looks.job_of(ID, str(uuid4())) is None
    assert (await looks.look(ID, "no id of a run")).seen is Seen.UNKNOWN
    here = await looks.namespace()
    assert await looks.has_namespace(here.namespace_id)
    assert not await looks.has_namespace(str(uuid4()))

    nowhere = RunLooks(await connected(server, "nowhere"))
    for asked in (nowhere.look(ID, str(uuid4())), nowhere.namespace()):
        with pytest.raises(TemporalAway):
            await asked

    await client.workflow_service.register_namespace(
        RegisterNamespaceRequest(namespace="another", workflow_execution_retention_period=timedelta(days=1))
    )
    there = await RunLooks(await connected(server, "another")).namespace()
    assert (there.cluster_id, there.namespace_id != here.namespace_id) == (here.cluster_id, True)


async def connected(server: WorkflowEnvironment, namespace: str) -> Client:
    address = server.client.service_client.config.target_host
    return await Client.connect(address, namespace=namespace, plugins=[AirbytePlugin()])


async def test_a_run_that_is_deleted_is_missing(server: WorkflowEnvironment) -> None:
    client = server.client
    handle = await started(client)
    await deleted(client, handle)
    async with asyncio.timeout(30):
        while (await look(handle, client)).seen is not Seen.MISSING:
            await asyncio.sleep(0.05)


async def test_a_server_that_is_gone_says_nothing() -> None:
    async with await real() as environment:
        looks = RunLooks(environment.client)
        here = await looks.namespace()
        await environment.shutdown()
        for asked in (looks.look(ID, str(uuid4())), looks.namespace(), looks.has_namespace(str(uuid4()))):
            with pytest.raises(TemporalAway):
                await asked
    async with await real() as another:
        there = await RunLooks(another.client).namespace()
    assert there.cluster_id != here.cluster_id
    assert there.namespace_id != here.namespace_id


@pytest.mark.parametrize(("way", "becomes"), [("terminate", "canceled"), ("reset", "completed")])
async def test_a_sync_started_under_another_id_ends_in_order_or_goes_on_when_its_parent_does_not(
    server: WorkflowEnvironment, way: str, becomes: str
) -> None:
    """Its row is its own run's, so the parent's end changes nothing there that its run does not write itself."""
    script = Script([success()], hold=[HELD])
    async with script.played(server.client):
        parent = await server.client.start_workflow("Sync", SYNC, id="mine", task_queue="airbyte")
        await script.reached(HELD)
        child: Handle = await first_run(server.client)
        if way == "terminate":
            await parent.terminate()
        else:
            await reset(server.client, server.client.get_workflow_handle("mine", run_id=parent.result_run_id), to=1)
            assert (await look(child, server.client)).seen is Seen.RUNS
            script.release(HELD)
        seen = await until_closed(child, server.client)
    assert (seen.how, script.calls[-1]) == (becomes, f"close job {'cancelled' if way == 'terminate' else 'succeeded'}")


async def first_run(client: Client) -> Handle:
    described = await client.get_workflow_handle(ID).describe()
    return client.get_workflow_handle(ID, run_id=described.run_id)
