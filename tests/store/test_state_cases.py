"""Conformance cases M: states on their way into the database.

Where this product differs: there is no flush every ten seconds. What a destination acknowledges is committed as it
comes, states and counts in one transaction, and what comes while one is under way goes together into the next. So the
cases say `commit` where upstream flushes, and "no call" is a batch that is none.

Left out: M8 (no timer); M16 (no flush that a close could wait for: the end of an attempt waits for its commits, and the
attempt's own limits bound the wait); M18 (a writer belongs to one connection from its beginning: no state carries the
connection's id).
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from state_pasts import Past

from airbyte_workers.orchestrator.commits import Committer
from airbyte_workers.orchestrator.journal import JournalFile
from airbyte_workers.protocol.messages import State, parse
from airbyte_workers.redaction import Redactor
from airbyte_workers.replication.ledger import Ledger
from airbyte_workers.replication.state_ledger import MixedStateTypes
from airbyte_workers.store import states
from airbyte_workers.store.sealing import Seal
from airbyte_workers.store.states import Writer

pytestmark = pytest.mark.postgres
A, B, C = "a", "b", "c"


def of_stream(name: str, value: Any) -> dict[str, Any]:
    return {"type": "STREAM", "stream": {"stream_descriptor": {"name": name}, "stream_state": {"n": value}}}


def of_all(value: Any, **more: Any) -> dict[str, Any]:
    return {"type": "GLOBAL", "global": {"shared_state": {"n": value}, "stream_states": []}, **more}


class NoLog:
    """Nobody reads the log of these attempts."""

    redact = Redactor()

    def __call__(self, *_: object) -> None:
        pass


class Orchestrator:
    """An attempt's end of the line: what a source sends and its destination acknowledges at once is to be committed."""

    def __init__(self, db: asyncpg.Pool, owner: Writer, folder: Path) -> None:
        self.db, self.owner = db, owner
        self.ledger = Ledger([(name, None) for name in (A, B, C)], NoLog(), staged_states_bytes=1 << 20)
        self.stale = False
        self.committer = Committer(db, JournalFile(folder, owner, longest=1 << 20), self.ledger, self._superseded)

    def _superseded(self) -> None:
        self.stale = True

    def take(self, body: dict[str, Any], *, records: int = 1, stored: bool = True) -> None:
        """Records of the state's stream (of the first one, for a state of all), then the state, then its echo."""
        state = parse(State, json.dumps(body).encode())
        name = body["stream"]["stream_descriptor"]["name"] if body.get("type") == "STREAM" else A
        tracker = self.ledger.streams[name, None]
        tracker.count(records, 10 * records)
        self.ledger.states.stage(state, {tracker.key: tracker.take_since_state()}, stored=stored)
        commit = self.ledger.states.acknowledge(state)
        assert commit is not None
        self.ledger.acknowledged(commit)

    async def commit(self) -> None:
        """Everything that was acknowledged becomes durable."""
        self.committer.close()
        await self.committer.run()

    async def kept(self) -> Any:
        """What the next read is given."""
        raw = await states.load(self.db, self.owner.connection_id)
        return None if raw is None else json.loads(raw)

    async def logged(self) -> list[tuple[str, int]]:
        """Stream and records of every entry of the log."""
        rows = await self.db.fetch("select stream, records_committed from state_log order by id")
        return [tuple(each) for each in rows]

    async def totals(self) -> tuple[int, int]:
        """Records and bytes that the attempt has committed."""
        row = await self.db.fetchrow("select records_committed, bytes_committed from attempts")
        assert row is not None
        return tuple(row)

    async def counts(self) -> dict[str, int]:
        """Records that were committed of each stream."""
        rows = await self.db.fetch("select stream, records_committed from stream_stats order by stream")
        return {each["stream"]: each["records_committed"] for each in rows}


@pytest.fixture
async def attempt(db: asyncpg.Pool, seal: Seal, tmp_path: Path) -> Orchestrator:
    return Orchestrator(db, await Past(db, seal).writer(), tmp_path)


async def test_m1_two_types_in_one_sync_are_refused(attempt: Orchestrator) -> None:
    attempt.take(of_stream(A, 1))
    with pytest.raises(MixedStateTypes, match="STREAM and GLOBAL"):
        attempt.take(of_all(2))


async def test_m2_a_state_without_a_type_is_a_legacy_one(attempt: Orchestrator) -> None:
    attempt.take({"data": {"n": 1}})
    attempt.take({"type": "LEGACY", "data": {"n": 2}})
    with pytest.raises(MixedStateTypes, match="LEGACY and STREAM"):
        attempt.take(of_stream(A, 3))


async def test_m3_of_legacy_states_the_last_counts(attempt: Orchestrator) -> None:
    for value in (1, 2):
        attempt.take({"type": "LEGACY", "data": {"n": value}})
    await attempt.commit()
    assert await attempt.kept() == {"n": 2}


async def test_m4_of_global_states_the_last_counts_without_its_legacy_data(attempt: Orchestrator) -> None:
    for value in (1, 2):
        attempt.take(of_all(value, data={"n": value}))
    await attempt.commit()
    assert await attempt.kept() == [of_all(2)]


async def test_m5_of_each_stream_the_last_state_counts(attempt: Orchestrator) -> None:
    for name, value in ((A, 1), (B, 2), (B, 3)):
        attempt.take(of_stream(name, value))
    await attempt.commit()
    assert await attempt.kept() == [of_stream(A, 1), of_stream(B, 3)]


