"""Points of the past: which entry of the log is meant, page by page, also in a log that was cut off or upgraded."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from rows import close_job, open_job
from state_pasts import Past

from airbyte_workers.models import JobStatus
from airbyte_workers.replication.state_history import Point
from airbyte_workers.store import connections, database, state_log, state_positions, state_rewinds, states
from airbyte_workers.store.database import connected, migrate, migrations
from airbyte_workers.store.state_log import Page
from airbyte_workers.store.states import StateRow

pytestmark = pytest.mark.postgres
USERS = ("users", None)


async def test_a_job_left_what_it_committed_last_and_found_what_was_there_before(past: Past) -> None:
    first, second = await past.job(1, 2), await past.job(3)
    assert await past.at(Point("job", first)) == [2]
    assert await past.at(Point("before", second)) == [2]
    assert await past.at(Point("job", second)) == [3]
    assert await past.at(Point("before", first)) == []


async def test_a_job_that_committed_nothing_left_what_it_found(past: Past) -> None:
    await past.job(1)
    idle = await past.job()
    await past.job(2)
    assert await past.at(Point("job", idle)) == [1]


async def test_a_job_that_had_no_attempt_left_what_was_there_when_it_ended(past: Past) -> None:
    await past.job(1)
    unlucky = await open_job(past.db, past.seal)
    await close_job(past.db, unlucky, JobStatus.FAILED, by="me", reason="so")
    await past.job(2)
    assert await past.at(Point("job", unlucky)) == [1]
    assert await past.at(Point("before", unlucky)) == [1]


async def test_what_a_rewind_put_back_is_not_what_the_job_left(past: Past) -> None:
    first, second = await past.job(1, 2), await past.job(3)
    await state_rewinds.rewind(past.db, "demo", Point("entry", 1), by="me")
    assert await past.at(Point("entry", await state_log.head(past.db, await past.log()))) == [1]
    await past.job(3)
    assert await past.at(Point("job", first)) == [2]
    assert await past.at(Point("job", second)) == [3]


async def test_a_time_means_what_was_kept_then(past: Past) -> None:
    await past.job(1, 2)
    log = await past.log()
    newest, oldest = await state_log.page(past.db, log, Page(limit=9))
    assert newest.at > oldest.at
    assert await past.at(Point("time", time=oldest.at)) == [1]
    assert await past.at(Point("time", time=newest.at - timedelta(microseconds=1))) == [1]
    assert await past.at(Point("time", time=newest.at)) == [2]
    said = await past.refused(Point("time", time=oldest.at - timedelta(microseconds=1)))
    assert said.startswith("nothing was committed of demo before ")


async def test_an_entry_means_the_end_of_its_transaction(past: Past) -> None:
    """What stood between two entries of one transaction was never committed."""
    await past.job(1)
    owner = await past.writer()
    log = await past.log()
    start = await state_log.head(past.db, log)
    await states.commit(past.db, owner, [StateRow("LEGACY", "", None, '{"c":5}', 1)], [])
    erased, put = start + 1, start + 2
    assert await state_log.head(past.db, log) == put
    for entry in (erased, put):
        assert await past.at(Point("entry", entry)) == [5]
    assert await past.at(Point("entry", start)) == [1]
    assert await past.at(Point("entry", 0)) == []


async def test_all_changes_of_a_transaction_have_one_moment(past: Past) -> None:
    owner = await past.writer()
    rows = [StateRow("STREAM", name, None, "{}", 1) for name in ("a", "b")]
    await states.commit(past.db, owner, rows, [])
    later = replace(owner, fence=owner.fence + 1)
    async with past.db.acquire() as session, session.transaction():
        await states.forget(session, later, [("a", None)])
        await states.forget_all(session, later)
    erased = await state_log.page(past.db, await past.log(), Page(limit=2))
    assert erased[0].at == erased[1].at
    assert await state_positions.locate(past.db, await past.log(), Point("entry", erased[1].position)) == 4


async def test_moments_follow_one_another_even_when_the_clock_goes_back(past: Past) -> None:
    await past.job(1)
    await past.db.execute("update state_log set at = at + interval '1 hour'")
    await past.job(2)
    newest, older = await state_log.page(past.db, await past.log(), Page(limit=2))
    assert newest.at == older.at + timedelta(microseconds=1)


async def test_what_is_no_point_of_this_connection_is_refused_with_the_reason(past: Past) -> None:
    other = await Past(past.db, past.seal, "other").job(1)
    await past.job(1)
    assert (
        await past.refused(Point("job", 99)) == "there is no job 99; see: airbyte-workers jobs list --connection demo"
    )
    assert await past.refused(Point("before", other)) == f"job {other} is of connection other, not of demo"
    said = await past.refused(Point("entry", 99))
    assert said == "the state log of demo has no entry @99; see: airbyte-workers state log demo"
    entry = await state_log.head(past.db, await Past(past.db, past.seal, "other").log())
    assert "has no entry" in await past.refused(Point("entry", entry))
    await past.db.execute("insert into jobs (kind, input, workflow_id, run_id) values ('check', 'x', 'w', 'r')")
    check = await past.db.fetchval("select max(id) from jobs")
    assert "is a check" in await past.refused(Point("job", check))


async def test_what_was_cut_off_is_not_known_any_more(past: Past) -> None:
    first, second, third = await past.job(1), await past.job(2), await past.job(3)
    log = await past.log()
    cut = await state_positions.locate(past.db, log, Point("job", second))
    await past.db.execute("delete from state_log where id < $1", cut)
    await past.db.execute("update connections set state_log_from = $1", cut)
    assert await past.at(Point("job", third)) == [3]
    assert await past.at(Point("job", second)) == [2]
    for point in (Point("job", first), Point("before", second), Point("entry", 0)):
        assert f"not known any more: its log goes back to @{cut} of " in await past.refused(point)


async def test_an_unknown_connection_is_refused_with_a_name_that_is_close(past: Past) -> None:
    await past.job(1)
    with pytest.raises(connections.UnknownConnection, match=r"^there is no connection demmo; did you mean demo\?$"):
        await state_log.open_log(past.db, "demmo")


# --- pages ---


async def test_pages_are_the_newest_first_and_go_on_where_the_last_one_ended(past: Past) -> None:
    await past.job(1, 2, 3)
    log = await past.log()
    first = await state_log.page(past.db, log, Page(limit=2))
    rest = await state_log.page(past.db, log, Page(limit=2, before=first[-1].position))
    assert [json.loads(each.state or "")["c"] for each in (*first, *rest)] == [3, 2, 1]
    assert [each.records for each in rest] == [10]


async def test_a_page_of_a_stream_has_what_speaks_for_it_and_cuts_huge_states(past: Past) -> None:
    owner = await past.writer()
    rows = [
        StateRow("STREAM", "logs", "n", "x" * 100, 1),
        StateRow("STREAM", "logs", None, "y", 2),
        StateRow("STREAM", "users", None, "z", 3),
    ]
    await states.commit(past.db, owner, rows, [])
    log = await past.log()

    async def of(stream: str) -> list[str | None]:
        return [each.state for each in await state_log.page(past.db, log, Page(9, stream=stream, cut=5))]

    assert (await of("logs"), await of("n.logs"), await of("users")) == (["y", "xxxxx"], ["xxxxx"], ["z"])
    await states.commit(past.db, owner, [StateRow("GLOBAL", "", None, "all", 4)], [])
    assert (await of("users"))[:2] == ["all", None]


# --- the log of an earlier version ---


async def test_an_upgraded_database_logs_from_what_it_keeps(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected(empty_url, size=2, timeout=20) as pool:
        earlier = [each for each in migrations() if each.version < 4]
        with monkeypatch.context() as patch:
            patch.setattr(database, "migrations", lambda: earlier)
            await migrate(pool)
        await pool.execute(
            """
            insert into connections (name, spec, source_name, destination_name)
                values ('demo', '', '', ''), ('new', '', '', '');
            insert into states (connection_id, type, stream, namespace, state, fence, seq, job_id, attempt)
                values (1, 'STREAM', 'users', '', '{"c":2}', 1, 2, 7, 0);
            insert into state_log (connection_id, type, stream, namespace, state, fence, seq, job_id, attempt)
                values (1, 'STREAM', 'users', '', '{"c":1}', 1, 1, 7, 0),
                    (1, 'STREAM', 'gone', null, '{"c":9}', 1, 2, 7, 0);
            """
        )
        await migrate(pool)
        log = await state_log.open_log(pool, "demo")
        head = await state_log.head(pool, log)
        kept = await state_log.as_of(pool, log, head)
        assert [(each.key, each.state, each.job_id, each.by) for each in kept] == [
            (("STREAM", USERS), '{"c":2}', 7, "airbyte-workers")
        ]
        with pytest.raises(connections.Refused, match="not known any more"):
            await state_positions.locate(pool, log, Point("entry", 1))
        assert await state_positions.locate(pool, log, Point("entry", head)) == head
        assert (await state_log.open_log(pool, "new")).exact_from == 0
