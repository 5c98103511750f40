"""Pods as Docker containers: each connector in a container of its image, joined to the orchestrator by FIFOs.

The engine is asked for lifecycle alone. A connector's container sees one folder, its own: not the other connector's
files, not the orchestrator's, nothing of the control plane.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from airbyte_workers import failpoints
from airbyte_workers.failpoints import Failpoint
from airbyte_workers.names import Role
from airbyte_workers.pods import archives
from airbyte_workers.pods.archives import Folder, Owner
from airbyte_workers.pods.container_creation import Creator, is_running, memory_killed, role_of, was_started
from airbyte_workers.pods.container_home import ContainerHome
from airbyte_workers.pods.container_plan import FOLDER, POD_LABEL, ImageFacts, pod_labels, pod_roles
from airbyte_workers.pods.container_starting import Starter
from airbyte_workers.pods.engine import Engine, EngineError
from airbyte_workers.pods.engine_calls import DOCKER
from airbyte_workers.pods.folders import PodFolders, check_pod_name
from airbyte_workers.pods.host_processes import OwnProgram
from airbyte_workers.pods.image_pulls import Images
from airbyte_workers.pods.locks import exclusive, to_its_end
from airbyte_workers.pods.orchestrator_homes import HostHome, OrchestratorHome
from airbyte_workers.pods.pod import ContainerStatus, LaunchFailed, PodSpec, PodStatus, Program, RemovalFailed
from airbyte_workers.pods.process_starting import START_ORDER
from airbyte_workers.pods.warm_programs import ForkServer
from airbyte_workers.settings import Settings

END_POLL_S = 0.05


class DockerLauncher:
    """The launcher `docker`. Any number of them may work on one engine for one stack. End it with `aclose`.

    Another engine with the same API is another `name` and `endpoint`.
    """

    name = "docker"
    endpoint = DOCKER

    def __init__(
        self,
        settings: Settings,
        *,
        orchestrator_command: Sequence[str] | None = None,
        forks: ForkServer | None = None,
    ) -> None:
        self._settings = settings
        self._engine = Engine(
            timeout_s=settings.docker_timeout_s,
            calls=settings.docker_calls,
            pulls=settings.image_pulls,
            endpoint=self.endpoint,
        )
        self._images = Images(self._engine, settings)
        self._creator = Creator(self._engine, settings.stack_name)
        self._folders = PodFolders(settings.pods_dir.absolute())
        command = () if orchestrator_command is None else (orchestrator_command,)
        own = OwnProgram(forks=forks) if orchestrator_command is None else OwnProgram(tuple(orchestrator_command))
        host = HostHome(settings, self.name, self._folders, own)
        container = ContainerHome(settings, self._creator, self._images, *command)
        self._homes: tuple[OrchestratorHome, ...] = (host, container)  # of pods that live: the setting may have changed
        home: OrchestratorHome = host if settings.orchestrator_image is None else container
        self._starter = Starter(settings, self._creator, self._images, home)

    async def aclose(self) -> None:
        """Let go of the engine; pods go on."""
        await self._engine.aclose()

    async def problem(self) -> str | None:
        """What an engine that does not answer says."""
        try:
            await self.engine_version()
        except EngineError as error:
            return str(error)
        return None

    async def engine_version(self) -> str:
        """The version of the engine that answers. Raises EngineError."""
        return await self._engine.version()

    async def knows(self, image: str) -> bool:
        """Whether the image is here, or a registry has it for us. Raises EngineError."""
        return await self._images.known(image)

    async def prepare(self, program: Program) -> str:
        """Have the image here, pulled if need be; returns its id. Raises LaunchFailed."""
        return (await self._starter.image(program)).id

    async def launch(self, spec: PodSpec) -> PodStatus:
        """Start the pod, or adopt the one of this name. Raises LaunchFailed, and then nothing of it is left."""
        try:
            check_pod_name(spec.name)
            if not await self._launched(spec):
                images = await self._starter.images(spec)
                async with exclusive(self._folders.lock(spec.name)):
                    if not await self._launched(spec):
                        await self._start_all(spec, images)
        except ValueError as error:
            raise LaunchFailed(str(error)) from error
        except EngineError as error:
            raise LaunchFailed(str(error), retryable=error.passing) from error
        try:
            return await self.inspect(spec.name)
        except EngineError:  # it was started all the same
            running = (ContainerStatus(role, running=True) for role in spec.roles)
            return PodStatus(spec.name, tuple(running), spec.labels)

    async def inspect(self, pod: str) -> PodStatus:
        """What can be seen of the pod now. Raises EngineError."""
        return await self._status(pod, await self._creator.containers(pod))

    async def journal(self, pod: str) -> bytes | None:
        """What the pod's orchestrator has left uncommitted. Raises EngineError."""
        for home in self._homes:
            if (journal := await home.journal(pod)) is not None:
                return journal
        return None

    async def own_log(self, pod: str) -> bytes:
        """The end of what the pod's own program has logged. Raises EngineError."""
        for home in self._homes:
            if said := await home.own_log(pod):
                return said
        return b""

    async def report_exits(self, pod: str) -> None:
        """Write down exit codes for the orchestrator, which cannot ask the engine: a container that was killed whole
        has no wrapper left to do it. Raises EngineError."""
        for container in await self._creator.containers(pod):
            if role_of(container) in START_ORDER and was_started(container) and not is_running(container):
                await self._report_exit(str(container["Id"]))

    async def list(self) -> list[PodStatus]:
        """Every pod of this stack on this engine, also those that have ended. Raises EngineError."""
        by_pod: dict[str, list[Mapping[str, Any]]] = {name: [] for home in self._homes for name in await home.pods()}
        for container in await self._creator.containers():
            by_pod.setdefault(container["Labels"][POD_LABEL], []).append(container)
        seen = [await self._status(pod, containers) for pod, containers in sorted(by_pod.items())]
        return [status for status in seen if status.exists]

    async def terminate(self, pod: str) -> None:
        """Ask the orchestrator to end the pod in order. Does not wait. Raises EngineError."""
        for home in self._homes:
            await home.terminate(pod)

    async def kill(self, pod: str) -> None:
        """End every container and process of the pod at once and wait until none runs. Raises RemovalFailed."""
        try:
            async with asyncio.timeout(self._settings.removal_timeout_s):
                await self._kill(pod)
        except (TimeoutError, EngineError) as error:
            raise await self._not_removed(pod, error) from error

    async def remove(self, pod: str) -> None:
        """End what still runs and delete the pod's containers, volumes and folder. Raises RemovalFailed."""
        try:
            async with asyncio.timeout(self._settings.removal_timeout_s):
                await self._kill(pod)  # ends a launch that is under way, too: its orchestrator is gone
                await failpoints.passed(Failpoint.TEARDOWN_HALF_DONE, pod)
                async with exclusive(self._folders.lock(pod)):
                    await self._clear(pod)
                    await to_its_end(self._folders.lock(pod).unlink, missing_ok=True)
            left = await self.remains(pod)
        except (TimeoutError, EngineError) as error:
            raise await self._not_removed(pod, error) from error
        if left:
            raise await self._not_removed(pod)

    async def remains(self, pod: str) -> tuple[str, ...]:
        """What is still there of the pod; empty is the proof that nothing is. Raises EngineError."""
        containers = await self._creator.containers(pod)
        names = (f"container {each['Names'][0].lstrip('/')} ({each['State']})" for each in containers)
        others = [line for home in self._homes for line in await home.remains(pod)]
        return (*names, *others)

    # --- starting ---

    async def _launched(self, spec: PodSpec) -> bool:
        """Whether a launch of this pod came to its end: the source, started last, was started."""
        started = {role_of(each) for each in await self._creator.containers(spec.name) if was_started(each)}
        return {each.role for each in spec.containers} <= started

    async def _start_all(self, spec: PodSpec, images: Mapping[Role, ImageFacts]) -> None:
        await self._clear(spec.name)  # what a launcher that was killed half-way left
        try:
            await self._starter.start(spec, images)
        except OSError as error:
            await self._abandon(spec.name)
            raise LaunchFailed(f"pod {spec.name} could not be started: {error}", retryable=True) from error
        except BaseException:
            await self._abandon(spec.name)
            raise

    async def _abandon(self, pod: str) -> None:
        """A launch failed or was cancelled: end what it started, before the lock goes. `remains` tells what resists."""
        with suppress(TimeoutError, EngineError):
            async with asyncio.timeout(self._settings.removal_timeout_s):
                await self._kill_processes(pod)
                await self._clear(pod)

    # --- looking ---

    async def _status(self, pod: str, containers: Sequence[Mapping[str, Any]]) -> PodStatus:
        seen = {role_of(each): await self._container(each) for each in containers}
        for home in self._homes:
            if (own := await home.look(pod)) is not None:
                seen[own.role] = own
        labels = containers[0]["Labels"] if containers else await self._labels_left(pod)
        roles = pod_roles(labels) or tuple(seen)
        statuses = (seen.get(role) or ContainerStatus(role, running=False, detail="gone") for role in roles)
        return PodStatus(pod, tuple(statuses), pod_labels(labels))

    async def _labels_left(self, pod: str) -> Mapping[str, str]:
        """Of a pod without containers, whose launch or removal was broken off."""
        for home in self._homes:
            if labels := await home.labels(pod):
                return labels
        return {}

    async def _container(self, listed: Mapping[str, Any]) -> ContainerStatus:
        role = role_of(listed)
        if is_running(listed):
            return ContainerStatus(role, running=True)
        return await self._creator.status(role, str(listed["Id"]))

    async def _report_exit(self, container: str) -> None:
        if await self._engine.has(container, f"{FOLDER}/exit_code"):
            return
        seen = await self._engine.inspect(container)
        if seen is None:
            return
        told = {} if memory_killed(seen) is None else {"out_of_memory": memory_killed(seen) or "max"}
        for name, value in {**told, "exit_code": seen["State"]["ExitCode"]}.items():
            await self._engine.put(container, archives.file(f"{FOLDER}/{name}", f"{value}\n".encode(), archives.ROOT))

    # --- ending ---

    async def _kill(self, pod: str) -> None:
        while True:
            await self._kill_processes(pod)
            running = [str(each["Id"]) for each in await self._creator.containers(pod) if is_running(each)]
            if not running:
                return
            await asyncio.gather(*(self._engine.signal(container, "SIGKILL") for container in running))
            await asyncio.sleep(END_POLL_S)

    async def _kill_processes(self, pod: str) -> None:
        for home in self._homes:
            await home.kill(pod)

    async def _clear(self, pod: str) -> None:
        """Containers first: a volume in use cannot be deleted, and a folder must not lose its users' pipes."""
        while containers := await self._creator.containers(pod):
            await self._reclaim(containers)
            await asyncio.gather(*(self._engine.remove(str(each["Id"])) for each in containers))
            await asyncio.sleep(END_POLL_S)
        for home in self._homes:
            await home.clear(pod)

    async def _reclaim(self, containers: Sequence[Mapping[str, Any]]) -> None:
        """A connector owns its folder and may have locked us out; root deletes it all the same."""
        if os.getuid() == 0:
            return
        ours = Folder({}, ()).packed(FOLDER, Owner(os.getuid(), os.getgid()))
        with suppress(EngineError):
            await asyncio.gather(*(self._engine.put(str(each["Id"]), ours) for each in containers))

    async def _not_removed(self, pod: str, error: Exception | None = None) -> RemovalFailed:
        try:
            async with asyncio.timeout(self._settings.removal_timeout_s):
                left = await self.remains(pod)
        except (TimeoutError, EngineError) as unseen:
            return RemovalFailed(f"pod {pod}: nobody knows what is left of it: {str(unseen) or 'no answer in time'}")
        why = str(error) if isinstance(error, EngineError) else "a process still holds its lock"
        return RemovalFailed(f"pod {pod} is still there after its removal: {'; '.join(left) or why}")
