"""Where the kit runs a connector: in pods of the real launchers, itself at the pipes in an orchestrator's place."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from activities.pod_specs import connector_container, program
from airbyte_workers.conformance.hearing import Ear
from airbyte_workers.conformance.trial import Trial
from airbyte_workers.models import Connector
from airbyte_workers.names import JobKind, LauncherChoice, Role
from airbyte_workers.orchestrator.leg import Leg
from airbyte_workers.pods import processes
from airbyte_workers.pods.choice import Choice, choose
from airbyte_workers.pods.container_plan import POD_LABEL
from airbyte_workers.pods.docker import DockerLauncher
from airbyte_workers.pods.engine import Engine, EngineError
from airbyte_workers.pods.folders import PodFolders
from airbyte_workers.pods.host_processes import OwnProgram
from airbyte_workers.pods.pod import Launcher, LauncherAway, LaunchFailed, PodSpec
from airbyte_workers.pods.process import ProcessLauncher
from airbyte_workers.redaction import Redactor
from airbyte_workers.runtime.background import alongside
from airbyte_workers.settings import Settings

OWNER = "connector-test"
"""The label of the kit's pods: which process they belong to."""
_KEEPER = Path(__file__).with_name("keeper.sh")
_KINDS = {
    "spec": (JobKind.SPEC, Role.MAIN),
    "check": (JobKind.CHECK, Role.MAIN),
    "discover": (JobKind.DISCOVER, Role.MAIN),
    "read": (JobKind.SYNC, Role.SOURCE),
    "write": (JobKind.SYNC, Role.DESTINATION),
}


@dataclass(frozen=True)
class Asked:
    """What a connector is started for, and its files."""

    command: str
    files: Mapping[str, bytes]
    leg: str
    """Whose words these are: source or destination."""


class Bench:
    """Runs one connector as often as it takes; each time alone."""

    def __init__(self, settings: Settings, connector: Connector, launcher: Launcher, choice: Choice) -> None:
        self.settings = settings
        self.connector = connector
        self.choice = choice
        self.redact = Redactor()
        self._launcher = launcher
        self._folders = PodFolders(settings.pods_dir.absolute())
        self._token = secrets.token_hex(4)
        self._number = 0

    async def prepare(self) -> None:
        """Install or pull the connector, and remove what a kit that was killed has left. Raises LaunchFailed."""
        await self._launcher.prepare(program(self.connector))
        for seen in await self._launcher.list():
            owner = seen.labels.get(OWNER)
            if owner is not None and not await asyncio.to_thread(_lives, owner):
                await self._launcher.remove(seen.name)

    @asynccontextmanager
    async def running(self, asked: Asked) -> AsyncIterator[Trial]:
        """The connector, for the length of a block; nothing of it stays. Raises LaunchFailed, RemovalFailed."""
        spec = self._spec(asked)
        role = spec.containers[0].role
        try:
            await self._launcher.launch(spec)
            leg = Leg(role, self._folders.path(spec.name, role))
            try:
                trial = Trial(self.settings, leg, Ear(asked.leg, self.redact))
                async with (
                    alongside(leg.watch()),
                    alongside(self._exits(spec.name)),
                    alongside(trial.listen()),
                    alongside(self._meter(trial, spec.name)),
                ):
                    yield trial
            finally:
                leg.close()
        finally:
            await self._launcher.remove(spec.name)

    def _spec(self, asked: Asked) -> PodSpec:
        kind, role = _KINDS[asked.command]
        self._number += 1
        container = connector_container(self.settings, role, asked.command, self.connector, asked.files)
        return PodSpec(
            name=f"connector-test-{self._token}-{self._number}-{asked.command}",
            kind=kind,
            containers=(container,),
            orchestrator=Role.SIDECAR if role is Role.MAIN else Role.ORCHESTRATOR,
            orchestrator_input=b"{}",
            labels={OWNER: _me()},
            local_root=self.settings.local_root.absolute(),
        )

    async def _exits(self, pod: str) -> None:
        """A container that was killed whole has nobody left to tell its exit code."""
        while True:
            with suppress(LauncherAway):
                await self._launcher.report_exits(pod)
            await asyncio.sleep(1)

    async def _meter(self, trial: Trial, pod: str) -> None:
        """Look at its memory, where its processes can be seen from here."""
        root = await self._first_process(pod, trial.leg.role)
        if root is not None:
            await trial.meter.look(root)

    async def _first_process(self, pod: str, role: Role) -> int | None:
        """The process of which all others of the connector are children; None where it cannot be seen from here."""
        if self._launcher.name == ProcessLauncher.name:
            record = await asyncio.to_thread(self._folders.read, pod)
            identity = record.processes.get(role) if record is not None else None
            return identity.pid if identity is not None else None
        try:
            return await _container_process(self.settings, pod)
        except EngineError:
            return None


@asynccontextmanager
async def bench(settings: Settings, connector: Connector, wanted: LauncherChoice) -> AsyncIterator[Bench]:
    """A bench with the launcher that a job of this connector would have."""
    settings = settings.model_copy(update={"orchestrator_image": None})  # the kit is at the pipes, on this host
    keeper = ("/bin/sh", str(_KEEPER), str(os.getpid()))
    async with aclosing(await asyncio.to_thread(_docker, settings, keeper)) as docker:
        choice = await choose(wanted, [program(connector)], docker, settings)
        if choice.launcher == docker.name:
            if sys.platform != "linux":
                raise LaunchFailed("a connector in a container is tested through pipes of this host, which needs Linux")
            yield Bench(settings, connector, docker, choice)
            return
        process = await asyncio.to_thread(_process, settings, keeper)
        yield Bench(settings, connector, process, choice)


def _docker(settings: Settings, keeper: tuple[str, ...]) -> DockerLauncher:
    return DockerLauncher(settings, orchestrator_command=keeper)


def _process(settings: Settings, keeper: tuple[str, ...]) -> ProcessLauncher:
    return ProcessLauncher(settings, program=OwnProgram(keeper))


async def _container_process(settings: Settings, pod: str) -> int | None:
    async with aclosing(Engine(timeout_s=settings.docker_timeout_s, calls=1, pulls=1)) as engine:
        for listed in await engine.list([f"{POD_LABEL}={pod}"]):
            seen = await engine.inspect(str(listed["Id"])) or {}
            return (seen.get("State") or {}).get("Pid") or None
    return None


def _me() -> str:
    mine = processes.identify_child(os.getpid())
    return f"{mine.pid} {mine.create_time:g} {mine.boot_id}"


def _lives(owner: str) -> bool:
    """Whether the kit whose label this is still runs."""
    pid = owner.partition(" ")[0]
    seen = processes.identify(int(pid)) if pid.isdecimal() else None
    return seen is not None and f"{seen.pid} {seen.create_time:g} {seen.boot_id}" == owner
