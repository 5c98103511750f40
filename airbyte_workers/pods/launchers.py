"""All launchers of this host, made from the settings: a new one has its name in names.py and is made here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from airbyte_workers.pods.choice import Containers
from airbyte_workers.pods.docker import DockerLauncher
from airbyte_workers.pods.host_processes import OwnProgram
from airbyte_workers.pods.locks import to_its_end
from airbyte_workers.pods.pod import Launcher
from airbyte_workers.pods.process import ProcessLauncher
from airbyte_workers.pods.warm_programs import ForkServer
from airbyte_workers.settings import Settings


@dataclass(frozen=True)
class Launchers:
    """Every launcher by its name, and the one whose containers `auto` prefers."""

    by_name: Mapping[str, Launcher]
    containers: Containers


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Launchers]:
    """Nothing is asked of an engine here; at the end all let go of theirs, and pods go on."""
    forks = ForkServer(settings.orchestrator_start_timeout_s) if settings.warm_programs else None
    process, engine = await asyncio.to_thread(_made, settings, forks)  # they look for the folders of the settings
    try:
        async with aclosing(engine) as docker:
            launchers: tuple[Launcher, ...] = (process, docker)
            yield Launchers({each.name: each for each in launchers}, docker)
    finally:
        if forks is not None:
            await to_its_end(forks.close)


def _made(settings: Settings, forks: ForkServer | None) -> tuple[ProcessLauncher, DockerLauncher]:
    return ProcessLauncher(settings, program=OwnProgram(forks=forks)), DockerLauncher(settings, forks=forks)
