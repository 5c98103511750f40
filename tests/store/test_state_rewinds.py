"""Rewinds: done once or not at all, only while nothing runs, and told in the log, so that they can be undone."""

from __future__ import annotations

import asyncio
import json

import pytest
from rows import close_job, open_with_catalog
from state_pasts import Past, of_users

from airbyte_workers.models import JobStatus
from airbyte_workers.replication.state_history import Point
from airbyte_workers.store import connections, state_log, state_rewinds, states
from airbyte_workers.store.connections import ConnectionBusy
from airbyte_workers.store.state_log import Page
from airbyte_workers.store.state_rewinds import Plan
from airbyte_workers.store.states import StaleFence, StateRow

pytestmark = pytest.mark.postgres
USERS = ("STREAM", ("users", None))


async def rewound(past: Past, point: Point) -> Plan:
    return await state_rewinds.rewind(past.db, past.name, point, by="me@here")


async def given(past: Past) -> object:
    """What the next sync would be given."""
    raw = await states.load(past.db, (await past.log()).connection_id)
    return None if raw is None else json.loads(raw)


async def test_the_next_sync_is_given_what_was_kept_then(past: Past) -> None:
    first = await past.job(1, 2)
    await past.job(3, 4)
    done = await rewound(past, Point("job", first))
    assert await given(past) == [{"c": 2}]
    assert (done.changed, done.again, done.skipped) == ([USERS], {USERS: 20}, {})


async def test_a_plan_tells_the_same_and_changes_nothing(past: Past) -> None:
    first = await past.job(1)
    await past.job(2)
    before = [dict(row) for row in await past.db.fetch("select * from states, connections")]
    planned = await state_rewinds.plan(past.db, past.name, Point("job", first))
    assert [dict(row) for row in await past.db.fetch("select * from states, connections")] == before
    assert planned == await rewound(past, Point("job", first))


async def test_it_is_an_entry_that_says_who_and_why_and_whose_state_it_is(past: Past) -> None:
    first = await past.job(1)
    await past.job(2)
    target = await state_log.head(past.db, await past.log()) - 1
    await rewound(past, Point("job", first))
    (entry,) = await state_log.page(past.db, await past.log(), Page(limit=1))
    assert (entry.by, entry.reason, entry.restores) == ("me@here", f"rewind to job {first}", target)
    assert (entry.job_id, entry.attempt, entry.records, entry.state) == (first, 0, 0, '{"c": 1}')


async def test_it_is_undone_by_another_one(past: Past) -> None:
    first = await past.job(1)
    await past.job(2)
    done = await rewound(past, Point("job", first))
    undone = await rewound(past, Point("entry", done.before))
    assert await given(past) == [{"c": 2}]
    assert (undone.again, undone.skipped) == ({}, {USERS: 10})


async def test_what_was_read_again_after_a_rewind_is_counted_once_by_the_next_one(past: Past) -> None:
    first = await past.job(1)
    await past.job(2, 3)
    await rewound(past, Point("job", first))
    await past.job(3)
    planned = await state_rewinds.plan(past.db, past.name, Point("job", first))
    assert planned.again == {USERS: 10}


async def test_where_it_is_already_nothing_changes(past: Past) -> None:
    await past.job(1)
    last = await past.job()
    fence = await past.db.fetchval("select fence from connections")
    head = await state_log.head(past.db, await past.log())
    done = await rewound(past, Point("job", last))
    assert done.changed == []
    assert await past.db.fetchval("select fence from connections") == fence
    assert await state_log.head(past.db, await past.log()) == head


async def test_a_stream_that_had_no_state_is_read_from_its_beginning(past: Past) -> None:
    first = await past.job(1)
    await rewound(past, Point("before", first))
    assert await given(past) is None
    assert await past.at(Point("job", first)) == [1]


@pytest.mark.parametrize(
    ("then", "now"),
    [
        (StateRow("LEGACY", "", None, '{"l":1}', 1), of_users(5, 1)),
        (of_users(5, 1), StateRow("LEGACY", "", None, '{"l":1}', 1)),
    ],
    ids=["to LEGACY", "from LEGACY"],
)
async def test_the_type_of_then_comes_back_alone(past: Past, then: StateRow, now: StateRow) -> None:
    for each in (then, now):
        owner = await past.writer()
        await states.commit(past.db, owner, [each], [])
        await close_job(past.db, owner.job_id, JobStatus.FAILED, by="me", reason="so")
    await rewound(past, Point("before", owner.job_id))
    rows = await past.db.fetch("select type, state from states")
    assert [tuple(row) for row in rows] == [(then.type, then.state)]


