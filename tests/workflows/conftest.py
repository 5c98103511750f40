"""A time-skipping Temporal server for the session, and our workers with scripted activities."""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from airbyte_workers.runtime.plugin import AirbytePlugin


def program(name: str) -> str:
    """A server that a package put beside this interpreter."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    assert found is not None, f"{name} is not installed"
    return found


@pytest.fixture
async def env() -> AsyncIterator[WorkflowEnvironment]:
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=program("temporal-test-server"), plugins=[AirbytePlugin()]
    ) as environment:
        yield environment
