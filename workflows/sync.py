"""The sync job: open it, learn what to sync, attempt after attempt until success or the rules' no, close it."""

from __future__ import annotations

import asyncio
import contextlib

from temporalio import workflow
from temporalio.exceptions import (
    ApplicationError,
    CancelledError,
    ChildWorkflowError,
    WorkflowAlreadyStartedError,
)

from activities.bookkeeping import BookkeepingActivities
from airbyte_workers.jobs.retries import Decision, after_failure, decide
from airbyte_workers.models import (
    AttemptOutcome,
    AttemptRef,
    CloseAttempt,
    CloseJob,
    Failure,
    FailureOrigin,
    FailureType,
    JobPlan,
    JobStatus,
    OpenAttempt,
    OpenJob,
    RetryTally,
    SyncInput,
    SyncReport,
)
from airbyte_workers.names import CONNECTION_BUSY, SYNC_FAILED, JobKind, sync_workflow_id
from workflows.job import JobRun, own_failure


@workflow.defn(name="Sync")
class SyncWorkflow(JobRun):
    """One sync of a connection. Under another id than `sync/<connection>` it starts that one and returns its result."""

    @workflow.run
    async def run(self, input: SyncInput) -> SyncReport:
        fixed_id = sync_workflow_id(input.connection)
        self._show(subject=input.connection)
        info = workflow.info()
        if info.workflow_id != fixed_id:
            return await self._as_child(input, fixed_id)
        request = OpenJob(input=input, workflow_id=info.workflow_id, run_id=info.run_id)
        plan = await self._open(BookkeepingActivities.open_job, request, summary=f"open sync of {input.connection}")
        report = await self._job(plan)
        await self._answer_callers()
        if report.status is JobStatus.CANCELLED:
            raise CancelledError("the sync was cancelled")
        if report.status is not JobStatus.SUCCEEDED:
            raise ApplicationError(_headline(report), report, type=SYNC_FAILED, non_retryable=True)
        return report

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
            own = own_failure(error.cause)
            if own is None:
                raise
            raise own from None

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
        failure = await self._settle_configs(plan)
        for ref in plan.questions:
            if failure is not None or self._is_cancelled():
                return failure
            if ref.kind is JobKind.DISCOVER:
                failure = await self._discover(plan, ref)
        if failure is not None or self._is_cancelled():
            return failure
        configured = await self._books(
            BookkeepingActivities.configure_catalog, plan.job_id, summary="settle the catalog"
        )
        self._show(choice=configured.choice)
        return configured.failure

    async def _discover(self, plan: JobPlan, ref: AttemptRef) -> Failure | None:
        """Why the sync cannot go on without what the source has; a catalog that was given is then not compared."""
        self._show(phase="asking", detail="the source, what it has")
        outcome = await self._pod(plan, ref)
        if outcome.status != "failed" or (plan.has_catalog and not outcome.refused):
            return None
        return outcome.failures[0]

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
        cancelled = status is JobStatus.CANCELLED
        request = CloseJob(
            job_id=plan.job_id,
            status=status,
            failures=failures,
            by=self._by(),
            reason=self._why_cancelled() if cancelled else reason,
        )
        report = await self._books(BookkeepingActivities.close_job, request, summary=f"close job: {status}")
        self._show(phase=str(status), detail=reason, failures=report.failures)
        return report


def _headline(report: SyncReport) -> str:
    """One line that says what failed and whose it is."""
    tries = f"{len(report.attempts)} attempt(s)" if report.attempts else "before its first attempt"
    if not report.failures:
        return f"sync of {report.connection} failed ({tries})"
    first = report.failures[0]
    typed = (
        first.origin is FailureOrigin.PLATFORM and first.type is FailureType.CONFIG_ERROR
    )  # not the platform's fault
    return f"sync of {report.connection} failed ({tries}): {'' if typed else f'{first.origin}: '}{first.message}"
