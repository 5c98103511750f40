"""The stage: Temporal, PostgreSQL, object storage, a Temporal worker, an engine; all real, and for the cases alone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from airbyte_workers.chaos.engine import emptied
from airbyte_workers.chaos.folder import Folder, end_pods, end_workers
from airbyte_workers.chaos.images import make_images
from airbyte_workers.chaos.storage import Storage
from airbyte_workers.chaos.surroundings import EngineChoice
from airbyte_workers.chaos.worker import Worker
from airbyte_workers.pods.container_plan import STACK_LABEL
from airbyte_workers.pods.engine import EngineError
from airbyte_workers.pods.folders import PodFolders
from airbyte_workers.runtime.stack.errors import StackError
from airbyte_workers.runtime.stack.home import open_home
from airbyte_workers.runtime.stack.ports import choose_ports
from airbyte_workers.runtime.stack.postgres import Postgres
from airbyte_workers.runtime.stack.server import Server
from airbyte_workers.runtime.stack.state import NAMESPACE
from airbyte_workers.runtime.stack.temporal import Temporal
from airbyte_workers.settings import Settings

_START_S = 120.0
NO_PROFILE: Mapping[str, str] = {"TEMPORAL_CONFIG_FILE": os.devnull}
"""Else what the user has set for another Temporal would hold for ours."""
_ENGINE_VARIABLES = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "HOME")


class Stage:
    """Everything a sync needs, each part to be struck and brought back."""

    def __init__(self, folder: Folder, engine: EngineChoice | None) -> None:
        home = open_home(folder.home)
        ports = choose_ports(home)
        self.folder = folder
        self.engine_choice = engine
        self.temporal = Server(Temporal(home, ports))
        self._postgres_kind = Postgres(home, ports)
        self.postgres = Server(self._postgres_kind)
        self.engine = Server(folder.engine) if engine is not None and engine.is_own else None
        self.storage = Storage(folder.home / "storage")
        self._temporal_address = Temporal(home, ports).address
        self.worker = Worker(home.log("worker").parent, self._variables)

    @property
    def settings(self) -> Settings:
        """Those of a client of this stack."""
        addresses = {"database_url": self._postgres_kind.url, "temporal_address": self._temporal_address}
        return self.folder.settings.model_copy(update={**addresses, "temporal_namespace": NAMESPACE})

    @property
    def pods(self) -> PodFolders:
        return PodFolders(self.folder.settings.pods_dir)

    @property
    def engine_address(self) -> str | None:
        """Where the engine of the cases is, if they have one."""
        return self.engine_choice.address if self.engine_choice is not None else None

    @property
    def engine_labels(self) -> tuple[str, ...]:
        """What tells our containers from others': on an engine of our own all are ours."""
        is_own = self.engine_choice is None or self.engine_choice.is_own
        return () if is_own else (f"{STACK_LABEL}={self.folder.settings.stack_name}",)

    async def start(self) -> None:
        """Returns when a sync could be started. Raises StackError, ImageBuildFailed."""
        try:
            async with asyncio.timeout(_START_S), asyncio.TaskGroup() as tasks:
                for server in self._servers:
                    tasks.create_task(server.start())
        except TimeoutError:
            raise StackError(f"not every server was ready within {_START_S:g} s") from None
        except ExceptionGroup as group:
            raise group.exceptions[0] from group
        if self.engine_address is not None:
            await emptied(self.engine_address, self.engine_labels)
            await asyncio.to_thread(make_images, self.engine_address)
        await self.worker.start()

    @property
    def _servers(self) -> tuple[Server, ...]:
        engines = (self.engine,) if self.engine is not None else ()
        return (self.temporal, self.postgres, *engines)

    def _variables(self) -> Mapping[str, str]:
        """What the worker is told beside what it has of patience."""
        told = {
            "AIRBYTE_WORKERS_HOME": str(self.folder.home),
            "AIRBYTE_WORKERS_FAILPOINTS": str(self.folder.failpoints),
            "DATABASE_URL": self._postgres_kind.url,
            "TEMPORAL_ADDRESS": self._temporal_address,
            **NO_PROFILE,
        }
        if self.engine is not None:
            return told | {"DOCKER_HOST": self.folder.engine.address}
        return told | {name: os.environ[name] for name in _ENGINE_VARIABLES if name in os.environ}

    async def problem(self) -> str | None:
        """What is not as it was at the start: then the stage is made anew."""
        if not self.worker.is_running:
            return "the Temporal worker does not run"
        for server in self._servers:
            if server.process is None or server.ended or not await server.kind.answers():
                return f"{server.kind.name} does not answer"
        return None if self.storage.is_there else "object storage is away"

    async def stop(self) -> None:
        """End everything, whatever state it is in: the worker, pods, then the servers."""
        await end_workers(self.folder)  # before their process that forks pods' programs gets one more order
        await self.worker.kill()
        await end_pods(self.folder)
        if self.engine_address is not None:
            with suppress(EngineError):  # one that is away has its containers ended and removed at the next start
                await emptied(self.engine_address, self.engine_labels)
        for server in self._servers:
            await server.stop()
            await server.kind.clear()
        if self.engine is not None:
            await asyncio.to_thread(self.folder.engine.unmount)


@asynccontextmanager
async def staged(folder: Folder, engine: EngineChoice | None) -> AsyncIterator[Stage]:
    """A stage for the length of a block."""
    stage = await asyncio.to_thread(Stage, folder, engine)
    try:
        await stage.start()
        yield stage
    finally:
        await stage.stop()
