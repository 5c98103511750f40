"""Activities that play a script back under the names of the real ones, and remember what they were asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from airbyte_workers.models import (
    AttemptOutcome,
    AttemptRef,
    AttemptReport,
    CancelRequest,
    CloseAttempt,
    CloseJob,
    Configured,
    Failure,
    FailureOrigin,
    FailureType,
    JobPlan,
    Launched,
    Limits,
    OpenAttempt,
    OpenJob,
    RetryRules,
    SyncReport,
)
from airbyte_workers.names import WATCH_QUEUE, WORKFLOW_QUEUE, JobKind, launch_queue
from workflows.sync import SyncWorkflow
from workflows.unknown import UnknownWorkflow

LIMITS = Limits(attempt_s=3600, discover_s=600, heartbeat_s=30, bookkeeping_s=30)


def failure(kind: FailureType = FailureType.SYSTEM_ERROR, message: str = "broke") -> Failure:
    return Failure(origin=FailureOrigin.SOURCE, type=kind, message=message)


def complete() -> AttemptOutcome:
    """A failure without progress."""
    return AttemptOutcome(status="failed", failures=(failure(),))


def partial() -> AttemptOutcome:
    """A failure with progress."""
    return AttemptOutcome(status="failed", failures=(failure(),), records_committed=1)


def success() -> AttemptOutcome:
    return AttemptOutcome(status="succeeded", records_committed=5)


@dataclass
class Script:
    """`outcomes` are those of the attempts in order; `hang` attempts run until they are cancelled."""

    outcomes: Sequence[AttemptOutcome] = ()
    operations: tuple[JobKind, ...] = ()
    rules: RetryRules = field(default_factory=RetryRules)
    configured: Configured = field(default_factory=Configured)
    launched: Launched = field(default_factory=lambda: Launched(launched=True))
    refuse: str | None = None
    launcher: str = ""
    hang: bool = False
    calls: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    closed: CloseJob | None = None
    closed_attempts: list[CloseAttempt] = field(default_factory=list)
    watching: asyncio.Event = field(default_factory=asyncio.Event)
    failing_books: int = 0

    @activity.defn(name="open_job")
    async def open_job(self, request: OpenJob) -> JobPlan:
        self.calls.append("open job")
        if self.refuse:
            raise ApplicationError(self.refuse, type="InvalidInput", non_retryable=True)
        if self.failing_books:
            self.failing_books -= 1
            raise RuntimeError("the database is away")
        return JobPlan(
            job_id=7,
            connection=request.input.connection,
            launcher=self.launcher,
            operations=self.operations,
            limits=LIMITS,
            retries=self.rules,
        )

    @activity.defn(name="configure_catalog")
    async def configure_catalog(self, job_id: int) -> Configured:
        self.calls.append("configure")
        return self.configured

    @activity.defn(name="open_attempt")
    async def open_attempt(self, request: OpenAttempt) -> None:
        self.calls.append(f"open attempt {request.attempt}")
        self.waits.append(request.waited_s)

    @activity.defn(name="close_attempt")
    async def close_attempt(self, request: CloseAttempt) -> None:
        self.calls.append(f"close attempt {request.ref.attempt} {request.outcome.status}")
        self.closed_attempts.append(request)

    @activity.defn(name="close_job")
    async def close_job(self, request: CloseJob) -> SyncReport:
        self.calls.append(f"close job {request.status}")
        self.closed = request
        attempts = tuple(
            AttemptReport(number=number + 1, status="failed", started_at=datetime.now(UTC))
            for number in range(len(self.waits))
        )
        return SyncReport(
            job_id=7, connection="demo", status=request.status, failures=request.failures, attempts=attempts
        )

    @activity.defn(name="request_cancel")
    async def request_cancel(self, request: CancelRequest) -> None:
        self.calls.append(f"cancel by {request.by}{' now' if request.now else ''}")
        info = activity.info()
        assert info.workflow_id is not None
        await activity.client().get_workflow_handle(info.workflow_id, run_id=info.workflow_run_id).cancel()

    @activity.defn(name="launch_workload")
    async def launch_workload(self, ref: AttemptRef) -> Launched:
        self.calls.append(f"launch {ref.kind} {ref.attempt}")
        return self.launched

    @activity.defn(name="watch_workload")
    async def watch_workload(self, ref: AttemptRef) -> AttemptOutcome:
        self.calls.append(f"watch {ref.kind} {ref.attempt}")
        if ref.kind is not JobKind.SYNC:
            return success()
        self.watching.set()
        if not self.hang:
            return self.outcomes[ref.attempt]
        try:
            while True:
                activity.heartbeat()
                await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            return AttemptOutcome(status="cancelled", records_committed=3)

    @asynccontextmanager
    async def played(self, client: Client) -> AsyncIterator[None]:
        """Workers on every queue of ours."""
        books: list[Callable[..., Any]] = [
            self.open_job,
            self.configure_catalog,
            self.open_attempt,
            self.close_attempt,
            self.close_job,
            self.request_cancel,
        ]
        queues: dict[str, dict[str, Any]] = {
            WORKFLOW_QUEUE: {"activities": books, "workflows": [SyncWorkflow, UnknownWorkflow]},
            launch_queue(JobKind.SYNC): {"activities": [self.launch_workload]},
            launch_queue(JobKind.DISCOVER): {"activities": [self.launch_workload]},
            launch_queue(JobKind.SPEC): {"activities": [self.launch_workload]},
            WATCH_QUEUE: {"activities": [self.watch_workload]},
        }
        async with AsyncExitStack() as stack:
            for queue, options in queues.items():
                worker = Worker(
                    client, task_queue=queue, max_heartbeat_throttle_interval=timedelta(milliseconds=100), **options
                )
                await stack.enter_async_context(worker)
            yield
