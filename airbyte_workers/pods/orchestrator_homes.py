"""Where the orchestrator of a pod in containers lives: a process of this host, or a container of its own image.

The first shares bind-mounted folders with the connectors, the second named volumes: FIFOs in a folder of the host
do not reach a container where the engine is in a virtual machine.
"""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from airbyte_workers.names import Role
from airbyte_workers.pods.container_plan import FOLDER, Mount, found_labels
from airbyte_workers.pods.folders import FIFOS, PodFolders, leave_empty
from airbyte_workers.pods.host_processes import COLD, HostProcesses, OwnProgram
from airbyte_workers.pods.locks import to_its_end
from airbyte_workers.pods.pod import ContainerStatus, LaunchFailed, PodSpec
from airbyte_workers.settings import Settings


class OrchestratorHome(Protocol):
    """One way to run a pod's own program beside connectors in containers."""

    async def make(self, spec: PodSpec) -> int:
        """Make what the pod shares; returns the group that the orchestrator opens the FIFOs with."""

    def mount(self, pod: str, role: Role) -> Mount:
        """What a connector's container sees as its folder."""

    async def check_reach(self, spec: PodSpec) -> None:
        """See that the orchestrator reaches the pod's FIFOs, before a secret is put there. Raises LaunchFailed."""

    async def start(self, spec: PodSpec) -> None:
        """Start the orchestrator and wait until it is ready. Raises LaunchFailed."""

    async def look(self, pod: str) -> ContainerStatus | None:
        """The orchestrator, where the engine does not know it."""

    async def journal(self, pod: str) -> bytes | None:
        """What the orchestrator has left uncommitted."""

    async def own_log(self, pod: str) -> bytes:
        """The end of what the pod's own program has logged, where it runs here."""

    async def pods(self) -> Collection[str]:
        """Pods of which something is left that the engine does not know as a container."""

    async def labels(self, pod: str) -> Mapping[str, str]:
        """What the pod's containers carried, as that tells it; empty when nothing is left."""

    async def terminate(self, pod: str) -> None:
        """Ask the orchestrator to end the pod in order."""

    async def kill(self, pod: str) -> None:
        """End what of the pod is no container."""

    async def clear(self, pod: str) -> None:
        """Delete what of the pod is no container."""

    async def remains(self, pod: str) -> tuple[str, ...]:
        """What of the pod is left and no container, one line each."""


class HostHome:
    """The orchestrator as a process of this host, which is the engine's own."""

    def __init__(self, settings: Settings, launcher: str, folders: PodFolders, program: OwnProgram = COLD) -> None:
        self._launcher = launcher  # the folders of this host are shared with the other launchers
        self._folders = folders
        self._longest_log = settings.pod_log_bytes
        self._processes = HostProcesses(settings, folders, program)

    async def make(self, spec: PodSpec) -> int:
        if sys.platform != "linux":
            raise LaunchFailed(
                "connectors in containers need ORCHESTRATOR_IMAGE here: pipes of this host do not reach the engine's "
                "virtual machine"
            )
        await to_its_end(self._folders.make, spec, self._launcher, leave_empty)
        return os.getgid()

    def mount(self, pod: str, role: Role) -> Mount:
        return Mount(str(self._folders.path(pod, role)), FOLDER, relabel=True)

    async def check_reach(self, spec: PodSpec) -> None:
        await asyncio.to_thread(self._check_reach, spec)

    async def start(self, spec: PodSpec) -> None:
        record = await asyncio.to_thread(self._folders.read, spec.name)
        if record is None:
            raise LaunchFailed(f"the folder of pod {spec.name} is gone", retryable=True)
        await self._processes.start_orchestrator(record)

    def _check_reach(self, spec: PodSpec) -> None:
        """The engine has put the FIFOs there; whether we can open them shows whether its host is ours."""
        for container in spec.containers:
            for name in FIFOS[container.role]:
                path = self._folders.path(spec.name, container.role) / name
                if not (_is_fifo(path) and os.access(path, os.R_OK | os.W_OK, effective_ids=True)):
                    raise LaunchFailed(
                        f"the engine's {path} cannot be opened from here: the engine maps users, or runs on "
                        "another host or beside our own container; set ORCHESTRATOR_IMAGE"
                    )

    async def look(self, pod: str) -> ContainerStatus | None:
        return await asyncio.to_thread(self._look, pod)

    def _look(self, pod: str) -> ContainerStatus | None:
        record = self._folders.read(pod)
        return None if record is None else self._processes.look(record, record.orchestrator)

    async def journal(self, pod: str) -> bytes | None:
        return await asyncio.to_thread(self._folders.journal, pod)

    async def own_log(self, pod: str) -> bytes:
        return await asyncio.to_thread(self._folders.own_log, pod, self._longest_log)

    async def pods(self) -> Collection[str]:
        return await asyncio.to_thread(self._folders.names, self._launcher)

    async def labels(self, pod: str) -> Mapping[str, str]:
        record = await asyncio.to_thread(self._folders.read, pod)
        return found_labels(record.labels, record.roles) if record is not None else {}

    async def terminate(self, pod: str) -> None:
        await self._processes.terminate_orchestrator(pod)

    async def kill(self, pod: str) -> None:
        await self._processes.kill(pod)

    async def clear(self, pod: str) -> None:
        await self._processes.clear(pod)

    async def remains(self, pod: str) -> tuple[str, ...]:
        return await asyncio.to_thread(self._processes.remains, pod)


def _is_fifo(path: Path) -> bool:
    with suppress(OSError):
        return stat.S_ISFIFO(path.lstat().st_mode)
    return False
