"""Live figures in the details panel of a run.

A workflow learns nothing of its pod before the pod ends: figures that it was told would make its history grow. They
stand in the heartbeats of the activity that watches the pod, where Temporal keeps the last one alone. So whoever looks
at the panel asks a question of the run, and the worker that answers adds what it reads there at that moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from temporalio import workflow
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client
from temporalio.worker import (
    HandleQueryInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from airbyte_workers.names import JobKind
from airbyte_workers.pending import figures, trouble
from workflows.details import details_of, live, stuck

METADATA = "__temporal_workflow_metadata"
"""The question by which Temporal's page and `temporal workflow metadata` get the panel's text."""
ANSWER_S = 0.5
"""How long a look may take: a thread waits for it, and Temporal's SDK calls one that waits for 2 s a deadlock."""
_log = structlog.get_logger(__name__)


class LiveDetails(Interceptor):
    """For the worker of workflows; made where its event loop runs."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._loop = asyncio.get_running_loop()

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: ARG002  # the SDK's signature
    ) -> type[WorkflowInboundInterceptor]:
        return type("LivePanel", (_Panel,), {"look": staticmethod(self.look)})

    def look(self, run: workflow.Info) -> str:
        """What there is to add; nothing while Temporal does not answer in time. Called by a workflow's thread."""
        asked = asyncio.run_coroutine_threadsafe(self._seen(run), self._loop)
        try:
            return asked.result(timeout=ANSWER_S)
        except Exception as error:  # whatever it is, the rest of the panel is better than none
            asked.cancel()
            _log.debug("no live figures", workflow_id=run.workflow_id, why=repr(error))
            return ""

    async def _seen(self, run: workflow.Info) -> str:
        handle = self._client.get_workflow_handle(run.workflow_id, run_id=run.run_id)
        description = await handle.describe(rpc_timeout=timedelta(seconds=ANSWER_S))
        lines, now = [], datetime.now(UTC)
        progress = await figures(description)
        if progress is not None:
            lines.append(live(progress, JobKind(run.workflow_type.lower()), now))
        if (why := trouble(description, now)) is not None:
            lines.append(stuck(why))
        return "\n\n".join(lines)


class _Panel(WorkflowInboundInterceptor):
    """Adds to one answer alone; a question changes nothing in a run, so it may look at the world."""

    look: Callable[[workflow.Info], str]

    async def handle_query(self, input: HandleQueryInput) -> Any:
        answer = await super().handle_query(input)
        if input.query != METADATA or not isinstance(answer, WorkflowMetadata):
            return answer
        progress = getattr(workflow.instance(), "progress", None)  # the sandbox has classes of its own
        if progress is not None and (now := self.look(workflow.info())):
            answer.current_details = details_of(progress(), now)
        return answer
