"""Versions of our Temporal workers (Temporal's Worker Deployments): none unless WORKER_DEPLOYMENT_NAME is set.

A run is then decided to its end by workers of the version that began it. Only the queue of workflows has versions: what
launches and watches pods goes on with whatever worker is there, because a watch that belongs to a version waits for
ever once the workers of that version are gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from structlog.contextvars import bind_contextvars
from temporalio.api.deployment.v1 import RoutingConfig, WorkerDeploymentInfo
from temporalio.api.enums.v1 import RoutingConfigUpdateState, TaskQueueType, WorkerDeploymentVersionStatus
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeWorkerDeploymentRequest,
    SetWorkerDeploymentCurrentVersionRequest,
)
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import WorkerDeploymentConfig

import airbyte_workers
from airbyte_workers.names import WORKFLOW_QUEUE
from airbyte_workers.runtime.background import alongside
from airbyte_workers.settings import Settings

FIRST_LOOK_S, NEXT_LOOK_S = 0.3, 5.0
_RPC = timedelta(seconds=10)
_POLLS = timedelta(seconds=70)  # a poll that finds nothing is held for a minute, then comes the next
_NOT_YET = frozenset(  # unknown; lacks a queue of ours; asked too much of this deployment in the last seconds
    {RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION, RPCStatusCode.RESOURCE_EXHAUSTED}
)
_log = structlog.get_logger(__name__)


class VersionUnclear(Exception):
    """Which version is meant cannot be told; the message is for people."""


class UnknownVersion(Exception):
    """Temporal knows no such version, or not yet; the message is for people."""


@dataclass(frozen=True)
class Version:
    """One version as Temporal sees it: `open_runs` are for it to end, `workers` polled for it in the last minute."""

    build_id: str
    status: str
    open_runs: int
    workers: int


# --- of a worker ------------------------------------------------------------------------------------------------------


def version_of(settings: Settings, build_id: str | None = None) -> WorkerDeploymentVersion | None:
    """The version of these settings, or another one of their deployment; None: there are no versions.

    Unless somebody says otherwise it is the package's own: a build id that people must raise by hand is forgotten once,
    and then runs of the old code go on with the new one. Raises VersionUnclear.
    """
    build_id = build_id or settings.worker_build_id
    if settings.worker_deployment_name is None:
        if build_id is None:
            return None
        raise VersionUnclear(f"{build_id} (WORKER_BUILD_ID) is a version of nothing: set WORKER_DEPLOYMENT_NAME, too")
    return WorkerDeploymentVersion(settings.worker_deployment_name, build_id or airbyte_workers.__version__)


def options_for(settings: Settings, queue: str) -> Mapping[str, Any]:
    """What the SDK's worker of this queue is told of its version. Raises VersionUnclear.

    That workflows are pinned is said here and not by their decorators: Temporal refuses every decision of a worker
    without a version whose workflow has a versioning behaviour.
    """
    version = version_of(settings)
    if version is None or queue != WORKFLOW_QUEUE:  # left alone, the SDK hashes every loaded module: a second
        return {"build_id": f"airbyte-workers-{airbyte_workers.__version__}"}
    pinned = WorkerDeploymentConfig(
        version, use_worker_versioning=True, default_versioning_behavior=VersioningBehavior.PINNED
    )
    return {"deployment_config": pinned}


@asynccontextmanager
async def standing_told(
    client: Client, version: WorkerDeploymentVersion | None, say: Callable[[str], object]
) -> AsyncIterator[None]:
    """While the block runs it is said, and said anew when it changes, whether new jobs go to this worker's version."""
    if version is None:
        yield
        return
    async with alongside(_tell(client, version, say)):
        yield


async def _tell(client: Client, version: WorkerDeploymentVersion, say: Callable[[str], object]) -> None:
    bind_contextvars(task="version")
    told, pause = "", FIRST_LOOK_S
    while True:
        await asyncio.sleep(pause)
        with suppress(RPCError):  # not known yet, or Temporal is away: the next look tells
            routing = (await _described(client, version.deployment_name)).routing_config
            standing, pause = standing_of(version, routing), NEXT_LOOK_S
            if standing != told:
                say(standing)
                level = _log.info if routing.current_deployment_version.build_id else _log.warning
                level("version of this worker", version=version.build_id, standing=standing)
            told = standing


