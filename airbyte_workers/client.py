"""The Python client: starts runs by name and follows them; it never imports workflows.

async with connect() as airbyte:
    run = await airbyte.start_sync(SyncInput.model_validate({...}))
    report = await run.result()
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, CancelledError, TerminatedError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from airbyte_workers.models import CancelRequest, Progress, SyncInput, SyncPhase, SyncReport
from airbyte_workers.names import SYNC_FAILED, WORKFLOW_QUEUE, sync_workflow_id
from airbyte_workers.runtime import temporal
from airbyte_workers.settings import Settings

_AWAY = frozenset({RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.UNKNOWN})
_AWAY_PAUSE_S = 1.0
_QUERY_TIMEOUT = timedelta(seconds=4)  # while no worker answers, a query waits for one
_TELLING = frozenset({"launch_workload", "watch_workload"})  # the activities whose heartbeats carry progress


class SyncFailed(Exception):
    """A sync ended without success; `report` has the whole story."""

    def __init__(self, message: str, report: SyncReport) -> None:
        super().__init__(message)
        self.report = report


class SyncCancelled(Exception):
    """A sync was cancelled."""


class AlreadySyncing(Exception):
    """The connection has a running sync; join it, or wait."""


class RunFailed(Exception):
    """A run ended before it became a job, e.g. because of its input; `type` is Temporal's failure type."""

    def __init__(self, message: str, type: str | None) -> None:
        super().__init__(message)
        self.type = type


@asynccontextmanager
async def connect(settings: Settings | None = None) -> AsyncIterator[AirbyteClient]:
    """A client of the stack that the settings (by default: the environment) name. Raises TemporalUnreachable."""
    async with temporal.connected(settings or Settings()) as client:
        yield AirbyteClient(client)


class AirbyteClient:
    """Starts and finds runs. Any `temporalio.client.Client` made with `AirbytePlugin` will do."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start_sync(self, input: SyncInput, *, join: bool = False) -> SyncRun:
        """Start a sync, or with `join` follow the one that runs. Raises AlreadySyncing."""
        policy = WorkflowIDConflictPolicy.USE_EXISTING if join else WorkflowIDConflictPolicy.FAIL
        try:
            handle: WorkflowHandle[Any, SyncReport] = await self._client.start_workflow(
                "Sync",
                input,
                id=sync_workflow_id(input.connection),
                task_queue=WORKFLOW_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                id_conflict_policy=policy,
                result_type=SyncReport,
                static_summary=f"sync of {input.connection}",
            )
        except WorkflowAlreadyStartedError:
            raise AlreadySyncing(await self._who_syncs(input.connection)) from None
        return SyncRun(handle, input.connection)

    async def find_sync(self, connection: str) -> SyncRun:
        """The connection's running or last sync."""
        handle: WorkflowHandle[Any, SyncReport] = self._client.get_workflow_handle(
            sync_workflow_id(connection), result_type=SyncReport
        )
        return SyncRun(handle, connection)

    async def _who_syncs(self, connection: str) -> str:
        phase = await (await self.find_sync(connection)).phase()
        job = f"job {phase.job_id}" if phase is not None and phase.job_id is not None else "its job is being opened"
        attempt = f", attempt {phase.attempt}" if phase is not None and phase.attempt else ""
        return f"connection {connection} is already syncing ({job}{attempt}); use --join"


class SyncRun:
    """One started sync."""

    def __init__(self, handle: WorkflowHandle[Any, SyncReport], connection: str) -> None:
        self._handle = handle
        self.connection = connection

    @property
    def workflow_id(self) -> str:
        return self._handle.id

    async def phase(self) -> SyncPhase | None:
        """Where the run is; None while no Temporal worker answers."""
        try:
            phase: SyncPhase = await self._handle.query("progress", result_type=SyncPhase, rpc_timeout=_QUERY_TIMEOUT)
        except (RPCError, WorkflowQueryFailedError):
            return None
        return phase

    async def progress(self) -> Progress | None:
        """The live figures of the attempt that runs; None when none does."""
        description = await self._handle.describe()
        if description.status is not WorkflowExecutionStatus.RUNNING:
            return None
        for pending in description.raw_description.pending_activities:
            if pending.activity_type.name not in _TELLING or not pending.HasField("heartbeat_details"):
                continue
            if pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED:
                values = await description.data_converter.decode(pending.heartbeat_details.payloads, [Progress])
                return values[0] if values else None
        return None

    async def trouble(self) -> str | None:
        """Why a step is tried again, e.g. a package index that does not answer; None while all goes well."""
        description = await self._handle.describe()
        for pending in description.raw_description.pending_activities:
            failed = pending.last_failure
            if pending.attempt > 1 and failed.HasField("application_failure_info"):
                return str(failed.message)  # others are lost workers: somebody else goes on
        return None

    async def result(self, *, raise_on_failure: bool = True) -> SyncReport:
        """The report, once the run has ended. Raises SyncFailed (unless told not to), SyncCancelled, RunFailed.

        A Temporal that is away for a while is waited for: a lost connection is no failed job.
        """
        while True:
            try:
                return await self._handle.result()
            except WorkflowFailureError as error:
                return _report_of(error, raise_on_failure=raise_on_failure)
            except RPCError as error:
                if error.status not in _AWAY:
                    raise
                await asyncio.sleep(_AWAY_PAUSE_S)

    async def cancel(self, *, by: str = "", reason: str = "", now: bool = False) -> None:
        """Ask for the end of the job; `now`: of its pod too, without waiting for it to finish what it has."""
        phase = await self.phase()
        if phase is None or phase.job_id is None:
            await self._handle.cancel()
            return
        request = CancelRequest(job_id=phase.job_id, by=by, reason=reason, now=now)
        try:
            await self._handle.execute_update("cancel", request, result_type=str)
        except (WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError):
            await self._handle.cancel()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:  # not found: it has ended meanwhile
                raise


def _report_of(error: WorkflowFailureError, *, raise_on_failure: bool) -> SyncReport:
    cause = error.cause
    if isinstance(cause, CancelledError):
        raise SyncCancelled("the sync was cancelled") from None
    if isinstance(cause, TerminatedError):
        raise RunFailed(f"the run was terminated: {cause.message}", "Terminated") from None
    if not isinstance(cause, ApplicationError):
        raise RunFailed(str(cause), None) from error
    if cause.type != SYNC_FAILED or not cause.details:
        raise RunFailed(cause.message, cause.type) from None
    report = SyncReport.model_validate(cause.details[0])
    if raise_on_failure:
        raise SyncFailed(cause.message, report) from None
    return report
