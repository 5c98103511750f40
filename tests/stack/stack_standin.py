"""A supervisor with a stand-in for the Temporal workers: active jobs are the files in HOME/jobs."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from airbyte_workers.runtime.stack.entry import run_supervisor
from airbyte_workers.runtime.stack.stopping import StopRequest
from airbyte_workers.settings import Settings


@dataclass(frozen=True)
class StandIn:
    jobs: Path

    async def active_jobs(self) -> int:
        return len(list(self.jobs.iterdir()))


@asynccontextmanager
async def serving(settings: Settings, _stop: StopRequest) -> AsyncIterator[StandIn]:
    assert settings.database_url
    assert settings.temporal_address
    assert settings.allow_local_commands
    jobs = settings.home / "jobs"
    jobs.mkdir(exist_ok=True)
    if (settings.home / "broken").exists():
        raise ValueError("the stand-in is broken")
    (settings.home / "serving").write_text("yes")
    yield StandIn(jobs)
    (settings.home / "serving").unlink()


if __name__ == "__main__":
    sys.exit(run_supervisor(serving))
