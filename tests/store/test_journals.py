"""What a destination acknowledges while PostgreSQL is away is on the pod's disk, and need not be read again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from lone_host import Host, content
from lone_pod import Pod, complete, pod_of, record, state
from outage import Way
from rows import next_attempt

from activities.harvesting import Harvest
from airbyte_workers.models import AttemptSummary, FailureType
from airbyte_workers.names import JOURNAL
from airbyte_workers.store import journals, states
from airbyte_workers.store.journals import Taker
from airbyte_workers.store.sealing import Seal
from airbyte_workers.store.states import StaleFence

pytestmark = pytest.mark.postgres
USERS = ("users", None)


@pytest.fixture
async def lone(db: asyncpg.Pool, seal: Seal, server_url: str, tmp_path: Path) -> AsyncIterator[tuple[Pod, Way]]:
    async with pod_of(db, seal, server_url, tmp_path) as pod_and_way:
        yield pod_and_way


def positions(pod: Pod) -> list[int]:
    """The states in the journal, in the order in which they will be committed."""
    journal = journals.read(content(pod) or b"")
    if journal is None:
        return []
    rows = [row for entry in journal.entries if entry.states for row in entry.states.rows]
    return [json.loads(row.state or "null")["stream"]["stream_state"]["id"] for row in rows]


async def until_journalled(pod: Pod, *expected: int) -> None:
    async with asyncio.timeout(30):
        while positions(pod) != list(expected):
            await asyncio.sleep(0.01)


async def kept(db: asyncpg.Pool, pod: Pod) -> int | None:
    """The record after which the next attempt would begin."""
    state_file = await states.load(db, pod.given.connection_id)
    return None if state_file is None else json.loads(state_file)[0]["stream"]["stream_state"]["id"]


async def committed(db: asyncpg.Pool) -> int:
    return int(await db.fetchval("select records_committed from attempts where number = 0"))


async def killed(pod: Pod, running: asyncio.Task[AttemptSummary]) -> None:
    """As by SIGKILL: what was only in memory is gone."""
    running.cancel()
    await asyncio.wait([running])
    pod.destination.end()
    pod.source.end()


async def cut_off(pod: Pod, way: Way) -> asyncio.Task[AttemptSummary]:
    """A pod that has two states acknowledged and journalled, of two records each."""
    pod.reads.set()
    running = asyncio.create_task(pod.run())
    pod.writing = asyncio.create_task(pod.write())
    await way.cut()
    await pod.source.say(record(1), record(2), state(2))
    await until_journalled(pod, 2)
    await pod.source.say(record(3), record(4), state(4))
    await until_journalled(pod, 2, 4)
    return running


async def test_once_the_database_is_back_all_is_committed_in_order_and_the_journal_is_gone(
    lone: tuple[Pod, Way], db: asyncpg.Pool
) -> None:
    pod, way = lone
    running = await cut_off(pod, way)
    assert await kept(db, pod) is None
    await way.open()
    await pod.source.say(complete())
    pod.source.end()
    async with asyncio.timeout(30):
        summary = await running
    assert (summary.status, await committed(db), await kept(db, pod)) == ("succeeded", 4, 4)
    assert [row["seq"] for row in await db.fetch("select seq from state_log order by id")] == [1, 2]
    assert [row["records_committed"] for row in await db.fetch("select * from state_log order by id")] == [2, 2]
    assert content(pod) is None


async def test_what_comes_while_the_database_is_away_is_merged(lone: tuple[Pod, Way], db: asyncpg.Pool) -> None:
    """However long it is away: the first commit may have gone through, so it stays by itself; all others are one."""
    pod, way = lone
    running = await cut_off(pod, way)
    for number in range(5, 200):
        await pod.source.say(record(number), state(number))
    await until_journalled(pod, 2, 199)
    await killed(pod, running)
    await way.open()
    await Harvest(db).of_own(Host(pod), pod.given.pod)
    assert (await committed(db), await kept(db, pod)) == (199, 199)


async def test_whoever_removes_a_pod_that_was_killed_commits_its_journal_once(
    lone: tuple[Pod, Way], db: asyncpg.Pool
) -> None:
    pod, way = lone
    await killed(pod, await cut_off(pod, way))
    await way.open()
    for _ in range(2):
        await Harvest(db).of_own(Host(pod), pod.given.pod)
    assert (await committed(db), await kept(db, pod)) == (4, 4)
    assert await db.fetchval("select count(*) from state_log") == 2


async def test_the_next_attempt_commits_it_under_its_own_fence_once_the_pod_has_ended(
    lone: tuple[Pod, Way], db: asyncpg.Pool
) -> None:
    pod, way = lone
    await killed(pod, await cut_off(pod, way))
    await way.open()
    newer = await next_attempt(db, pod.given.job_id, 1)
    host = Host(pod)
    await Harvest(db).of_own(host, pod.given.pod)
    assert await kept(db, pod) is None, "the older attempt's fence is stale"
    await Harvest(db).of_older(host, pod.given.pod, Taker(newer.fence))
    assert host.killed == [pod.given.pod]
    assert (await committed(db), await kept(db, pod)) == (4, 4)
    entry = await db.fetchrow("select fence, attempt from state_log order by id desc limit 1")
    assert (entry["fence"], entry["attempt"]) == (newer.fence - 1, 0)


async def test_streams_that_the_next_attempt_reads_from_the_beginning_keep_nothing_of_it(
    lone: tuple[Pod, Way], db: asyncpg.Pool
) -> None:
    pod, way = lone
    await killed(pod, await cut_off(pod, way))
    await way.open()
    newer = await next_attempt(db, pod.given.job_id, 1)
    await Harvest(db).of_older(Host(pod), pod.given.pod, Taker(newer.fence, frozenset({USERS})))
    assert (await committed(db), await kept(db, pod)) == (0, None)


async def test_it_is_too_late_once_a_later_attempt_has_begun(lone: tuple[Pod, Way], db: asyncpg.Pool) -> None:
    pod, way = lone
    await killed(pod, await cut_off(pod, way))
    await way.open()
    await db.execute("update connections set fence = fence + 2")
    journal = journals.read(content(pod) or b"")
    assert journal is not None
    with pytest.raises(StaleFence):
        await journals.commit(db, journal, Taker(journal.writer.fence + 2))
    await Harvest(db).of_older(Host(pod), pod.given.pod, Taker(journal.writer.fence + 2))
    assert await kept(db, pod) is None


async def test_what_another_pod_would_have_written_is_dropped(lone: tuple[Pod, Way], db: asyncpg.Pool) -> None:
    pod, way = lone
    await killed(pod, await cut_off(pod, way))
    await way.open()
    forged = json.loads(content(pod) or b"")
    forged["writer"]["attempt"] = 5
    (pod.own / JOURNAL).write_text(json.dumps(forged))
    await Harvest(db).of_own(Host(pod), pod.given.pod)
    (pod.own / JOURNAL).write_text("half a journ")
    await Harvest(db).of_own(Host(pod), pod.given.pod)
    assert await kept(db, pod) is None


async def test_a_pod_whose_lease_is_lost_leaves_the_rest_to_its_journal_and_ends(
    db: asyncpg.Pool, seal: Seal, server_url: str, tmp_path: Path
) -> None:
    async with pod_of(db, seal, server_url, tmp_path, lease_seconds=0.3) as (pod, way):
        running = await cut_off(pod, way)
        async with asyncio.timeout(30):
            summary = await running
        assert (summary.status, summary.failures[0].type) == ("failed", FailureType.LEASE_LOST)
        assert await kept(db, pod) is None
        await way.open()
        await Harvest(db).of_own(Host(pod), pod.given.pod)
        assert (await committed(db), await kept(db, pod)) == (4, 4)


async def test_without_room_for_a_journal_it_waits_in_memory(
    db: asyncpg.Pool, seal: Seal, server_url: str, tmp_path: Path
) -> None:
    async with pod_of(db, seal, server_url, tmp_path, journal_bytes=10, lease_seconds=0.3) as (pod, way):
        pod.reads.set()
        running, _ = asyncio.create_task(pod.run()), asyncio.create_task(pod.write())
        await way.cut()
        await pod.source.say(record(1), state(1))
        await asyncio.wait([running], timeout=1.5)
        assert (running.done(), content(pod)) == (False, None), "a lost lease is no reason to lose what is acknowledged"
        await way.open()
        async with asyncio.timeout(30):
            summary = await running
        assert (summary.failures[0].type, await committed(db)) == (FailureType.LEASE_LOST, 1)


async def test_a_journal_of_which_all_is_committed_is_gone_although_more_is_acknowledged_all_the_time(
    lone: tuple[Pod, Way], db: asyncpg.Pool
) -> None:
    pod, way = lone
    running = await cut_off(pod, way)
    await way.open()
    number = 5
    async with asyncio.timeout(30):
        while content(pod) is not None:
            await pod.source.say(record(number), state(number))
            number += 1
            await asyncio.sleep(0)
    assert await kept(db, pod) is not None
    await killed(pod, running)
