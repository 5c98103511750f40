"""Commits of states: fenced, in order, with their counts, or not at all."""

from __future__ import annotations

import asyncio

import asyncpg
import msgspec
import pytest
from rows import next_attempt, open_attempt, open_with_catalog

from airbyte_workers.models import StreamCounts
from airbyte_workers.store import attempts, history, jobs, states
from airbyte_workers.store.sealing import Seal
from airbyte_workers.store.states import StaleFence, StateRow, Writer

pytestmark = pytest.mark.postgres


async def writer(db: asyncpg.Pool, seal: Seal) -> Writer:
    job_id = await open_with_catalog(db, seal)
    attempt = await open_attempt(db, job_id, 0)
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
            await states.commit(db, owner, [row(f"s{seq}", "{}", seq)], [])
        except StaleFence:
            return False
        return True

    opening = next_attempt(db, owner.job_id, 1)
    results = await asyncio.gather(*(commit(seq) for seq in range(1, 6)), opening)
    assert await db.fetchval("select count(*) from state_log") == sum(result is True for result in results)


async def test_a_commit_waits_for_the_attempt_that_is_being_opened_and_is_refused(db: asyncpg.Pool, seal: Seal) -> None:
    owner = await writer(db, seal)
    async with db.acquire() as opener:
        transaction = opener.transaction()
        await transaction.start()
        await opener.execute("update connections set fence = fence + 1")
        commit = asyncio.ensure_future(states.commit(db, owner, [row("a", "{}", 1)], []))
        await blocked(db, commit)
        await transaction.commit()
    with pytest.raises(StaleFence):
        await commit
    assert await loaded(db, owner) is None


async def blocked(db: asyncpg.Pool, task: asyncio.Future[None]) -> None:
    """Until a statement of this database waits for a lock, or what should wait has not."""
    query = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    async with asyncio.timeout(30):
        while not task.done() and not await db.fetchval(query):
            await asyncio.sleep(0.01)


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


# --- null erases ---


async def logged(db: asyncpg.Pool) -> list[tuple[str, str, str | None, int]]:
    """Type, stream, state and records of every entry of the log."""
    rows = await db.fetch("select type, stream, state, records_committed from state_log order by id")
    return [tuple(each) for each in rows]


async def test_a_null_state_erases_what_was_kept_and_the_log_says_so(db: asyncpg.Pool, seal: Seal) -> None:
    owner = await writer(db, seal)
    await states.commit(db, owner, [row("a", "{}", 1), row("b", '{"n":2}', 2)], [])
    await states.commit(db, owner, [StateRow("STREAM", "a", None, None, 3, records=7)], [])
    assert await loaded(db, owner) == [{"n": 2}]
    assert (await logged(db))[-1] == ("STREAM", "a", None, 7)


async def test_a_null_state_where_nothing_is_kept_is_nothing(db: asyncpg.Pool, seal: Seal) -> None:
    owner = await writer(db, seal)
    await states.commit(db, owner, [StateRow("STREAM", "a", None, None, 1)], [])
    assert (await loaded(db, owner), await logged(db)) == (None, [])


async def test_a_state_that_comes_late_does_not_come_back_after_its_erasure(db: asyncpg.Pool, seal: Seal) -> None:
    """A commit whose answer was lost is made again, and may reach the database a second time after newer ones."""
    owner = await writer(db, seal)
    late = [row("a", '{"n":1}', 1)]
    await states.commit(db, owner, late, [])
    await states.commit(db, owner, [StateRow("STREAM", "a", None, None, 2)], [])
    await states.commit(db, owner, late, [])
    assert await loaded(db, owner) is None
    assert [state for _, _, state, _ in await logged(db)] == ['{"n":1}', None]


async def test_a_commit_that_is_made_twice_is_logged_once(db: asyncpg.Pool, seal: Seal) -> None:
    owner = await writer(db, seal)
    for _ in range(2):
        await states.commit(db, owner, [StateRow("STREAM", "a", None, "{}", 1, records=5)], [])
    assert await logged(db) == [("STREAM", "a", "{}", 5)]


async def test_states_of_another_type_go_and_the_log_says_so(db: asyncpg.Pool, seal: Seal) -> None:
    owner = await writer(db, seal)
    await states.commit(db, owner, [row("a", "{}", 1), row("b", "{}", 2)], [])
    await states.commit(db, owner, [row("", "{}", 3, kind="LEGACY")], [])
    assert sorted((await logged(db))[2:4]) == [("STREAM", "a", None, 0), ("STREAM", "b", None, 0)]


# --- streams that begin anew ---