async def test_m7_there_is_no_state_until_one_is_committed(attempt: Orchestrator) -> None:
    assert await attempt.kept() is None
    attempt.take(of_stream(A, 1))
    assert await attempt.kept() is None
    await attempt.commit()
    assert await attempt.kept() is not None


async def test_m9_each_commit_takes_what_came_since_the_last_one(attempt: Orchestrator) -> None:
    attempt.take(of_stream(A, 1))
    await attempt.commit()
    assert await attempt.logged() == [(A, 1)]
    attempt.take(of_stream(B, 1))
    attempt.take(of_stream(C, 2))
    await attempt.commit()
    assert sorted((await attempt.logged())[1:]) == [(B, 1), (C, 1)]
    await attempt.commit()
    assert len(await attempt.logged()) == 3


async def test_m9_states_that_a_later_one_covers_are_one_entry_with_the_records_of_all(attempt: Orchestrator) -> None:
    for value in (1, 2, 3):
        attempt.take(of_stream(A, value), records=value)
    attempt.take(of_stream(B, 1), records=10)
    await attempt.commit()
    assert sorted(await attempt.logged()) == [(A, 6), (B, 10)]


async def test_m9_the_entry_of_a_global_state_has_the_records_of_all_streams(attempt: Orchestrator) -> None:
    for value in (1, 2):
        attempt.take(of_all(value), records=5)
    await attempt.commit()
    assert await attempt.logged() == [("", 10)]


async def test_m11_counts_are_written_with_their_states_and_also_without_one(attempt: Orchestrator) -> None:
    attempt.take(of_stream(A, 1), records=5)
    attempt.take(of_stream(B, {}), records=7, stored=False)  # the empty one of our own
    await attempt.commit()
    assert await attempt.counts() == {A: 5, B: 7}
    assert await attempt.kept() == [of_stream(A, 1)]


async def test_m11_unchanged_counts_are_not_written_again(attempt: Orchestrator) -> None:
    attempt.take(of_stream(A, 1))
    await attempt.commit()
    before = await attempt.db.fetchval("select updated_at from stream_stats")
    attempt.take(of_stream(B, 1))
    await attempt.commit()
    rows = await attempt.db.fetch("select stream, updated_at from stream_stats order by stream")
    assert [row["stream"] for row in rows] == [A, B]
    assert rows[0]["updated_at"] == before


async def test_m13_the_attempt_s_totals_are_the_sums_of_its_streams(attempt: Orchestrator) -> None:
    attempt.take(of_stream(A, 1), records=5)
    attempt.take(of_stream(B, 1), records=7)
    await attempt.commit()
    assert await attempt.totals() == (12, 120)
    assert await attempt.counts() == {A: 5, B: 7}


async def test_m14_the_end_waits_until_what_failed_before_is_committed_with_what_came_since(
    attempt: Orchestrator,
) -> None:
    """A database that refuses for a while: here, because somebody holds the connection's row."""
    async with attempt.db.acquire() as holder:
        transaction = holder.transaction()
        await transaction.start()
        await holder.execute("select from connections for update")
        attempt.take(of_stream(A, 1))
        attempt.committer.wake()
        running = asyncio.ensure_future(attempt.committer.run())
        await _blocked(attempt.db)
        attempt.take(of_stream(A, 2))
        attempt.committer.close()
        assert await attempt.kept() is None
        await transaction.rollback()
    await running
    assert await attempt.kept() == [of_stream(A, 2)]
    assert await attempt.counts() == {A: 2}


async def _blocked(db: asyncpg.Pool) -> None:
    """Until a statement of this database waits for a lock."""
    query = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    async with asyncio.timeout(30):
        while not await db.fetchval(query):
            await asyncio.sleep(0.01)


async def test_m15_when_a_state_cannot_be_written_its_counts_are_not_either_and_the_end_says_so(
    attempt: Orchestrator,
) -> None:
    await attempt.db.execute("alter table states add check (state not like '%666%')")
    attempt.take(of_stream(A, 666))
    with pytest.raises(asyncpg.CheckViolationError):
        await attempt.commit()
    assert (await attempt.kept(), await attempt.counts(), await attempt.logged()) == (None, {}, [])


async def test_m15_when_counts_cannot_be_written_their_states_are_not_either(attempt: Orchestrator) -> None:
    """Upstream keeps the state: its next attempt would not read again what nobody has counted."""
    await attempt.db.execute("alter table stream_stats add check (records_committed <> 666)")
    attempt.take(of_stream(A, 1), records=666)
    with pytest.raises(asyncpg.CheckViolationError):
        await attempt.commit()
    assert (await attempt.kept(), await attempt.counts(), await attempt.logged()) == (None, {}, [])


async def test_m17_with_nothing_to_commit_the_end_asks_the_database_nothing(attempt: Orchestrator) -> None:
    await attempt.db.execute("alter table attempts rename to elsewhere")
    await attempt.commit()


async def test_a_newer_attempt_ends_the_commits_of_an_older_one(attempt: Orchestrator) -> None:
    await attempt.db.execute("update connections set fence = fence + 1")
    attempt.take(of_stream(A, 1))
    await attempt.commit()
    assert attempt.stale
    assert await attempt.kept() is None
