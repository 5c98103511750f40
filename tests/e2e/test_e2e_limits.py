"""MAX_*_WORKERS: never more pods than may run, whoever launches them; what waits says why, other kinds do not wait."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from e2e_addressed import addressed, working
from e2e_support import Place
from e2e_told import IMAGE, STREAMS, TALKER, end_all, make_talker

from airbyte_workers.client import Client, Run
from airbyte_workers.settings import Settings

pytestmark = [pytest.mark.embedded, pytest.mark.docker, pytest.mark.timeout(180)]
CONFIG = {"host": "x", "pin": "1234567", "odd": "12345678", "end": "good", "at": "check"}
CHECK = {"image": IMAGE, "launcher": "docker", "config": CONFIG}
LIMITS = {"MAX_SYNC_WORKERS": "2", "MAX_CHECK_WORKERS": "1", "ALLOW_LOCAL_COMMANDS": "true"}
LIVE = "status in ('claimed', 'launched', 'running')"
SAMPLE_S = 0.2


@pytest.fixture
def crowded(alone: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A stack with two Temporal workers on one dataplane."""
    make_talker(tmp_path_factory.mktemp("talker"))
    with addressed(alone) as servers, ExitStack() as stack:
        stack.callback(end_all, alone)
        place = replace(servers, variables=servers.variables | LIMITS)
        for _ in range(2):
            stack.enter_context(working(place))
        yield place


@asynccontextmanager
async def connected(place: Place) -> AsyncIterator[Client]:
    addresses = {
        "database_url": place.variables["DATABASE_URL"],
        "temporal_address": place.variables["TEMPORAL_ADDRESS"],
    }
    async with Client.connect(Settings(home=place.home, **addresses)) as client:
        yield client


# --- looking ---


@dataclass
class Samples:
    """How many pods of a kind there were at each look: by their rows, folders, processes."""

    rows: list[int] = field(default_factory=list)
    folders: list[int] = field(default_factory=list)
    processes: list[int] = field(default_factory=list)

    @property
    def most(self) -> tuple[int, int, int]:
        return max(self.rows), max(self.folders), max(self.processes)


@asynccontextmanager
async def sampled(place: Place, client: Client, kind: str) -> AsyncIterator[Samples]:
    """Look five times a second for as long as the block runs."""
    samples = Samples()
    looking = asyncio.create_task(_look_on(place, client, kind, samples))
    try:
        yield samples
    finally:
        looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looking


async def _look_on(place: Place, client: Client, kind: str, samples: Samples) -> None:
    db = await client.database()
    prefix = "replication" if kind == "sync" else kind
    while True:
        samples.rows.append(await db.fetchval(f"select count(*) from workloads where kind = $1 and {LIVE}", kind))
        samples.folders.append(len(list((place.home / "pods").glob(f"{prefix}-*"))))
        samples.processes.append(len(await asyncio.to_thread(pods_with_a_program, place, prefix)))
        await asyncio.sleep(SAMPLE_S)


def pods_with_a_program(place: Place, prefix: str) -> set[str]:
    """The pods whose orchestrator or sidecar lives: it is in its pod's folder."""
    own = re.compile(re.escape(f"{place.home}/pods/{prefix}-") + r"([^/]+)/(?:orchestrator|sidecar)")
    found: set[str] = set()
    for name in os.listdir("/proc"):  # noqa: PTH208  # names are all it takes
        with contextlib.suppress(OSError):
            if name.isdigit() and (seen := own.match(os.readlink(f"/proc/{name}/cwd"))):  # noqa: PTH115  # a Path each for thousands
                found.add(seen[1])
    return found


async def until_waiting(client: Client, kind: str, count: int) -> list[int]:
    """The jobs whose own pod has no place yet, once there are so many; a sync's has none while it asks, too."""
    waiting = f"""
        select id from jobs where kind = $1 and status = 'queued'
            and (kind = 'check' or id in (select job_id from attempts))
            and id not in (select job_id from workloads where {LIVE}) order by id
    """
    async with asyncio.timeout(60):
        while True:
            rows = await (await client.database()).fetch(waiting, kind)
            if len(rows) >= count:
                return [row["id"] for row in rows]
            await asyncio.sleep(0.05)


async def say_why_they_wait(place: Place, jobs: list[int], runs: list[Run[Any]], reason: str) -> None:
    """By the client's progress, and by `jobs show`."""
    async with asyncio.timeout(30):
        while [look.figures.phase for run in runs if (look := await run.look()).figures].count("queued") < len(jobs):
            await asyncio.sleep(0.1)
    shown = await asyncio.gather(*(asyncio.to_thread(place.run, "jobs", "show", str(job)) for job in jobs))
    assert [each.out for each in shown if f"({reason}" not in each.out] == []
    headlines = [each.out.splitlines()[0].partition(";")[0] for each in shown]
    assert [(line.partition(":")[0], line.rpartition(", ")[2]) for line in headlines] == [
        (f"job {job}", "queued") for job in jobs
    ]


# --- the limits ---


def until_open(gate: Path, **config: Any) -> dict[str, Any]:
    """A connector that stays until the gate is there."""
    return {"command": [sys.executable, str(TALKER)], "config": CONFIG | {"gate": str(gate)} | config}


def sync(place: Place, number: int, gate: Path) -> dict[str, Any]:
    destination = until_open(place.work, at="write", path=str(place.work / f"{number}.jsonl"))
    return {
        "connection": f"people-{number}",
        "source": until_open(gate, at="read"),
        "destination": destination,
        "streams": STREAMS,
    }


async def test_two_of_five_syncs_run_and_a_check_waits_for_none(crowded: Place) -> None:
    gate = crowded.work / "gate"
    async with connected(crowded) as client:
        async with sampled(crowded, client, "sync") as samples:
            runs = [await client.start_sync(sync(crowded, number, gate)) for number in range(5)]
            waiting = await until_waiting(client, "sync", 3)
            assert (await client.check(CHECK)).status == "succeeded"  # while the gate is shut
            await say_why_they_wait(crowded, waiting, list(runs), "2 sync pods are live on ")
            gate.touch()
            reports = await asyncio.gather(*(run.result() for run in runs))
        assert [report.records_committed for report in reports] == [3] * 5
        assert samples.most == (2, 2, 2)
        assert len(samples.rows) > 20


async def test_checks_come_one_after_the_other_where_one_may_run(crowded: Place) -> None:
    gate = crowded.work / "gate"
    async with connected(crowded) as client, sampled(crowded, client, "check") as samples:
        runs = [await client.start_check(until_open(gate)) for _ in range(3)]
        waiting = await until_waiting(client, "check", 2)
        await say_why_they_wait(crowded, waiting, list(runs), "1 check pods are live on ")
        gate.touch()
        answers = await asyncio.gather(*(run.result() for run in runs))
    assert [answer.status for answer in answers] == ["succeeded"] * 3
    assert samples.most == (1, 1, 1)
    assert len(samples.rows) > 10
