"""One embedded stack for most tests; those about the stack itself have their own. Nothing outlives its test."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e_support import QUICK, Place, kill_all, processes_of, until


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The connector environments that all stacks of the session share."""
    return tmp_path_factory.mktemp("connectors")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, installed: Path) -> Iterator[Place]:
    """A stack that runs for the whole session, started as a person would: `airbyte-workers local`."""
    root = tmp_path_factory.mktemp("stack")
    place = _new_place(root, installed)
    try:
        with place.started("local") as local:
            local.until_said("ready; Ctrl-C stops it")
            yield place
            local.process.send_signal(signal.SIGTERM)
            assert local.ended().code == 0, local.err
        assert processes_of(root) == []
    finally:
        kill_all(root)


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
    yield _new_place(tmp_path, installed)
    try:
        until(lambda: not processes_of(tmp_path), f"the end of {processes_of(tmp_path)}")
    finally:
        kill_all(tmp_path)


def _new_place(root: Path, installed: Path) -> Place:
    home, work = root / "home", root / "work"
    home.mkdir(mode=0o700)
    work.mkdir()
    (home / "connectors").symlink_to(installed)
    return Place(work, home, QUICK)
