"""Strikes: each ends one victim as a crash would, and what is no program of the pod can be brought back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

import psutil

from airbyte_workers.chaos.cases import Case, Victim
from airbyte_workers.chaos.engine import asked_at
from airbyte_workers.chaos.programs import PodProcesses, program_below
from airbyte_workers.chaos.stage import Stage
from airbyte_workers.names import CONTAINER_LAUNCHERS, Role
from airbyte_workers.pods.container_plan import POD_LABEL, ROLE_LABEL
from airbyte_workers.pods.engine import Engine
from airbyte_workers.runtime.stack.server import Server

_APPEARS_S = 5.0
_POLL_S = 0.01
_BACK_S = 60.0


class NotStruck(Exception):
    """The victim was not there to be struck; the message says who was looked for."""


@dataclass(frozen=True)
class Strike:
    """One case's strike on the stage; `pod` is the pod of its running attempt, if there is one."""

    stage: Stage
    case: Case
    pod: str

    async def strike(self) -> str:
        """End the victim; returns who that was. Raises NotStruck, EngineError."""
        return await _STRIKES[self.case.victim](self)

    async def revive(self) -> None:
        """Bring back what has no other way to come back. Raises StackError, TimeoutError."""
        match self.case.victim:
            case Victim.TEMPORAL_WORKER:
                await self.stage.worker.start()
            case Victim.TEMPORAL_SERVER:
                await _restarted(self.stage.temporal)
            case Victim.POSTGRESQL:
                await _restarted(self.stage.postgres)
            case Victim.DOCKER_ENGINE if self.stage.engine is not None:
                await _restarted(self.stage.engine)
            case Victim.OBJECT_STORAGE:
                await asyncio.to_thread(self.stage.storage.bring_back)

    async def hold_source(self) -> None:
        """Stop the source without ending it: a cancel then finds the whole pod at work. Raises NotStruck."""
        look = partial(self._processes.program, Role.SOURCE)
        if self.case.launcher in CONTAINER_LAUNCHERS:
            look = partial(program_below, await self._first_process(Role.SOURCE))
        (await self._appeared(Victim.SOURCE, look)).suspend()

    # --- the victims ---

    async def kill_connector(self) -> str:
        """A program of this host dies alone; a container dies whole, with the wrapper that would tell its exit code."""
        role = Role(self.case.victim)
        if self.case.launcher not in CONTAINER_LAUNCHERS:
            return _killed(await self._appeared(self.case.victim, lambda: self._processes.program(role)))
        async with aclosing(asked_at(self._engine_address)) as engine:
            container = await self._container(engine, role)
            await engine.signal(container, "SIGKILL")
            return f"container {container[:12]}"

    async def kill_orchestrator(self) -> str:
        """The program, not the process that keeps it."""
        found = await self._appeared(self.case.victim, lambda: self._processes.program(Role.ORCHESTRATOR))
        return _killed(found)

    async def kill_holder(self) -> str:
        """The process in the destination's wrapper that keeps its input open."""
        return _killed(await self._appeared(self.case.victim, self._processes.holder))

    async def kill_worker(self) -> str:
        """The only one there is."""
        return f"process {await self.stage.worker.kill()}"

    async def kill_temporal(self) -> str:
        return await _server_killed(self.stage.temporal)

    async def kill_postgres(self) -> str:
        """Its first process; the others end when they see that."""
        return await _server_killed(self.stage.postgres)

    async def kill_engine(self) -> str:
        if self.stage.engine is None:
            raise NotStruck("this engine is not ours to kill")
        return await _server_killed(self.stage.engine)

    async def take_storage(self) -> str:
        """Every use of it fails from now on."""
        await asyncio.to_thread(self.stage.storage.take_away)
        return str(self.stage.storage.path)

    # --- small print ---

    @property
    def _processes(self) -> PodProcesses:
        return PodProcesses(self.stage.pods, self.pod)

    @property
    def _engine_address(self) -> str:
        if self.stage.engine_address is None:
            raise NotStruck("there is no engine")
        return self.stage.engine_address

    async def _container(self, engine: Engine, role: Role) -> str:
        """The id of the running container in this role, which may be on its way still."""
        for _ in range(int(_APPEARS_S / _POLL_S)):
            found = await engine.list([f"{POD_LABEL}={self.pod}", f"{ROLE_LABEL}={role}"])
            if running := [str(each["Id"]) for each in found if each["State"] == "running"]:
                return running[0]
            await asyncio.sleep(_POLL_S)
        raise NotStruck(f"there is no container of the {role}")

    async def _first_process(self, role: Role) -> int:
        """The container's first process, as this host knows it."""
        async with aclosing(asked_at(self._engine_address)) as engine:
            seen = await engine.inspect(await self._container(engine, role)) or {}
        return int((seen.get("State") or {}).get("Pid") or 0)

    async def _appeared(self, victim: Victim, look: Callable[[], psutil.Process | None]) -> psutil.Process:
        """The process, which may be on its way still."""
        for _ in range(int(_APPEARS_S / _POLL_S)):
            if (found := await asyncio.to_thread(look)) is not None:
                return found
            await asyncio.sleep(_POLL_S)
        raise NotStruck(f"there is no process of the {victim}")


async def _server_killed(server: Server) -> str:
    if server.process is None:
        raise NotStruck(f"{server.kind.name} does not run")
    server.process.kill()
    await asyncio.to_thread(server.process.wait)
    return f"process {server.process.pid}"


async def _restarted(server: Server) -> None:
    async with asyncio.timeout(_BACK_S):
        await server.restart()


def _killed(process: psutil.Process) -> str:
    try:
        name = process.name()
        process.kill()
    except psutil.NoSuchProcess:
        raise NotStruck(f"process {process.pid} has just ended by itself") from None
    return f"process {process.pid} ({name})"


_STRIKES: Mapping[Victim, Callable[[Strike], Awaitable[str]]] = {
    Victim.SOURCE: Strike.kill_connector,
    Victim.DESTINATION: Strike.kill_connector,
    Victim.ORCHESTRATOR: Strike.kill_orchestrator,
    Victim.HOLDER: Strike.kill_holder,
    Victim.TEMPORAL_WORKER: Strike.kill_worker,
    Victim.TEMPORAL_SERVER: Strike.kill_temporal,
    Victim.POSTGRESQL: Strike.kill_postgres,
    Victim.OBJECT_STORAGE: Strike.take_storage,
    Victim.DOCKER_ENGINE: Strike.kill_engine,
}
