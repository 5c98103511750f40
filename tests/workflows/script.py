"""Activities that play a script back under the names of the real ones, and remember what they were asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from said import ENDS, success
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
    CloseOperation,
    Configured,
    JobPlan,
    Launched,
    Limits,
    NoteSkip,
    OpenAttempt,
    OpenJob,
    OpenOperation,
    OperationEnd,
    Progress,
    RetryRules,
    Skipped,
    SyncReport,
)
from airbyte_workers.names import CONNECTION_BUSY, REPLICATION_KINDS, WATCH_QUEUE, WORKFLOW_QUEUE, JobKind, launch_queue
from airbyte_workers.runtime.pools import WORKFLOWS

LIMITS = Limits(attempt_s=3600, spec_s=60, check_s=60, discover_s=600, heartbeat_s=30, bookkeeping_s=30)


@dataclass
class Gate:
    """Where an activity waits until it is let through, or cancelled."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Script:
    """`outcomes`: of the attempts in order; `answers` and `launches`: of the other pods, by name.

    `hold`: calls that wait for `release`; `lost`: how often a call fails before it does what it should; `broken`:
    calls that no repetition helps; `silent`: calls that say nothing the first time, as if their worker were gone;
    `deaf`: calls that do not learn of a cancel.
    """

    outcomes: Sequence[AttemptOutcome] = ()
    plan: Mapping[str, Any] = field(default_factory=dict)
    rules: RetryRules = field(default_factory=RetryRules)
    checked: Configured = field(default_factory=Configured)
    configured: Configured = field(default_factory=Configured)
    launches: Mapping[str, Launched] = field(default_factory=dict)
    answers: Mapping[str, AttemptOutcome] = field(default_factory=dict)
    end: OperationEnd | None = None
    refuse: str | None = None
    busy: str | None = None
    hold: Sequence[str] = ()
    lost: dict[str, int] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)
    deaf: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    limits: Limits = LIMITS
    calls: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    opened: OpenOperation | None = None
    opened_job: OpenJob | None = None
    skipped: NoteSkip | None = None
    closed: CloseJob | None = None
    closed_operation: CloseOperation | None = None
    launched: list[AttemptRef] = field(default_factory=list)
    closed_attempts: list[CloseAttempt] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._gates = {call: Gate() for call in self.hold}

    # --- for the test ---

    async def reached(self, *calls: str) -> None:
        """All of these calls are waiting."""
        async with asyncio.timeout(30):
            for call in calls:
                await self._gates[call].reached.wait()

    def release(self, *calls: str) -> None:
        for call in calls:
            self._gates[call].opened.set()

    @asynccontextmanager
    async def played(self, client: Client) -> AsyncIterator[None]:
        """Workers on every queue of ours."""
        async with self.working(client), self.deciding(client):
            yield

    @asynccontextmanager
    async def working(self, client: Client, *, but: str = "") -> AsyncIterator[None]:
        """Workers for the activities alone, of all queues `but` one."""
        books = [self.open_job, self.open_operation, self.check_configs, self.configure_catalog, self.open_attempt]
        books += [self.close_attempt, self.close_job, self.close_operation, self.request_cancel, self.note_skip]
        kinds = (JobKind.SPEC, JobKind.CHECK, JobKind.DISCOVER, JobKind.SYNC)
        queues = {WORKFLOW_QUEUE: books, WATCH_QUEUE: [self.watch_workload, self.end_workload]}
        queues |= {launch_queue(kind): [self.launch_workload] for kind in kinds}
        options: dict[str, Any] = {"max_heartbeat_throttle_interval": timedelta(milliseconds=100)}
        async with AsyncExitStack() as stack:
            for queue in queues.keys() - {but}:
                worker = Worker(client, task_queue=queue, activities=queues[queue], **options)
                await stack.enter_async_context(worker)
            yield

    def watching(self, client: Client) -> Worker:
        """The worker that was left out of `working`."""
        return Worker(client, task_queue=WATCH_QUEUE, activities=[self.watch_workload, self.end_workload])

    def deciding(self, client: Client, *, remembering: bool = True) -> Worker:
        """The worker of the workflows; one that remembers no run leaves nothing for the next one to wait for."""
        cached = 100 if remembering else 0
        return Worker(client, task_queue=WORKFLOW_QUEUE, workflows=WORKFLOWS, max_cached_workflows=cached)

    # --- the books ---

    @activity.defn(name="open_job")
    async def open_job(self, request: OpenJob) -> JobPlan:
        self.opened_job = request
        await self._called("open job")
        return self._planned()

    @activity.defn(name="open_operation")
    async def open_operation(self, request: OpenOperation) -> JobPlan:
        self.opened = request
        await self._called(f"open {request.kind}")
        return self._planned()

    @activity.defn(name="check_configs")
    async def check_configs(self, job_id: int) -> Configured:
        await self._called("check configs")
        return self.checked

    @activity.defn(name="configure_catalog")
    async def configure_catalog(self, job_id: int) -> Configured:
        await self._called("configure")
        return self.configured

    @activity.defn(name="open_attempt")
    async def open_attempt(self, request: OpenAttempt) -> None:
        await self._called(f"open attempt {request.attempt}")
        self.waits.append(request.waited_s)

    @activity.defn(name="close_attempt")
    async def close_attempt(self, request: CloseAttempt) -> None:
        await self._called(f"close attempt {request.ref.attempt} {request.outcome.status}")
        self.closed_attempts.append(request)

    @activity.defn(name="close_job")
    async def close_job(self, request: CloseJob) -> SyncReport:
        await self._called(f"close job {request.status}")
        self.closed = request
        attempts = tuple(
            AttemptReport(number=number + 1, status="failed", started_at=datetime.now(UTC))
            for number in range(len(self.waits))
        )
        return SyncReport(
            job_id=7,
            connection="demo",
            status=request.status,
            failures=request.failures,
            attempts=attempts,
            reason=request.reason,
        )

    @activity.defn(name="note_skip")
    async def note_skip(self, skip: NoteSkip) -> Skipped:
        self.skipped = skip
        await self._called("note skip")
        return Skipped(connection=skip.connection, reason="connection demo is syncing already (job 7)", job_id=7)

    @activity.defn(name="close_operation")
    async def close_operation(self, request: CloseOperation) -> OperationEnd:
        await self._called(f"close {request.ref.kind} {request.outcome.status}")
        self.closed_operation = request
        if request.outcome.status == "succeeded":
            return self.end or ENDS[request.ref.kind]
        return self.end or OperationEnd(status=request.outcome.status, failures=request.outcome.failures)

    @activity.defn(name="request_cancel")
    async def request_cancel(self, request: CancelRequest) -> None:
        await self._called(f"cancel by {request.by}{' now' if request.now else ''}")
        info = activity.info()
        assert info.workflow_id is not None
        await activity.client().get_workflow_handle(info.workflow_id, run_id=info.workflow_run_id).cancel()

    # --- the pods ---

    @activity.defn(name="launch_workload")
    async def launch_workload(self, ref: AttemptRef) -> Launched:
        await self._called(f"launch {_pod(ref)}")
        self.launched.append(ref)
        return self.launches.get(_pod(ref), Launched(launched=True))

    @activity.defn(name="watch_workload")
    async def watch_workload(self, ref: AttemptRef) -> AttemptOutcome:
        try:
            await self._called(f"watch {_pod(ref)}")
        except asyncio.CancelledError:
            return AttemptOutcome(status="cancelled", records_committed=3)
        if ref.kind in REPLICATION_KINDS:
            return self.outcomes[ref.attempt]
        return self.answers.get(_pod(ref), success())

    @activity.defn(name="end_workload")
    async def end_workload(self, ref: AttemptRef) -> AttemptOutcome:
        await self._called(f"end {_pod(ref)}")
        return AttemptOutcome(status="cancelled", records_committed=3)

    # --- small print ---

    def _planned(self) -> JobPlan:
        if self.refuse:
            raise ApplicationError(self.refuse, type="InvalidInput", non_retryable=True)
        if self.busy:
            raise ApplicationError(self.busy, type=CONNECTION_BUSY, non_retryable=True)
        return JobPlan(job_id=7, limits=self.limits, retries=self.rules, **self.plan)

    async def _called(self, call: str) -> None:
        self.calls.append(call)
        if self.lost.get(call):
            self.lost[call] -= 1
            raise RuntimeError("the database is away")
        if call in self.broken:
            raise ApplicationError(self.broken[call], type="Broken", non_retryable=True)
        if call in self.silent:
            self.silent.discard(call)
            await asyncio.Event().wait()
        gate = self._gates.get(call)
        if gate is None:
            return
        gate.reached.set()
        while not gate.opened.is_set():
            if call not in self.deaf:
                activity.heartbeat(Progress(phase="held"))
            await asyncio.sleep(0.05)


def _pod(ref: AttemptRef) -> str:
    """`sync 0`, `discover 0`, `spec source`."""
    return f"{ref.kind} {ref.of or ref.attempt}"
