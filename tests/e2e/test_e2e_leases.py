"""Leases: a pod that hangs is ended for its lease, and what nobody looks after is reaped when somebody asks."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from dataclasses import replace

import asyncpg
import pytest
from e2e_addressed import addressed, working
from e2e_support import Place, until

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(180)]
RECORDS = 2000
SHORT = {
    "LEASE_SECONDS": "3",
    "LEASE_MARGIN_SECONDS": "1",
    "AIRBYTE_WORKERS_RECONCILE_INTERVAL_S": "1",
}


@pytest.fixture
def shared(alone: Place) -> Iterator[Place]:
    with addressed(alone) as place:
        yield replace(place, variables=place.variables | SHORT)


def test_a_pod_whose_orchestrator_hangs_is_ended_after_its_lease_and_the_next_attempt_goes_on(shared: Place) -> None:
    content = shared.described("hung", records=RECORDS, state_every=100, delay_ms=100)
    with working(shared), shared.started("sync", "-f", str(shared.write(content)), "-o", "json") as sync:
        until(lambda: len(shared.lines("stream_0")) >= 300, "the first records")
        shared.pod_program("orchestrator").send_signal(signal.SIGSTOP)
        done = sync.ended(90)
    assert done.code == 0, done.err
    first, _ = done.report["attempts"]
    assert (first["status"], first["failures"][0]["type"]) == ("failed", "lease_lost")
    assert "has not renewed its lease of 3 s (LEASE_SECONDS)" in first["failures"][0]["message"]
    assert first["records_committed"] > 0
    assert shared.ids("stream_0") == list(range(RECORDS))
    assert shared.pods_left() == []


def test_whoever_asks_sees_what_nobody_looks_after_and_removes_it(shared: Place) -> None:
    """The Temporal worker is gone for good, and so is the job."""
    content = shared.described("reaped", records=100_000, state_every=100, delay_ms=200)
    with working(shared):
        assert shared.run("reap").out == "nothing is left behind on this host\n"
        report = shared.sync(content, "--detach").report
        until(lambda: len(shared.lines("stream_0")) >= 100, "the first records")
        assert shared.run("reap", "--dry-run").out == "nothing is left behind on this host\n", "a running sync is"
    pod = f"replication-job-{report['job_id']}-attempt-0"
    write(shared, "update jobs set status = 'failed', ended_at = now()")
    assert shared.pods_left()
    dry = shared.run("reap", "--dry-run", "-o", "json").report
    assert [(each["pod"], each["why"]) for each in dry["pods"]] == [(pod, "its job has ended")]
    assert "dry run: nothing was ended" in shared.run("reap", "--dry-run").out
    assert shared.pod_processes()
    ended = shared.run("reap")
    assert (ended.code, ended.out) == (0, "1 removed\n"), ended.err
    assert f"{pod}: removed, its job has ended" in ended.err
    assert shared.pods_left() == []
    assert shared.run("reap").out == "nothing is left behind on this host\n"


def write(place: Place, statement: str) -> None:
    async def act() -> None:
        connection = await asyncpg.connect(place.variables["DATABASE_URL"])
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(act())