def standing_of(version: WorkerDeploymentVersion, routing: RoutingConfig) -> str:
    """Whether new jobs go to this version, and what to do if not, as one line for people."""
    name, own, current = version.deployment_name, version.build_id, routing.current_deployment_version.build_id
    if current == own:
        return f"new jobs go to this version of {name}: {own}"
    command = f"airbyte-workers versions make-current {own}"
    if current:
        return f"new jobs go to version {current} of {name}, not to this one ({own}), until: {command}"
    return (
        f"no version of {name} is current, so its workers take up no job until one is made it: {command}"
        f" (or: temporal worker deployment set-current-version --deployment-name {name} --build-id {own})"
    )


# --- of a deployment --------------------------------------------------------------------------------------------------


async def make_current(client: Client, version: WorkerDeploymentVersion, patience_s: float) -> None:
    """Let new jobs go to this version; a worker of it that has just started is waited for. Raises UnknownVersion."""
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace,
        deployment_name=version.deployment_name,
        build_id=version.build_id,
        identity=client.identity,
    )
    refusal = "no answer"
    try:
        async with asyncio.timeout(patience_s):
            while refusal := await _refusal(client, request):
                await asyncio.sleep(FIRST_LOOK_S)
    except TimeoutError:
        raise UnknownVersion(
            f"version {version.build_id} of {version.deployment_name} cannot be made current: {refusal};"
            f" it needs a Temporal worker, started with WORKER_DEPLOYMENT_NAME={version.deployment_name}"
            f" WORKER_BUILD_ID={version.build_id}"
        ) from None
    with suppress(TimeoutError):  # it is decided; a task queue that learns of it late asks the older one meanwhile
        async with asyncio.timeout(patience_s):
            while not await _is_routed(client, version):
                await asyncio.sleep(FIRST_LOOK_S)


async def _refusal(client: Client, request: SetWorkerDeploymentCurrentVersionRequest) -> str:
    """Why it was not done yet, for what a worker that has just started, or time, mends; empty: it was."""
    try:
        await client.workflow_service.set_worker_deployment_current_version(request, timeout=_RPC)
    except RPCError as error:
        if error.status not in _NOT_YET:
            raise
        return error.message
    return ""


async def _is_routed(client: Client, version: WorkerDeploymentVersion) -> bool:
    """Whether every task queue knows it."""
    info = await _described(client, version.deployment_name)
    on_its_way = info.routing_config_update_state == RoutingConfigUpdateState.ROUTING_CONFIG_UPDATE_STATE_IN_PROGRESS
    return not on_its_way and info.routing_config.current_deployment_version.build_id == version.build_id


async def versions(client: Client, name: str) -> Sequence[Version]:
    """The versions of a deployment, the newest first. Raises UnknownVersion."""
    try:
        info = await _described(client, name)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        raise UnknownVersion(f"Temporal knows no deployment {name}: no worker of it has polled yet") from None
    polled = await _pollers(client, name)
    return [
        Version(
            summary.deployment_version.build_id,
            _status(summary.status),
            await _open_runs(client, summary.deployment_version.build_id, name),
            polled.count(summary.deployment_version.build_id),
        )
        for summary in info.version_summaries
    ]


def runs_of(name: str, build_id: str) -> str:
    """Temporal's query for the runs that a version must end."""
    return f"TemporalWorkerDeploymentVersion='{name}:{build_id}' AND ExecutionStatus='Running'"


async def _open_runs(client: Client, build_id: str, name: str) -> int:
    return (await client.count_workflows(runs_of(name, build_id), rpc_timeout=_RPC)).count


async def _pollers(client: Client, name: str) -> list[str]:
    """The build id of every worker of the deployment that polls for workflows."""
    described = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=WORKFLOW_QUEUE),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        ),
        retry=True,
        timeout=_RPC,
    )
    since = datetime.now(UTC) - _POLLS
    return [
        poller.deployment_options.build_id
        for poller in described.pollers
        if poller.deployment_options.deployment_name == name and poller.last_access_time.ToDatetime(UTC) > since
    ]


def _status(status: WorkerDeploymentVersionStatus.ValueType) -> str:
    return WorkerDeploymentVersionStatus.Name(status).removeprefix("WORKER_DEPLOYMENT_VERSION_STATUS_").lower()


async def _described(client: Client, name: str) -> WorkerDeploymentInfo:
    request = DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=name)
    response = await client.workflow_service.describe_worker_deployment(request, retry=True, timeout=_RPC)
    return response.worker_deployment_info
