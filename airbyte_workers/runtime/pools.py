"""Worker pools: the Temporal workers of one process, one for each task queue it polls."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg
import structlog
from temporalio.client import Client
from temporalio.worker import Worker

from activities.bookkeeping import BookkeepingActivities
from activities.leftovers import Leftovers
from activities.means import Means
from activities.repairs import Repairs
from activities.run_looks import RunLooks
from activities.schedule_skips import ScheduleSkips
from activities.workloads import WorkloadActivities
from airbyte_workers import failpoints
from airbyte_workers.names import WATCH_QUEUE, WORKFLOW_QUEUE, JobKind, launch_queue
from airbyte_workers.pods.launchers import Launchers, opened
from airbyte_workers.pods.pod import Launcher
from airbyte_workers.runtime import deployments, temporal
from airbyte_workers.runtime.database import reached
from airbyte_workers.runtime.farewell import Farewell
from airbyte_workers.runtime.gc.order import Reach
from airbyte_workers.runtime.gc.schedule import Schedule, scheduled
from airbyte_workers.runtime.live_details import LiveDetails
from airbyte_workers.runtime.live_pods import LivePods
from airbyte_workers.runtime.observing.rounds import observing
from airbyte_workers.runtime.reconciler import reconciling
from airbyte_workers.runtime.search_attributes import registered
from airbyte_workers.runtime.signs import telling
from airbyte_workers.settings import Settings
from airbyte_workers.store import handed, jobs
from airbyte_workers.store.database import migrate
from airbyte_workers.store.objects import open_objects
from airbyte_workers.store.sealing import load_seal
from airbyte_workers.telemetry.activity_keys import keep_events_plain
from airbyte_workers.telemetry.figures import Figures
from workflows.operations import CheckWorkflow, DiscoverWorkflow, SpecWorkflow
from workflows.scheduled import ScheduledSyncWorkflow
from workflows.sync import ClearWorkflow, RefreshWorkflow, SyncWorkflow
from workflows.unknown import UnknownWorkflow

WORKFLOWS = (
    SyncWorkflow,
    ScheduledSyncWorkflow,
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
    """What runs: the queues polled, and what others ask how busy and how well it is."""

    queues: Sequence[str]
    db: asyncpg.Pool
    client: Client
    launchers: Mapping[str, Launcher]
    gc: Schedule

    async def active_jobs(self) -> int:
        """How many jobs have not ended; where none is left, a gc that is due counts as one, and begins."""
        return await jobs.count_active(self.db) or int(await self.gc.has_work_left())


@asynccontextmanager
async def serving(settings: Settings, farewell: Farewell, roles: Sequence[str] = ROLES) -> AsyncIterator[Served]:
    """Migrate, then poll the queues of `roles` until the block ends; then all workers drain together.

    What becomes of pods then is told to `farewell`.
    """
    failpoints.use(settings.failpoints)
    keep_events_plain()
    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(reached(settings, size=settings.database_pool_size))
        for migration in await migrate(db):
            _log.info("migration applied", version=migration.version, name=migration.name)
        client = await stack.enter_async_context(temporal.connected(settings, serves=True))
        launchers = await stack.enter_async_context(opened(settings))
        figures = Figures(temporal.meter_of(client))
        figures.begin()
        means = await means_of(db, settings, launchers, figures)
        repairs = Repairs(means, RunLooks(client))
        attributes = await stack.enter_async_context(registered(client, settings))
        books = BookkeepingActivities(means, launchers.containers, repairs, attributes.names)
        bookkeeping = [*books.activities, ScheduleSkips(means).note_skip]
        deciding = {"activities": bookkeeping, "workflows": WORKFLOWS, "interceptors": [LiveDetails(client)]}
        workers = [_worker(client, settings, *queue) for queue in _queues(means, deciding, roles)]
        pods = await LivePods.of(db, settings, means.launchers)
        stack.push_async_callback(farewell.end, pods)
        await stack.enter_async_context(observing(db, settings, figures))
        await stack.enter_async_context(_polling(workers))
        await stack.enter_async_context(telling(db, client, settings, roles))
        await stack.enter_async_context(reconciling(repairs, Leftovers(means), settings))
        gc = await stack.enter_async_context(scheduled(Reach(db, settings, means.objects, means.launchers), figures))
        stack.push_async_callback(farewell.begin, pods)
        yield Served([worker.task_queue for worker in workers], db, client, means.launchers, gc)


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


async def means_of(db: asyncpg.Pool, settings: Settings, launchers: Launchers, figures: Figures | None = None) -> Means:
    """What activities of this host work with."""
    seal = await asyncio.to_thread(load_seal, settings.key_file)
    await handed.publish_key(db, seal)
    return Means(db, seal, settings, open_objects(settings), launchers.by_name, figures or Figures())


def _queues(means: Means, deciding: Mapping[str, Any], roles: Sequence[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The task queues that workers of these roles poll, and what each does for whom."""
    workloads = WorkloadActivities(means)
    if "workflows" in roles:
        yield WORKFLOW_QUEUE, deciding
    for role, kind in _LAUNCHING.items():
        if role in roles:
            limit = means.settings.pods_at_once(kind)
            yield launch_queue(kind), {"activities": [workloads.launch_workload], "max_concurrent_activities": limit}
    if "watch" in roles:
        watching = [workloads.watch_workload, workloads.end_workload]
        yield WATCH_QUEUE, {"activities": watching, "max_concurrent_activities": means.settings.max_watches}


def identity(queue: str) -> str:
    """What Temporal calls this process where it polls the queue."""
    return f"{socket.gethostname()}/{os.getpid()}/{queue}"


def _worker(client: Client, settings: Settings, queue: str, options: Mapping[str, Any]) -> Worker:
    return Worker(
        client,
        task_queue=queue,
        identity=identity(queue),
        graceful_shutdown_timeout=timedelta(seconds=settings.worker_shutdown_timeout_s),
        max_heartbeat_throttle_interval=timedelta(seconds=settings.heartbeat_throttle_s),
        **deployments.options_for(settings, queue),
        **options,
    )
