"""Activities that keep the books of a sync: short, repeatable, each ends with what the workflow needs to know."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from structlog.contextvars import bind_contextvars
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.admission import invalid, refuse_forbidden
from activities.answers import Answers
from activities.catalogs import Catalogs, Unchecked, shown_choice
from activities.config_checks import ConfigChecks
from activities.means import Means
from activities.operations import Operations
from activities.pod_specs import program
from activities.repairs import Repairs
from activities.retry_rules import retry_rules
from activities.run_looks import TemporalAway
from activities.search_attributes import Searchable, search_attributes
from activities.time_limits import limits
from airbyte_workers.jobs.failures import cut, for_history, in_one_line, of_platform
from airbyte_workers.jobs.retries import in_words
from airbyte_workers.models import (
    AttemptSummary,
    CancelRequest,
    CloseAttempt,
    CloseJob,
    CloseOperation,
    Configured,
    FailureType,
    JobPlan,
    OpenAttempt,
    OpenJob,
    OpenOperation,
    OperationEnd,
    Order,
    SyncInput,
    SyncReport,
)
from airbyte_workers.names import CONNECTION_BUSY, REPLICATION_KINDS, JobKind
from airbyte_workers.orchestrator.joblog import write_last
from airbyte_workers.pods.choice import Containers, choose
from airbyte_workers.protocol.catalog import InvalidCatalog
from airbyte_workers.protocol.messages import serialise
from airbyte_workers.store import attempt_ends, attempts, catalogs, connections, history, jobs, opening
from airbyte_workers.store.jobs import Job
from airbyte_workers.store.log_objects import attempt_folder
from airbyte_workers.store.objects import StorageError

MAX_WHY = 300  # characters
_ROW_FIRST_S = 2.0
_NOTHING: Searchable = frozenset
_log = structlog.get_logger(__name__)


class BookkeepingActivities:
    """Opens and closes jobs and attempts; the only writer of their rows beside the reconciler."""

    def __init__(
        self, means: Means, containers: Containers, repairs: Repairs | None = None, searchable: Searchable = _NOTHING
    ) -> None:
        """Without `repairs` a connection stays busy until the reconciler has ended a job whose run is over.

        `searchable` tells which search attributes are registered now.
        """
        answers = Answers(means)
        self._repairs = repairs
        self._searchable = searchable
        self._answers = answers
        self._catalogs = Catalogs(answers)
        self._checks = ConfigChecks(means)
        self._operations = Operations(means)
        self._containers = containers
        self._db = means.db
        self._seal = means.seal
        self._settings = means.settings
        self._objects = means.objects

    @property
    def activities(self) -> Sequence[Callable[..., Awaitable[Any]]]:
        """Every one, as a Temporal worker takes them."""
        return [
            self.open_job,
            self.open_operation,
            self.check_configs,
            self.configure_catalog,
            self.open_attempt,
            self.close_attempt,
            self.close_job,
            self.close_operation,
            self.request_cancel,
        ]

    @activity.defn(name="open_job")
    async def open_job(self, request: OpenJob) -> JobPlan:
        """Refuse what cannot run here, write the job's row, and say what must happen before its first attempt."""
        try:
            job_id = await self._opened(request)
        except connections.ConnectionBusy as error:
            raise ApplicationError(str(error), type=CONNECTION_BUSY, non_retryable=True) from None
        except connections.Refused as error:
            raise invalid(str(error)) from None
        plan = await self._plan(job := await self._new_job(job_id))
        return plan.model_copy(
            update={
                "retries": retry_rules(self._settings, job.sync),
                "previous_succeeded": await jobs.previous_succeeded(self._db, job.connection_id, job.id),
            }
        )

    @activity.defn(name="open_operation")
    async def open_operation(self, request: OpenOperation) -> JobPlan:
        """The same for a spec, check or discover."""
        try:
            job_id = await opening.open_operation(self._db, self._seal, request, self._admit)
        except connections.Refused as error:
            raise invalid(str(error)) from None
        return await self._plan(await self._new_job(job_id))

    @activity.defn(name="check_configs")
    async def check_configs(self, job_id: int) -> Configured:
        """Compare the job's configs with the specs that its connectors told."""
        job = await jobs.read_job(self._db, self._seal, job_id)
        return Configured(failure=await self._checks.failure(job))

    @activity.defn(name="configure_catalog")
    async def configure_catalog(self, job_id: int) -> Configured:
        """Settle what is synced: the catalog that was given, or a choice from what the source has.

        A clear has the catalog that its connection syncs.
        """
        job = await jobs.read_job(self._db, self._seal, job_id)
        if job.kind is JobKind.CLEAR:
            assert job.catalog_id is not None
            stored = await catalogs.configured(self._db, job.catalog_id)
            return Configured(choice=shown_choice(stored, job))
        try:
            configured = await self._catalogs.configured(job)
        except Unchecked as unchecked:
            await jobs.note(self._db, job_id, "catalog not checked", reason=str(unchecked))
            configured = unchecked.catalog
        except InvalidCatalog as error:
            failure = of_platform(FailureType.CONFIG_ERROR, str(error))
            return Configured(failure=for_history([failure])[0])
        body = serialise(configured)
        await jobs.set_catalog(self._db, job, body.decode(), hashlib.sha256(body).hexdigest())
        return Configured(choice=shown_choice(configured, job))

    @activity.defn(name="open_attempt")
    async def open_attempt(self, request: OpenAttempt) -> None:
        """Raise the fence: from now on only this attempt may commit."""
        try:
            await attempts.open_attempt(self._db, request)
        except (attempts.AttemptRefused, LookupError) as error:
            raise ApplicationError(str(error), type="AttemptRefused", non_retryable=True) from None

    @activity.defn(name="close_attempt")
    async def close_attempt(self, request: CloseAttempt) -> None:
        """Turn the attempt's marker into its row."""
        said = await self._answers.end_of(request.ref.pod)
        summary = AttemptSummary.model_validate_json(said) if said is not None else None
        await attempt_ends.close_attempt(self._db, request, summary)
        if request.follows:
            await self._tell_next(request)

    @activity.defn(name="close_job")
    async def close_job(self, request: CloseJob) -> SyncReport:
        """End the job; what comes back is what people read."""
        await jobs.close_job(self._db, request)
        whole = await history.report(self._db, request.job_id, max_streams=self._settings.report_max_streams)
        attempts = [
            attempt.model_copy(update={"failures": in_one_line(attempt.failures)}) for attempt in whole.attempts
        ]
        if attempts:  # the last one's reasons are those of the job
            attempts[-1] = attempts[-1].model_copy(update={"failures": for_history(whole.attempts[-1].failures)})
        return whole.model_copy(update={"failures": for_history(whole.failures), "attempts": tuple(attempts)})

    @activity.defn(name="close_operation")
    async def close_operation(self, request: CloseOperation) -> OperationEnd:
        """End a spec, check or discover with what its connector said."""
        job = await jobs.read_job(self._db, self._seal, request.ref.job_id)
        end = await self._operations.end(job, request)
        reason = request.reason or _why(end)
        await jobs.close_job(
            self._db,
            CloseJob(job_id=job.id, status=end.status, failures=end.failures, by=request.by, reason=reason),
        )
        return end

    @activity.defn(name="request_cancel")
    async def request_cancel(self, request: CancelRequest) -> None:
        """Write down who cancels and how, then ask Temporal to cancel the run (a workflow cannot ask for itself)."""
        info = activity.info()
        assert info.workflow_id is not None
        run = activity.client().get_workflow_handle(info.workflow_id, run_id=info.workflow_run_id)
        try:
            async with asyncio.timeout(_ROW_FIRST_S):
                await jobs.request_cancel(self._db, request.job_id, by=request.by, now=request.now)
        finally:  # a database that is away stops no cancel; the row is written by this activity's next try
            await run.cancel()

    async def _tell_next(self, request: CloseAttempt) -> None:
        """Retry state and backoff stand in the attempt's log too; a storage that is away keeps no job waiting."""
        ref = request.ref
        counters = f" ({in_words(request.tally)})" if request.tally is not None else ""
        try:
            await write_last(self._objects, attempt_folder(ref.job_id, ref.attempt), f"{request.follows}{counters}")
        except StorageError as error:
            _log.warning("end of attempt's log not written", job_id=ref.job_id, error=str(error))

    # --- opening ---

    async def _new_job(self, job_id: int) -> Job:
        bind_contextvars(job_id=job_id)
        if self._repairs is not None:
            await self._repairs.opened(job_id)
        return await jobs.read_job(self._db, self._seal, job_id)

    async def _opened(self, request: OpenJob) -> int:
        """The job's row. A connection is not kept busy by a job whose run is over. Raises connections.Refused."""
        try:
            return await opening.open_sync(self._db, self._seal, request, self._admit)
        except connections.ConnectionBusy as error:
            if error.job_id is None or not await self._is_freed(error.job_id, request.workflow_id):
                raise
        return await opening.open_sync(self._db, self._seal, request, self._admit)

    async def _is_freed(self, job_id: int, workflow_id: str) -> bool:
        """As long as nobody can tell, the connection is busy."""
        if self._repairs is None:
            return False
        try:
            return await self._repairs.freed(job_id, workflow_id=workflow_id)
        except (TemporalAway, StorageError) as error:
            _log.warning("job of busy connection cannot be looked at", job_id=job_id, error=str(error))
            return False

    def _admit(self, asked: SyncInput | Order) -> None:
        refuse_forbidden(asked, self._settings)

    async def _plan(self, job: Job) -> JobPlan:
        questions = await self._answers.questions(job)
        ready = all(ref.kind is not JobKind.SPEC for ref in questions)
        return JobPlan(
            job_id=job.id,
            launcher=await self._settle_launcher(job),
            questions=questions,
            has_catalog=job.kind in REPLICATION_KINDS and job.sync.catalog is not None,
            refused=await self._checks.failure(job) if ready else None,
            limits=limits(self._settings),
            search=search_attributes(job, self._settings.workspace, self._searchable()),
        )

    async def _settle_launcher(self, job: Job) -> str:
        """Choose what runs the job's pods, once: a retry of this activity keeps the choice."""
        if job.launcher is not None:
            return f"{job.launcher} (chosen before)"  # by an earlier try of this activity
        wanted = job.input.launcher or self._settings.launcher
        programs = [program(connector) for connector in job.connectors.values()]
        choice = await choose(wanted, programs, self._containers, self._settings)
        if not await jobs.set_launcher(self._db, job.id, choice.launcher, choice.why):
            return await self._settle_launcher(await jobs.read_job(self._db, self._seal, job.id))
        return f"{choice.launcher} ({cut(choice.why, MAX_WHY)})"


def _why(end: OperationEnd) -> str:
    """Why an operation ended as it did; a failed check is an answer."""
    if end.check is not None and end.check.status == "failed":
        return f"check failed: {end.check.message}" if end.check.message else "check failed"
    return end.failures[0].message if end.failures else "its connector answered"
