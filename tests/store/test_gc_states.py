"""gc on the log of states: whatever goes, every replay that the log still promises is exact."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from old_jobs import Archive, removed
from rows import next_attempt, open_attempt, open_with_catalog

from airbyte_workers.jobs.gc_report import Thing
from airbyte_workers.replication.state_history import Point
from airbyte_workers.store import state_log, state_positions, states
from airbyte_workers.store.connections import Refused
from airbyte_workers.store.sealing import Seal
from airbyte_workers.store.states import StateRow, Writer

pytestmark = pytest.mark.postgres
STREAMS = [("a", None), ("a", "n"), ("b", None), ("c", "n")]


# --- the model, which the SQL must agree with ---


@dataclass(frozen=True)
class Entry:
    """An entry as the model of the SQL sees it; `erases`: what was kept under its key went with it."""

    id: int
    key: tuple[str, str, str]
    erases: bool
    fence: int


def spare_entries(entries: Sequence[Entry], cut: int, fence: int) -> list[int]:
    """Entries that no replay up to `cut`, an entry, or any later one needs; `entries` are in order.

    Of every key the newest up to the cut is needed, unless it erases: a key without entries has nothing either. The
    cut itself stays, for it has the moment and the name of what it stands for, and so does an erasure by the attempt
    that may still commit (`fence`), for it is what a late commit is compared with.
    """
    newest = {entry.key: entry.id for entry in entries if entry.id <= cut}
    return [
        entry.id
        for entry in entries
        if entry.id < cut and (newest[entry.key] > entry.id or (entry.erases and entry.fence < fence))
    ]


KEYS = [("STREAM", "a", ""), ("STREAM", "b", ""), ("GLOBAL", "", "")]
ENTRIES = st.lists(st.tuples(st.sampled_from(KEYS), st.booleans(), st.integers(1, 3)), max_size=30).map(
    lambda drawn: [Entry(number, key, erases, fence) for number, (key, erases, fence) in enumerate(drawn, start=1)]
)


def replayed(entries: list[Entry], until: int) -> dict[Any, int]:
    """What is kept after an entry: under each key the one that put it there."""
    kept: dict[Any, int] = {}
    for entry in entries:
        if entry.id <= until:
            kept.pop(entry.key, None)
            if not entry.erases:
                kept[entry.key] = entry.id
    return kept


@given(ENTRIES, st.data())
def test_every_replay_from_the_cut_on_stays_exact(entries: list[Entry], data: st.DataObject) -> None:
    if not entries:
        return
    cut = data.draw(st.integers(1, len(entries)))
    spare = set(spare_entries(entries, cut, fence=3))
    left = [entry for entry in entries if entry.id not in spare]
    for until in range(cut, len(entries) + 1):
        assert replayed(left, until) == replayed(entries, until)
    assert cut in [entry.id for entry in left]
    assert all(entry.id < cut for entry in entries if entry.id in spare)


@given(ENTRIES, st.data())
def test_nothing_that_is_not_needed_stays(entries: list[Entry], data: st.DataObject) -> None:
    """Before the cut there is no more than one entry for each key, and no erasure but the newest attempt's."""
    if not entries:
        return
    cut = data.draw(st.integers(1, len(entries)))
    spare = set(spare_entries(entries, cut, fence=3))
    before = [entry for entry in entries if entry.id < cut and entry.id not in spare]
    assert len({entry.key for entry in before}) == len(before)
    assert all(entry.fence == 3 for entry in before if entry.erases)


# --- the SQL ---


def shared(number: int) -> str:
    stream = {"stream_descriptor": {"name": "a"}, "stream_state": {"n": number}}
    return json.dumps({"type": "GLOBAL", "global": {"shared_state": {"n": number}, "stream_states": [stream]}})


async def committed(db: asyncpg.Pool, seal: Seal, connection: str, seed: int, *, one_attempt: bool = False) -> int:
    """A connection whose states have changed sixty times, in every way; returns its id.

    Of one attempt alone all erasures are those of the attempt that may still commit.
    """
    chance = random.Random(seed)
    job_id = await open_with_catalog(db, seal, connection)
    owner = int(await db.fetchval("select connection_id from jobs where id = $1", job_id))
    number = 0
    attempt = await open_attempt(db, job_id, 0)
    for seq in range(1, 61):
        writer = Writer(owner, job_id, number, attempt.fence)
        what = chance.random()
        if what < 0.08 and not one_attempt:
            number += 1
            attempt = await next_attempt(db, job_id, number)
        elif what < 0.25:
            async with db.acquire() as session, session.transaction():
                await session.execute("select from connections where id = $1 for no key update", owner)
                await states.forget(session, writer, chance.sample(STREAMS, 2))
        elif what < 0.3:
            await states.commit(db, writer, [StateRow("GLOBAL", "", None, shared(seq), seq)], [])
        else:
            rows = [
                StateRow("STREAM", *key, f'{{"n":{seq}}}', seq) for key in chance.sample(STREAMS, chance.randint(1, 3))
            ]
            await states.commit(db, writer, rows, [])
    return owner


