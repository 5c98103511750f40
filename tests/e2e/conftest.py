"""One embedded stack for most tests; those about the stack itself have their own. Nothing outlives its test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e_stacks import new_place, running_stack
from e2e_support import Place, kill_all, make_images, processes_of, until

from tests import images


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The connector environments that all stacks of the session share."""
    return tmp_path_factory.mktemp("connectors")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, installed: Path) -> Iterator[Place]:
    """A stack that runs for the whole session, started as a person would: `airbyte-workers local`."""
    yield from running_stack(tmp_path_factory.mktemp("stack"), installed)


@pytest.fixture
def place(stack: Place, tmp_path: Path) -> Iterator[Place]:
    """A working directory of its own on the session's stack."""
    yield Place(tmp_path, stack.home, stack.variables)
    try:
        until(lambda: not stack.pods_left(), f"the end of {stack.pods_left()}")
        assert processes_of(tmp_path) == []
    finally:
        kill_all(tmp_path)


@pytest.fixture
def alone(tmp_path: Path, installed: Path) -> Iterator[Place]:
    """A place with a home of its own, in which no stack runs yet."""
    yield new_place(tmp_path, installed)
    try:
        until(lambda: not processes_of(tmp_path), f"the end of {processes_of(tmp_path)}")
    finally:
        kill_all(tmp_path)


@pytest.fixture(scope="session")
def container_stack(tmp_path_factory: pytest.TempPathFactory, installed: Path) -> Iterator[Place]:
    """Like `stack`; its orchestrators are containers of our own image."""
    make_images(images.PRODUCT)
    variables = {"ORCHESTRATOR_IMAGE": images.PRODUCT, "AIRBYTE_WORKERS_LAUNCH_TRIES": "2"}
    variables |= {"AIRBYTE_WORKERS_CONNECTOR_START_TIMEOUT_S": "8"}
    yield from running_stack(tmp_path_factory.mktemp("container-stack"), installed, variables)


@pytest.fixture(params=["host process", "container"])
def docker_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A working directory for syncs in containers, in both homes of the orchestrator."""
    make_images()
    name = "stack" if request.param == "host process" else "container_stack"
    stack: Place = request.getfixturevalue(name)
    tmp_path.chmod(0o1777)  # images have users of their own
    place = Place(tmp_path, stack.home, stack.variables)
    yield place
    until(lambda: not place.pods_left(), f"the end of {place.pods_left()}")
