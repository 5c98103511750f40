"""Moments at which a program stops for whoever wants to put a fault there."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from airbyte_workers import failpoints
from airbyte_workers.failpoints import Failpoint
from airbyte_workers.names import Role

POINT = Failpoint.DURING_COMMIT


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    failpoints.use(tmp_path)
    yield tmp_path
    failpoints.use(None)


def arm(folder: Path) -> None:
    (folder / f"{POINT}.armed").touch()


async def until_hit(folder: Path) -> None:
    async with asyncio.timeout(10):
        while not (folder / f"{POINT}.hit").exists():
            await asyncio.sleep(0.01)


async def test_whoever_comes_to_an_armed_moment_waits_until_it_may_go_on(folder: Path) -> None:
    arm(folder)
    waiting = asyncio.create_task(failpoints.passed(POINT, Role.ORCHESTRATOR))
    await until_hit(folder)
    assert int((folder / f"{POINT}.hit").read_text()) == os.getpid()
    await asyncio.sleep(0.05)
    assert not waiting.done()
    (folder / f"{POINT}.go").touch()
    async with asyncio.timeout(10):
        await waiting


async def test_a_thread_stands_still_with_all_that_it_does(folder: Path) -> None:
    arm(folder)
    thread = threading.Thread(target=failpoints.reached, args=(POINT, "replication-job-1-attempt-0"))
    thread.start()
    await until_hit(folder)
    assert thread.is_alive()
    (folder / f"{POINT}.go").touch()
    await asyncio.to_thread(thread.join, 10)
    assert not thread.is_alive()


def test_only_the_first_one_stops(folder: Path) -> None:
    arm(folder)
    (folder / f"{POINT}.go").touch()
    failpoints.reached(POINT, Role.SOURCE)
    (folder / f"{POINT}.go").unlink()
    failpoints.reached(POINT, Role.SOURCE)


@pytest.mark.parametrize("of", [Role.MAIN, Role.SIDECAR, "check-job-1-attempt-0-source"])
def test_whoever_asks_a_connector_first_does_not_stop(folder: Path, of: str) -> None:
    arm(folder)
    failpoints.reached(POINT, of)
    assert (folder / f"{POINT}.armed").exists()


def test_nothing_stops_where_nobody_asked(tmp_path: Path) -> None:
    arm(tmp_path)
    failpoints.reached(POINT, Role.SOURCE)
    assert not failpoints.armed()
    assert (tmp_path / f"{POINT}.armed").exists()
