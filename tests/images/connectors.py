"""Real connectors under their official names: installed once below the user's cache folder, then turned into images."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import docker

from airbyte_workers.pods.environments import Environments, Executable
from airbyte_workers.pods.image_building import build, of_environment
from airbyte_workers.pods.pod import Program
from airbyte_workers.settings import Settings

IMAGES = (
    "airbyte/source-faker:7.2.1",
    "airbyte/source-hardcoded-records:0.0.48",
    "airbyte/source-file:0.5.39",
    "airbyte/source-smoke-test:0.1.2",
    "airbyte/destination-ailake:0.1.16",
)


def make(engine: docker.APIClient, tag: str) -> str:
    """Returns the image's id."""
    return build(engine, of_environment(tag, _executable(tag)))


def words(tag: str) -> tuple[str, ...]:
    """What starts the connector of an image as a local program."""
    return _executable(tag).words


def folder() -> Path:
    """Where they are installed, as a home's own folder of connectors has them."""
    return _cache() / "connectors"


def _executable(tag: str) -> Executable:
    environments = Environments(Settings(home=_cache()))
    return asyncio.run(environments.executable(Program(image=tag)))


def _cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "airbyte-workers" / "images"
