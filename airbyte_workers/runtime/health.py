"""Whether a worker is well, told by a file: whoever watches over the process asks nothing of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import structlog
from structlog.contextvars import bind_contextvars
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from airbyte_workers.pods.pod import Launcher
from airbyte_workers.runtime.pools import Served, identity
from airbyte_workers.settings import Settings

BEAT_S = 5.0
FIRST_LOOK_S, NEXT_LOOK_S = 0.3, 1.0
PATIENCE_S = 10.0
Look = Callable[[], Awaitable[str | None]]
_log = structlog.get_logger(__name__)


@asynccontextmanager
async def told_by(file: Path | None, served: Served, settings: Settings) -> AsyncIterator[None]:
    """While the block runs the file is touched every few seconds as long as all is well, and removed when it is not."""
    if file is None:
        yield
        return
    launcher = served.launchers.get(settings.launcher)  # `auto` takes whatever is there
    beating = asyncio.create_task(_beat(file, lambda: problem_of(served, launcher)))
    try:
        yield
    finally:
        beating.cancel()
        with suppress(asyncio.CancelledError):
            await beating
        file.unlink(missing_ok=True)


async def _beat(file: Path, look: Look) -> None:
    bind_contextvars(task="health")
    told, pause = None, FIRST_LOOK_S
    while True:
        await asyncio.sleep(pause)
        found = await look()
        if found is None:
            file.touch()
        else:
            file.unlink(missing_ok=True)
        if found != told:
            _log.warning("not healthy", problem=found) if found else _log.info("healthy again")
        told, pause = found, NEXT_LOOK_S if found else BEAT_S


async def problem_of(served: Served, launcher: Launcher | None) -> str | None:
    """What keeps the worker from its work; None: PostgreSQL answers, the launcher works, and Temporal sees us poll."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            await served.db.fetchval("select 1")
            if launcher is not None and (away := await launcher.problem()) is not None:
                return away
            missing = [queue for queue in served.queues if not await _polls(served.client, queue)]
    except TimeoutError:
        return f"no answer within {PATIENCE_S:g} s"
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        return f"PostgreSQL: {error}"
    except RPCError as error:
        return f"Temporal: {error.message}"
    return f"Temporal does not see us poll {', '.join(missing)}" if missing else None


async def _polls(client: Client, queue: str) -> bool:
    """Whether Temporal counts this process among those that fetch the queue's activities."""
    described = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        )
    )
    return any(poller.identity == identity(queue) for poller in described.pollers)
