"""Where the orchestrator of a pod in containers lives: a process of this host, or a container of its own image.

The first shares bind-mounted folders with the connectors, the second named volumes: FIFOs in a folder of the host
do not reach a container where the engine is in a virtual machine.
"""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from airbyte_workers.names import Role
from airbyte_workers.pods.archives import Folder, Owner
from airbyte_workers.pods.containers import FOLDER, WRAPPER_NAME, ContainerPlan, Mount, wrapped
from airbyte_workers.pods.created import Creator, user_of
from airbyte_workers.pods.folders import FIFOS, OWN_FIFOS, PodFolders, leave_empty
from airbyte_workers.pods.host_processes import HostProcesses, ended_early, not_ready
from airbyte_workers.pods.image_pulls import Images
from airbyte_workers.pods.locks import to_its_end
from airbyte_workers.pods.pod import ContainerStatus, LaunchFailed, PodSpec
from airbyte_workers.pods.starting import ORCHESTRATOR_COMMAND, ORCHESTRATOR_WORDS, WRAPPER
from airbyte_workers.settings import Settings

READY_POLL_S = 0.05
IMAGE_COMMAND = ("python", "-m", "airbyte_workers.orchestrator")


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

    async def pods(self) -> Sequence[str]:
        """Pods of which something is left that the engine does not know as a container."""

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

    def __init__(self, settings: Settings, folders: PodFolders, command: Sequence[str] = ORCHESTRATOR_COMMAND) -> None:
        self._folders = folders
        self._processes = HostProcesses(settings, folders, command)

    async def make(self, spec: PodSpec) -> int:
        if sys.platform != "linux":
            raise LaunchFailed(
                "connectors in containers need ORCHESTRATOR_IMAGE here: pipes of this host do not reach the engine's "
                "virtual machine"
            )
        await to_its_end(self._folders.make, spec, "docker", leave_empty)
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
                        f"the Docker engine's {path} cannot be opened from here: the engine maps users, or runs on "
                        "another host or beside our own container; set ORCHESTRATOR_IMAGE"
                    )

    async def look(self, pod: str) -> ContainerStatus | None:
        return await asyncio.to_thread(self._look, pod)

    def _look(self, pod: str) -> ContainerStatus | None:
        record = self._folders.read(pod)
        return None if record is None else self._processes.look(record, record.orchestrator)

    async def pods(self) -> Sequence[str]:
        return await asyncio.to_thread(self._folders.names, "docker")

    async def terminate(self, pod: str) -> None:
        await self._processes.terminate_orchestrator(pod)

    async def kill(self, pod: str) -> None:
        await self._processes.kill(pod)

    async def clear(self, pod: str) -> None:
        await self._processes.clear(pod)

    async def remains(self, pod: str) -> tuple[str, ...]:
        return await asyncio.to_thread(self._processes.remains, pod)


