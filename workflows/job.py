"""What every job's workflow does: keep the books, launch pods and watch them, ask connectors, say where it is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from activities.bookkeeping import BookkeepingActivities
from activities.workloads import WorkloadActivities
from airbyte_workers.jobs.failures import of_platform
from airbyte_workers.models import (
    AttemptOutcome,
    AttemptRef,
    CancelRequest,
    Failure,
    FailureType,
    JobPlan,
    Launched,
    RunPhase,
    SearchAttributes,
)
from airbyte_workers.names import ATTEMPT_GONE, JOB_GONE, WATCH_QUEUE, JobKind, launch_queue
from workflows.details import details_of
from workflows.lines import tell
from workflows.search import Found

A = TypeVar("A")
R = TypeVar("R")
SOMEBODY = "somebody"
OPENING_TIMEOUT = timedelta(seconds=30)  # of the one activity that runs before the job's own limits are known
QUEUE_WAIT = timedelta(days=30)  # a launch waits for its place as long as it takes
FOR_EVER = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    maximum_interval=timedelta(seconds=30),
    non_retryable_error_types=[JOB_GONE, ATTEMPT_GONE],  # a database that was restored does not bring them back
)
_QUESTIONS = {
    JobKind.SPEC: "for its spec",
    JobKind.CHECK: "whether it can work with its config",
    JobKind.DISCOVER: "for its streams",
}


class JobRun:
    """One run of a job; a workflow per kind says in which order."""

    def __init__(self) -> None:
        self._phase = RunPhase()
        self._opened: JobPlan | None = None
        self._cancel: CancelRequest | None = None
        self._found = Found()

    # --- what others may ask ---

    @workflow.query
    def progress(self) -> RunPhase:
        """Where the run is; live figures are in the heartbeat of `watch_workload`."""
        return self._phase

    @workflow.update
    async def cancel(self, request: CancelRequest) -> str:
        """Cancel the job; `accepted` means that it has begun to stop. With `now`, its pod ends at once."""
        self._cancel = request
        self._show(phase="cancelling", detail=f"asked for by {request.by or SOMEBODY}")
        await self._books(BookkeepingActivities.request_cancel, request)
        return "accepted"

    @cancel.validator
    def _check_cancel(self, request: CancelRequest) -> None:
        job_id = self._opened.job_id if self._opened is not None else None
        if request.job_id != job_id:
            raise ValueError(f"this run is job {job_id}, not job {request.job_id}")

    def _is_cancelled(self) -> bool:
        return self._cancel is not None or workflow.cancellation_reason() is not None

    def _by(self) -> str:
        """Who cancelled the job; Temporal does not say who asked it to."""
        if self._cancel is not None:
            return self._cancel.by or SOMEBODY
        return f"{SOMEBODY}, through Temporal" if self._is_cancelled() else ""

    def _why_cancelled(self) -> str:
        return self._cancel.reason if self._cancel is not None else workflow.cancellation_reason() or ""

    # --- the books ---

    async def _books(
        self, method: Callable[[BookkeepingActivities, A], Awaitable[R]], argument: A, *, summary: str = ""
    ) -> R:
        """A bookkeeping activity: repeated for as long as the database is away, and not stopped by a cancel."""
        opened = self._opened
        limit = timedelta(seconds=opened.limits.bookkeeping_s) if opened is not None else OPENING_TIMEOUT
        return await _uncancelled(
            workflow.execute_activity_method(
                method, argument, start_to_close_timeout=limit, retry_policy=FOR_EVER, summary=summary or None
            )
        )

    async def _open(
        self, method: Callable[[BookkeepingActivities, A], Awaitable[JobPlan]], request: A, *, summary: str
    ) -> None:
        """The job's first activity; why it refuses is the first thing that people read."""
        plan = await in_clear_words(self._books(method, request, summary=summary))
        self._opened = plan
        if plan.search != SearchAttributes() and workflow.patched("search-attributes"):  # older workers set none
            self._found.open(plan.search)
        self._show(job_id=plan.job_id, launcher=plan.launcher)

    @property
    def _plan(self) -> JobPlan:
        assert self._opened is not None, "a job is opened before anything else"
        return self._opened

    async def _answer_callers(self) -> None:
        """Wait for the ends of updates; a cancel that comes only now changes nothing."""
        try:
            await workflow.wait_condition(workflow.all_handlers_finished)
        except asyncio.CancelledError:
            await workflow.wait_condition(workflow.all_handlers_finished)

    # --- what must be known first ---

    async def _settle_configs(self) -> Failure | None:
        """Ask for the specs that nobody knows, all at once, then check the configs against them."""
        plan, specs = self._plan, self._plan.asks(JobKind.SPEC)
        if plan.refused is not None or not specs:
            return plan.refused
        self._show(phase="asking", detail=" and ".join(_question(ref) for ref in specs))
        outcomes: Sequence[AttemptOutcome] = ()
        with contextlib.suppress(asyncio.CancelledError):
            outcomes = await asyncio.gather(*(self._pod(ref) for ref in specs))
        refused = [outcome.failures[0] for outcome in outcomes if outcome.refused]
        if refused or self._is_cancelled():
            return refused[0] if refused else None
        checked = await self._books(BookkeepingActivities.check_configs, plan.job_id, summary="check the configs")
        return checked.failure

    # --- pods ---

    async def _pod(self, ref: AttemptRef) -> AttemptOutcome:
        """Launch a pod and watch it to its end. A cancel that came while the books were kept is not told again."""
        if self._is_cancelled():
            return AttemptOutcome(status="cancelled")
        launched = await self._launch(ref)
        if launched is None or (launched.launched and self._is_cancelled()):  # it may have ended before it was told
            return await self._end(ref)
        if launched.failure is not None:
            refused = launched.failure.type is FailureType.CONFIG_ERROR
            return AttemptOutcome(status="failed", failures=(launched.failure,), refused=refused)
        if ref.kind is self._phase.kind:
            self._show(phase="running", detail=f"pod {ref.pod}")
        return await self._watch(ref)

    async def _launch(self, ref: AttemptRef) -> Launched | None:
        """The launch's end; None when the job was cancelled. Lost workers and registries are Temporal's retries."""
        try:
            return await workflow.execute_activity_method(
                WorkloadActivities.launch_workload,
                ref,
                task_queue=launch_queue(ref.kind),
                start_to_close_timeout=QUEUE_WAIT,
                heartbeat_timeout=timedelta(seconds=self._plan.limits.heartbeat_s),
                retry_policy=FOR_EVER,
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                summary=f"launch {ref.pod}",
            )
        except asyncio.CancelledError:
            return None
        except ActivityError as error:  # a worker lost after the cancel is not replaced: Temporal tries no more then
            return None if is_cancelled_exception(error) or self._is_cancelled() else _launch_failed(error)

    async def _watch(self, ref: AttemptRef) -> AttemptOutcome:
        limits = self._plan.limits
        try:
            return await workflow.execute_activity_method(
                WorkloadActivities.watch_workload,
                ref,
                task_queue=WATCH_QUEUE,
                start_to_close_timeout=timedelta(seconds=2 * limits.of(ref.kind)),
                heartbeat_timeout=timedelta(seconds=limits.heartbeat_s),
                retry_policy=FOR_EVER,
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                summary=f"watch {ref.pod}",
            )
        except (asyncio.CancelledError, ActivityError) as error:
            if not is_cancelled_exception(error) and not self._is_cancelled():
                raise
            return await self._end(ref)

    async def _end(self, ref: AttemptRef) -> AttemptOutcome:
        """End a pod that a cancel left without anybody who looks after it.

        Temporal cancels by itself what no worker has begun, and a cancel may come together with the end of a launch.
        """
        limits = self._plan.limits
        return await _uncancelled(
            workflow.execute_activity_method(
                WorkloadActivities.end_workload,
                ref,
                task_queue=WATCH_QUEUE,
                start_to_close_timeout=timedelta(seconds=limits.end_s),
                heartbeat_timeout=timedelta(seconds=limits.heartbeat_s),
                retry_policy=FOR_EVER,
                summary=f"end {ref.pod}",
            )
        )

    def _show(self, **changes: object) -> None:
        """What people see of the run: the query's answer and the details panel are one value; the log tells steps."""
        before, self._phase = self._phase, self._phase.model_copy(update=changes)
        workflow.set_current_details(details_of(self._phase))
        if self._phase.phase != before.phase:
            tell(self._phase)


