"""Runs as people without our client start and see them: with the temporal CLI, or on Temporal's web page."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.testing import WorkflowEnvironment

from airbyte_workers.names import WORKFLOW_QUEUE

BY_HAND = "by hand"


async def start(env: WorkflowEnvironment, kind: str, *arguments: Any, id: str = BY_HAND) -> WorkflowHandle[Any, Any]:
    return await env.client.start_workflow(kind, args=list(arguments), id=id, task_queue=WORKFLOW_QUEUE)


async def failed_run(env: WorkflowEnvironment, kind: str, *arguments: Any, id: str = BY_HAND) -> ApplicationError:
    """What a run that fails says of itself."""
    handle = await start(env, kind, *arguments, id=id)
    with pytest.raises(WorkflowFailureError) as error:
        await handle.result()
    assert await last_event(handle) == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED
    cause = error.value.cause
    assert isinstance(cause, ApplicationError)
    return cause


async def assert_cancelled(env: WorkflowEnvironment, id: str = BY_HAND) -> None:
    """The run ends, and Temporal calls it cancelled."""
    handle = env.client.get_workflow_handle(id)
    with pytest.raises(WorkflowFailureError) as error:
        await handle.result()
    assert isinstance(error.value.cause, CancelledError)
    assert await last_event(handle) == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED


async def last_event(handle: WorkflowHandle[Any, Any]) -> EventType.ValueType:
    """How a run ended; what the server describes may lag behind."""
    return (await handle.fetch_history()).events[-1].event_type


async def details(env: WorkflowEnvironment, id: str = BY_HAND) -> str:
    """The details panel."""
    handle = env.client.get_workflow_handle(id)
    metadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    return str(metadata.current_details)
