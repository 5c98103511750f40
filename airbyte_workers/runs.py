"""Started runs as a client sees them: where they are, how they end, how to end them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, TypeVar

from temporalio.client import (
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError, CancelledError, TerminatedError
from temporalio.service import RPCError, RPCStatusCode

from airbyte_workers.models import CancelRequest, Failure, OperationEnd, Progress, RunPhase, SyncReport, Value
from airbyte_workers.names import CONNECTION_BUSY, CONNECTOR_FAILED, INVALID_INPUT, SYNC_FAILED
from airbyte_workers.pending import figures, trouble

T = TypeVar("T")
StoredReport = Callable[[int], Awaitable[SyncReport | None]]
_AWAY = frozenset({RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.UNKNOWN})
_AWAY_PAUSE_S = 1.0
_QUERY_TIMEOUT = timedelta(seconds=4)  # while no worker answers, a query waits for one


class ClientError(Exception):
    """Something that was asked for could not be had; the message is for people."""


class InvalidInput(ClientError):
    """An input that cannot be used: nothing was run. The message names fields, never values."""


class AlreadySyncing(ClientError):
    """The connection has a running sync; join it, or wait."""


class SyncFailed(ClientError):
    """A sync ended without success; `report` has the whole story."""

    def __init__(self, message: str, report: SyncReport) -> None:
        super().__init__(message)
        self.report = report


class ConnectorFailed(ClientError):
    """A connector gave no answer to spec, check or discover; `failures` say why."""

    def __init__(self, message: str, failures: tuple[Failure, ...]) -> None:
        super().__init__(message)
        self.failures = failures


class UnknownJob(ClientError):
    """There is no job of this number."""


class NotRunning(ClientError):
    """What was to be cancelled does not run, or not any more."""


class RunCancelled(ClientError):
    """The run was cancelled."""


class RunFailed(ClientError):
    """A run ended as no job does, e.g. terminated; `type` is Temporal's failure type."""

    def __init__(self, message: str, type: str | None) -> None:
        super().__init__(message)
        self.type = type


class RunProgress(Value):
    """One look at a run: its phase (None while no Temporal worker answers), and live figures while records move.

    `trouble` says why nothing moves: a step is tried again, or no Temporal worker takes it up.
    """

    phase: RunPhase | None = None
    figures: Progress | None = None
    trouble: str | None = None


class CancelAnswer(StrEnum):
    """What came of asking for the end of a run; one that Temporal was asked for has no effect before a worker runs."""

    ACCEPTED = "accepted"
    LEFT_TO_TEMPORAL = "left to Temporal"
    ENDED = "it has ended"


class Run(Generic[T]):
    """One started run whose result is a T."""

    ending = "its connector is stopped"
    """What a cancel in order means, for people."""

    def __init__(self, handle: WorkflowHandle[Any, T]) -> None:
        self._handle = handle

    @property
    def workflow_id(self) -> str:
        return self._handle.id

    # --- looking ---

    async def phase(self) -> RunPhase | None:
        """Where the run is; None while no Temporal worker answers."""
        try:
            phase: RunPhase = await self._handle.query("progress", result_type=RunPhase, rpc_timeout=_QUERY_TIMEOUT)
        except (RPCError, WorkflowQueryFailedError):
            return None
        return phase

    async def look(self) -> RunProgress:
        """Everything that can be seen of the run now."""
        return await self._seen(await self._handle.describe())

    async def progress(self, *, every_s: float = 0.5) -> AsyncIterator[RunProgress]:
        """A look every `every_s` seconds until the run has ended; the last one shows its end."""
        while True:
            description = await self._handle.describe()
            yield await self._seen(description)
            if description.status is not WorkflowExecutionStatus.RUNNING:
                return
            await asyncio.sleep(every_s)

    async def _seen(self, description: WorkflowExecutionDescription) -> RunProgress:
        phase = await self.phase()
        why = trouble(description, datetime.now(UTC))
        if phase is None:
            why = _deserted(description) or why
        return RunProgress(phase=phase, figures=await figures(description), trouble=why)

    # --- ending ---

    async def result(self) -> T:
        """What the run ended with. Raises ConnectorFailed, SyncFailed, InvalidInput, RunCancelled, RunFailed.

        A Temporal that is away for a while is waited for: a lost connection is no failed job.
        """
        while True:
            try:
                return await self._handle.result()
            except WorkflowFailureError as error:
                raise _failed(error) from None
            except RPCError as error:
                if error.status not in _AWAY:
                    raise
                await asyncio.sleep(_AWAY_PAUSE_S)

    async def is_running(self) -> bool:
        """Whether Temporal still runs it; a run that Temporal does not know does not."""
        try:
            description = await self._handle.describe()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return False
        return description.status is WorkflowExecutionStatus.RUNNING

    async def cancel(self, *, by: str = "", reason: str = "", now: bool = False) -> CancelAnswer:
        """Ask for the end of the job; `now`: of its pod too, without waiting for it to finish what it has.

        One that comes too late, or once more, is no error.
        """
        phase = await self.phase()
        if phase is None or phase.job_id is None:
            return await self._cancel_by_temporal(by, reason)
        request = CancelRequest(job_id=phase.job_id, by=by, reason=reason, now=now)
        try:
            await self._handle.execute_update("cancel", request, result_type=str)
        except (WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError):
            return await self._cancel_by_temporal(by, reason)
        except RPCError as error:
            return _too_late(error)
        return CancelAnswer.ACCEPTED

    async def _cancel_by_temporal(self, by: str, reason: str) -> CancelAnswer:
        """Temporal's own cancel has room for a reason alone, so that says who, too."""
        asked = f"asked for by {by}" if by else ""
        told = f"{reason} ({asked})" if reason and asked else reason or asked
        try:
            await self._handle.cancel(reason=told)
        except RPCError as error:
            return _too_late(error)
        return CancelAnswer.LEFT_TO_TEMPORAL