GLOBAL = (
    '{"type":"GLOBAL","global":{"shared_state":{"l":1},"stream_states":['
    '{"stream_descriptor":{"name":"users"},"stream_state":{"c":1}},'
    '{"stream_descriptor":{"name":"logs","namespace":"n"},"stream_state":{"c":2}}]}}'
)
KEPT = {
    "STREAM": [row("users", '{"u":1}', 1), row("logs", '{"l":1}', 2, namespace="n"), row("logs", '{"x":1}', 3)],
    "GLOBAL": [row("", GLOBAL, 1, kind="GLOBAL")],
    "LEGACY": [row("", '{"c":1}', 1, kind="LEGACY")],
}
USERS, LOGS = ("users", None), ("logs", "n")


async def forgotten(db: asyncpg.Pool, owner: Writer, *streams: tuple[str, str | None], whole: bool = False) -> object:
    """What the next read is given after these streams are forgotten by an attempt that begins."""
    fence = await db.fetchval("update connections set fence = fence + 1 returning fence")
    later = Writer(owner.connection_id, owner.job_id, 1, fence)
    async with db.acquire() as session, session.transaction():
        await states.forget(session, later, streams, whole=whole)
    return await loaded(db, owner)


async def test_a_stream_that_is_forgotten_loses_its_state_alone(db: asyncpg.Pool, seal: Seal) -> None:
    owner = await writer(db, seal)
    await states.commit(db, owner, KEPT["STREAM"], [])
    assert await forgotten(db, owner, LOGS) == [{"x": 1}, {"u": 1}]
    assert await logged(db) == [
        ("STREAM", "users", '{"u":1}', 0),
        ("STREAM", "logs", '{"l":1}', 0),
        ("STREAM", "logs", '{"x":1}', 0),
        ("STREAM", "logs", None, 0),
    ]


async def test_a_global_state_loses_the_entry_of_a_forgotten_stream(db: asyncpg.Pool, seal: Seal) -> None:
    owner = await writer(db, seal)
    await states.commit(db, owner, KEPT["GLOBAL"], [])
    assert await forgotten(db, owner, LOGS) == [
        {
            "type": "GLOBAL",
            "global": {
                "shared_state": {"l": 1},
                "stream_states": [{"stream_descriptor": {"name": "users"}, "stream_state": {"c": 1}}],
            },
        }
    ]
    assert len(await logged(db)) == 2
    assert await forgotten(db, owner, USERS) is None
    assert (await logged(db))[2] == ("GLOBAL", "", None, 0)


@pytest.mark.parametrize(
    ("type", "whole", "left"), [("GLOBAL", True, False), ("LEGACY", False, True), ("LEGACY", True, False)]
)
async def test_what_speaks_for_all_streams_goes_only_with_all_of_them(
    db: asyncpg.Pool, seal: Seal, type: str, whole: bool, left: bool
) -> None:
    owner = await writer(db, seal)
    await states.commit(db, owner, KEPT[type], [])
    assert (await forgotten(db, owner, ("others", None), whole=whole) is not None) == left
    assert len(await logged(db)) == (1 if left else 2)


async def test_what_an_attempt_has_cut_down_it_can_erase_as_well(db: asyncpg.Pool, seal: Seal) -> None:
    owner = await writer(db, seal)
    await states.commit(db, owner, KEPT["GLOBAL"], [])
    fence = await db.fetchval("update connections set fence = fence + 1 returning fence")
    later = Writer(owner.connection_id, owner.job_id, 1, fence)
    async with db.acquire() as session, session.transaction():
        await states.forget(session, later, [LOGS])
        await states.forget_all(session, later)
    assert await loaded(db, owner) is None
    assert [state is None for _, _, state, _ in await logged(db)] == [False, False, True]


async def test_streams_that_are_not_synced_any_more_keep_their_state(db: asyncpg.Pool, seal: Seal) -> None:
    """Their data stays in the destination too."""
    owner = await writer(db, seal)
    await states.commit(db, owner, KEPT["STREAM"], [])
    assert await forgotten(db, owner, USERS, LOGS, whole=True) == [{"x": 1}]


async def test_an_attempt_notes_the_log_as_it_found_it_before_it_forgets_anything(db: asyncpg.Pool, seal: Seal) -> None:
    owner = await writer(db, seal)
    await states.commit(db, owner, KEPT["STREAM"], [])
    found = await db.fetchval("select max(id) from state_log")
    await next_attempt(db, owner.job_id, 1)  # reads logs, a full refresh, from its beginning
    notes = await db.fetch("select state_before from attempts order by number")
    assert [each["state_before"] for each in notes] == ["0", str(found)]
    assert await db.fetchval("select max(id) from state_log") == found + 1
