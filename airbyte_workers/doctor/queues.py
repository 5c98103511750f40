"""Checks of task queues: who polls ours, and which runs wait where nobody does."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import asyncpg
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from airbyte_workers.doctor import workers
from airbyte_workers.doctor.findings import Finding, Skip, fault, ok, warning
from airbyte_workers.doctor.means import Means
from airbyte_workers.doctor.temporal import limit
from airbyte_workers.names import SCHEDULED_SYNC, WATCH_QUEUE, WORKFLOW_QUEUE, JobKind, launch_queue

POLLS = timedelta(seconds=70)
"""A poll that finds nothing is held for a minute, then comes the next."""
MOST_RUNS = 1000
_NAMED = 3
WORKFLOW_TYPES = (*(kind.capitalize() for kind in JobKind), SCHEDULED_SYNC)
"""As Temporal knows what `workflows/` defines."""
_DECIDES, _ACTS = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
LAUNCHES = tuple(dict.fromkeys(launch_queue(kind) for kind in JobKind))
QUEUES: Mapping[str, Sequence[TaskQueueType.ValueType]] = {
    WORKFLOW_QUEUE: (_DECIDES, _ACTS),
    **dict.fromkeys((*LAUNCHES, WATCH_QUEUE), (_ACTS,)),
}


@dataclass(frozen=True)
class Queue:
    """How many poll it, and how many tasks wait."""

    pollers: int
    backlog: int = 0


@dataclass(frozen=True)
class Waiting:
    """Open runs of ours on one task queue: the ids of some, and how many there are."""

    queue: str
    pollers: int
    runs: int
    some: Sequence[str] = field(default_factory=tuple)


# --- who polls our queues ---


async def look_at_queues(means: Means) -> Sequence[Finding]:
    client = await means.temporal.through()
    asked = [(name, kind) for name, kinds in QUEUES.items() for kind in kinds]
    seen = await asyncio.gather(*(_described(client, name, kind, limit(means)) for name, kind in asked))
    queues: dict[str, Queue] = {}
    for (name, _), queue in zip(asked, seen, strict=True):
        known = queues.get(name, queue)
        queues[name] = Queue(min(known.pollers, queue.pollers), max(known.backlog, queue.backlog))
    unpolled = any(not queue.pollers for queue in queues.values())
    return judge_queues(queues, await _full(means) if unpolled else frozenset())


async def _full(means: Means) -> Set[str]:
    """Queues that nobody polls while every slot is taken; none where the database does not say so."""
    with suppress(Skip, asyncpg.PostgresError):
        db = await means.database.through()
        return (await workers.busy(db, means.settings.dataplane_sign_holds_s)).queues
    return frozenset()


def judge_queues(queues: Mapping[str, Queue], full: Set[str] = frozenset()) -> Sequence[Finding]:
    """Every one must be polled: a sync goes through three of them. `full`: whose Temporal workers live and may have no
    slot left to poll for."""
    unpolled = {name: queue for name, queue in queues.items() if not queue.pollers}
    if not unpolled:
        return [ok(", ".join(f"{name} {queue.pollers}" for name, queue in queues.items()) + " (pollers)")]
    alone = {name: queue for name, queue in unpolled.items() if name not in full}
    return [*_nobody(alone, len(queues)), *(_full_queue(name, unpolled[name]) for name in unpolled if name in full)]


def _nobody(alone: Mapping[str, Queue], of_queues: int) -> Sequence[Finding]:
    if not alone:
        return []
    if len(alone) == of_queues:
        waiting = sum(queue.backlog for queue in alone.values())
        return [fault(f"no Temporal worker polls any queue{_tasks(waiting)}", "start one: airbyte-workers worker")]
    told = ", ".join(f"{name}{_tasks(queue.backlog)}" for name, queue in alone.items())
    roles = " ".join(f"--only {role_of(name)}" for name in alone)
    return [fault(f"nobody polls {told}", f"start a Temporal worker for it: airbyte-workers worker {roles}")]


def _full_queue(name: str, queue: Queue) -> Finding:
    role = role_of(name)
    raised = "AIRBYTE_WORKERS_MAX_WATCHES" if name == WATCH_QUEUE else f"MAX_{role.upper()}_WORKERS"
    seen = f"{name} is full{_tasks(queue.backlog)}: its Temporal workers live, pods run, and nobody polls for more"
    advice = (
        f"wait, raise {raised}, or start a Temporal worker on another host; if none has this role: "
        f"airbyte-workers worker --only {role}"
    )
    return warning(seen, advice)


def role_of(queue: str) -> str:
    """What a Temporal worker is limited to with `--only` to serve this queue."""
    return "workflows" if queue == WORKFLOW_QUEUE else queue.removeprefix(f"{WORKFLOW_QUEUE}-")


def _tasks(count: int) -> str:
    return f" ({count} tasks wait)" if count else ""


# --- runs on queues that nobody polls ---


async def look_at_waiting_runs(means: Means) -> Sequence[Finding]:
    client = await means.temporal.through()
    types = ", ".join(f"'{each}'" for each in WORKFLOW_TYPES)
    ours = f"ExecutionStatus = 'Running' and WorkflowType in ({types})"
    on_ours, elsewhere = await asyncio.gather(
        client.count_workflows(f"{ours} and TaskQueue = '{WORKFLOW_QUEUE}'", rpc_timeout=limit(means)),
        _runs_by_queue(client, f"{ours} and TaskQueue != '{WORKFLOW_QUEUE}'", limit(means)),
    )
    queues = {WORKFLOW_QUEUE: list[str](), **elsewhere}
    seen = await asyncio.gather(*(_described(client, queue, _DECIDES, limit(means)) for queue in queues))
    found = [
        Waiting(name, queue.pollers, on_ours.count if name == WORKFLOW_QUEUE else len(runs), runs[:_NAMED])
        for (name, runs), queue in zip(queues.items(), seen, strict=True)
    ]
    return judge_waiting_runs(found)


async def _runs_by_queue(client: Client, query: str, within: timedelta) -> Mapping[str, list[str]]:
    runs = defaultdict[str, list[str]](list)
    async for run in client.list_workflows(query, limit=MOST_RUNS, rpc_timeout=within):
        runs[run.task_queue].append(f"{run.id} ({run.workflow_type})")
    return runs


def judge_waiting_runs(queues: Sequence[Waiting]) -> Sequence[Finding]:
    """A run on a queue that somebody polls is theirs, whatever its name."""
    found = [_waiting(each) for each in queues if each.runs and not each.pollers]
    open_runs = sum(each.runs for each in queues)
    return found or [ok(f"none of {open_runs} open runs" if open_runs else "no open runs")]


def _waiting(waiting: Waiting) -> Finding:
    more = f" and {waiting.runs - len(waiting.some)} more" if waiting.some and waiting.runs > len(waiting.some) else ""
    named = f": {', '.join(waiting.some)}{more}" if waiting.some else ""
    runs = "1 run waits" if waiting.runs == 1 else f"{waiting.runs} runs wait"
    seen = f"{runs} on the task queue {waiting.queue}, which nobody polls{named}"
    if waiting.queue == WORKFLOW_QUEUE:
        return fault(seen, "start a Temporal worker: airbyte-workers worker")
    return fault(
        seen,
        f"if the queue was mistyped, end them (temporal workflow terminate --workflow-id ID) and start them again with "
        f"--task-queue {WORKFLOW_QUEUE}",
    )


# --- asking ---


async def _described(client: Client, queue: str, kind: TaskQueueType.ValueType, within: timedelta) -> Queue:
    request = DescribeTaskQueueRequest(
        namespace=client.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind, report_stats=True
    )
    told = await client.workflow_service.describe_task_queue(request, timeout=within)
    since = datetime.now(UTC) - POLLS
    lately = {each.identity for each in told.pollers if each.last_access_time.ToDatetime(UTC) > since}
    return Queue(len(lately), told.stats.approximate_backlog_count)
