"""Containers of pods that are processes of this host: started, looked at, ended. Which ones, their launcher says."""

from __future__ import annotations

import asyncio
import subprocess
from dataclasses import dataclass, replace

from airbyte_workers.names import Role
from airbyte_workers.pods import process_starting, processes
from airbyte_workers.pods.folders import PodFolders, Record
from airbyte_workers.pods.locks import to_its_end
from airbyte_workers.pods.pod import ContainerStatus, LaunchFailed
from airbyte_workers.pods.process_starting import ORCHESTRATOR_COMMAND, Start
from airbyte_workers.pods.processes import Identity
from airbyte_workers.pods.warm_programs import ForkServer
from airbyte_workers.settings import Settings
from airbyte_workers.telemetry import shape

POLL_S = 0.02
_TOLD_CHARACTERS = 2000


@dataclass(frozen=True)
class OwnProgram:
    """What every pod runs beside its connectors: a command, or where there is a fork server, a fork of that."""

    command: tuple[str, ...] = ORCHESTRATOR_COMMAND
    forks: ForkServer | None = None


COLD = OwnProgram()


class HostProcesses:
    """The processes of the pods below one folder, which carry that folder as their label."""

    def __init__(self, settings: Settings, folders: PodFolders, program: OwnProgram = COLD) -> None:
        self._ready_within_s = settings.orchestrator_start_timeout_s
        self._longest_log = settings.pod_log_bytes
        self._folders = folders
        self._program = program
        self._children: dict[tuple[str, Role], subprocess.Popen[bytes]] = {}

    # --- starting ---

    async def start_orchestrator(self, record: Record) -> Record:
        """Start the pod's own program and wait until it is ready. Raises LaunchFailed, OSError."""
        start = process_starting.orchestrator(record, self._folders, self._program.command)
        record = await to_its_end(self._spawn_own, record, start)
        await self._until_ready(record)
        return record

    async def start(self, record: Record, start: Start) -> Record:
        """Start one container and write down which process it is. Raises OSError."""
        return await to_its_end(self._spawn, record, start)

    def _spawn_own(self, record: Record, start: Start) -> Record:
        if self._program.forks is None:
            return self._spawn(record, start)
        start = replace(start, words=start.words[len(self._program.command) :])
        return self._started(record, start, self._program.forks.fork(start, self._folders.label(record.name)))

    def _spawn(self, record: Record, start: Start) -> Record:
        self._bury()
        child = process_starting.spawn(start, self._folders.label(record.name))
        self._children[record.name, start.role] = child
        return self._started(record, start, processes.identify_child(child.pid))

    def _started(self, record: Record, start: Start, identity: Identity) -> Record:
        record = record.started(start.role, identity)
        self._folders.write(record)
        return record

    def _bury(self) -> None:
        """Children whose pod somebody else has removed would stay zombies for as long as we live."""
        for key, child in tuple(self._children.items()):
            if child.poll() is not None and self._folders.read(key[0]) is None:
                self._children.pop(key, None)

    async def _until_ready(self, record: Record) -> None:
        limit = self._ready_within_s
        try:
            async with asyncio.timeout(limit):
                while not await asyncio.to_thread(self._ready, record):
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            said = await asyncio.to_thread(self._log_of, record)
            raise not_ready(record.orchestrator, record.name, limit, said) from None

    def _ready(self, record: Record) -> bool:
        own = self._folders.path(record.name, record.orchestrator)
        if (own / "ready").exists():
            return True
        status = self.look(record, record.orchestrator)
        if not status.running:
            raise ended_early(status, record.name, self._log_of(record))
        return False

    def _log_of(self, record: Record) -> bytes:
        return self._folders.own_log(record.name, self._longest_log)

    # --- looking ---

    def look(self, record: Record, role: Role) -> ContainerStatus:
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

    def remains(self, pod: str) -> tuple[str, ...]:
        """Processes and folders of the pod, one line each."""
        record = self._folders.read(pod)
        running = processes.describe(self._folders.label(pod), record.processes.values() if record else ())
        return (*running, *self._folders.left(pod))

    # --- ending ---

    async def terminate_orchestrator(self, pod: str) -> None:
        """Ask the pod's own program to end the pod in order."""
        record = await asyncio.to_thread(self._folders.read, pod)
        if record and (identity := record.processes.get(record.orchestrator)):
            await asyncio.to_thread(processes.terminate, identity)

    async def kill(self, pod: str, *, looks: int = 2) -> None:
        """Strike until so many looks in a row find nothing: what is just being started is not seen at once."""
        quiet = 0
        while True:
            struck = await to_its_end(self._strike, pod)
            quiet = 0 if struck else quiet + 1
            if quiet >= looks:
                return
            await asyncio.sleep(POLL_S)

    def _strike(self, pod: str) -> int:
        record = self._folders.read(pod)
        struck = processes.kill(self._folders.label(pod), record.processes.values() if record else ())
        for (name, _), child in tuple(self._children.items()):
            if name == pod:
                child.poll()
        return struck

    async def clear(self, pod: str, *, looks: int = 2) -> None:
        """End the pod's processes, as `kill` does, and delete its folder."""
        await self.kill(pod, looks=looks)
        await to_its_end(self._folders.delete, pod)
        for key in [key for key in tuple(self._children) if key[0] == pod]:
            del self._children[key]


def not_ready(role: Role, pod: str, limit_s: float, said: bytes) -> LaunchFailed:
    """A pod's own program that took too long, with the end of what it said."""
    return LaunchFailed(f"the {role} of pod {pod} was not ready within {limit_s:g} s{_told(said)}", retryable=True)


def ended_early(status: ContainerStatus, pod: str, said: bytes) -> LaunchFailed:
    """A pod's own program that ended before it was ready, with the end of what it said."""
    how = f"exit code {status.exit_code}" + (f", {status.detail}" if status.detail else "")
    return LaunchFailed(
        f"the {status.role} of pod {pod} ended before it was ready ({how}){_told(said)}", retryable=True
    )


def _told(said: bytes) -> str:
    text = "\n".join(shape.spoken(said.decode(errors="replace")))[-_TOLD_CHARACTERS:].strip()
    return f": {text}" if text else ""
