"""gc on a past of 1,000 jobs and on one of 10,000: what a job costs must not depend on how many there are.

`python -m benchmarks.gc`; every round is a process of its own, whose time and memory are those of gc alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg

from airbyte_workers.jobs.gc_report import Thing
from airbyte_workers.runtime.gc.collection import collect
from airbyte_workers.runtime.gc.order import GcOrder, GcTally, Reach
from airbyte_workers.settings import Settings
from airbyte_workers.store.database import connected, migrate
from airbyte_workers.store.objects import open_objects
from benchmarks.past import fill, new_database, running_server

SIZES = (1_000, 10_000)
MOST_PER_JOB = 1.5
"""So many times what a job costs among the fewest it may cost among the most: the machine is never quite quiet."""
_LOG = b'{"at":"2026-01-01T00:00:00.000+00:00","leg":"source","level":"INFO","text":"a line of a log"}\n' * 20
_STATEMENT_S = 300.0
_AGED = """
update jobs set created_at = created_at - interval '1 year', ended_at = ended_at - interval '1 year';
insert into workloads (pod, kind, job_id, attempt, connection_id, dataplane, launcher, fence, status, lease_until)
select pod, kind, job_id, number, connection_id, 'here', 'process', 1, 'success', now()
from attempts join jobs on jobs.id = job_id;
insert into state_log (connection_id, type, stream, state, fence, seq, job_id, attempt, at)
select connection_id, 'STREAM', 'stream_' || n, '{"cursor": 1}', 1, jobs.id, jobs.id, 0, ended_at
from jobs, generate_series(1, 3) as n where connection_id is not null order by jobs.id;
insert into catalogs (kind, connection_id, sha256, catalog, created_at)
select 'configured', connection_id, id::text, '{}', now() - interval '1 year' from jobs where connection_id is not null;
update jobs set catalog_id = catalogs.id from catalogs where sha256 = jobs.id::text;
"""


@dataclass(frozen=True)
class Measured:
    """One gc: what it was given, how long it took, how much memory it had at its most."""

    jobs: int
    removed: int
    seconds: float
    peak_memory_bytes: int

    @property
    def per_job_ms(self) -> float:
        return 1000 * self.seconds / self.removed


def measure(sizes: tuple[int, ...], rounds: int, folder: Path) -> list[Measured]:
    """All sizes in turns."""
    found = []
    with running_server(folder / "servers") as url:
        for number in range(rounds):
            for jobs in sizes:
                place = folder / f"{number}-{jobs}"
                database = asyncio.run(_made(url, f"past_{number}_{jobs}", jobs, place))
                found.append(asyncio.run(_in_its_own_process(database, place, jobs)))
    return found


async def _made(server_url: str, name: str, jobs: int, place: Path) -> str:
    url = await new_database(server_url, name)
    async with connected(url, size=1, timeout=_STATEMENT_S) as db:
        await migrate(db)
        await fill(db, jobs)
        await db.execute(_AGED)
        await db.execute("vacuum analyze")
        attempts = await db.fetch("select job_id, number, pod from attempts")
    await asyncio.to_thread(_write_objects, attempts, place / "storage")
    return url


def _write_objects(attempts: list[asyncpg.Record], storage: Path) -> None:
    for each in attempts:
        log, markers = storage / "logs" / str(each["job_id"]) / str(each["number"]), storage / "state" / each["pod"]
        for folder in (log, markers):
            folder.mkdir(parents=True)
        (log / "000000.jsonl").write_bytes(_LOG)
        for marker in ("INITIALIZING", "RUNNING", "SUCCESS"):
            (markers / marker).write_bytes(b"{}")


async def _in_its_own_process(url: str, place: Path, jobs: int) -> Measured:
    words = (sys.executable, "-m", "benchmarks.gc", "--one", url, str(place), str(jobs))
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    told, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"gc of {jobs} jobs ended with {process.returncode}")
    return Measured(**json.loads(told))


async def _one(url: str, place: Path, jobs: int) -> Measured:
    settings = Settings(home=place, storage_url=(place / "storage").as_uri(), database_url=url)
    async with connected(url, size=2, timeout=settings.database_timeout_s) as db:
        reach = Reach(db, settings, open_objects(settings), {})
        began = time.perf_counter()
        report = await collect(reach, GcOrder("benchmark"), GcTally())
        took = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Measured(jobs, report.removed[Thing.JOBS].count, took, peak)


def ratio(found: list[Measured], few: int, many: int) -> float:
    """So many times what a job costs among few it costs among many: the medians."""
    return _middle(found, many) / _middle(found, few)


def _middle(found: list[Measured], jobs: int) -> float:
    return median(each.per_job_ms for each in found if each.jobs == jobs)


def markdown(found: list[Measured]) -> str:
    """A table for people, and the ratio."""
    lines = ["| jobs | removed | seconds | per removed job | peak memory |", "| ---: | ---: | ---: | ---: | ---: |"]
    lines += [
        f"| {each.jobs:,} | {each.removed:,} | {each.seconds:.2f} | {each.per_job_ms:.2f} ms |"
        f" {each.peak_memory_bytes / 1e6:.0f} MB |"
        for each in found
    ]
    few, many = min(each.jobs for each in found), max(each.jobs for each in found)
    return "\n".join([*lines, "", f"a job among {many:,} costs {ratio(found, few, many):.2f} times one among {few:,}"])


def main() -> None:
    """Measure and print; exit code 1 when a job costs more the more of them there are."""
    arguments = _arguments()
    if arguments.one:
        url, place, jobs = arguments.one
        print(json.dumps(vars_of(asyncio.run(_one(url, Path(place), int(jobs))))))
        return
    with tempfile.TemporaryDirectory(prefix="airbyte-workers-gc-") as folder:
        found = measure(SIZES, arguments.rounds, Path(folder).resolve())
    print(markdown(found))
    if ratio(found, *SIZES) > MOST_PER_JOB:
        sys.exit(f"gc is not linear: more than {MOST_PER_JOB} times")


def vars_of(measured: Measured) -> dict[str, Any]:
    """As the process of one round tells it."""
    return dict(vars(measured))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gc", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of every size (default: 3)")
    parser.add_argument("--one", nargs=3, metavar=("URL", "FOLDER", "JOBS"), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
