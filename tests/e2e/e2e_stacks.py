"""Embedded stacks for tests, as a person would start them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from e2e_support import QUICK, Place, kill_all, processes_of


def running_stack(root: Path, installed: Path, variables: Mapping[str, str] | None = None) -> Iterator[Place]:
    """`airbyte-workers local` in a folder of its own, for as long as the fixture lives."""
    place = new_place(root, installed, QUICK | dict(variables or {}))
    try:
        with place.local():
            yield place
        assert processes_of(root) == []
    finally:
        kill_all(root)


def new_place(root: Path, installed: Path, variables: Mapping[str, str] = QUICK) -> Place:
    """A place with a home of its own and the connectors of the session."""
    home, work = root / "home", root / "work"
    home.mkdir(mode=0o700)
    work.mkdir()
    (home / "connectors").symlink_to(installed)
    return Place(work, home, dict(variables))
