"""Workflows of somebody who has the package temporalio alone, and uses ours as children."""

from __future__ import annotations

from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError, ChildWorkflowError

CONNECTORS = {"source": {"image": "source:1"}, "destination": {"image": "destination:1"}}
INPUT = {"connection": "demo", **CONNECTORS}


@workflow.defn
class Nightly:
    """Runs one of ours under any id and returns its result."""

    @workflow.run
    async def run(self, kind: str, input: dict[str, Any], id: str) -> Any:
        return await workflow.execute_child_workflow(
            kind, input, id=id, task_queue="airbyte", parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL
        )


@workflow.defn
class Careful:
    """Goes on after a sync that failed, with what can be known of it."""

    @workflow.run
    async def run(self, id: str) -> dict[str, Any]:
        try:
            await workflow.execute_child_workflow("Sync", INPUT, id=id, task_queue="airbyte")
        except ChildWorkflowError as error:
            cause = error.cause
            assert isinstance(cause, ApplicationError)
            return {"type": cause.type, "message": cause.message, "details": list(cause.details)}
        return {}


@workflow.defn
class Hasty:
    """Starts a sync and ends without waiting for it."""

    @workflow.run
    async def run(self, id: str) -> None:
        await workflow.start_child_workflow(
            "Sync", INPUT, id=id, task_queue="airbyte", parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL
        )
        await workflow.wait_condition(lambda: False)
