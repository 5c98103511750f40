"""Temporal servers for tests of workflows, with clients as ours have them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from temporalio.testing import WorkflowEnvironment

from airbyte_workers.runtime.plugin import AirbytePlugin


async def time_skipping() -> WorkflowEnvironment:
    return await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=_program("temporal-test-server"), plugins=[AirbytePlugin()]
    )


async def real(*dynamic_config: str) -> WorkflowEnvironment:
    """For what the time-skipping one does not know."""
    return await WorkflowEnvironment.start_local(
        dev_server_existing_path=_program("temporal"),
        dev_server_log_level="error",
        dev_server_extra_args=[word for each in dynamic_config for word in ("--dynamic-config-value", each)],
        plugins=[AirbytePlugin()],
    )


def _program(name: str) -> str:
    """A server that a package put beside this interpreter."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    assert found is not None, f"{name} is not installed"
    return found
