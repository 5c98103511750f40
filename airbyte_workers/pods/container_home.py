"""The orchestrator as a container of ORCHESTRATOR_IMAGE, joined to the connectors by named volumes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from airbyte_workers.names import JOURNAL, Role, container_name
from airbyte_workers.pods.archives import Folder, Owner
from airbyte_workers.pods.container_creation import Creator, user_of
from airbyte_workers.pods.container_plan import FOLDER, POD_LABEL, WRAPPER_NAME, ContainerPlan, Mount, wrapped
from airbyte_workers.pods.folders import OWN_FIFOS
from airbyte_workers.pods.host_processes import ended_early, not_ready
from airbyte_workers.pods.image_pulls import Images
from airbyte_workers.pods.pod import ContainerStatus, LaunchFailed, PodSpec
from airbyte_workers.pods.process_starting import ORCHESTRATOR_WORDS, WRAPPER
from airbyte_workers.settings import Settings

READY_POLL_S = 0.05
IMAGE_COMMAND = ("python", "-m", "airbyte_workers.orchestrator")


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
        self._storage_folder = _storage_folder(settings)

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
            limits=spec.orchestrator_limits,
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
        folder = self._storage_folder
        if folder is None:
            return ()
        volume = self._settings.orchestrator_storage_volume
        return (Mount(volume or str(folder), str(folder), volume=volume is not None, relabel=volume is None),)

    def _user(self) -> str | None:
        """The image's own, unless it writes into a folder that belongs to the Temporal worker's user."""
        return f"{os.getuid()}:{os.getgid()}" if self._storage_folder else None

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
        if folder := self._storage_folder:
            with suppress(OSError):
                await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        await self._engine.start(name, container_name(spec.name, spec.orchestrator))
        own, limit = _own_folder(spec.orchestrator), self._settings.orchestrator_start_timeout_s
        try:
            async with asyncio.timeout(limit):
                while not await self._engine.has(name, f"{own}/ready"):
                    status = await self._creator.status(spec.orchestrator, name)
                    if not status.running:
                        raise ended_early(status, spec.name, await self._log_of(name, own))
                    await asyncio.sleep(READY_POLL_S)
        except TimeoutError:
            raise not_ready(spec.orchestrator, spec.name, limit, await self._log_of(name, own)) from None

    async def _log_of(self, container: str, own: str) -> bytes:
        log = await self._engine.get(container, f"{own}/log") or b""
        return log[-self._settings.pod_log_bytes :]

    async def look(self, pod: str) -> ContainerStatus | None:
        """The engine knows it as a container."""

    async def journal(self, pod: str) -> bytes | None:
        name = await self._creator.find(pod, Role.ORCHESTRATOR)
        if name is None:
            return None
        path = f"{_own_folder(Role.ORCHESTRATOR)}/{JOURNAL}"
        return await self._engine.get(name, path, longest=self._settings.journal_bytes)

    async def own_log(self, pod: str) -> bytes:
        for role in ORCHESTRATOR_WORDS:
            if (name := await self._creator.find(pod, role)) is not None:
                return await self._log_of(name, _own_folder(role))
        return b""

    async def pods(self) -> Collection[str]:
        return {labels[POD_LABEL] for labels in (await self._engine.volumes(self._creator.filters())).values()}

    async def labels(self, pod: str) -> Mapping[str, str]:
        return next(iter((await self._engine.volumes(self._creator.filters(pod))).values()), {})

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
        return sorted(await self._engine.volumes(self._creator.filters(pod)))


def _own_folder(role: Role) -> str:
    return f"{FOLDER}/{role}"


def _storage_folder(settings: Settings) -> Path | None:
    parts = urlsplit(settings.storage)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None
