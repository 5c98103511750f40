"""The phases in which a sync may be cancelled, how each is reached and held, and the ways to ask for the cancel."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import psutil
import temporalio.client
from e2e_scripted import PART, RECORDS, Scripted
from e2e_support import Place, Running, until

from airbyte_workers.client import Client
from airbyte_workers.names import sync_workflow_id
from airbyte_workers.settings import Settings

WHY = "the test has seen enough"
LONGEST = "draining for too long"
LONG = {"complete_failures_backoff_min_interval_s": 600, "complete_failures_backoff_max_interval_s": 600}
STATES = {"state_every": PART}
GRACE_S = 12
SLOW, TOO_SLOW = {"delay_ms": 600}, {"delay_ms": 3000}
"""Of each of ten states: a destination that needs half of its grace, and one that needs more than it gets."""


@dataclass(frozen=True)
class Began:
    """A sync that has reached the phase it is to be cancelled in."""

    running: Running
    job_id: int


Phase = Callable[[Scripted], AbstractContextManager[Began]]


@contextmanager
def following(sync: Scripted, reads: str, **content: Any) -> Iterator[Began]:
    file = str(sync.place.write(sync.content(reads, **content)))
    with sync.place.started("sync", "-f", file, "-o", "json") as running:
        running.until_said(f": sync of {sync.name}")
        (line,) = sync.place.jobs("--connection", sync.name, "--limit", "1")
        yield Began(running, line["job_id"])


@contextmanager
def queued(sync: Scripted) -> Iterator[Began]:
    """Another sync has the only place."""
    first = Scripted(sync.place, f"{sync.name}-first")
    with running(first) as other:
        with following(sync, "S") as began:
            until(lambda: job_row(sync, began)["status"] == "queued", "the queue")
            yield began
        assert other.running.process.poll() is None
        assert job_row(first, other)["status"] == "running"
        other.running.interrupt()
        assert other.running.ended().code == 3


@contextmanager
def checking(sync: Scripted) -> Iterator[Began]:
    with following(sync, "S", source={"checks": "W"}) as began:
        until(lambda: sync.notes("check"), "the check")
        yield began


@contextmanager
def starting(sync: Scripted) -> Iterator[Began]:
    """The launch waits until the lease of an older pod is over whose host is out of reach."""
    assert sync.sync("S", source={"records": 0}).code == 0  # after a success nothing is checked
    sync.rows(ELSEWHERE, sync.name)
    try:
        with following(sync, "S") as began:
            until(lambda: sync.rows(CLAIMED, began.job_id), "the launch")
            yield began
    finally:
        sync.rows("delete from workloads where dataplane = 'elsewhere'")


ELSEWHERE = """
insert into workloads (pod, kind, job_id, attempt, connection_id, dataplane, launcher, fence, status, lease_until)
select 'replication-elsewhere-' || jobs.id, 'sync', jobs.id, 0, connection_id, 'elsewhere', 'process', 0, 'running',
    now() + interval '1 hour' from jobs where connection = $1
"""
CLAIMED = "select 1 from workloads where job_id = $1 and kind = 'sync' and status = 'claimed'"


@contextmanager
def running(sync: Scripted) -> Iterator[Began]:
    """The source has sent a part and has more; the destination has written what came."""
    with following(sync, "WS") as began:
        until(lambda: len(sync.ids()) == PART, "the first records")
        yield began


@contextmanager
def draining(sync: Scripted, destination: Mapping[str, int] = SLOW) -> Iterator[Began]:
    """The source has ended; the destination still works, and some of it is acknowledged."""
    with following(sync, "S", source=STATES, destination=dict(destination)) as began:
        until(lambda: sync.notes("read sent"), "the source's last record")
        until(lambda: not _runs(sync.place, began, "source"), "the source's end")
        until(lambda: committed(sync, began), "the first acknowledgement")
        yield began


@contextmanager
def backoff(sync: Scripted) -> Iterator[Began]:
    with following(sync, "CS", retries=LONG) as began:
        began.running.until_said("attempt 2 starts in 10 m 0 s")
        yield began


PHASES: dict[str, Phase] = {
    "queued": queued,
    "checking": checking,
    "starting": starting,
    "running": running,
    "draining": draining,
    LONGEST: lambda sync: draining(sync, TOO_SLOW),
    "backoff": backoff,
}
SIGNALLED = {"checking": "source", "running": "source", LONGEST: "destination"}
"""Whose connector gets a SIGTERM; in the other phases none runs, or it ends by itself."""
COMMITTED = {
    "running": range(PART, PART + 1),
    "draining": range(RECORDS, RECORDS + 1),
    LONGEST: range(PART, RECORDS),
}
"""What may be committed in the end; in the other phases nothing."""


def job_row(sync: Scripted, began: Began) -> dict[str, Any]:
    return sync.row("select * from jobs where id = $1", began.job_id)


def committed(sync: Scripted, began: Began) -> int:
    return sum(row["records_committed"] for row in sync.attempts(began.job_id))


def _runs(place: Place, began: Began, role: str) -> bool:
    record = json.loads((place.home / "pods" / f"replication-job-{began.job_id}-attempt-0" / "pod.json").read_text())
    wrapper = record["processes"][role]["pid"]
    try:
        return psutil.Process(wrapper).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# --- the ways ---


def by_client(sync: Scripted, job_id: int) -> None:
    async def cancel() -> None:
        async with Client.connect(Settings(home=sync.place.home)) as client:
            await client.cancel(sync.name, by="the test", reason=WHY)

    asyncio.run(cancel())


def by_command(sync: Scripted, job_id: int) -> None:
    done = sync.place.run("jobs", "cancel", str(job_id), "--reason", WHY, "-o", "json")
    assert (done.code, done.report["status"]) == (0, "cancelled"), done.err


def by_temporal(sync: Scripted, job_id: int) -> None:
    async def cancel() -> None:
        client = await temporalio.client.Client.connect(sync.place.stack()["temporal_address"])
        await client.get_workflow_handle(sync_workflow_id(sync.name)).cancel(reason=WHY)

    asyncio.run(cancel())


WAYS = {"client": by_client, "jobs cancel": by_command, "temporal": by_temporal}
ME = f"{pwd.getpwuid(os.getuid()).pw_name}@{socket.gethostname()}"
CASES = [(phase, way) for phase in PHASES for way in WAYS if phase != LONGEST or way == "client"]
WHO = {"client": "the test", "jobs cancel": ME, "temporal": "somebody, through Temporal"}
