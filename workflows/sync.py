"""The sync job: open it, learn what to sync, attempt after attempt until success or the rules' no, close it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    CancelledError,
    ChildWorkflowError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)

from activities.bookkeeping import BookkeepingActivities
from activities.workloads import WorkloadActivities
from airbyte_workers.jobs.retries import Decision, after_failure, decide
from airbyte_workers.models import (
    AttemptOutcome,
    AttemptRef,
    CancelRequest,
    CloseAttempt,
    CloseJob,
    Failure,
    FailureOrigin,
    FailureType,
    JobPlan,
    JobStatus,
    Launched,
    OpenAttempt,
    OpenJob,
    RetryTally,
    SyncInput,
    SyncPhase,
    SyncReport,
)
from airbyte_workers.names import (
    CONNECTION_BUSY,
    SYNC_FAILED,
    WATCH_QUEUE,
    JobKind,
    launch_queue,
    pod_name,
    sync_workflow_id,
)
from workflows.details import details_of

A = TypeVar("A")
R = TypeVar("R")
OPENING_TIMEOUT = timedelta(seconds=30)  # of the one activity that runs before the job's own limits are known
QUEUE_WAIT = timedelta(days=30)  # a launch waits for its place as long as it takes
FOR_EVER = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30))


_QUESTIONS = {JobKind.DISCOVER: "the source, what it has", JobKind.SPEC: "the destination, what it can"}


@workflow.defn(name="Sync")
class SyncWorkflow:
    """One sync of a connection. Under another id than `sync/<connection>` it starts that one and returns its result."""

    def __init__(self) -> None:
        self._phase = SyncPhase()
        self._plan: JobPlan | None = None
        self._cancel: CancelRequest | None = None

    @workflow.run
    async def run(self, input: SyncInput) -> SyncReport:
        fixed_id = sync_workflow_id(input.connection)
        if workflow.info().workflow_id != fixed_id:
            return await self._as_child(input, fixed_id)
        self._show(connection=input.connection)
        self._plan = await self._open(input)
        self._show(job_id=self._plan.job_id, launcher=self._plan.launcher)
        report = await self._job(self._plan)
        await workflow.wait_condition(workflow.all_handlers_finished)
        if report.status is JobStatus.CANCELLED:
            raise CancelledError("the sync was cancelled")
        if report.status is not JobStatus.SUCCEEDED:
            raise ApplicationError(_headline(report), report, type=SYNC_FAILED, non_retryable=True)
        return report

    # --- what others may ask ---

    @workflow.query
    def progress(self) -> SyncPhase:
        """Where the run is; live figures are in the heartbeat of `watch_workload`."""
        return self._phase

    @workflow.update
    async def cancel(self, request: CancelRequest) -> str:
        """Cancel the job; `accepted` means that it has begun to stop. With `now`, its pod ends at once."""
        self._cancel = request
        self._show(phase="cancelling", detail=f"asked for by {request.by or 'somebody'}")
        await self._books(BookkeepingActivities.request_cancel, request)
        return "accepted"

    @cancel.validator
    def _check_cancel(self, request: CancelRequest) -> None:
        job_id = self._plan.job_id if self._plan is not None else None
        if request.job_id != job_id:
            raise ValueError(f"this run is job {job_id}, not job {request.job_id}")

    # --- the job ---

    async def _as_child(self, input: SyncInput, fixed_id: str) -> SyncReport:
        """The fixed id is the connection's lock: a sync started under another one waits for its result."""
        try:
            return await workflow.execute_child_workflow(
                SyncWorkflow.run,
                input,
                id=fixed_id,
                parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
                static_summary=f"sync of {input.connection}",
            )
        except WorkflowAlreadyStartedError:
            raise ApplicationError(
                f"connection {input.connection} is already syncing ({fixed_id}); use --join",
                type=CONNECTION_BUSY,
                non_retryable=True,
            ) from None
        except ChildWorkflowError as error:
            raise _own(error.cause) or error from None

    async def _open(self, input: SyncInput) -> JobPlan:
        info = workflow.info()
        request = OpenJob(input=input, workflow_id=info.workflow_id, run_id=info.run_id)
        try:
            return await self._books(
                BookkeepingActivities.open_job, request, summary=f"open sync of {input.connection}"
            )
        except ActivityError as error:
            raise _own(error.cause) or error from None

    async def _job(self, plan: JobPlan) -> SyncReport:
        """From the first row to the last; every path ends with a closed job."""
        failure = await self._settle_catalog(plan)
        if failure is not None:
            return await self._close(plan, JobStatus.FAILED, (failure,), failure.message)
        tally, number, waited_s = RetryTally(), 0, 0.0
        while not self._is_cancelled():
            outcome, tally = await self._attempt(plan, number, tally, waited_s)
            if outcome.status == "succeeded":
                return await self._close(plan, JobStatus.SUCCEEDED, (), "")
            if outcome.status == "cancelled" or self._is_cancelled():
                break
            decision = decide(tally, plan.retries, outcome.failures)
            if not decision.retry:
                return await self._close(plan, JobStatus.FAILED, outcome.failures, decision.reason)
            await self._wait(decision, number, outcome)
            number, waited_s = number + 1, decision.wait_s
        return await self._close(plan, JobStatus.CANCELLED, (), "")

    async def _settle_catalog(self, plan: JobPlan) -> Failure | None:
        """Ask the connectors what must be asked, then store what will be synced."""
        for operation in plan.operations:
            if self._is_cancelled():
                return None
            self._show(phase="asking", detail=_QUESTIONS.get(operation, str(operation)))
            outcome = await self._pod(plan, AttemptRef(job_id=plan.job_id, attempt=0, kind=operation))
            if outcome.status == "failed" and operation is JobKind.DISCOVER:
                return outcome.failures[0]
        if self._is_cancelled():
            return None
        configured = await self._books(
            BookkeepingActivities.configure_catalog, plan.job_id, summary="settle the catalog"
        )
        self._show(choice=configured.choice)
        return configured.failure

    async def _attempt(
        self, plan: JobPlan, number: int, tally: RetryTally, waited_s: float
    ) -> tuple[AttemptOutcome, RetryTally]:
        ref = AttemptRef(job_id=plan.job_id, attempt=number, kind=JobKind.SYNC)
        self._show(phase="starting", attempt=number + 1, detail="", next_attempt_in_s=None)
        opening = OpenAttempt(job_id=plan.job_id, attempt=number, waited_s=waited_s)
        await self._books(BookkeepingActivities.open_attempt, opening, summary=f"open attempt {number + 1}")
        outcome = await self._pod(plan, ref)
        if outcome.status == "failed":
            progress = outcome.records_committed + outcome.records_rejected >= 1
            tally = after_failure(tally, progress=progress)
        self._show(phase=f"attempt {outcome.status}", failures=outcome.failures)
        closing = CloseAttempt(ref=ref, outcome=outcome, tally=tally)
        await self._books(BookkeepingActivities.close_attempt, closing, summary=f"close attempt {number + 1}")
        return outcome, tally

    async def _wait(self, decision: Decision, number: int, outcome: AttemptOutcome) -> None:
        """Back off, visibly: `workflow.sleep(0)` would still be a timer."""
        words = f"attempt {number + 2} starts in {decision.wait_s:g} s: {decision.reason}"
        self._show(phase="waiting", detail=words, failures=outcome.failures, next_attempt_in_s=decision.wait_s)
        if decision.wait_s:
            with contextlib.suppress(asyncio.CancelledError):
                await workflow.sleep(decision.wait_s, summary=words)

    async def _close(self, plan: JobPlan, status: JobStatus, failures: tuple[Failure, ...], reason: str) -> SyncReport:
        by = self._cancel.by if self._cancel is not None else ""
        said = self._cancel.reason if self._cancel is not None else workflow.cancellation_reason() or ""
        request = CloseJob(
            job_id=plan.job_id,
            status=status,
            failures=failures,
            by=by,
            reason=said if status is JobStatus.CANCELLED else reason,
        )
        report = await self._books(BookkeepingActivities.close_job, request, summary=f"close job: {status}")
        self._show(phase=str(status), detail=reason, failures=report.failures)
        return report

    # --- pods ---

    async def _pod(self, plan: JobPlan, ref: AttemptRef) -> AttemptOutcome:
        """Launch a pod and watch it to its end."""
        launched = await self._launch(plan, ref)
        if launched is None:
            return AttemptOutcome(status="cancelled")
        if launched.failure is not None:
            return AttemptOutcome(status="failed", failures=(launched.failure,))
        if ref.kind is JobKind.SYNC:
            self._show(phase="running", detail=f"pod {pod_name(ref.kind, ref.job_id, ref.attempt)}")
        return await self._watch(plan, ref)

    async def _launch(self, plan: JobPlan, ref: AttemptRef) -> Launched | None:
        """The launch's end; None when the job was cancelled. Lost workers and registries are Temporal's retries."""
        try:
            return await workflow.execute_activity_method(
                WorkloadActivities.launch_workload,
                ref,
                task_queue=launch_queue(ref.kind),
                start_to_close_timeout=QUEUE_WAIT,
                heartbeat_timeout=timedelta(seconds=plan.limits.heartbeat_s),
                retry_policy=FOR_EVER,
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                summary=f"launch {pod_name(ref.kind, ref.job_id, ref.attempt)}",
            )
        except asyncio.CancelledError:
            return None
        except ActivityError as error:
            return None if is_cancelled_exception(error) else _launch_failed(error)

    async def _watch(self, plan: JobPlan, ref: AttemptRef) -> AttemptOutcome:
        limit = plan.limits.attempt_s if ref.kind is JobKind.SYNC else plan.limits.discover_s
        try:
            return await workflow.execute_activity_method(
                WorkloadActivities.watch_workload,
                ref,
                task_queue=WATCH_QUEUE,
                start_to_close_timeout=timedelta(seconds=2 * limit),
                heartbeat_timeout=timedelta(seconds=plan.limits.heartbeat_s),
                retry_policy=FOR_EVER,
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                summary=f"watch {pod_name(ref.kind, ref.job_id, ref.attempt)}",
            )
        except (asyncio.CancelledError, ActivityError) as error:
            if not is_cancelled_exception(error):
                raise
            return AttemptOutcome(status="cancelled")

    # --- small print ---

    async def _books(
        self, method: Callable[[BookkeepingActivities, A], Awaitable[R]], argument: A, *, summary: str = ""
    ) -> R:
        """A bookkeeping activity: repeated for as long as the database is away, and not stopped by a cancel."""
        limit = timedelta(seconds=self._plan.limits.bookkeeping_s) if self._plan is not None else OPENING_TIMEOUT
        task = asyncio.create_task(
            workflow.execute_activity_method(
                method, argument, start_to_close_timeout=limit, retry_policy=FOR_EVER, summary=summary or None
            )
        )
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            return await task

    def _is_cancelled(self) -> bool:
        return self._cancel is not None or workflow.cancellation_reason() is not None

    def _show(self, **changes: object) -> None:
        """What people see of the run: the query's answer and the details panel are one value."""
        self._phase = self._phase.model_copy(update=changes)
        workflow.set_current_details(details_of(self._phase))


def _own(cause: BaseException | None) -> ApplicationError | None:
    """A failure as the run's own, so that its message is the first thing people read."""
    if not isinstance(cause, ApplicationError):
        return None
    return ApplicationError(cause.message, *cause.details, type=cause.type, non_retryable=True)


def _launch_failed(error: ActivityError) -> Launched:
    said = str(error.cause or error)
    if isinstance(error.cause, ApplicationError):
        said = f"{error.cause.message} ({error.cause.type})" if error.cause.type else error.cause.message
    message = f"the pod could not be launched: {said}"
    return Launched(
        launched=False,
        failure=Failure(origin=FailureOrigin.PLATFORM, type=FailureType.LAUNCH_FAILED, message=message),
    )


def _headline(report: SyncReport) -> str:
    """One line that says what failed and whose it is."""
    tries = f"{len(report.attempts)} attempt(s)" if report.attempts else "before its first attempt"
    if not report.failures:
        return f"sync of {report.connection} failed ({tries})"
    first = report.failures[0]
    return f"sync of {report.connection} failed ({tries}): {first.origin}: {first.message}"
