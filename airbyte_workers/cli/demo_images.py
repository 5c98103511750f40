"""The images of the demo in containers: the real one where it can be had, else made of what is installed here."""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing
from dataclasses import dataclass

import docker

from airbyte_workers.chaos.images import DESTINATION, image_of
from airbyte_workers.cli.output import say
from airbyte_workers.pods.docker import DockerLauncher
from airbyte_workers.pods.engine import EngineError
from airbyte_workers.pods.engine_calls import connection
from airbyte_workers.pods.environments import Environments
from airbyte_workers.pods.image_building import CLIENT_TIMEOUT_S, ImageBuildFailed, PythonImage, build, of_environment
from airbyte_workers.pods.pod import LaunchFailed, Program
from airbyte_workers.settings import Settings


@dataclass(frozen=True)
class DemoImages:
    """What the demo in containers runs, and the engine that runs it."""

    engine: str
    source: str
    destination: str


class NoContainers(Exception):
    """The demo in containers is left out, and why."""


async def demo_images(settings: Settings, source: str) -> DemoImages:
    """Have both images on the engine. Raises NoContainers."""
    if sys.platform != "linux" and settings.orchestrator_image is None:
        raise NoContainers("on this system it needs ORCHESTRATOR_IMAGE")
    async with aclosing(DockerLauncher(settings)) as launcher:
        try:
            engine = await launcher.engine_version()
        except EngineError:
            raise NoContainers("no Docker engine answers") from None
        try:
            return DemoImages(engine, await _source(launcher, settings, source), await _destination())
        except (ImageBuildFailed, LaunchFailed) as error:
            raise NoContainers(f"its images cannot be had: {error}") from None


async def pods_left(settings: Settings, job_id: int) -> list[str]:
    """The pods of the job of which something is still there. Raises EngineError."""
    async with aclosing(DockerLauncher(settings)) as launcher:
        return [status.name for status in await launcher.list() if f"-job-{job_id}-" in status.name]


async def _source(launcher: DockerLauncher, settings: Settings, image: str) -> str:
    """The connector's own image if it is here or can be pulled; else one under our name, of its Python package."""
    try:
        await launcher.prepare(Program(image=image))
    except LaunchFailed:
        say(f"{image} cannot be pulled here: an image of its Python package is made instead")
        executable = await Environments(settings).executable(Program(image=image))
        image = image.replace("airbyte/", "airbyte-workers/", 1)
        await _build(of_environment(image, executable))
    return image


async def _destination() -> str:
    """destination-jsonl of this version, which needs nothing but Python."""
    image = image_of(DESTINATION)
    await _build(image)
    return image.tag


async def _build(image: PythonImage) -> None:
    def work() -> None:
        client = docker.APIClient(**connection(), version="auto", timeout=CLIENT_TIMEOUT_S)
        try:
            build(client, image)
        finally:
            client.close()

    await asyncio.to_thread(work)
