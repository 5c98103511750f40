"""`airbyte-workers demo`, as somebody runs it who has just installed us."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest
from e2e_support import FAKER, Ended, Place, processes_of

from airbyte_workers.cli.demo_images import demo_images
from airbyte_workers.settings import Settings

pytestmark = [pytest.mark.embedded, pytest.mark.connectors, pytest.mark.timeout(240)]
STREAMS = ("users", "products", "purchases")


def assert_compared(ended: Ended, folder: Path, place_in_output: int) -> None:
    """The table tells what is in the files of this folder."""
    for stream in STREAMS:
        file = folder / f"{stream}.jsonl"
        lines = file.read_bytes().count(b"\n")
        rows = [line.split() for line in ended.out.splitlines() if line.split()[-1:] == [file.name]]
        assert rows[place_in_output] == [stream, f"{lines:,}", f"{lines:,}", file.name]
        assert lines > 0
    assert f"every committed record is in its file in {folder}" in ended.out.splitlines()


def test_demo_twice_without_an_engine(alone: Place) -> None:
    for _ in range(2):
        ended = alone.run("demo", "--count", "200", seconds=200, DOCKER_HOST=f"unix://{alone.work}/no.sock")
        assert ended.code == 0, ended.err
        assert_compared(ended, alone.work / "demo_output", 0)
        assert ended.out.splitlines()[-1] == "the same sync in containers was left out: no Docker engine answers"
        assert processes_of(alone.home) == []


@pytest.mark.docker
def test_demo_in_containers_when_an_engine_answers(alone: Place) -> None:
    ended = alone.run("demo", "--count", "200", seconds=200)
    assert ended.code == 0, ended.err
    folder = alone.work / "demo_output"
    assert_compared(ended, folder, 0)
    assert_compared(ended, folder / "in_containers", 1)
    assert "the same sync in containers of " in ended.err
    assert "launcher: docker (as asked for)" in ended.err.splitlines()
    last = ended.out.splitlines()[-1]
    assert last.startswith("this was in containers, on Docker engine ")
    assert last.endswith(": 0 of them are left, the images are kept")
    assert alone.containers() == []
    assert processes_of(alone.home) == []


@pytest.mark.docker
async def test_an_image_is_made_of_what_is_installed_where_none_can_be_pulled(tmp_path: Path, installed: Path) -> None:
    """To pull always is to ask a registry even for an image that is here; this one does not exist."""
    (tmp_path / "connectors").symlink_to(installed)
    settings = Settings(home=tmp_path).model_copy(update={"image_pull_policy": "Always"})

    images = await demo_images(settings, f"nowhere.invalid/{FAKER}")

    assert images.source == f"nowhere.invalid/{FAKER.replace('airbyte/', 'airbyte-workers/')}"
    run = ("docker", "run", "--rm", "--network", "none", images.source, "spec")
    said = await asyncio.to_thread(subprocess.run, run, capture_output=True, check=True, timeout=60)
    assert b'"type":"SPEC"' in said.stdout
    await asyncio.to_thread(subprocess.run, ("docker", "rmi", images.source), capture_output=True, check=True)
