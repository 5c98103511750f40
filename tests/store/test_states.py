"""Commits of states: fenced, in order, with their counts, or not at all."""

from __future__ import annotations

import asyncio

import asyncpg
import msgspec
import pytest
from rows import next_attempt, open_with_catalog

from airbyte_workers.models import StreamCounts
from airbyte_workers.store import attempts, history, jobs, states
from airbyte_workers.store.sealing import Seal
from airbyte_workers.store.states import StaleFence, StateRow, Writer

pytestmark = pytest.mark.postgres


async def writer(db: asyncpg.Pool, seal: Seal) -> Writer:
    job_id = await open_with_catalog(db, seal)
    attempt = await attempts.open_attempt(db, job_id, 0, waited_s=0)
    job = await jobs.read_job(db, seal, job_id)
    return Writer(job.connection_id, job_id, 0, attempt.fence)


def row(stream: str, state: str, seq: int, kind: str = "STREAM", namespace: str | None = None) -> StateRow:
    return StateRow(kind, stream, namespace, state, seq)


async def loaded(db: asyncpg.Pool, owner: Writer) -> object:
    raw = await states.load(db, owner.connection_id)
    return None if raw is None else msgspec.json.decode(raw)


async def test_a_connection_without_state_has_none(db: asyncpg.Pool, seal: Seal) -> None:
    assert await loaded(db, await writer(db, seal)) is None


async def test_states_are_kept_per_stream_and_the_newest_counts(db: asyncpg.Pool, seal: Seal) -> None:
    owner = await writer(db, seal)
    await states.commit(db, owner, [row("a", '{"n":1}', 1), row("b", '{"n":2}', 2)], [])
    await states.commit(db, owner, [row("a", '{"n":3}', 3)], [])
    assert await loaded(db, owner) == [{"n": 3}, {"n": 2}]
    assert await db.fetchval("select count(*) from state_log") == 3


async def test_an_older_state_never_replaces_a_newer_one(db: asyncpg.Pool, seal: Seal) -> None:
    owner = await writer(db, seal)
    await states.commit(db, owner, [row("a", '{"n":5}', 5)], [])
    await states.commit(db, owner, [row("a", '{"n":4}', 4)], [])
    assert await loaded(db, owner) == [{"n": 5}]


async def test_an_attempt_whose_fence_is_stale_commits_nothing(db: asyncpg.Pool, seal: Seal) -> None:
    owner = await writer(db, seal)
    await states.commit(db, owner, [row("a", '{"n":1}', 1)], [])
    await next_attempt(db, owner.job_id, 1)
    with pytest.raises(StaleFence):
        await states.commit(db, owner, [row("a", '{"n":2}', 2)], [StreamCounts(name="a", records_committed=9)])
    assert await loaded(db, owner) == [{"n": 1}]
    assert (await history.report(db, owner.job_id)).records_committed == 0


async def test_a_raised_fence_waits_for_the_commit_that_is_under_way(db: asyncpg.Pool, seal: Seal) -> None:
    """Whatever the interleaving, a commit is either whole before the new attempt or refused after it."""
    owner = await writer(db, seal)

    async def commit(seq: int) -> bool:
        try:
            await states.commit(db, owner, [row("a", f'{{"n":{seq}}}', seq)], [])
        except StaleFence:
            return False
        return True

    opening = next_attempt(db, owner.job_id, 1)
    results = await asyncio.gather(*(commit(seq) for seq in range(1, 6)), opening)
    assert await db.fetchval("select count(*) from state_log") == sum(result is True for result in results)


async def test_states_and_counts_are_one_transaction(db: asyncpg.Pool, seal: Seal) -> None:
    owner = await writer(db, seal)
    with pytest.raises(asyncpg.CheckViolationError):
        await states.commit(db, owner, [row("a", "{}", 1), row("b", "{}", 2, kind="NO SUCH")], [StreamCounts(name="a")])
    assert await loaded(db, owner) is None
    assert (await history.report(db, owner.job_id)).streams == ()


async def test_counts_written_twice_are_the_same_also_without_a_namespace(db: asyncpg.Pool, seal: Seal) -> None:
    owner = await writer(db, seal)
    for records in (1, 5):
        counts = [
            StreamCounts(name="a", records_committed=records),
            StreamCounts(name="a", namespace="n", records_committed=records),
        ]
        await states.commit(db, owner, [], counts)
    report = await history.report(db, owner.job_id)
    assert [(each.namespace, each.records_committed) for each in report.streams] == [(None, 5), ("n", 5)]
    assert await attempts.committed(db, owner.job_id, 0) == (10, 0)


async def test_null_and_empty_namespaces_are_one_stream(db: asyncpg.Pool, seal: Seal) -> None:
    owner = await writer(db, seal)
    await states.commit(db, owner, [row("a", '{"n":1}', 1, namespace="")], [])
    await states.commit(db, owner, [row("a", '{"n":2}', 2, namespace=None)], [])
    assert await loaded(db, owner) == [{"n": 2}]


async def test_a_new_state_type_replaces_the_old_one(db: asyncpg.Pool, seal: Seal) -> None:
    owner = await writer(db, seal)
    await states.commit(db, owner, [row("a", '{"n":1}', 1), row("b", '{"n":1}', 2)], [])
    await states.commit(db, owner, [row("", '{"type":"GLOBAL"}', 3, kind="GLOBAL")], [])
    assert await loaded(db, owner) == [{"type": "GLOBAL"}]


async def test_a_legacy_state_is_given_back_as_its_blob(db: asyncpg.Pool, seal: Seal) -> None:
    owner = await writer(db, seal)
    await states.commit(db, owner, [row("", '{"cursor":"x"}', 1, kind="LEGACY")], [])
    assert await loaded(db, owner) == {"cursor": "x"}


async def test_numbers_in_states_keep_every_digit(db: asyncpg.Pool, seal: Seal) -> None:
    owner = await writer(db, seal)
    blob = '{"n":12345678901234567890123,"x":1.1234567890123456789,"u":"\\u0000"}'
    await states.commit(db, owner, [row("a", blob, 1)], [])
    assert await states.load(db, owner.connection_id) == f"[{blob}]".encode()