class ContainerHome:
    """The orchestrator as a container of ORCHESTRATOR_IMAGE, joined to the connectors by named volumes."""

    def __init__(
        self, settings: Settings, creator: Creator, images: Images, command: Sequence[str] = IMAGE_COMMAND
    ) -> None:
        self._settings = settings
        self._creator = creator
        self._engine = creator.engine
        self._images = images
        self._command = tuple(command)

    async def make(self, spec: PodSpec) -> int:
        assert self._settings.orchestrator_image is not None
        image = await self._images.have(self._settings.orchestrator_image)
        for container in spec.containers:
            labels = self._creator.labels(spec, container.role)
            await self._engine.create_volume(self._volume(spec.name, container.role), labels)
        own = _own_folder(spec.orchestrator)
        plan = ContainerPlan(
            image=image,
            words=wrapped(self._words(spec), "program", own),
            labels=self._creator.labels(spec, spec.orchestrator),
            network=self._settings.orchestrator_network,
            mounts=(*self._shared(spec), *self._storage()),
            resources=spec.orchestrator_resources,
            user=self._user(),
        )
        created = await self._creator.create(spec.name, spec.orchestrator, plan)
        uid, gid = await user_of(self._engine, created, plan.user or image.user, image.name)
        files = {"input.json": spec.orchestrator_input, WRAPPER_NAME: await asyncio.to_thread(WRAPPER.read_bytes)}
        await self._engine.put(created, Folder(files, OWN_FIFOS).packed(own, Owner(uid, gid)))
        return gid

    def _words(self, spec: PodSpec) -> tuple[str, ...]:
        folders = {each.role: f"{FOLDER}/{each.role}" for each in spec.containers}
        options = [word for role, folder in folders.items() for word in (f"--{role}", folder)]
        return (
            *self._command,
            ORCHESTRATOR_WORDS[spec.orchestrator],
            "--own",
            _own_folder(spec.orchestrator),
            *options,
        )

    def _shared(self, spec: PodSpec) -> tuple[Mount, ...]:
        roles = [each.role for each in spec.containers]
        return tuple(Mount(self._volume(spec.name, role), f"{FOLDER}/{role}", volume=True) for role in roles)

    def _storage(self) -> tuple[Mount, ...]:
        """A folder as object storage is at the same place inside."""
        folder = _storage_folder(self._settings)
        if folder is None:
            return ()
        volume = self._settings.orchestrator_storage_volume
        return (Mount(volume or str(folder), str(folder), volume=volume is not None, relabel=volume is None),)

    def _user(self) -> str | None:
        """The image's own, unless it writes into a folder that belongs to the Temporal worker's user."""
        return f"{os.getuid()}:{os.getgid()}" if _storage_folder(self._settings) else None

    def mount(self, pod: str, role: Role) -> Mount:
        return Mount(self._volume(pod, role), FOLDER, volume=True)

    def _volume(self, pod: str, role: Role) -> str:
        return f"{pod}-{role}-{self._settings.stack_name}"

    async def check_reach(self, spec: PodSpec) -> None:
        """A volume is wherever the containers are."""

    async def start(self, spec: PodSpec) -> None:
        name = await self._creator.find(spec.name, spec.orchestrator)
        if name is None:
            raise LaunchFailed(f"the orchestrator of pod {spec.name} is gone", retryable=True)
        if folder := _storage_folder(self._settings):
            with suppress(OSError):
                await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        await self._engine.start(name)
        own, limit = _own_folder(spec.orchestrator), self._settings.orchestrator_start_timeout_s
        try:
            async with asyncio.timeout(limit):
                while not await self._engine.has(name, f"{own}/ready"):
                    status = await self._creator.status(spec.orchestrator, name)
                    if not status.running:
                        raise ended_early(status, spec.name, await self._said(name, own))
                    await asyncio.sleep(READY_POLL_S)
        except TimeoutError:
            raise not_ready(spec.orchestrator, spec.name, limit, await self._said(name, own)) from None

    async def _said(self, container: str, own: str) -> bytes:
        return await self._engine.get(container, f"{own}/log") or b""

    async def look(self, pod: str) -> ContainerStatus | None:
        """The engine knows it as a container."""

    async def pods(self) -> Sequence[str]:
        return ()

    async def terminate(self, pod: str) -> None:
        for role in ORCHESTRATOR_WORDS:
            if (name := await self._creator.find(pod, role)) is not None:
                await self._engine.signal(name, "SIGTERM")

    async def kill(self, pod: str) -> None:
        """Everything of the pod is a container."""

    async def clear(self, pod: str) -> None:
        for volume in await self._volumes(pod):
            await self._engine.remove_volume(volume)

    async def remains(self, pod: str) -> tuple[str, ...]:
        return tuple(f"volume {name}" for name in await self._volumes(pod))

    async def _volumes(self, pod: str) -> Sequence[str]:
        return await self._engine.volumes(self._creator.filters(pod))


def _own_folder(role: Role) -> str:
    return f"{FOLDER}/{role}"


def _storage_folder(settings: Settings) -> Path | None:
    parts = urlsplit(settings.storage)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def _is_fifo(path: Path) -> bool:
    with suppress(OSError):
        return stat.S_ISFIFO(path.lstat().st_mode)
    return False
