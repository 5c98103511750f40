"""Which launcher runs a job whose owner left it open: containers where that is possible, else local programs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from airbyte_workers.pods.engine import EngineError
from airbyte_workers.pods.pod import Program
from airbyte_workers.settings import Settings


@dataclass(frozen=True)
class Choice:
    """A launcher and the reason, in words that follow its name in brackets."""

    launcher: str
    why: str


class Containers(Protocol):
    """What is asked of the docker launcher."""

    async def engine_version(self) -> str:
        """The version of the engine that answers. Raises EngineError."""

    async def knows(self, image: str) -> bool:
        """Whether the image is here, or a registry has it. Raises EngineError."""


async def choose(wanted: str, programs: Sequence[Program], containers: Containers, settings: Settings) -> Choice:
    """The launcher for a job of these connectors (decisions.md, "Launchers"): `wanted` decides unless it is `auto`."""
    if wanted != "auto":
        return Choice(wanted, "as asked for")
    commands = [program for program in programs if program.image is None]
    if commands:
        return Choice("process", f"{commands[0]} is a command, not an image")
    if sys.platform != "linux" and settings.orchestrator_image is None:
        return Choice("process", "containers need ORCHESTRATOR_IMAGE on this system")
    try:
        async with asyncio.timeout(settings.registry_timeout_s):
            return await _by_images([program.image for program in programs if program.image], containers)
    except TimeoutError:
        return Choice("process", f"Docker or a registry did not answer within {settings.registry_timeout_s:g} s")


async def _by_images(images: Sequence[str], containers: Containers) -> Choice:
    try:
        version = await containers.engine_version()
    except EngineError:
        return Choice("process", "no Docker engine answers")
    for image in images:
        try:
            known = await containers.knows(image)
        except EngineError as error:
            return Choice("process", f"{image} is not on this host and no registry gives it: {error}")
        if not known:
            return Choice("process", f"{image} is not on this host, and images are not pulled")
    return Choice("docker", f"Docker engine {version} answers and has the images, or can pull them")
