"""Spec, check and discover: one connector is asked one thing, and its answer is the run's result."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ApplicationError, CancelledError

from activities.bookkeeping import BookkeepingActivities
from airbyte_workers.models import (
    AttemptOutcome,
    AttemptRef,
    CheckInput,
    CheckResult,
    CloseOperation,
    DiscoverInput,
    DiscoverResult,
    JobStatus,
    OpenOperation,
    OperationEnd,
    Order,
    SpecInput,
    SpecResult,
)
from airbyte_workers.names import CONNECTOR_FAILED, INVALID_INPUT, JobKind
from workflows.job import JobRun, in_clear_words
from workflows.trace_context import started_with


class OperationRun(JobRun):
    """One question to one connector."""

    async def _answer(self, kind: JobKind, input: SpecInput | CheckInput | DiscoverInput) -> OperationEnd:
        """From the first row to the last. Raises what fails or cancels the run."""
        return await in_clear_words(self._job(kind, input))

    async def _job(self, kind: JobKind, input: SpecInput | CheckInput | DiscoverInput) -> OperationEnd:
        self._show(kind=kind, subject=input.name)
        info = workflow.info()
        order = Order(connector=input.connector, launcher=input.launcher, local_root=input.local_root)
        request = OpenOperation(
            kind=kind,
            order=order,
            workflow_id=info.workflow_id,
            run_id=info.run_id,
            first_run_id=info.first_execution_run_id,
            traceparent=started_with(),
        )
        await self._open(BookkeepingActivities.open_operation, request, summary=f"open {kind} of {input.name}")
        ref = AttemptRef(job_id=self._plan.job_id, attempt=0, kind=kind)
        outcome = await self._outcome(ref)
        closing = CloseOperation(ref=ref, outcome=outcome, by=self._by(), reason=self._why_cancelled())
        end = await self._books(BookkeepingActivities.close_operation, closing, summary=f"close {kind}")
        self._found.tell(end.status)
        self._show(phase=str(end.status), detail="", failures=end.failures)
        await self._answer_callers()
        if end.status is JobStatus.CANCELLED:
            raise CancelledError(f"the {kind} was cancelled")
        if end.status is not JobStatus.SUCCEEDED:
            raise _failed(kind, outcome, end)
        return end

    async def _outcome(self, ref: AttemptRef) -> AttemptOutcome:
        refused = await self._settle_configs()
        if self._is_cancelled():
            return AttemptOutcome(status="cancelled")
        if refused is not None:
            return AttemptOutcome(status="failed", failures=(refused,), refused=True)
        self._show(phase="starting", detail="")
        return await self._pod(ref)


def _failed(kind: JobKind, outcome: AttemptOutcome, end: OperationEnd) -> ApplicationError:
    """Without a result: refused because of what was typed, or failed because of what the connector did."""
    first = end.failures[0]
    if outcome.refused:
        return ApplicationError(first.message, type=INVALID_INPUT, non_retryable=True)
    return ApplicationError(f"{kind} failed: {first.message}", end, type=CONNECTOR_FAILED, non_retryable=True)


@workflow.defn(name="Spec")
class SpecWorkflow(OperationRun):
    """What a connector can be configured with."""

    @workflow.run
    async def run(self, input: SpecInput) -> SpecResult:
        """The connector's spec."""
        end = await self._answer(JobKind.SPEC, input)
        assert end.spec is not None
        return end.spec


@workflow.defn(name="Check")
class CheckWorkflow(OperationRun):
    """Whether a connector can work with a config: a no is a result, not a failed run."""

    @workflow.run
    async def run(self, input: CheckInput) -> CheckResult:
        """The connector's verdict."""
        end = await self._answer(JobKind.CHECK, input)
        assert end.check is not None
        return end.check


@workflow.defn(name="Discover")
class DiscoverWorkflow(OperationRun):
    """What a config gives access to."""

    @workflow.run
    async def run(self, input: DiscoverInput) -> DiscoverResult:
        """The catalog's id, and the catalog itself where it is small."""
        end = await self._answer(JobKind.DISCOVER, input)
        assert end.discover is not None
        return end.discover