# --- nobody else ---


async def test_while_a_job_is_live_it_is_refused(past: Past) -> None:
    first = await past.job(1)
    job_id = await open_with_catalog(past.db, past.seal)
    with pytest.raises(ConnectionBusy) as refusal:
        await rewound(past, Point("before", first))
    assert str(refusal.value) == f"connection demo is syncing (job {job_id}): wait for its end, or cancel it"
    assert await given(past) == [{"c": 1}]
    assert (await state_rewinds.plan(past.db, "demo", Point("before", first))).changed == [USERS]


async def test_an_attempt_that_was_left_behind_commits_nothing_after_it(past: Past) -> None:
    first = await past.job(1)
    left = await past.writer()
    await states.commit(past.db, left, [of_users(2, 1)], [])
    await close_job(past.db, left.job_id, JobStatus.CANCELLED, by="me", reason="so")
    await rewound(past, Point("job", first))
    with pytest.raises(StaleFence):
        await states.commit(past.db, left, [of_users(3, 2)], [])
    assert await given(past) == [{"c": 1}]


async def test_the_next_attempt_commits_over_it(past: Past) -> None:
    first = await past.job(1)
    await past.job(2)
    await rewound(past, Point("job", first))
    await past.job(7)
    assert await given(past) == [{"c": 7}]


async def test_of_two_at_the_same_time_one_finds_nothing_to_do(past: Past) -> None:
    first = await past.job(1)
    await past.job(2)
    both = await asyncio.gather(*(rewound(past, Point("job", first)) for _ in range(2)))
    assert sorted(len(done.changed) for done in both) == [0, 1]
    assert await given(past) == [{"c": 1}]


async def test_a_rewind_and_a_new_job_at_the_same_time_follow_one_another(past: Past) -> None:
    """Either the job finds what was put back, or the rewind is refused because of it."""
    first = await past.job(1)
    await past.job(2)
    for _ in range(10):
        done, owner = await asyncio.gather(rewound(past, Point("job", first)), past.writer(), return_exceptions=True)
        assert not isinstance(owner, BaseException)
        found = await past.at(Point("before", owner.job_id))
        if isinstance(done, ConnectionBusy):
            assert found == [2]
        else:
            assert not isinstance(done, BaseException)
        assert await past.at(Point("job", first)) == [1]
        await close_job(past.db, owner.job_id, JobStatus.FAILED, by="me", reason="so")
        await past.job(2)


# --- what was removed since ---


@pytest.mark.parametrize(
    ("kind", "order", "told"), [("clear", "clear", True), ("refresh", "truncate", True), ("refresh", "merge", False)]
)
async def test_jobs_that_removed_data_since_are_told(past: Past, kind: str, order: str, told: bool) -> None:
    first, between = await past.job(1), await past.job(2)
    await past.db.execute(
        "update jobs set kind = $2, request = $3 where id = $1", between, kind, {"order": order, "streams": None}
    )
    planned = await state_rewinds.plan(past.db, past.name, Point("job", first))
    assert [(each.job_id, each.kind) for each in planned.emptied] == ([(between, kind)] if told else [])
    assert (await state_rewinds.plan(past.db, past.name, Point("job", between))).emptied == []


async def test_counts_that_were_cut_off_are_known_to_be_too_small(past: Past) -> None:
    """A branch that left the rest before the log's beginning."""
    first, second = await past.job(1), await past.job(2, 3)
    await rewound(past, Point("job", first))
    third = await past.job(4)
    assert not (await state_rewinds.plan(past.db, past.name, Point("job", second))).is_cut
    await past.db.execute("update connections set state_log_from = 2")
    assert (await state_rewinds.plan(past.db, past.name, Point("job", second))).is_cut
    assert not (await state_rewinds.plan(past.db, past.name, Point("job", third))).is_cut


async def test_an_unknown_connection_is_refused(past: Past) -> None:
    await past.job(1)
    with pytest.raises(connections.UnknownConnection, match="did you mean demo"):
        await state_rewinds.rewind(past.db, "dmo", Point("job", 1), by="me")
