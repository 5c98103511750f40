"""The images of the tests of pods in containers, made once a session and removed with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from docker_bench import Workshop, open_workshop


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    with open_workshop(tmp_path_factory.mktemp("workshop")) as workshop:
        yield workshop
