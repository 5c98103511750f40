"""What Temporal says of the runs that do jobs: whether they still run, how they closed, what a reset made of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, HistoryEventFilterType, WorkflowExecutionStatus
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeWorkflowExecutionRequest,
    GetClusterInfoRequest,
    GetWorkflowExecutionHistoryRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from airbyte_workers.jobs.reconciliation import Seen, Sighting, TemporalNamespace

_RPC = timedelta(seconds=10)
_FIRST_EVENTS = 100  # a job is opened by the first activity of its run
_OPENING = frozenset({"open_job", "open_operation"})
_STATUS = WorkflowExecutionStatus
_CLOSED = {
    _STATUS.WORKFLOW_EXECUTION_STATUS_COMPLETED: "completed",
    _STATUS.WORKFLOW_EXECUTION_STATUS_FAILED: "failed",
    _STATUS.WORKFLOW_EXECUTION_STATUS_CANCELED: "canceled",
    _STATUS.WORKFLOW_EXECUTION_STATUS_TERMINATED: "terminated",
    _STATUS.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW: "continued_as_new",
    _STATUS.WORKFLOW_EXECUTION_STATUS_TIMED_OUT: "timed_out",
}
_NO_RUN, _NO_NAMESPACE = "NotFoundFailure", "NamespaceNotFoundFailure"


class TemporalAway(Exception):
    """Temporal did not answer, or not to this question: nothing is known."""


class RunLooks:
    """Looks at runs of one namespace. Every method may raise TemporalAway."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def namespace(self) -> TemporalNamespace:
        """Where looks go, by ids: a namespace that was made anew under its name is another one."""
        try:
            described = await self._client.workflow_service.describe_namespace(
                DescribeNamespaceRequest(namespace=self._client.namespace), timeout=_RPC
            )
        except RPCError as error:
            raise TemporalAway(error.message) from error
        return TemporalNamespace(await self._cluster_id(), described.namespace_info.id)

    async def _cluster_id(self) -> str:
        """Empty where clients are not told, as in Temporal Cloud."""
        try:
            told = await self._client.workflow_service.get_cluster_info(GetClusterInfoRequest(), timeout=_RPC)
        except RPCError as error:
            if error.status in (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED):
                return ""
            raise TemporalAway(error.message) from error
        return told.cluster_id

    async def has_namespace(self, namespace_id: str) -> bool:
        """Whether this cluster has a namespace of this id; one that may not be looked at counts as one it has."""
        try:
            await self._client.workflow_service.describe_namespace(
                DescribeNamespaceRequest(id=namespace_id), timeout=_RPC
            )
        except RPCError as error:
            if error.status is RPCStatusCode.PERMISSION_DENIED:
                return True
            if error.status is RPCStatusCode.NOT_FOUND and _tells(error, _NO_NAMESPACE):
                return False
            raise TemporalAway(error.message) from error
        return True

    async def look(self, workflow_id: str, run_id: str) -> Sighting:
        """What has become of the run."""
        request = DescribeWorkflowExecutionRequest(
            namespace=self._client.namespace, execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id)
        )
        try:
            described = await self._client.workflow_service.describe_workflow_execution(request, timeout=_RPC)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND and _tells(error, _NO_RUN):
                return Sighting(Seen.MISSING)
            if error.status is RPCStatusCode.INVALID_ARGUMENT:  # of these ids alone; others can be looked for
                return Sighting(Seen.UNKNOWN)
            raise TemporalAway(error.message) from error
        how = _CLOSED.get(described.workflow_execution_info.status)
        if how is None:  # also what later versions of Temporal may call a run that goes on
            return Sighting(Seen.RUNS)
        by, reason = await self._end(request.execution)
        successor = described.workflow_extended_info.reset_run_id
        if not successor:
            return Sighting(Seen.CLOSED, how, by, reason)
        job_id = await self.job_of(workflow_id, successor)
        return Sighting(Seen.CLOSED, how, "", reason, successor, job_id)  # by: Temporal's own resetter

    async def job_of(self, workflow_id: str, run_id: str) -> int | None:
        """The job that the run has opened, or has from the run it was reset from; None: none yet, or no such run."""
        execution = WorkflowExecution(workflow_id=workflow_id, run_id=run_id)
        events = await self._events(execution, last=False)
        opening = {
            event.event_id
            for event in events
            if event.activity_task_scheduled_event_attributes.activity_type.name in _OPENING
        }
        for event in events:
            done = event.activity_task_completed_event_attributes
            if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED and done.scheduled_event_id in opening:
                (plan,) = await self._client.data_converter.decode(done.result.payloads, [dict[str, Any]])
                return int(plan["job_id"])  # of a JobPlan, whichever version wrote it
        return None

    async def _end(self, execution: WorkflowExecution) -> tuple[str, str]:
        """Who ended the run and why, as far as Temporal was told."""
        events = await self._events(execution, last=True)
        if not events:
            return "", ""
        terminated = events[-1].workflow_execution_terminated_event_attributes
        failed = events[-1].workflow_execution_failed_event_attributes
        return terminated.identity, terminated.reason or failed.failure.message

    async def _events(self, execution: WorkflowExecution, *, last: bool) -> list[HistoryEvent]:
        """The first events of a run, or its last one; none of a run that was deleted meanwhile."""
        kinds = HistoryEventFilterType
        request = GetWorkflowExecutionHistoryRequest(
            namespace=self._client.namespace,
            execution=execution,
            maximum_page_size=_FIRST_EVENTS,
            history_event_filter_type=kinds.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT
            if last
            else kinds.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT,
        )
        try:
            told = await self._client.workflow_service.get_workflow_execution_history(request, timeout=_RPC)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return []
            raise TemporalAway(error.message) from error
        return list(told.history.events)


def _tells(error: RPCError, what: str) -> bool:
    """Whether Temporal itself says what is not found: a namespace, a run; whoever stands in between says neither."""
    return any(detail.type_url.endswith(f".{what}") for detail in error.grpc_status.details)
