"""Worker pools: the Temporal workers of one process, one for each task queue it polls."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg
import structlog
from temporalio.client import Client
from temporalio.worker import Worker

import airbyte_workers
from activities.answers import Answers
from activities.bookkeeping import BookkeepingActivities
from activities.leftovers import Leftovers
from activities.pod_specs import Author
from activities.repairs import Repairs
from activities.run_looks import RunLooks
from activities.workloads import WorkloadActivities
from airbyte_workers.names import WATCH_QUEUE, WORKFLOW_QUEUE, JobKind, launch_queue
from airbyte_workers.pods.docker import DockerLauncher
from airbyte_workers.pods.pod import Launcher
from airbyte_workers.pods.process import ProcessLauncher
from airbyte_workers.runtime import temporal
from airbyte_workers.runtime.database import reached
from airbyte_workers.runtime.reconciler import reconciling
from airbyte_workers.runtime.retention_order import Reach
from airbyte_workers.runtime.retention_schedule import Schedule, scheduled
from airbyte_workers.settings import Settings
from airbyte_workers.store import configs, jobs
from airbyte_workers.store.database import migrate
from airbyte_workers.store.objects import Objects
from airbyte_workers.store.sealing import load_seal
from workflows.operations import CheckWorkflow, DiscoverWorkflow, SpecWorkflow
from workflows.sync import ClearWorkflow, RefreshWorkflow, SyncWorkflow
from workflows.unknown import UnknownWorkflow

WORKFLOWS = (
    SyncWorkflow,
    ClearWorkflow,
    RefreshWorkflow,
    CheckWorkflow,
    DiscoverWorkflow,
    SpecWorkflow,
    UnknownWorkflow,
)
ROLES = ("workflows", "spec", "check", "discover", "sync", "watch")
"""What one worker process can be limited to with `--only`."""
_LAUNCHING = {
    "spec": JobKind.SPEC,
    "check": JobKind.CHECK,
    "discover": JobKind.DISCOVER,
    "sync": JobKind.SYNC,
}
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Served:
    """What runs: the queues polled, and the database for whoever asks how busy it is."""

    queues: Sequence[str]
    db: asyncpg.Pool
    client: Client
    docker: DockerLauncher
    gc: Schedule

    async def active_jobs(self) -> int:
        """How many jobs have not ended; where none is left, a gc that is due counts as one, and begins."""
        return await jobs.count_active(self.db) or int(await self.gc.has_work_left())


@asynccontextmanager
async def serving(settings: Settings, roles: Sequence[str] = ROLES) -> AsyncIterator[Served]:
    """Migrate, then poll the queues of `roles` until the block ends; then all workers drain together."""
    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(reached(settings, size=settings.database_pool_size))
        for migration in await migrate(db):
            _log.info("migration applied", version=migration.version, name=migration.name)
        client = await stack.enter_async_context(temporal.connected(settings, core_logs=True))
        docker = await stack.enter_async_context(aclosing(DockerLauncher(settings)))
        means = _Means(db, settings, docker, client)
        workers = await _workers(means, roles)
        await stack.enter_async_context(_polling(workers))
        await stack.enter_async_context(reconciling(means.repairs, means.leftovers(), settings))
        gc = await stack.enter_async_context(scheduled(Reach(db, settings, means.objects, means.launchers)))
        yield Served([worker.task_queue for worker in workers], db, client, docker, gc)


@asynccontextmanager
async def _polling(workers: Sequence[Worker]) -> AsyncIterator[None]:
    """All workers poll while the block runs; one worker's fatal error ends it."""
    async with asyncio.TaskGroup() as tasks:
        for worker in workers:
            tasks.create_task(worker.run())
        try:
            yield
        finally:
            await asyncio.gather(*(worker.shutdown() for worker in workers))


class _Means:
    """What the workers and the reconciler of one process work with."""

    def __init__(self, db: asyncpg.Pool, settings: Settings, docker: DockerLauncher, client: Client) -> None:
        self.db = db
        self.settings = settings
        self.client = client
        self.docker = docker
        self.launchers: dict[str, Launcher] = {"process": ProcessLauncher(settings), "docker": docker}
        self.objects = Objects(settings.storage, timeout=settings.storage_timeout_s)
        self.looks = RunLooks(client)
        self.repairs = Repairs(db, settings, Answers(db, settings, self.objects), self.looks)

    def leftovers(self) -> Leftovers:
        """Pods of this process's dataplane that nobody looks after."""
        return Leftovers(self.db, self.settings, self.objects, self.launchers)


async def _workers(means: _Means, roles: Sequence[str]) -> list[Worker]:
    db, settings, client, objects = means.db, means.settings, means.client, means.objects
    seal = await asyncio.to_thread(load_seal, settings.key_file)
    await configs.publish_key(db, seal)
    assert settings.database_url is not None
    author = Author(db, settings, settings.database_url)
    bookkeeping = BookkeepingActivities(db, seal, settings, objects, means.docker, means.repairs)
    workloads = WorkloadActivities(db, seal, settings, objects, means.launchers, author)
    books = [
        bookkeeping.open_job,
        bookkeeping.open_operation,
        bookkeeping.check_configs,
        bookkeeping.configure_catalog,
        bookkeeping.open_attempt,
        bookkeeping.close_attempt,
        bookkeeping.close_job,
        bookkeeping.close_operation,
        bookkeeping.request_cancel,
    ]
    workers = []
    if "workflows" in roles:
        workers.append(_worker(client, settings, WORKFLOW_QUEUE, activities=books, workflows=WORKFLOWS))
    for role, kind in _LAUNCHING.items():
        if role in roles:
            limit = getattr(settings, f"max_{role}_workers")
            launching = [workloads.launch_workload]
            workers.append(
                _worker(client, settings, launch_queue(kind), activities=launching, max_concurrent_activities=limit)
            )
    if "watch" in roles:
        watching = [workloads.watch_workload, workloads.end_workload]
        limit = settings.max_watches
        workers.append(_worker(client, settings, WATCH_QUEUE, activities=watching, max_concurrent_activities=limit))
    return workers


def identity(queue: str) -> str:
    """What Temporal calls this process where it polls the queue."""
    return f"{socket.gethostname()}/{os.getpid()}/{queue}"


def _worker(client: Client, settings: Settings, queue: str, **options: Any) -> Worker:
    return Worker(
        client,
        task_queue=queue,
        identity=identity(queue),
        build_id=f"airbyte-workers-{airbyte_workers.__version__}",  # else the SDK hashes every loaded module: a second
        graceful_shutdown_timeout=timedelta(seconds=settings.worker_shutdown_timeout_s),
        max_heartbeat_throttle_interval=timedelta(seconds=settings.heartbeat_throttle_s),
        **options,
    )
