"""The Python client: starts runs by name and follows them; it never imports workflows.

async with Client.connect() as client:
    report = await client.sync({"connection": "demo", "source": {...}, "destination": {...}})
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import asyncpg
import msgspec
import temporalio.client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from airbyte_workers.inputs import as_json, checked, holds_key, holds_keys, read_settings
from airbyte_workers.job_logs import LogRequest, NoLog, RequestedLog
from airbyte_workers.jobs.busy import already_syncing
from airbyte_workers.models import (
    CheckInput,
    CheckResult,
    ClearInput,
    Connector,
    DiscoverInput,
    DiscoverResult,
    RefreshInput,
    SpecInput,
    SpecResult,
    StreamChoice,
    SyncInput,
    SyncReport,
)
from airbyte_workers.names import REPLICATION_KINDS, WORKFLOW_QUEUE, JobKind, sync_workflow_id
from airbyte_workers.protocol.config_secrets import reference_problems
from airbyte_workers.replication.state_history import Point
from airbyte_workers.runs import (
    AlreadySyncing,
    CancelAnswer,
    ClientError,
    ConnectorFailed,
    InvalidInput,
    NotRunning,
    Run,
    RunCancelled,
    RunFailed,
    RunProgress,
    SyncFailed,
    SyncRun,
    UnknownJob,
)
from airbyte_workers.runtime import temporal
from airbyte_workers.runtime.database import DatabaseUnusable, job_database
from airbyte_workers.runtime.stack import StackError, stack_settings
from airbyte_workers.runtime.temporal import TemporalUnreachable
from airbyte_workers.schedules.access import Access, UnknownSchedule
from airbyte_workers.schedules.desk import Schedules
from airbyte_workers.schedules.making import ScheduleExists
from airbyte_workers.settings import Settings
from airbyte_workers.store import catalogs, handed, history, job_facts, job_lists, state_log, state_rewinds
from airbyte_workers.store.connections import ConnectionBusy, Refused, UnknownConnection
from airbyte_workers.store.database import is_away
from airbyte_workers.store.job_facts import JobFacts
from airbyte_workers.store.job_lists import JobFilter, JobList
from airbyte_workers.store.jobs import request_cancel
from airbyte_workers.store.log_lines import LogLine, read_line
from airbyte_workers.store.objects import StorageError

__all__ = [
    "AlreadySyncing",
    "CancelAnswer",
    "Client",
    "ClientError",
    "ConnectorFailed",
    "DatabaseUnusable",
    "InvalidInput",
    "JobFilter",
    "LogLine",
    "LogRequest",
    "NoLog",
    "NotRunning",
    "Point",
    "Run",
    "RunCancelled",
    "RunFailed",
    "RunProgress",
    "ScheduleExists",
    "Schedules",
    "StackError",
    "StorageError",
    "SyncFailed",
    "SyncRun",
    "TemporalUnreachable",
    "UnknownJob",
    "UnknownSchedule",
    "checked",
    "read_settings",
]
C = TypeVar("C", bound=Connector)
R = TypeVar("R")
_RESULTS: Mapping[JobKind, type[Any]] = {
    JobKind.SPEC: SpecResult,
    JobKind.CHECK: CheckResult,
    JobKind.DISCOVER: DiscoverResult,
}


class Client:
    """Starts jobs and finds them. Inputs are the models, or the same JSON objects that people type elsewhere.

    Configs go to the job database, sealed; Temporal's history sees their ids alone.
    """

    def __init__(self, client: temporalio.client.Client, settings: Settings, *, local_root: Path | None = None) -> None:
        """`local_root`: the connectors' /local where an input names none; None: the stack's own."""
        self._client = client
        self.settings = settings
        self.local_root = local_root
        self._stack = AsyncExitStack()
        self._opening = asyncio.Lock()
        self._db: asyncpg.Pool | None = None

    @classmethod
    @asynccontextmanager
    async def connect(cls, settings: Settings | None = None) -> AsyncIterator[Client]:
        """A client of the stack that the settings (by default: the environment) name, or of the embedded one.

        Raises TemporalUnreachable, StackError, InvalidInput (settings that are none).
        """
        asked = settings or read_settings()
        local_root = asked.local_root.absolute() if asked.is_embedded else None  # its workers run somewhere else
        async with AsyncExitStack() as stack:
            asked = await stack.enter_async_context(stack_settings(asked))
            client = cls(await stack.enter_async_context(temporal.connected(asked)), asked, local_root=local_root)
            async with client._stack:
                yield client

    # --- one connector ---

    async def spec(self, input: SpecInput | Mapping[str, Any]) -> SpecResult:
        """What a connector can be configured with. Raises ConnectorFailed, InvalidInput, RunCancelled, RunFailed."""
        return await (await self.start_spec(input)).result()

    async def check(self, input: CheckInput | Mapping[str, Any]) -> CheckResult:
        """Whether a connector can work with a config; no is an answer, not an error. Raises as `spec`."""
        return await (await self.start_check(input)).result()

    async def discover(self, input: DiscoverInput | Mapping[str, Any]) -> DiscoverResult:
        """What a config gives access to, with the whole catalog, however large. Raises as `spec`."""
        found = await (await self.start_discover(input)).result()
        return found if found.catalog is not None else await self.whole(found)

    async def start_spec(self, input: SpecInput | Mapping[str, Any]) -> Run[SpecResult]:
        """Start a spec. Raises InvalidInput."""
        return await self._start(JobKind.SPEC, checked(SpecInput, input), SpecResult)

    async def start_check(self, input: CheckInput | Mapping[str, Any]) -> Run[CheckResult]:
        """Start a check. Raises InvalidInput, DatabaseUnusable."""
        return await self._start(JobKind.CHECK, await self._handed(checked(CheckInput, input)), CheckResult)

    async def start_discover(self, input: DiscoverInput | Mapping[str, Any]) -> Run[DiscoverResult]:
        """Start a discover; its result has a large catalog's id alone. Raises InvalidInput, DatabaseUnusable."""
        return await self._start(JobKind.DISCOVER, await self._handed(checked(DiscoverInput, input)), DiscoverResult)

    async def whole(self, found: DiscoverResult) -> DiscoverResult:
        """The same result with its catalog, which may be too large to cross Temporal. Raises DatabaseUnusable."""
        return found.model_copy(update={"catalog": await self.catalog(found.catalog_id)})

    async def catalog(self, catalog_id: int) -> dict[str, Any]:
        """A stored catalog. Raises LookupError, DatabaseUnusable."""
        if not 0 < catalog_id < 2**63:
            raise LookupError(f"there is no catalog {catalog_id}")
        stored = await catalogs.read(await self.database(), catalog_id)
        return msgspec.json.decode(stored, type=dict[str, Any])

    # --- syncs ---

    async def sync(
        self, input: SyncInput | Mapping[str, Any], *, join: bool = False, raise_on_failure: bool = True
    ) -> SyncReport:
        """Sync, and return the report. Raises SyncFailed (unless told not to), AlreadySyncing, and as `spec`."""
        run = await self.start_sync(input, join=join)
        return await (run.result() if raise_on_failure else run.report())

    async def start_sync(self, input: SyncInput | Mapping[str, Any], *, join: bool = False) -> SyncRun:
        """Start a sync, or with `join` follow the one that runs. Raises AlreadySyncing, InvalidInput."""
        asked = checked(SyncInput, input)
        handed: dict[str, Any] = {}
        if asked.source is not None and asked.destination is not None:  # else the stored folder stands with the rest
            handed["local_root"] = self._local_root(asked)
            handed["source"] = await self._handed(asked.source, "source.config")
            handed["destination"] = await self._handed(asked.destination, "destination.config")
        handed |= await self._large_catalog(asked)
        if asked.streams is not None:
            handed["streams"] = tuple([await self._with_keys_handed(each) for each in asked.streams])
        return await self._start_replication(JobKind.SYNC, asked.model_copy(update=handed), join=join)

    async def clear(self, input: ClearInput | Mapping[str, Any] | str, *, raise_on_failure: bool = True) -> SyncReport:
        """Forget a connection's state and have its destination remove the data: of all streams, or of those named.

        A connection's name stands for the input. Raises as `sync`.
        """
        run = await self.start_clear(input)
        return await (run.result() if raise_on_failure else run.report())

    async def start_clear(self, input: ClearInput | Mapping[str, Any] | str) -> SyncRun:
        """Start a clear. Raises AlreadySyncing, InvalidInput."""
        return await self._start_replication(JobKind.CLEAR, checked(ClearInput, _by_name(input)))

    async def refresh(
        self, input: RefreshInput | Mapping[str, Any] | str, *, raise_on_failure: bool = True
    ) -> SyncReport:
        """Read streams of a connection again from their beginning: all, or those named. As `clear`."""
        run = await self.start_refresh(input)
        return await (run.result() if raise_on_failure else run.report())

    async def start_refresh(self, input: RefreshInput | Mapping[str, Any] | str) -> SyncRun:
        """Start a refresh. Raises AlreadySyncing, InvalidInput."""
        return await self._start_replication(JobKind.REFRESH, checked(RefreshInput, _by_name(input)))

    async def find_sync(self, connection: str) -> SyncRun:
        """The connection's running or last sync."""
        handle: temporalio.client.WorkflowHandle[Any, SyncReport] = self._client.get_workflow_handle(
            sync_workflow_id(connection), result_type=SyncReport
        )
        return SyncRun(handle, connection, self._stored_report)

    async def cancel(self, connection: str, *, by: str = "", reason: str = "", now: bool = False) -> CancelAnswer:
        """Ask for the end of a connection's running sync; `now`: also of its pod, at once. Raises NotRunning."""
        run = await self.find_sync(connection)
        if not await run.is_running():
            raise NotRunning(f"connection {connection} is not syncing")
        return await run.cancel(by=by, reason=reason, now=now)

    # --- jobs of every kind ---

    async def job(self, job_id: int) -> JobFacts:
        """What the job is and how far it got, as the database knows it. Raises UnknownJob, DatabaseUnusable."""
        try:
            return await job_facts.facts(await self.database(), job_id)
        except LookupError as error:
            raise UnknownJob(str(error)) from None

    async def jobs(self, wanted: JobFilter | Mapping[str, Any] | None = None) -> JobList:
        """The newest jobs, and how many older ones there are. Raises InvalidInput, DatabaseUnusable."""
        return await job_lists.list_jobs(await self.database(), checked(JobFilter, wanted or {}))

    async def logs(
        self, which: LogRequest | Mapping[str, Any] | int, *, follow: bool = False
    ) -> AsyncIterator[LogLine]:
        """A job's log, by its number or line by line as chosen; `follow`: also what comes until the job has ended.

        Raises UnknownJob, InvalidInput, NoLog, StorageError, DatabaseUnusable.
        """
        request = checked(LogRequest, {"job_id": which} if isinstance(which, int) else which)
        log = RequestedLog(await self.database(), self.settings, request)
        async for piece in log.follow() if follow else log.read():
            for line in piece.lines:
                yield read_line(line)

    def run_of(self, job: JobFacts) -> Run[Any]:
        """The run that does the job."""
        if job.kind in REPLICATION_KINDS:
            handle = self._client.get_workflow_handle(job.workflow_id, run_id=job.run_id, result_type=SyncReport)
            return SyncRun(handle, job.subject, self._stored_report)
        result = _RESULTS[job.kind]
        return Run(self._client.get_workflow_handle(job.workflow_id, run_id=job.run_id, result_type=result))

    async def cancel_job(self, job_id: int, *, by: str = "", reason: str = "", now: bool = False) -> CancelAnswer:
        """Ask for the end of any job, as `cancel`. Raises UnknownJob, NotRunning, DatabaseUnusable."""
        job = await self.job(job_id)
        if job.has_ended:
            raise NotRunning(f"job {job_id} has ended ({job.status}); there is nothing to cancel")
        run = self.run_of(job)
        answer = await run.cancel(by=by, reason=reason, now=now)
        if answer is CancelAnswer.ACCEPTED or await run.is_running():
            return answer
        await request_cancel(await self.database(), job_id, by=by, now=now)  # for the reconciler, which ends such a job
        return CancelAnswer.ENDED

    # --- schedules ---

    @property
    def schedules(self) -> Schedules:
        """What syncs connections by itself: `client.schedules.create({"connection": "people", "every": "6h"})`."""
        return Schedules(Access(self._client, self.database, self.settings))

    # --- states ---

    async def states(self, connection: str) -> Sequence[state_log.Entry]:
        """What the connection's next sync begins with, and who committed it. Raises InvalidInput, DatabaseUnusable."""
        db = await self.database()
        try:
            return await state_log.kept(db, await state_log.open_log(db, connection))
        except UnknownConnection as error:
            raise InvalidInput(str(error)) from None

    async def rewind(
        self, connection: str, to: Point | int, *, by: str = "", dry_run: bool = False
    ) -> state_rewinds.Plan:
        """Put the connection's states back as a job (a number) left them, or as they were at another point.

        Returns what changes and what is read again. Raises InvalidInput, AlreadySyncing, DatabaseUnusable.
        """
        point = Point("job", to) if isinstance(to, int) else to
        db = await self.database()
        try:
            if dry_run:
                return await state_rewinds.plan(db, connection, point)
            return await state_rewinds.rewind(db, connection, point, by=by)
        except ConnectionBusy as error:
            raise AlreadySyncing(str(error)) from None
        except Refused as error:
            raise InvalidInput(str(error)) from None

    # --- the database ---

    async def _stored_report(self, job_id: int) -> SyncReport | None:
        """A job's report as its rows tell it; None where it cannot be read."""
        try:
            return await history.report(await self.database(), job_id)
        except (DatabaseUnusable, LookupError):
            return None
        except Exception as error:
            if not is_away(error):
                raise
            return None

    async def database(self) -> asyncpg.Pool:
        """The job database, opened when it is first needed. Raises DatabaseUnusable."""
        async with self._opening:
            if self._db is None:
                self._db = await self._stack.enter_async_context(job_database(self.settings))
            return self._db

    async def _handed(self, connector: C, place: str = "config") -> C:
        """The connector with an id in place of its config, which goes to the database. Raises InvalidInput."""
        if not connector.config:
            return connector
        as_json(connector.config, place)
        if problems := reference_problems(connector.config, place):
            raise InvalidInput("; ".join(problems))
        return connector.model_copy(update={"config": {}, "config_id": await self._hand_over(connector.config)})

    async def _with_keys_handed(self, stream: StreamChoice) -> StreamChoice:
        """The stream with ids in place of the configs of mappers that hold a key."""
        mappers = [
            each.model_copy(update={"config": {}, "config_id": await self._hand_over(each.config)})
            if holds_key(each)
            else each
            for each in stream.mappers
        ]
        return stream.model_copy(update={"mappers": tuple(mappers)})

    async def _large_catalog(self, asked: SyncInput) -> dict[str, Any]:
        """What changes of an input whose catalog is too large to cross Temporal, or has keys. Raises InvalidInput."""
        if asked.catalog is None:
            return {}
        small = len(as_json(asked.catalog, "catalog")) <= self.settings.inline_catalog_bytes
        if small and not holds_keys(asked.catalog):
            return {}
        return {"catalog": None, "catalog_id": await self._hand_over(asked.catalog)}

    async def _hand_over(self, value: Mapping[str, Any]) -> UUID:
        try:
            return await handed.hand_over(await self.database(), value)
        except handed.NoKey as error:
            raise DatabaseUnusable(str(error)) from None

    # --- small print ---

    async def _start_replication(self, kind: JobKind, input: SyncInput | ClearInput, *, join: bool = False) -> SyncRun:
        """Start a job under its connection's lock. Raises AlreadySyncing."""
        try:
            handle: temporalio.client.WorkflowHandle[Any, SyncReport] = await self._client.start_workflow(
                kind.capitalize(),
                input,
                id=sync_workflow_id(input.connection),
                task_queue=WORKFLOW_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                id_conflict_policy=_on_conflict(join=join),
                result_type=SyncReport,
                static_summary=f"{kind} of {input.connection}",
            )
        except WorkflowAlreadyStartedError:
            raise AlreadySyncing(await self._who_syncs(input.connection, kind)) from None
        return SyncRun(handle, input.connection, self._stored_report, local_root=input.local_root)

    async def _start(self, kind: JobKind, input: Any, result: type[R]) -> Run[R]:
        handle: temporalio.client.WorkflowHandle[Any, R] = await self._client.start_workflow(
            kind.capitalize(),
            input.model_copy(update={"local_root": self._local_root(input)}),
            id=f"{kind}/{uuid4()}",
            task_queue=WORKFLOW_QUEUE,
            result_type=result,
            static_summary=f"{kind} of {input.name}",
        )
        return Run(handle)

    def _local_root(self, input: Any) -> str | None:
        chosen: str | None = input.local_root
        return str(self.local_root) if chosen is None and self.local_root is not None else chosen

    async def _who_syncs(self, connection: str, wanted: JobKind) -> str:
        phase = await (await self.find_sync(connection)).phase()
        job = f"job {phase.job_id}" if phase is not None and phase.job_id is not None else "its job is being opened"
        attempt = f", attempt {phase.attempt}" if phase is not None and phase.attempt else ""
        return already_syncing(connection, f"{job}{attempt}", wanted)


def _by_name(input: Any) -> Any:
    return {"connection": input} if isinstance(input, str) else input


def _on_conflict(*, join: bool) -> WorkflowIDConflictPolicy:
    return WorkflowIDConflictPolicy.USE_EXISTING if join else WorkflowIDConflictPolicy.FAIL
