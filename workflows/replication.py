"""A replication job: open it, learn what to do, attempt after attempt until success or the rules' no, close it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    CancelledError,
    ChildWorkflowError,
    WorkflowAlreadyStartedError,
)

from activities.bookkeeping import BookkeepingActivities
from airbyte_workers.jobs.busy import already_syncing
from airbyte_workers.jobs.checks import checks_before
from airbyte_workers.jobs.failures import cancellation, of_platform
from airbyte_workers.jobs.retries import Decision, counted, decide
from airbyte_workers.models import (
    AttemptOutcome,
    AttemptRef,
    CloseAttempt,
    CloseJob,
    Failure,
    FailureOrigin,
    FailureType,
    JobStatus,
    OpenAttempt,
    OpenJob,
    RetryTally,
    StreamRequest,
    SyncInput,
    SyncReport,
    Typed,
)
from airbyte_workers.names import CONNECTION_BUSY, IS_SCHEDULED, SYNC_FAILED, JobKind, sync_workflow_id
from workflows import trace_context
from workflows.job import JobRun, in_clear_words, own_failure


class ReplicationRun(JobRun):
    """One job of a connection. Under another id than `sync/<connection>` it starts that one and returns its result."""

    kind: JobKind
    child_memo: Mapping[str, Any] = {}
    """What the fixed-id run is told beside the input."""

    async def _replicate(self, input: Typed, opening: OpenJob) -> SyncReport:
        """From the typed input to the report. Raises what fails or cancels the run."""
        connection = opening.input.connection
        fixed_id = sync_workflow_id(connection)
        self._show(kind=self.kind, subject=connection)
        if workflow.info().workflow_id != fixed_id:
            return await self._as_child(input, connection, fixed_id)
        await self._open(BookkeepingActivities.open_job, opening, summary=f"open {self.kind} of {connection}")
        report = await in_clear_words(self._job())
        await self._answer_callers()
        if report.status is JobStatus.CANCELLED:
            raise CancelledError(f"the {self.kind} was cancelled")
        if report.status is not JobStatus.SUCCEEDED:
            raise ApplicationError(self._headline(report), report, type=SYNC_FAILED, non_retryable=True)
        return report

    def _opening(self, input: SyncInput, request: StreamRequest | None = None) -> OpenJob:
        info = workflow.info()
        return OpenJob(
            input=input,
            kind=self.kind,
            request=request,
            workflow_id=info.workflow_id,
            run_id=info.run_id,
            first_run_id=info.first_execution_run_id,
            is_scheduled=workflow.memo_value(IS_SCHEDULED, default=False) is True,
            traceparent=trace_context.started_with(),
        )

    # --- the job ---

    async def _as_child(self, input: Typed, connection: str, fixed_id: str) -> SyncReport:
        """The fixed id is the connection's lock: a job started under another one waits for its result."""
        try:
            report: SyncReport = await workflow.execute_child_workflow(
                self.kind.capitalize(),
                input,
                id=fixed_id,
                result_type=SyncReport,
                parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
                memo={**self.child_memo, **trace_context.handed_on()},
                static_summary=f"{self.kind} of {connection}",
            )
        except WorkflowAlreadyStartedError:
            busy = already_syncing(connection, fixed_id, self.kind)
            raise ApplicationError(busy, type=CONNECTION_BUSY, non_retryable=True) from None
        except ChildWorkflowError as error:
            own = own_failure(error.cause)
            if own is None:
                raise
            raise own from None
        return report

    async def _job(self) -> SyncReport:
        """From the first row to the last; every path ends with a closed job."""
        try:
            end = await self._until_decided()
        except ActivityError as error:
            end = self._cancelled() if self._is_cancelled() else self._failed(_broken(error))
        report = await self._books(BookkeepingActivities.close_job, end, summary=f"close job: {end.status}")
        self._found.tell(end.status)
        detail = end.reason or f"{report.records_committed:,} records committed"
        self._show(phase=str(end.status), detail=detail, failures=report.failures, next_attempt_at=None)
        return report

    async def _until_decided(self) -> CloseJob:
        failure = await self._settle_catalog()
        return await self._attempts() if failure is None else self._failed(failure)

    async def _attempts(self) -> CloseJob:
        """One after another until success, the rules' no, or a cancel: how the job is to be closed."""
        tally, number, waited_s = RetryTally(), 0, 0.0
        while not self._is_cancelled():
            ref = self._ref(number)
            outcome = await self._attempt(ref, waited_s)
            tally = counted(tally, outcome)
            decision = self._decision(tally, outcome)
            await self._close_attempt(ref, outcome, _After(tally, decision))
            if outcome.status == "succeeded":
                return CloseJob(job_id=self._plan.job_id, status=JobStatus.SUCCEEDED)
            if decision is None or self._is_cancelled():
                break
            if not decision.retry:
                return CloseJob(
                    job_id=self._plan.job_id, status=JobStatus.FAILED, failures=outcome.failures, reason=decision.words
                )
            await self._wait(decision)
            number, waited_s = number + 1, decision.wait_s
        return self._cancelled()

    def _decision(self, tally: RetryTally, outcome: AttemptOutcome) -> Decision | None:
        """What follows a failed attempt; None where the attempt did not fail."""
        if outcome.status != "failed":
            return None
        return decide(tally, self._plan.retries, outcome, now=workflow.now())

    async def _settle_catalog(self) -> Failure | None:
        """Ask the connectors what must be asked, then store what will be synced."""
        failure = await self._settle_configs()
        for ref in self._plan.asks(JobKind.DISCOVER):
            if failure is None and not self._is_cancelled():
                failure = await self._discover(ref)
        if failure is not None or self._is_cancelled():
            return failure
        configured = await self._books(
            BookkeepingActivities.configure_catalog, self._plan.job_id, summary="settle the catalog"
        )
        self._show(choice=configured.choice)
        return configured.failure

    async def _discover(self, ref: AttemptRef) -> Failure | None:
        """Why the sync cannot go on without what the source has; a catalog that was given is then not compared."""
        self._show(phase="asking", detail="the source for its streams")
        outcome = await self._pod(ref)
        if outcome.status != "failed" or (self._plan.has_catalog and not outcome.refused):
            return None
        return outcome.failures[0]

    def _ref(self, number: int) -> AttemptRef:
        """The attempt of this number, counted from 0, with the checks that it needs."""
        checks = checks_before(self.kind, number, previous_succeeded=self._plan.previous_succeeded)
        return AttemptRef(job_id=self._plan.job_id, attempt=number, kind=self.kind, checks=checks)

    async def _attempt(self, ref: AttemptRef, waited_s: float) -> AttemptOutcome:
        first = f"checking the {' and the '.join(ref.checks)} first" if ref.checks else ""
        self._found.tell(JobStatus.RUNNING)
        self._show(phase="starting", attempt=ref.attempt + 1, detail=first, next_attempt_at=None)
        opening = OpenAttempt(job_id=ref.job_id, attempt=ref.attempt, waited_s=waited_s)
        await self._books(BookkeepingActivities.open_attempt, opening, summary=f"open attempt {ref.attempt + 1}")
        return await self._pod(ref)

    async def _close_attempt(self, ref: AttemptRef, outcome: AttemptOutcome, after: _After) -> None:
        decision = None if self._is_cancelled() else after.decision
        closing = CloseAttempt(
            ref=ref,
            outcome=outcome,
            tally=after.tally,
            follows=decision.words if decision is not None else "",
            retried=decision is not None and decision.retry,
        )
        words = {"detail": closing.follows, "follows": closing.follows}
        self._show(phase=f"attempt {outcome.status}", failures=outcome.failures, **words)
        await self._books(BookkeepingActivities.close_attempt, closing, summary=f"close attempt {ref.attempt + 1}")

    async def _wait(self, decision: Decision) -> None:
        """Back off, visibly: `workflow.sleep(0)` would still be a timer."""
        at = workflow.now() + timedelta(seconds=decision.wait_s) if decision.wait_s else None
        self._show(phase="waiting", detail=decision.words, next_attempt_at=at)
        if decision.wait_s:
            self._found.tell(JobStatus.INCOMPLETE)
            with contextlib.suppress(asyncio.CancelledError):
                await workflow.sleep(decision.wait_s, summary=decision.words)

    def _headline(self, report: SyncReport) -> str:
        """One line that says why the job failed and whose it is."""
        failed = f"{self.kind} of {report.connection} failed"
        if report.attempts or not report.failures:
            return f"{failed}: {report.reason}"
        first = report.failures[0]
        typed = first.origin is FailureOrigin.PLATFORM and first.type is FailureType.CONFIG_ERROR  # the reader's own
        blamed = first.message if typed else f"{first.origin}: {first.message}"
        return f"{failed} (before its first attempt): {blamed}"

    def _failed(self, failure: Failure) -> CloseJob:
        return CloseJob(job_id=self._plan.job_id, status=JobStatus.FAILED, failures=(failure,), reason=failure.message)

    def _cancelled(self) -> CloseJob:
        by, why = self._by(), self._why_cancelled()
        told = (cancellation(by, why),)
        return CloseJob(job_id=self._plan.job_id, status=JobStatus.CANCELLED, failures=told, by=by, reason=why)


@dataclass(frozen=True)
class _After:
    """What is known of a job after one more of its attempts."""

    tally: RetryTally
    decision: Decision | None


def _broken(error: ActivityError) -> Failure:
    """A step that no repetition helps: nobody's attempt failed, the job cannot go on."""
    said = error.cause.message if isinstance(error.cause, ApplicationError) else str(error.cause or error)
    message = f"the job could not go on: {error.activity_type} failed: {said}"
    return of_platform(FailureType.SYSTEM_ERROR, message)
