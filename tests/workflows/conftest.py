"""A time-skipping Temporal server for each test, and the client of ours for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment
from workflow_servers import time_skipping

from airbyte_workers.client import Client
from airbyte_workers.settings import Settings


@pytest.fixture
async def env() -> AsyncIterator[WorkflowEnvironment]:
    async with await time_skipping() as environment:
        yield environment


@pytest.fixture
def airbyte(env: WorkflowEnvironment, tmp_path: Path) -> Client:
    """There is no job database behind it: inputs have no config."""
    return Client(env.client, Settings(home=tmp_path))