class SyncRun(Run[SyncReport]):
    """One started sync; `local_root`: where its connectors have their files, as far as whoever started it knows.

    `stored` reads a job's report from the database; None where it cannot.
    """

    ending = "the source stops, the destination finishes what it has"

    def __init__(
        self,
        handle: WorkflowHandle[Any, SyncReport],
        connection: str,
        stored: StoredReport,
        *,
        local_root: str | None = None,
    ) -> None:
        super().__init__(handle)
        self.connection = connection
        self.local_root = local_root
        self._stored = stored

    async def report(self) -> SyncReport:
        """The report of the ended sync, whether it succeeded, failed or was cancelled.

        Raises as `result`, but not SyncFailed, and RunCancelled only where a cancelled run has no report.
        """
        try:
            return await self.result()
        except SyncFailed as failed:
            return failed.report
        except RunCancelled:
            phase = await self.phase()  # Temporal keeps no result of a cancelled run
            report = await self._stored(phase.job_id) if phase is not None and phase.job_id is not None else None
            if report is None:
                raise
            return report


def _too_late(error: RPCError) -> CancelAnswer:
    """Not found: the run has ended meanwhile. Raises what else Temporal says."""
    if error.status is not RPCStatusCode.NOT_FOUND:
        raise error
    return CancelAnswer.ENDED


def _deserted(description: WorkflowExecutionDescription) -> str | None:
    """Whose workers alone may decide in a run that answers nobody; None: any worker may."""
    versioning = description.raw_description.workflow_execution_info.versioning_info
    moved_to = versioning.versioning_override.pinned.version.build_id
    version = moved_to or versioning.deployment_version.build_id
    if description.status is not WorkflowExecutionStatus.RUNNING or not version:
        return None
    return (
        f"no Temporal worker of version {version} answers, and this run is for that one to decide:"
        " start one, or move the run (airbyte-workers versions list)"
    )


def _failed(error: WorkflowFailureError) -> ClientError:
    cause = error.cause
    if isinstance(cause, CancelledError):
        return RunCancelled("the job was cancelled")
    if isinstance(cause, TerminatedError):
        return RunFailed(f"the run was terminated: {cause.message}", "Terminated")
    return _told_by(cause) if isinstance(cause, ApplicationError) else RunFailed(str(cause), None)


def _told_by(cause: ApplicationError) -> ClientError:
    """Our own failures by their types."""
    simple = {INVALID_INPUT: InvalidInput, CONNECTION_BUSY: AlreadySyncing}
    if cause.type in simple:
        return simple[cause.type](cause.message)
    if cause.type == SYNC_FAILED and cause.details:
        return SyncFailed(cause.message, SyncReport.model_validate(cause.details[0]))
    if cause.type == CONNECTOR_FAILED and cause.details:
        return ConnectorFailed(cause.message, OperationEnd.model_validate(cause.details[0]).failures)
    return RunFailed(cause.message, cause.type)