async def _uncancelled(activity: Coroutine[Any, Any, R]) -> R:
    """The activity's result; a cancel of the run does not reach it."""
    task = asyncio.create_task(activity)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        return await task


async def in_clear_words(work: Coroutine[Any, Any, R]) -> R:
    """The work's result; an activity that no repetition helps fails the run with its own words."""
    try:
        return await work
    except ActivityError as error:
        own = own_failure(error.cause)
        if own is None:
            raise
        if own.type == JOB_GONE:
            lost = "the job database was restored from an older copy, or emptied, while this run did the job"
            raise ApplicationError(f"{own.message}: {lost}", type=JOB_GONE, non_retryable=True) from None
        raise own from None


def own_failure(cause: BaseException | None) -> ApplicationError | None:
    """A failure as the run's own, so that its message is the first thing people read."""
    if not isinstance(cause, ApplicationError):
        return None
    return ApplicationError(cause.message, *cause.details, type=cause.type, non_retryable=True)


def _question(ref: AttemptRef) -> str:
    return f"the {ref.of or 'connector'} {_QUESTIONS[ref.kind]}"


def _launch_failed(error: ActivityError) -> Launched:
    said = str(error.cause or error)
    if isinstance(error.cause, ApplicationError):
        said = f"{error.cause.message} ({error.cause.type})" if error.cause.type else error.cause.message
    message = f"the pod could not be launched: {said}"
    return Launched(
        launched=False,
        failure=of_platform(FailureType.LAUNCH_FAILED, message),
    )
