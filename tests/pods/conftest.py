"""The images of the tests of pods in containers, made once a session and removed with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from docker_bench import DockerBench, Workshop, open_workshop


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    with open_workshop(tmp_path_factory.mktemp("workshop")) as workshop:
        yield workshop


@pytest.fixture(params=["host process", "container"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path, workshop: Workshop) -> AsyncIterator[DockerBench]:
    bench = DockerBench(tmp_path, workshop, container_home=request.param == "container")
    yield bench
    await bench.clean()
