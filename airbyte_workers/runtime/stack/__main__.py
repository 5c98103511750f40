"""`python -m airbyte_workers.runtime.stack`: the supervisor with our Temporal workers."""

from __future__ import annotations

import importlib
import sys
from contextlib import AbstractAsyncContextManager

import structlog

from airbyte_workers import programs
from airbyte_workers.runtime.stack.entry import run_supervisor
from airbyte_workers.runtime.stack.stopping import StopRequest
from airbyte_workers.runtime.stack.supervisor import Served
from airbyte_workers.settings import Settings

POOLS = "airbyte_workers.runtime.pools"
FAREWELL = "airbyte_workers.runtime.farewell"


def serving(settings: Settings, stop: StopRequest) -> AbstractAsyncContextManager[Served]:
    """The Temporal workers; imported late, the servers start meanwhile."""
    pools, farewell = importlib.import_module(POOLS), importlib.import_module(FAREWELL)
    last = farewell.Farewell(stop, structlog.get_logger(__name__).info, farewell.AFTER_LOCAL)
    workers: AbstractAsyncContextManager[Served] = pools.serving(settings, last)
    return workers


def main() -> None:
    """Be the supervisor."""
    sys.exit(run_supervisor(serving, preload=POOLS))


if __name__ == "__main__":
    programs.run(main)
