"""Pods as processes of this host: no engine needed, no isolation promised.

They survive the Temporal worker that started them (each has a session of its own), but not its container or cgroup.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Sequence
from contextlib import suppress

from airbyte_workers.names import Role
from airbyte_workers.pods import processes, starting
from airbyte_workers.pods.environments import Environments, Executable
from airbyte_workers.pods.folders import PodFolders, Record
from airbyte_workers.pods.locks import exclusive, to_its_end
from airbyte_workers.pods.pod import (
    ContainerSpec,
    ContainerStatus,
    LaunchFailed,
    PodSpec,
    PodStatus,
    Program,
    RemovalFailed,
)
from airbyte_workers.pods.starting import ORCHESTRATOR_COMMAND, START_ORDER, Start
from airbyte_workers.settings import Settings

POLL_S = 0.02
LOG_TAIL_BYTES = 2000


class ProcessLauncher:
    """The launcher `process`. Any number of them may work on the same folder, in any number of processes."""

    name = "process"

    def __init__(self, settings: Settings, *, orchestrator_command: Sequence[str] = ORCHESTRATOR_COMMAND) -> None:
        self._settings = settings
        self._folders = PodFolders(settings.pods_dir.absolute())
        self._environments = Environments(settings)
        self._orchestrator_command = tuple(orchestrator_command)
        self._children: dict[tuple[str, Role], subprocess.Popen[bytes]] = {}

    async def prepare(self, program: Program) -> str:
        """Install the connector or find it; returns the path of what will be started. Raises LaunchFailed."""
        return (await self._environments.executable(program)).words[0]

    async def launch(self, spec: PodSpec) -> PodStatus:
        """Start the pod, or adopt the one of this name. Raises LaunchFailed, and then nothing of it is left."""
        if not await self._launched(spec.name):
            executables = {each.role: await self._executable(each) for each in spec.containers}
            async with exclusive(self._folders.lock(spec.name)):
                if not await self._launched(spec.name):
                    await self._start_all(spec, executables)
        return await self.inspect(spec.name)

    async def inspect(self, pod: str) -> PodStatus:
        """What can be seen of the pod now."""
        return await asyncio.to_thread(self._look, pod)

    async def list(self) -> list[PodStatus]:
        """Every pod that has a folder here, also those whose processes are gone."""
        seen = await asyncio.to_thread(lambda: [self._look(pod) for pod in self._folders.names()])
        return [status for status in seen if status.exists]

    async def terminate(self, pod: str) -> None:
        """Ask the orchestrator to end the pod in order. Does not wait."""
        record = await asyncio.to_thread(self._folders.read, pod)
        if record and (identity := record.processes.get(record.orchestrator)):
            await asyncio.to_thread(processes.terminate, identity)

    async def kill(self, pod: str) -> None:
        """End every process of the pod at once and wait until they are gone. Raises RemovalFailed."""
        try:
            async with asyncio.timeout(self._settings.removal_timeout_s):
                await self._kill(pod)
        except TimeoutError:
            raise await self._not_removed(pod) from None

    async def remove(self, pod: str) -> None:
        """End what still runs and delete the pod's folder. Raises RemovalFailed when something is left."""
        try:
            async with asyncio.timeout(self._settings.removal_timeout_s):
                await self._kill(pod)  # ends a launch that is under way, too: its orchestrator is gone
                async with exclusive(self._folders.lock(pod)):
                    await self._clear(pod)
                    await to_its_end(self._folders.lock(pod).unlink, missing_ok=True)
        except TimeoutError:
            raise await self._not_removed(pod) from None
        if await self.remains(pod):
            raise await self._not_removed(pod)

    async def remains(self, pod: str) -> tuple[str, ...]:
        """What is still there of the pod; empty is the proof that nothing is."""
        return await asyncio.to_thread(self._remains, pod)

    # --- starting ---

    async def _launched(self, pod: str) -> bool:
        try:
            record = await asyncio.to_thread(self._folders.read, pod)
        except ValueError as error:
            raise LaunchFailed(str(error)) from error
        return record is not None and record.launched

    async def _executable(self, container: ContainerSpec) -> Executable:
        try:
            return await self._environments.executable(container.program)
        except LaunchFailed as error:
            known = container.role in {Role.SOURCE, Role.DESTINATION}
            origin = container.role.value if known else error.origin
            raise LaunchFailed(str(error), origin=origin, retryable=error.retryable) from error

    async def _start_all(self, spec: PodSpec, executables: dict[Role, Executable]) -> None:
        await self._clear(spec.name)  # what a launcher that was killed half-way left
        try:
            record = await to_its_end(self._folders.make, spec)
            start = starting.orchestrator(record, self._folders, self._orchestrator_command)
            record = await to_its_end(self._spawn, record, start)
            await self._until_ready(record)
            for container in sorted(spec.containers, key=lambda each: START_ORDER.index(each.role)):
                start = starting.connector(record, self._folders, container, executables[container.role])
                record = await to_its_end(self._spawn, record, start)
            await to_its_end(self._folders.write, record.complete())
        except (OSError, ValueError) as error:
            await self._abandon(spec.name)
            passing = isinstance(error, OSError)
            raise LaunchFailed(f"pod {spec.name} could not be started: {error}", retryable=passing) from error
        except BaseException:
            await self._abandon(spec.name)
            raise

    def _spawn(self, record: Record, start: Start) -> Record:
        """Start one container and write down which process it is."""
        child = starting.spawn(start, self._folders.label(record.name))
        self._children[record.name, start.role] = child
        record = record.started(start.role, processes.identify_child(child.pid))
        self._folders.write(record)
        return record

    async def _until_ready(self, record: Record) -> None:
        limit = self._settings.orchestrator_start_timeout_s
        try:
            async with asyncio.timeout(limit):
                while True:
                    if await asyncio.to_thread(self._ready, record):
                        return
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            said = await asyncio.to_thread(self._log_tail, record)
            raise LaunchFailed(
                f"the {record.orchestrator} of pod {record.name} was not ready within {limit:g} s{said}",
                retryable=True,
            ) from None

    def _ready(self, record: Record) -> bool:
        own = self._folders.path(record.name, record.orchestrator)
        if (own / "ready").exists():
            return True
        status = self._container(record, record.orchestrator)
        if not status.running:
            raise LaunchFailed(
                f"the {status.role} of pod {record.name} ended before it was ready "
                f"(exit code {status.exit_code}){self._log_tail(record)}",
                retryable=True,
            )
        return False

    def _log_tail(self, record: Record) -> str:
        try:
            with (self._folders.path(record.name, record.orchestrator) / "log").open("rb") as log:
                log.seek(max(0, log.seek(0, 2) - LOG_TAIL_BYTES))
                said = log.read(LOG_TAIL_BYTES).decode(errors="replace").strip()
        except FileNotFoundError:
            said = ""
        return f": {said}" if said else ""

    # --- looking ---

    def _look(self, pod: str) -> PodStatus:
        record = self._folders.read(pod)
        if record is None:
            return PodStatus(pod)
        return PodStatus(pod, tuple(self._container(record, role) for role in record.roles), record.labels)

    def _container(self, record: Record, role: Role) -> ContainerStatus:
        """The wrapper's file is the first witness of the exit code, the end of our own child the second."""
        identity = record.processes.get(role)
        child = self._children.get((record.name, role))
        running = identity is not None and processes.alive(identity)
        returned = child.poll() if child else None  # after the look: a child seen dead has its code by now
        code = self._folders.exit_code(record.name, role)
        if code is not None:
            return ContainerStatus(role, running=False, exit_code=code)
        if running:
            return ContainerStatus(role, running=True)
        if returned is not None:
            return ContainerStatus(role, running=False, exit_code=returned if returned >= 0 else 128 - returned)
        return ContainerStatus(role, running=False, detail="exit code unknown" if identity else "not started")

    # --- ending ---

    async def _kill(self, pod: str) -> None:
        """Strike until two looks in a row find nothing: a process that is just being started has no environment yet."""
        quiet = 0
        while quiet < 2:
            struck = await to_its_end(self._strike, pod)
            quiet = 0 if struck else quiet + 1
            await asyncio.sleep(POLL_S)

    def _strike(self, pod: str) -> int:
        record = self._folders.read(pod)
        struck = processes.kill(self._folders.label(pod), record.processes.values() if record else ())
        for (name, _), child in tuple(self._children.items()):
            if name == pod:
                child.poll()
        return struck

    async def _clear(self, pod: str) -> None:
        await self._kill(pod)
        await to_its_end(self._folders.delete, pod)
        for key in [key for key in tuple(self._children) if key[0] == pod]:
            del self._children[key]

    async def _abandon(self, pod: str) -> None:
        """A launch failed or was cancelled: end what it started. What resists is left to the reaper."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.removal_timeout_s):
                await asyncio.shield(self._clear(pod))

    def _remains(self, pod: str) -> tuple[str, ...]:
        record = self._folders.read(pod)
        running = processes.describe(self._folders.label(pod), record.processes.values() if record else ())
        return (*running, *self._folders.left(pod))

    async def _not_removed(self, pod: str) -> RemovalFailed:
        left = await self.remains(pod)
        return RemovalFailed(f"pod {pod} is still there after its removal: {'; '.join(left) or 'its lock is held'}")
