"""Our search attributes in a real Temporal: registered by a worker, and never able to stop a run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from said import complete, success
from script import Script
from structlog.testing import capture_logs
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, RemoveSearchAttributesRequest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment
from workflow_servers import real

from airbyte_workers.names import CONNECTION_ATTRIBUTE, IMAGES_ATTRIBUTE, STATUS_ATTRIBUTE, WORKSPACE_ATTRIBUTE
from airbyte_workers.runtime.search_attributes import OURS, Registered, registered
from airbyte_workers.settings import Settings

pytestmark = pytest.mark.temporal
SYNC = {"connection": "demo", "source": {"image": "source:1"}, "destination": {"image": "destination:1"}}
BY = {
    "keywords": {CONNECTION_ATTRIBUTE: "demo"},
    "lists": {IMAGES_ATTRIBUTE: ("source:1", "destination:1")},
    "status": True,
}
HELD = "watch sync 0"
ID = "sync/demo"


@pytest.fixture
async def server() -> AsyncIterator[WorkflowEnvironment]:
    async with await real() as environment:
        yield environment


async def found(client: Client, query: str) -> list[str]:
    return [run.id async for run in client.list_workflows(query)]


async def until_found(client: Client, query: str) -> list[str]:
    """Temporal's lists are a moment behind."""
    async with asyncio.timeout(30):
        while not (ids := await found(client, query)):
            await asyncio.sleep(0.1)
    return ids


async def remove(client: Client, name: str) -> None:
    request = RemoveSearchAttributesRequest(namespace=client.namespace, search_attributes=[name])
    await client.operator_service.remove_search_attributes(request)


async def test_they_are_registered_once_whoever_comes_first(server: WorkflowEnvironment) -> None:
    first, second = Registered(server.client), Registered(server.client)
    assert first.names() == frozenset()
    with capture_logs() as logs:
        await asyncio.gather(first.look(), second.look())
        await first.look()
    assert first.names() == second.names() == set(OURS)
    assert not [line for line in logs if line["log_level"] == "warning"]


async def test_a_run_is_found_by_what_it_does_and_how_its_job_is(server: WorkflowEnvironment) -> None:
    await Registered(server.client).look()
    script = Script(outcomes=[complete(), success()], plan={"search": BY}, hold=[HELD])
    async with script.played(server.client):
        handle = await server.client.start_workflow("Sync", SYNC, id=ID, task_queue="airbyte")
        await script.reached(HELD)
        assert await until_found(server.client, f'{CONNECTION_ATTRIBUTE} = "demo"') == [ID]
        assert await until_found(server.client, f'{STATUS_ATTRIBUTE} = "running"') == [ID]
        assert await until_found(server.client, f'{IMAGES_ATTRIBUTE} = "destination:1"') == [ID]
        assert not await found(server.client, f'{IMAGES_ATTRIBUTE} = "destination:2"')
        script.release(HELD)
        await until_found(server.client, f'{STATUS_ATTRIBUTE} = "incomplete"')  # for ten seconds
        await handle.result()
    assert await until_found(server.client, f'{STATUS_ATTRIBUTE} = "succeeded"') == [ID]
    events = (await handle.fetch_history()).events
    told = [each for each in events if each.HasField("upsert_workflow_search_attributes_event_attributes")]
    assert len(told) == 5  # the guard of older workers; running, incomplete, running, succeeded


async def test_without_any_a_run_goes_on_without(server: WorkflowEnvironment) -> None:
    script = Script(outcomes=[success()])
    async with script.played(server.client):
        await server.client.execute_workflow("Sync", SYNC, id=ID, task_queue="airbyte")


async def test_one_that_others_have_with_another_type_is_left_alone(server: WorkflowEnvironment) -> None:
    taken = {STATUS_ATTRIBUTE: IndexedValueType.INDEXED_VALUE_TYPE_INT}
    request = AddSearchAttributesRequest(namespace=server.client.namespace, search_attributes=taken)
    await server.client.operator_service.add_search_attributes(request)
    attributes = Registered(server.client)
    with capture_logs() as logs:
        await attributes.look()
        await attributes.look()
    assert attributes.names() == set(OURS) - {STATUS_ATTRIBUTE}
    (warning,) = [line for line in logs if line["log_level"] == "warning"]
    assert STATUS_ATTRIBUTE in warning["why"]


async def test_what_temporal_refuses_to_register_is_told_with_what_to_do(server: WorkflowEnvironment) -> None:
    """Its databases have room for ten keywords; somebody else has nine of them."""
    theirs = {f"Theirs{number}": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD for number in range(9)}
    request = AddSearchAttributesRequest(namespace=server.client.namespace, search_attributes=theirs)
    await server.client.operator_service.add_search_attributes(request)
    attributes = Registered(server.client)
    with capture_logs() as logs:
        await attributes.look()
    (warning,) = [line for line in logs if line["log_level"] == "warning"]
    assert f"search-attribute create --name {WORKSPACE_ATTRIBUTE} --type Keyword" in warning["why"]
    assert attributes.names() == {CONNECTION_ATTRIBUTE, IMAGES_ATTRIBUTE}


async def test_a_run_whose_attribute_was_removed_goes_on_once_a_worker_has_put_it_back(
    server: WorkflowEnvironment,
) -> None:
    script = Script(outcomes=[success()], plan={"search": BY}, hold=[HELD])
    settings = Settings(search_attributes_check_s=0.5)
    async with registered(server.client, settings), script.played(server.client):
        handle: Any = await server.client.start_workflow("Sync", SYNC, id=ID, task_queue="airbyte")
        await script.reached(HELD)
        await remove(server.client, STATUS_ATTRIBUTE)
        script.release(HELD)
        async with asyncio.timeout(60):
            await handle.result()
    assert await until_found(server.client, f'{STATUS_ATTRIBUTE} = "succeeded"') == [ID]


async def test_what_goes_wrong_meanwhile_comes_out_as_itself(server: WorkflowEnvironment) -> None:
    """A worker that does not start says why by the type of its error."""
    with pytest.raises(LookupError, match="no such version"):
        async with registered(server.client, Settings()):
            raise LookupError("no such version")
