"""Which launcher runs a job whose owner left it open: decisions.md, "Launchers", as a table."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from airbyte_workers.pods import choice
from airbyte_workers.pods.choice import Choice, choose
from airbyte_workers.pods.engine import EngineError
from airbyte_workers.pods.pod import Program
from airbyte_workers.settings import Settings

SOURCE, DESTINATION = "airbyte/source-faker:7.2.1", "airbyte/destination-null:1"
IMAGES = (Program(image=SOURCE), Program(image=DESTINATION))
COMMAND = Program(command=("./my-source", "--fast"))
DENIED = EngineError("the Docker engine could not ask the registry for it: pull access denied", 403)
GONE = EngineError("the Docker engine did not answer: no such file")


class Containers:
    """What an engine and its registries know: an image that is not named is here; remembers what it was asked."""

    def __init__(
        self, images: Mapping[str, bool | Exception | None] | None = None, *, engine: str | Exception | None = "28.5"
    ) -> None:
        self._images = images or {}
        self._engine = engine
        self.asked: list[str] = []

    async def engine_version(self) -> str:
        self.asked.append("version")
        return await _answer(self._engine)

    async def knows(self, image: str) -> bool:
        self.asked.append(image)
        return await _answer(self._images.get(image, True))


async def _answer(given: Any) -> Any:
    """None: never."""
    if isinstance(given, Exception):
        raise given
    if given is None:
        await asyncio.Event().wait()
    return given


@pytest.fixture(autouse=True)
def on_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "sys", SimpleNamespace(platform="linux"))


async def chosen(
    containers: Containers, programs: tuple[Program, ...] = IMAGES, wanted: str = "auto", image: str | None = None
) -> Choice:
    return await choose(wanted, programs, containers, Settings(registry_timeout_s=0.05, orchestrator_image=image))


DOCKER = Choice("docker", "Docker engine 28.5 answers and has the images, or can pull them")
CASES: dict[str, tuple[Containers, tuple[Program, ...], str, str]] = {
    "images that are here, or that a registry has": (Containers(), IMAGES, DOCKER.launcher, DOCKER.why),
    "one image for both": (Containers(), (IMAGES[0], IMAGES[0]), DOCKER.launcher, DOCKER.why),
    "a command as the source": (
        Containers(),
        (COMMAND, IMAGES[1]),
        "process",
        "./my-source is a command, not an image",
    ),
    "a command as the destination": (
        Containers(),
        (IMAGES[0], COMMAND),
        "process",
        "./my-source is a command, not an image",
    ),
    "no engine": (Containers(engine=GONE), IMAGES, "process", "no Docker engine answers"),
    "an engine that is silent": (
        Containers(engine=None),
        IMAGES,
        "process",
        "Docker or a registry did not answer within 0.05 s",
    ),
    "a registry that is silent": (
        Containers({DESTINATION: None}),
        IMAGES,
        "process",
        "Docker or a registry did not answer within 0.05 s",
    ),
    "a registry that refuses the source": (
        Containers({SOURCE: DENIED}),
        IMAGES,
        "process",
        f"{SOURCE} is not on this host and no registry gives it: {DENIED}",
    ),
    "a registry that refuses the destination": (
        Containers({DESTINATION: DENIED}),
        IMAGES,
        "process",
        f"{DESTINATION} is not on this host and no registry gives it: {DENIED}",
    ),
    "an image that is not here and is never pulled": (
        Containers({DESTINATION: False}),
        IMAGES,
        "process",
        f"{DESTINATION} is not on this host, and images are not pulled",
    ),
}


@pytest.mark.parametrize("name", CASES)
async def test_what_was_left_open_is_settled_with_a_reason(name: str) -> None:
    containers, programs, launcher, why = CASES[name]
    assert await chosen(containers, programs) == Choice(launcher, why)


@pytest.mark.parametrize("wanted", ["process", "docker"])
@pytest.mark.parametrize("programs", [IMAGES, (COMMAND, COMMAND)], ids=["images", "commands"])
async def test_what_was_asked_for_is_taken_and_nobody_is_asked(wanted: str, programs: tuple[Program, ...]) -> None:
    containers = Containers(engine=GONE)
    assert await chosen(containers, programs, wanted) == Choice(wanted, "as asked for")
    assert containers.asked == []


async def test_for_a_command_no_engine_is_asked() -> None:
    containers = Containers()
    await chosen(containers, (IMAGES[0], COMMAND))
    assert containers.asked == []


async def test_every_image_is_asked_for_and_the_first_that_is_missing_ends_it() -> None:
    here, missing = Containers(), Containers({SOURCE: False})
    await chosen(here)
    await chosen(missing)
    assert here.asked == ["version", SOURCE, DESTINATION]
    assert missing.asked == ["version", SOURCE]


async def test_elsewhere_than_on_linux_containers_need_an_orchestrator_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """FIFOs in a folder of the host do not reach a container where the engine is in a virtual machine."""
    monkeypatch.setattr(choice, "sys", SimpleNamespace(platform="darwin"))
    containers = Containers()
    assert await chosen(containers) == Choice("process", "containers need ORCHESTRATOR_IMAGE on this system")
    assert containers.asked == []
    assert await chosen(containers, image="airbyte-workers:1") == DOCKER
