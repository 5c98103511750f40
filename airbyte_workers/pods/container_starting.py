"""From a pod's spec to running containers: each made, given its files, and started in order."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from airbyte_workers import failpoints
from airbyte_workers.failpoints import Failpoint
from airbyte_workers.names import Role, container_name
from airbyte_workers.pods.archives import Folder, Owner
from airbyte_workers.pods.container_creation import Creator, user_of
from airbyte_workers.pods.container_plan import (
    FOLDER,
    LOCAL,
    OWN_SHELL,
    SHELL,
    WRAPPER_NAME,
    ContainerPlan,
    ImageFacts,
    Mount,
    wrapped,
)
from airbyte_workers.pods.folders import FIFOS, check_file_names
from airbyte_workers.pods.image_pulls import Images
from airbyte_workers.pods.orchestrator_homes import OrchestratorHome
from airbyte_workers.pods.pod import ContainerSpec, LaunchFailed, PodSpec, Program, blaming
from airbyte_workers.pods.process_starting import START_ORDER, STARTED, WRAPPER
from airbyte_workers.pods.shells import static_shell
from airbyte_workers.settings import Settings

LOCAL_MODE = 0o1777
"""A connector runs as its image's user, whoever that is: /local is for everybody, like /tmp."""


@dataclass(frozen=True)
class _Made:
    """A new container, whose files will be, and the programs that its image lacks."""

    id: str
    owner: Owner
    programs: Mapping[str, bytes]


class Starter:
    """Starts pods whose orchestrator lives in one home."""

    def __init__(self, settings: Settings, creator: Creator, images: Images, home: OrchestratorHome) -> None:
        self._network = settings.docker_network
        self._creator = creator
        self._engine = creator.engine
        self._images = images
        self._home = home

    async def image(self, program: Program) -> ImageFacts:
        """The program's image, pulled where the policy says so. Raises LaunchFailed."""
        return await self._images.have(_name(program))

    async def images(self, spec: PodSpec) -> dict[Role, ImageFacts]:
        """The images of the pod's connectors, as they are here after `prepare`. Raises LaunchFailed, EngineError."""
        found = {}
        for container in spec.containers:
            check_file_names(container)
            with blaming(container.role):
                name = _name(container.program)
                image = await self._images.here(name) or await self._images.have(name)
                image.words(())
            found[container.role] = image
        return found

    async def start(self, spec: PodSpec, images: Mapping[Role, ImageFacts]) -> None:
        """Make everything, then start: orchestrator, destination, source. Raises LaunchFailed, EngineError, OSError."""
        group = await self._home.make(spec)
        created: dict[Role, str] = {}
        for container in spec.containers:
            with blaming(container.role):
                made = await self._create(spec, container, images[container.role], group)
            created[container.role] = made.id
            await self._fill(spec, container, made)
        await self._home.start(spec)
        for role in START_ORDER:
            if role in created:
                await self._engine.start(created[role], container_name(spec.name, role))
                await failpoints.passed(STARTED[role], role)

    async def _create(self, spec: PodSpec, container: ContainerSpec, image: ImageFacts, group: int) -> _Made:
        """The container, with a shell to lend if its image has none."""
        local = await asyncio.to_thread(_local, spec.local_root)
        plan = self._plan(spec, container, image, local)
        created = await self._creator.create(spec.name, container.role, plan)
        programs: dict[str, bytes] = {}
        if not await self._engine.has(created, SHELL):
            programs = {"sh": await asyncio.to_thread(static_shell, image.name)}
            await self._engine.remove(created)
            words = _words(image, container, OWN_SHELL)
            created = await self._creator.create(spec.name, container.role, replace(plan, words=words))
        uid, _ = await user_of(self._engine, created, image.user, image.name)
        return _Made(created, Owner(uid, group), programs)

    async def _fill(self, spec: PodSpec, container: ContainerSpec, made: _Made) -> None:
        """What the container will read, for the user of its image alone; secrets only where they will be found."""
        await failpoints.passed(Failpoint.POD_CREATED, container.role)
        await self._put(made, Folder({}, FIFOS[container.role]))
        await failpoints.passed(Failpoint.FIFOS_MADE, container.role)
        await self._home.check_reach(replace(spec, containers=(container,)))
        files = {**container.files, WRAPPER_NAME: await asyncio.to_thread(WRAPPER.read_bytes)}
        await self._put(made, Folder(files, (), made.programs))
        await failpoints.passed(Failpoint.FILES_WRITTEN, container.role)

    async def _put(self, made: _Made, folder: Folder) -> None:
        await self._engine.put(made.id, folder.packed(FOLDER, made.owner))

    def _plan(
        self, spec: PodSpec, container: ContainerSpec, image: ImageFacts, local: tuple[Mount, ...]
    ) -> ContainerPlan:
        return ContainerPlan(
            image=image,
            words=_words(image, container, SHELL),
            labels=self._creator.labels(spec, container.role),
            network=self._network,
            mounts=(self._home.mount(spec.name, container.role), *local),
            variables=container.environment,
            limits=container.limits,
        )


def _name(program: Program) -> str:
    if program.image is None:
        raise LaunchFailed(f"{program} is a command: in containers only images run")
    return program.image


def _words(image: ImageFacts, container: ContainerSpec, shell: str) -> tuple[str, ...]:
    arguments = [each.replace("{folder}", FOLDER) for each in container.arguments]
    return wrapped(image.words(arguments, shell), container.role, FOLDER, shell)


def _local(folder: Path | None) -> tuple[Mount, ...]:
    """The connectors' /local. Raises LaunchFailed."""
    if folder is None:
        return ()
    with suppress(OSError):  # where the engine's host is another, the engine makes it
        if not folder.exists():
            folder.mkdir(parents=True)
            folder.chmod(LOCAL_MODE)
    return (Mount(str(folder), LOCAL),)
