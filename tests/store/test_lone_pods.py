"""A pod with nothing beside it but a database that comes and goes: what it moves, when it counts, how it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest
from lone_host import Host
from lone_pod import Pod, complete, pod_of, record, state
from outage import Way

from activities.harvesting import Harvest
from airbyte_workers.models import AttemptSummary, FailureType
from airbyte_workers.store import states
from airbyte_workers.store.sealing import Seal

pytestmark = pytest.mark.postgres
MIB = 1 << 20


@pytest.fixture
async def lone(db: asyncpg.Pool, seal: Seal, server_url: str, tmp_path: Path) -> AsyncIterator[tuple[Pod, Way]]:
    async with pod_of(db, seal, server_url, tmp_path) as pod_and_way:
        yield pod_and_way


@pytest.fixture
def pod(lone: tuple[Pod, Way]) -> Pod:
    return lone[0]


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.01)


async def kept(db: asyncpg.Pool, pod: Pod) -> int | None:
    """The record after which the next attempt would begin."""
    state_file = await states.load(db, pod.given.connection_id)
    return None if state_file is None else json.loads(state_file)[0]["stream"]["stream_state"]["id"]


async def committed(db: asyncpg.Pool) -> int:
    return int(await db.fetchval("select records_committed from attempts"))


async def ended(running: asyncio.Task[AttemptSummary]) -> AttemptSummary:
    async with asyncio.timeout(30):
        return await running


def begun(pod: Pod, **destination: bool | int) -> tuple[asyncio.Task[AttemptSummary], asyncio.Task[None]]:
    """The pod runs, and its destination does what a destination does."""
    pod.reads.set()
    return asyncio.create_task(pod.run()), asyncio.create_task(pod.write(**destination))


# --- the verdict ---


async def test_a_pod_proves_its_success_alone(pod: Pod, db: asyncpg.Pool) -> None:
    running, _ = begun(pod)
    await pod.source.say(record(1), record(2), state(2), complete())
    pod.source.end()
    summary = await ended(running)
    assert (summary.status, summary.failures) == ("succeeded", ())
    assert (pod.records, await committed(db)) == (2, 2)
    assert await kept(db, pod) == 2


@pytest.mark.parametrize(
    ("source", "destination", "kind"),
    [
        ({"code": 1}, {}, FailureType.SYSTEM_ERROR),
        ({}, {"code": 1}, FailureType.SYSTEM_ERROR),
        ({}, {"echoes": False}, FailureType.NO_ACKNOWLEDGEMENT),
    ],
)
async def test_a_pod_that_lacks_a_proof_has_failed_and_says_which(
    pod: Pod, source: dict[str, int], destination: dict[str, int], kind: FailureType
) -> None:
    running, _ = begun(pod, **destination)
    await pod.source.say(record(1), state(1), complete())
    pod.source.end(**source)
    summary = await ended(running)
    assert (summary.status, summary.failures[0].type) == ("failed", kind)


# --- while the database is away ---


async def test_data_goes_on_while_the_database_is_away_and_counts_only_once_it_is_durable(
    lone: tuple[Pod, Way], db: asyncpg.Pool
) -> None:
    pod, way = lone
    running, _ = begun(pod)
    await pod.source.say(record(1), state(1))
    await until(lambda: pod.replication.progress().states_committed == 1)
    await way.cut()
    await pod.source.say(*(record(number) for number in range(2, 1001)), state(1000), complete())
    await until(lambda: pod.records == 1000 and pod.replication.progress().states_emitted == 2)
    pod.source.end()
    await asyncio.wait([running], timeout=0.5)
    told = pod.replication.progress()
    assert not running.done()
    assert (told.states_emitted, told.states_committed, told.records_committed) == (2, 1, 1)
    assert pod.replication.ledger.streams["users", None].committed.records == await committed(db) == 1
    await way.open()
    summary = await ended(running)
    assert (summary.status, summary.failures, await committed(db)) == ("succeeded", (), 1000)
    assert await kept(db, pod) == 1000


async def test_a_pod_that_could_not_renew_its_lease_ends_itself_and_keeps_what_was_acknowledged(
    db: asyncpg.Pool, seal: Seal, server_url: str, tmp_path: Path
) -> None:
    async with pod_of(db, seal, server_url, tmp_path, lease_seconds=0.3) as (pod, way):
        running, _ = begun(pod)
        await pod.source.say(record(1))
        await until(lambda: pod.records == 1)
        await way.cut()
        await pod.source.say(state(1), record(2))
        await until(lambda: "TERM" in pod.source.heard)
        await until((pod.destination.folder / "exit_code").exists)
        summary = await ended(running)
        await way.open()
        await Harvest(db).of_own(Host(pod), pod.given.pod)
    assert (summary.status, summary.failures[0].type) == ("failed", FailureType.LEASE_LOST)
    assert [each.type for each in pod.replication.ledger.failures].count(FailureType.LEASE_LOST) == 1
    assert await committed(db) == 1


# --- one owner ---


async def test_a_pod_that_works_renews_its_lease(pod: Pod, db: asyncpg.Pool) -> None:
    assert await db.fetchval("select lease_until < now() from workloads")
    running, _ = begun(pod)
    await pod.source.say(record(1))
    await until(lambda: pod.records == 1)
    async with asyncio.timeout(30):
        while not await db.fetchval("select lease_until > now() + interval '1 minute' from workloads"):
            await asyncio.sleep(0.01)
    pod.source.end()
    await ended(running)


async def test_a_pod_whose_connection_has_a_newer_attempt_ends_itself(pod: Pod, db: asyncpg.Pool) -> None:
    running, _ = begun(pod)
    await pod.source.say(record(1))
    await until(lambda: pod.records == 1)
    await db.execute("update connections set fence = fence + 1")
    summary = await ended(running)
    assert (summary.status, summary.failures[0].type) == ("failed", FailureType.SUPERSEDED)
    assert "TERM" in pod.source.heard
    assert await kept(db, pod) is None


# --- bounds ---


async def test_a_source_waits_for_a_destination_that_takes_nothing(pod: Pod) -> None:
    running = asyncio.create_task(pod.run())
    writing = asyncio.create_task(pod.write())
    lines = [record(number, padding=10_000) for number in range(1000)]
    saying = asyncio.create_task(pod.source.say(*lines, state(1), complete()))
    await until(lambda: pod.source.taken > 0)
    seen = -1
    while seen != pod.source.taken:  # until nothing moves any more
        seen = pod.source.taken
        await asyncio.wait([saying], timeout=0.3)
    assert not saying.done()
    assert pod.source.taken < 3 * MIB
    pod.reads.set()
    await saying
    pod.source.end()
    assert ((await ended(running)).status, pod.records) == ("succeeded", 1000)
    await writing


async def test_a_message_over_the_limit_ends_the_attempt_and_names_the_limit(
    db: asyncpg.Pool, seal: Seal, server_url: str, tmp_path: Path
) -> None:
    async with pod_of(db, seal, server_url, tmp_path, max_message_bytes=100_000) as (pod, _):
        running, _ = begun(pod)
        await pod.source.say(record(1), state(1))
        await until(lambda: pod.replication.progress().states_committed == 1)
        await pod.source.say(record(2, padding=200_000))
        summary = await ended(running)
    (failure,) = summary.failures
    assert failure.type is FailureType.MESSAGE_TOO_LONG
    assert "for stream users; MAX_MESSAGE_BYTES is the limit" in failure.message
    assert await committed(db) == 1


# --- the end ---


async def test_a_cancel_stops_the_source_lets_the_destination_finish_and_keeps_what_is_committed(
    pod: Pod, db: asyncpg.Pool
) -> None:
    running, _ = begun(pod)
    await pod.source.say(record(1), state(1), record(2))
    await until(lambda: pod.records == 2)
    pod.replication.cancel()
    summary = await ended(running)
    assert summary.status == "cancelled"
    assert pod.source.heard == ["TERM"]
    assert pod.destination.heard == ["release"]
    assert (summary.evidence.destination_exit_code, await committed(db)) == (0, 1)


async def test_connectors_that_do_not_end_are_killed_after_their_time(
    db: asyncpg.Pool, seal: Seal, server_url: str, tmp_path: Path
) -> None:
    hurry = {"shutdown_grace_period_s": 0.05, "shutdown_term_period_s": 0.05}
    async with pod_of(db, seal, server_url, tmp_path, **hurry) as (pod, _):
        pod.source.deaf = pod.destination.deaf = True
        running = asyncio.create_task(pod.run())
        await pod.source.say(record(1))
        await until(lambda: pod.replication.phase == "running")
        pod.replication.cancel()
        summary = await ended(running)
    assert pod.source.heard == ["TERM", "KILL"]
    assert pod.destination.heard == ["release", "TERM", "KILL"]
    assert (summary.evidence.source_exit_code, summary.evidence.destination_exit_code) == (137, 137)
