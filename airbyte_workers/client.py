"""The Python client: starts runs by name and follows them; it never imports workflows.

async with Client.connect() as client:
    report = await client.sync({"connection": "demo", "source": {...}, "destination": {...}})
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import asyncpg
import msgspec
import temporalio.client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from airbyte_workers.inputs import as_json, checked, read_settings
from airbyte_workers.models import (
    CheckInput,
    CheckResult,
    Connector,
    DiscoverInput,
    DiscoverResult,
    SpecInput,
    SpecResult,
    SyncInput,
    SyncReport,
)
from airbyte_workers.names import REPLICATION_KINDS, WORKFLOW_QUEUE, JobKind, sync_workflow_id
from airbyte_workers.protocol.configs import reference_problems
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
from airbyte_workers.settings import Settings
from airbyte_workers.store import catalogs, configs, history

__all__ = [
    "AlreadySyncing",
    "CancelAnswer",
    "Client",
    "ClientError",
    "ConnectorFailed",
    "DatabaseUnusable",
    "InvalidInput",
    "NotRunning",
    "Run",
    "RunCancelled",
    "RunFailed",
    "RunProgress",
    "StackError",
    "SyncFailed",
    "SyncRun",
    "TemporalUnreachable",
    "UnknownJob",
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
        handed: dict[str, Any] = {"local_root": self._local_root(asked)}
        if asked.source is not None and asked.destination is not None:
            handed["source"] = await self._handed(asked.source, "source.config")
            handed["destination"] = await self._handed(asked.destination, "destination.config")
        handed |= await self._large_catalog(asked)
        try:
            handle: temporalio.client.WorkflowHandle[Any, SyncReport] = await self._client.start_workflow(
                "Sync",
                asked.model_copy(update=handed),
                id=sync_workflow_id(asked.connection),
                task_queue=WORKFLOW_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                id_conflict_policy=_on_conflict(join=join),
                result_type=SyncReport,
                static_summary=f"sync of {asked.connection}",
            )
        except WorkflowAlreadyStartedError:
            raise AlreadySyncing(await self._who_syncs(asked.connection)) from None
        return SyncRun(handle, asked.connection, local_root=handed["local_root"])

    async def find_sync(self, connection: str) -> SyncRun:
        """The connection's running or last sync."""
        handle: temporalio.client.WorkflowHandle[Any, SyncReport] = self._client.get_workflow_handle(
            sync_workflow_id(connection), result_type=SyncReport
        )
        return SyncRun(handle, connection)

    async def cancel(self, connection: str, *, by: str = "", reason: str = "", now: bool = False) -> CancelAnswer:
        """Ask for the end of a connection's running sync; `now`: also of its pod, at once. Raises NotRunning."""
        run = await self.find_sync(connection)
        if not await run.is_running():
            raise NotRunning(f"connection {connection} is not syncing")
        return await run.cancel(by=by, reason=reason, now=now)

    # --- jobs of every kind ---

    async def job(self, job_id: int) -> history.JobFacts:
        """What the job is and how far it got, as the database knows it. Raises UnknownJob, DatabaseUnusable."""
        try:
            return await history.facts(await self.database(), job_id)
        except LookupError as error:
            raise UnknownJob(str(error)) from None

    def run_of(self, job: history.JobFacts) -> Run[Any]:
        """The run that does the job."""
        if job.kind in REPLICATION_KINDS:
            handle = self._client.get_workflow_handle(job.workflow_id, run_id=job.run_id, result_type=SyncReport)
            return SyncRun(handle, job.subject)
        result = _RESULTS[job.kind]
        return Run(self._client.get_workflow_handle(job.workflow_id, run_id=job.run_id, result_type=result))

    async def cancel_job(self, job_id: int, *, by: str = "", reason: str = "", now: bool = False) -> CancelAnswer:
        """Ask for the end of any job, as `cancel`. Raises UnknownJob, NotRunning, DatabaseUnusable."""
        job = await self.job(job_id)
        if job.has_ended:
            raise NotRunning(f"job {job_id} has ended ({job.status}); there is nothing to cancel")
        return await self.run_of(job).cancel(by=by, reason=reason, now=now)

    # --- the database ---

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

    async def _large_catalog(self, asked: SyncInput) -> dict[str, Any]:
        """What changes of an input whose catalog is too large to cross Temporal. Raises InvalidInput."""
        if asked.catalog is None:
            return {}
        if len(as_json(asked.catalog, "catalog")) <= self.settings.inline_catalog_bytes:
            return {}
        return {"catalog": None, "catalog_id": await self._hand_over(asked.catalog)}

    async def _hand_over(self, value: Mapping[str, Any]) -> UUID:
        try:
            return await configs.hand_over(await self.database(), value, keep_days=self.settings.handed_config_days)
        except configs.NoKey as error:
            raise DatabaseUnusable(str(error)) from None

    # --- small print ---

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

    async def _who_syncs(self, connection: str) -> str:
        phase = await (await self.find_sync(connection)).phase()
        job = f"job {phase.job_id}" if phase is not None and phase.job_id is not None else "its job is being opened"
        attempt = f", attempt {phase.attempt}" if phase is not None and phase.attempt else ""
        return f"connection {connection} is already syncing ({job}{attempt}); use --join"


def _on_conflict(*, join: bool) -> WorkflowIDConflictPolicy:
    return WorkflowIDConflictPolicy.USE_EXISTING if join else WorkflowIDConflictPolicy.FAIL
