"""Bookkeeping on a database and object storage of a test's own, and pods that answer as they are told."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from rows import request, sync_input
from temporalio.exceptions import ApplicationError

from activities.bookkeeping import BookkeepingActivities
from activities.means import Means
from airbyte_workers.models import (
    AttemptRef,
    CheckInput,
    ConnectorResult,
    DiscoverInput,
    Failure,
    JobPlan,
    OpenJob,
    OpenOperation,
    Order,
    SpecInput,
)
from airbyte_workers.names import JobKind, Role, pod_name
from airbyte_workers.orchestrator.markers import Marker, Markers
from airbyte_workers.pods.pod import Launcher
from airbyte_workers.settings import Settings
from airbyte_workers.store import catalogs, handed, history, jobs, workloads
from airbyte_workers.store.objects import Objects, open_objects
from airbyte_workers.store.sealing import Seal
from airbyte_workers.store.workloads import Workload

SOURCE, DESTINATION = "airbyte/source-faker:7.2.1", "airbyte/destination-null:1"
SPEC = {
    "connectionSpecification": {
        "type": "object",
        "required": ["host"],
        "properties": {"host": {"type": "string"}, "port": {"type": "integer"}, "pin": {"airbyte_secret": True}},
    }
}
SPEC_TEXT = msgspec.json.encode(SPEC).decode()
USERS = {
    "name": "users",
    "json_schema": {"type": "object", "properties": {"id": {}, "at": {}}},
    "supported_sync_modes": ["full_refresh", "incremental"],
}
FORMS = {"spec": SpecInput, "check": CheckInput, "discover": DiscoverInput}
_runs = itertools.count()


class NoEngine:
    """Who names a launcher has no need of an engine."""

    async def engine_version(self) -> str:
        raise AssertionError("nobody asked for an engine")

    async def knows(self, image: str) -> bool:
        raise AssertionError("nobody asked for an engine")


def sync(source: dict[str, Any], destination: dict[str, Any], *, run_id: str | None = None, **more: Any) -> OpenJob:
    return request(sync_input(source=source, destination=destination, **more), run_id or f"sync-{next(_runs)}")


def operation(kind: str, typed: dict[str, Any], run_id: str | None = None) -> OpenOperation:
    """What a workflow asks for when it was started with this input."""
    given = FORMS[kind].model_validate(typed)
    order = Order(connector=given.connector, launcher=given.launcher, local_root=given.local_root)
    return OpenOperation(
        kind=JobKind(kind), order=order, workflow_id=f"{kind}/x", run_id=run_id or f"{kind}-{next(_runs)}"
    )


def configured_stream(stream: dict[str, Any] = USERS, **changes: Any) -> dict[str, Any]:
    return {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append"} | changes


@dataclass(frozen=True)
class Desk:
    """Where jobs are opened, asked about and closed."""

    db: asyncpg.Pool
    seal: Seal
    folder: Path

    def settings(self, **changed: Any) -> Settings:
        storage = (self.folder / "storage").as_uri()
        return Settings(**({"home": self.folder, "storage_url": storage, "launcher": "process"} | changed))

    def objects(self) -> Objects:
        return open_objects(self.settings())

    def means(self, launcher: Launcher | None = None, /, **changed: Any) -> Means:
        settings = self.settings(**({"database_url": "postgresql://nowhere"} | changed))
        launchers = {} if launcher is None else {"process": launcher}
        return Means(self.db, self.seal, settings, self.objects(), launchers)

    def books(self, **changed: Any) -> BookkeepingActivities:
        return BookkeepingActivities(self.means(**changed), NoEngine())

    async def open(self, asked: OpenJob | OpenOperation, **changed: Any) -> JobPlan:
        books = self.books(**changed)
        return await (books.open_job(asked) if isinstance(asked, OpenJob) else books.open_operation(asked))

    async def job(self, job_id: int) -> jobs.Job:
        return await jobs.read_job(self.db, self.seal, job_id)

    async def hand_over(self, config: dict[str, Any]) -> UUID:
        """As a client does, whom the Temporal workers' key allows to."""
        await handed.publish_key(self.db, self.seal)
        return await handed.hand_over(self.db, config)

    async def know_spec(self, image: str, spec: str = '{"connectionSpecification":{}}') -> None:
        await catalogs.store_spec(self.db, image, spec)

    async def answered(self, ref: AttemptRef, result: dict[str, Any] | None, failures: Sequence[Failure] = ()) -> None:
        """The pod has ended, with what its connector said."""
        said = ConnectorResult(
            status="failed" if result is None else "succeeded", failures=tuple(failures), result=result
        )
        marker = Marker.FAILURE if result is None else Marker.SUCCESS
        pod = pod_name(ref.kind, ref.job_id, ref.attempt, ref.of)
        workload = Workload(pod, ref.kind, ref.job_id, ref.attempt, None, "here", "process", 0)
        if await workloads.dataplane_of(self.db, pod) is None:
            await workloads.claim(self.db, workload, limit=9, lease_s=600)
            await workloads.release(self.db, pod, "success")
        await workloads.cleared(self.db, pod)
        await Markers(self.objects(), pod).write(marker, said.model_dump_json().encode())

    async def events(self, job_id: int) -> list[tuple[str, str]]:
        return [(event.event, event.reason) for event in await history.events(self.db, job_id)]

    async def count(self, table: str) -> int:
        return int(await self.db.fetchval(f"select count(*) from {table}"))


def refusal(error: ApplicationError) -> str:
    """The message of what no repetition helps."""
    assert (error.type, error.non_retryable) == ("InvalidInput", True)
    return error.message


def asks(plan: JobPlan) -> list[tuple[str, Role | None]]:
    """The plan's questions: of which kind, about which connector."""
    assert all((ref.job_id, ref.attempt) == (plan.job_id, 0) for ref in plan.questions)
    return [(str(ref.kind), ref.of) for ref in plan.questions]
