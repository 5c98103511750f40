"""What people wait for when they look at jobs: the same commands on a database of one job and on one with a past."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from airbyte_workers.store.database import connected, migrate
from benchmarks.installed import program
from benchmarks.past import LONG_JOB_ATTEMPTS, LONG_JOB_STREAMS, add_long_job, fill, new_database, running_server

JOBS = 10_000
_COMMAND_S = 60.0
_FILL_S = 120.0


@dataclass
class Look:
    """One command: its seconds in a database of one job, and in one with `JOBS`, round by round."""

    words: str
    one: list[float] = field(default_factory=list)
    many: list[float] = field(default_factory=list)

    @property
    def more_s(self) -> float:
        """Seconds that the past costs: the median of differences within a round."""
        return median(many - one for one, many in zip(self.one, self.many, strict=True))

    def figures(self) -> dict[str, Any]:
        """What is written down."""
        return {"command": self.words, "more_s": round(self.more_s, 3), "one_job": self.one, "many_jobs": self.many}


def look_back(rounds: int, folder: Path) -> list[Look]:
    """Every command in turns in both databases, each run a process of its own."""
    with _databases(folder) as (one, many, long_job):
        looks = {
            ("jobs", "list"): Look("jobs list"),
            ("jobs", "list", "--connection", "connection-1"): Look("jobs list --connection NAME"),
            ("jobs", "list", "--status", "failed", "--limit", "1000"): Look("jobs list --status failed --limit 1000"),
            ("jobs", "show", "1"): Look("jobs show JOB"),
        }
        long = Look(f"jobs show JOB, of {LONG_JOB_ATTEMPTS} attempts at {LONG_JOB_STREAMS:,} streams")
        for _ in range(rounds):
            for words, look in looks.items():
                look.one.append(_seconds(one, folder, words))
                look.many.append(_seconds(many, folder, words))
            long.one.append(_seconds(one, folder, ("jobs", "show", "1")))
            long.many.append(_seconds(many, folder, ("jobs", "show", str(long_job))))
    return [*looks.values(), long]


@contextmanager
def _databases(folder: Path) -> Iterator[tuple[str, str, int]]:
    """A server with both databases, and the number of the long job in the second."""
    with running_server(folder / "past") as url:
        one = asyncio.run(_made(url, "one", 1))
        many = asyncio.run(_made(url, "many", JOBS))
        yield one, many, asyncio.run(_lengthened(many))


async def _made(server_url: str, name: str, jobs: int) -> str:
    url = await new_database(server_url, name)
    async with connected(url, size=1, timeout=_FILL_S) as db:
        await migrate(db)
        await fill(db, jobs)
    return url


async def _lengthened(url: str) -> int:
    async with connected(url, size=1, timeout=_FILL_S) as db:
        return await add_long_job(db)


def _seconds(url: str, folder: Path, words: Sequence[str]) -> float:
    environment = os.environ | {"DATABASE_URL": url, "AIRBYTE_WORKERS_HOME": str(folder / "nothing")}
    began = time.perf_counter()
    subprocess.run(
        [program("airbyte-workers"), *words],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
        timeout=_COMMAND_S,
    )
    return round(time.perf_counter() - began, 4)


if __name__ == "__main__":
    with TemporaryDirectory(prefix="airbyte-workers-history-") as name:
        for each in look_back(3, Path(name)):
            print(f"{median(each.many):.2f} s, {each.more_s * 1000:+.0f} ms of them for {JOBS:,} jobs  {each.words}")
