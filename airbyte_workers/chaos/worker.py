"""The one Temporal worker of the stack: a program as people start it, with little patience."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from airbyte_workers.runtime.stack.errors import StackError, tail
from airbyte_workers.runtime.stack.processes import Program, environment, spawn

_COMMAND = (sys.executable, "-c", "from airbyte_workers.cli.main import run; run()", "worker")
_READY = b"polling "
_READY_S = 60.0
_POLL_S = 0.03
QUICK: Mapping[str, str] = {
    "AIRBYTE_WORKERS_HEARTBEAT_TIMEOUT_S": "3",
    "AIRBYTE_WORKERS_HEARTBEAT_THROTTLE_S": "0.3",
    "MARKER_POLL_INTERVAL_MS": "50",
    "AIRBYTE_WORKERS_PROGRESS_INTERVAL_S": "0.2",
    "AIRBYTE_WORKERS_RECONCILE_INTERVAL_S": "2",
    "AIRBYTE_WORKERS_EXIT_CODE_TIMEOUT_S": "2",
    "SHUTDOWN_GRACE_PERIOD_S": "5",
    "SHUTDOWN_TERM_PERIOD_S": "1.5",
    "DB_PRUNE_CRON_ENABLED": "false",
    "JOB_KUBE_MAIN_CONTAINER_IMAGE_PULL_POLICY": "Never",
    "DOCKER_NETWORK": "none",
    "ALLOW_LOCAL_COMMANDS": "true",
}


class Worker:
    """Started, killed and started again; each start has a log of its own."""

    def __init__(self, logs: Path, variables: Callable[[], Mapping[str, str]]) -> None:
        """`variables`: what it is told, known once the servers run."""
        self._logs = logs
        self._variables = variables
        self._starts = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> Path:
        """What the worker that was started last says."""
        return self._logs / f"worker-{self._starts}.log"

    async def start(self) -> None:
        """Returns when it polls. Raises StackError."""
        self._starts += 1
        variables = {**environment(), **QUICK, **self._variables()}
        self._process = spawn(Program(_COMMAND, self.log, self._logs, variables))
        try:
            async with asyncio.timeout(_READY_S):
                while not await asyncio.to_thread(self._is_ready):
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            raise StackError(f"the Temporal worker did not poll within {_READY_S:g} s:\n{tail(self.log)}") from None

    def _is_ready(self) -> bool:
        if not self.is_running:
            raise StackError(f"the Temporal worker ended while it started:\n{tail(self.log)}")
        return _READY in self.log.read_bytes()

    async def kill(self) -> int:
        """End it at once; returns who it was. One that does not run is no error."""
        if self._process is None:
            return 0
        self._process.kill()
        await asyncio.to_thread(self._process.wait)
        return self._process.pid