async def spread_over_days(db: asyncpg.Pool, owner: int) -> None:
    """Each change is a day older than the next."""
    await db.execute(
        """
        update state_log set at = now() - newer * interval '1 day' from (
            select id, dense_rank() over (order by at desc) - 1 as newer from state_log
            where connection_id = $1) as ranked
        where ranked.id = state_log.id
        """,
        owner,
    )


async def entries_of(db: asyncpg.Pool, owner: int) -> list[Entry]:
    rows = await db.fetch("select * from state_log where connection_id = $1 order by id", owner)
    return [
        Entry(row["id"], (row["type"], row["stream"], row["namespace"] or ""), row["state"] is None, row["fence"])
        for row in rows
    ]


async def replays(db: asyncpg.Pool, log: state_log.Log, positions: list[int]) -> dict[int, object]:
    return {position: await state_log.as_of(db, log, position) for position in positions}


@pytest.mark.parametrize("seed", range(6))
async def test_every_replay_from_the_cut_on_is_what_it_was(archive: Archive, seal: Seal, seed: int) -> None:
    db, days, name = archive.db, 15 + 5 * (seed % 3), "demo"
    owner = await committed(db, seal, name, seed, one_attempt=seed % 2 == 1)
    other = await committed(db, seal, "other", seed + 100)
    await spread_over_days(db, owner)
    before = await entries_of(db, owner)
    untouched = await entries_of(db, other)
    cut: int = await db.fetchval(
        "select max(id) from state_log where connection_id = $1 and at < now() - make_interval(days => $2)", owner, days
    )
    fence: int = await db.fetchval("select fence from connections where id = $1", owner)
    log = await state_log.open_log(db, name)
    positions = [entry.id for entry in before if entry.id >= cut]
    told = await replays(db, log, positions)
    kept = await state_log.kept(db, log)
    report = await archive.gc(state_log_days=days, gc_batch=7)
    spare = spare_entries(before, cut, fence)
    assert spare, "nothing was old: the test tests nothing"
    assert [entry for entry in before if entry.id not in spare] == await entries_of(db, owner)
    assert removed(report) == {Thing.STATES: len(spare)}
    log = await state_log.open_log(db, name)
    assert log.exact_from == cut
    assert await replays(db, log, positions) == told
    assert await state_log.kept(db, log) == kept
    assert await entries_of(db, other) == untouched
    assert (await state_log.open_log(db, "other")).exact_from == 0


async def test_what_was_cut_off_is_refused_and_what_was_not_is_found(archive: Archive, seal: Seal) -> None:
    owner = await committed(archive.db, seal, "demo", 1)
    await spread_over_days(archive.db, owner)
    first = (await entries_of(archive.db, owner))[0].id
    log = await state_log.open_log(archive.db, "demo")
    assert await state_positions.locate(archive.db, log, Point("entry", first)) >= first
    await archive.gc(state_log_days=10)
    log = await state_log.open_log(archive.db, "demo")
    assert await state_positions.locate(archive.db, log, Point("entry", log.exact_from)) == log.exact_from
    left = (await entries_of(archive.db, owner))[0].id
    assert left < log.exact_from
    with pytest.raises(Refused, match=f"goes back to @{log.exact_from} of "):
        await state_positions.locate(archive.db, log, Point("entry", left))


@pytest.mark.parametrize("ends_erased", [False, True])
async def test_a_connection_that_rests_loses_nothing_it_needs(archive: Archive, seal: Seal, ends_erased: bool) -> None:
    """All is old: what is kept now is what every later replay gives, and the next attempt finds that position."""
    db = archive.db
    await committed(db, seal, "demo", 3)
    await db.execute("update state_log set at = at - interval '400 days'")
    if ends_erased:
        await db.execute("update state_log set state = null, fence = 0 where id = (select max(id) from state_log)")
    log = await state_log.open_log(db, "demo")
    head = await state_log.head(db, log)
    kept = await state_log.as_of(db, log, head)
    assert removed(await archive.gc()) != {}
    assert removed(await archive.gc()) == {}
    log = await state_log.open_log(db, "demo")
    assert (await state_log.head(db, log), log.exact_from) == (head, head)
    assert await state_log.as_of(db, log, head) == kept


async def test_nothing_is_cut_off_where_nothing_is_old(archive: Archive, seal: Seal) -> None:
    owner = await committed(archive.db, seal, "demo", 2)
    before = await entries_of(archive.db, owner)
    assert removed(await archive.gc()) == {}
    assert await entries_of(archive.db, owner) == before
    assert (await state_log.open_log(archive.db, "demo")).exact_from == 0
