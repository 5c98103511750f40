"""What all tests share: tests that need a Docker engine say so loudly where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest


def _engine_answers() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    return subprocess.run([docker, "info"], capture_output=True, timeout=20, check=False).returncode == 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without an engine its tests are skipped with one line; in CI that is a failure."""
    wanting = [item for item in items if item.get_closest_marker("docker")]
    if not wanting or _engine_answers():
        return
    if os.environ.get("CI") == "true":
        raise pytest.UsageError(f"{len(wanting)} tests need a Docker engine and none answers")
    for item in wanting:
        item.add_marker(pytest.mark.skip(reason="no Docker engine answers"))
