"""`python -m airbyte_workers.runtime.stack`: the supervisor with our Temporal workers."""

from __future__ import annotations

import importlib
import sys
from contextlib import AbstractAsyncContextManager

from airbyte_workers.runtime.stack.entry import run_supervisor
from airbyte_workers.runtime.stack.supervisor import Served
from airbyte_workers.settings import Settings

POOLS = "airbyte_workers.runtime.pools"


def serving(settings: Settings) -> AbstractAsyncContextManager[Served]:
    """The Temporal workers; imported late, the servers start meanwhile."""
    workers: AbstractAsyncContextManager[Served] = importlib.import_module(POOLS).serving(settings)
    return workers


if __name__ == "__main__":
    sys.exit(run_supervisor(serving, preload=POOLS))
