"""The log of states rebuilds the past: whatever was committed, forgotten, put back, any point of it is exact."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest
from books import Books
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rows import FAILED, close_job, open_attempt, open_job

from airbyte_workers.models import JobStatus
from airbyte_workers.protocol.streams import StreamKey
from airbyte_workers.replication.state_history import Point
from airbyte_workers.store import (
    jobs,
    state_log,
    state_rewinds,
    states,
)
from airbyte_workers.store.sealing import Seal
from airbyte_workers.store.state_log import Entry
from airbyte_workers.store.states import StateRow, Writer

pytestmark = pytest.mark.postgres
SEAL = Seal(b"k" * 32)
USERS, LOGS, OTHER = ("users", None), ("logs", "n"), ("logs", None)
STREAMS: Sequence[StreamKey] = (USERS, LOGS, OTHER)
SNAPSHOT = """
select updated_at as at, type, stream, namespace, state, job_id, attempt, by from states where connection_id = $1
order by stream, namespace nulls first
"""
_names = itertools.count()


# --- what happens to a connection ---


@dataclass(frozen=True)
class Commit:
    """States of one type, as their keys and what a connector wrote; None is null."""

    type: str
    blobs: Mapping[StreamKey, int | None]
    shared: int | None = None


@dataclass(frozen=True)
class Attempt:
    """A new job's attempt: these streams are read from their beginning."""

    full_refresh: frozenset[StreamKey]
    streams: Sequence[StreamKey] = STREAMS


@dataclass(frozen=True)
class Rewind:
    """To the point after one of the steps so far: `to` counts back from the last, round and round."""

    to: int


Step = Commit | Attempt | Rewind
BLOBS = st.dictionaries(st.sampled_from(STREAMS), st.one_of(st.none(), st.integers(0, 5)), min_size=1)
COMMITS = st.builds(
    Commit, st.sampled_from(["STREAM", "STREAM", "GLOBAL", "LEGACY"]), BLOBS, st.one_of(st.none(), st.integers(0, 5))
)
STEPS = st.lists(
    st.one_of(
        COMMITS,
        COMMITS,
        st.builds(Attempt, st.frozensets(st.sampled_from(STREAMS))),
        st.builds(Rewind, st.integers(0, 20)),
    ),
    min_size=3,
    max_size=14,
)


def rows(commit: Commit, seq: int) -> list[StateRow]:
    """What the orchestrator makes of them; every state speaks for as many records as its number says."""
    if commit.type == "LEGACY":
        return [StateRow("LEGACY", "", None, of_one(commit.shared), seq, seq)]
    if commit.type == "GLOBAL":
        speaking = {key: value for key, value in commit.blobs.items() if value is not None}
        entries = [stream(key, value) for key, value in speaking.items()]
        whole = json.dumps({"type": "GLOBAL", "global": {"shared_state": commit.shared, "stream_states": entries}})
        return [StateRow("GLOBAL", "", None, whole if entries or commit.shared is not None else None, seq, seq)]
    return [
        StateRow("STREAM", *key, whole_of(key, value), seq + place, seq + place)
        for place, (key, value) in enumerate(commit.blobs.items())
    ]


def whole_of(key: StreamKey, value: int | None) -> str | None:
    return None if value is None else json.dumps({"type": "STREAM", "stream": stream(key, value)})


def stream(key: StreamKey, value: int) -> dict[str, Any]:
    return {"stream_descriptor": {"name": key[0], "namespace": key[1]}, "stream_state": {"c": value}}


def of_one(value: int | None) -> str | None:
    return None if value is None else json.dumps({"c": value})


def catalog(step: Attempt) -> str:
    streams = [
        {
            "stream": {"name": name, "namespace": namespace, "json_schema": {}},
            "sync_mode": "full_refresh" if (name, namespace) in step.full_refresh else "incremental",
            "destination_sync_mode": "append",
        }
        for name, namespace in step.streams
    ]
    return json.dumps({"streams": streams})


# --- a connection, and beside it what a simple mind remembers of it ---

Snapshot = list[dict[str, Any]]


@dataclass(frozen=True)
class Moment:
    """What was kept after a step, and the commits that led there."""

    position: int
    kept: Snapshot
    path: tuple[tuple[int, Mapping[Any, int]], ...]


@dataclass
class Connection:
    """One connection of the database."""

    db: asyncpg.Pool
    name: str = field(default_factory=lambda: f"c{next(_names)}")
    seq: int = 0
    moments: list[Moment] = field(default_factory=list)
    path: tuple[tuple[int, Mapping[Any, int]], ...] = ()
    writer: Writer | None = None
    fresh: Iterator[int] = field(default_factory=itertools.count)

    async def do(self, step: Step) -> None:
        if isinstance(step, Commit):
            await self.commit(step)
        elif isinstance(step, Attempt):
            await self.attempt(step)
        else:
            await self.rewind(step)
        await self.remember()

    async def attempt(self, step: Attempt) -> None:
        await self.end_job()
        job_id = await open_job(self.db, SEAL, self.name)
        job = await jobs.read_job(self.db, SEAL, job_id)
        text = catalog(step)
        await jobs.set_catalog(self.db, job, text, text)
        attempt = await open_attempt(self.db, job_id, 0)
        assert job.connection_id is not None
        self.writer = Writer(job.connection_id, job_id, 0, attempt.fence)

    async def end_job(self) -> None:
        if self.writer is not None:
            await close_job(
                self.db, self.writer.job_id, JobStatus.FAILED, failures=FAILED.failures, by="me", reason="so"
            )
        self.writer = None

    async def commit(self, step: Commit) -> None:
        if self.writer is None:
            await self.attempt(Attempt(frozenset()))
        assert self.writer is not None
        self.seq += 10
        asked = rows(step, self.seq)
        kept = {(each["type"], each["stream"], each["namespace"]) for each in await self.kept()}
        await states.commit(self.db, self.writer, asked, [])
        logged = {each.key: each.records for each in asked if each.state is not None or _plain(each) in kept}
        self.path = (*self.path, (next(self.fresh), logged))

    async def rewind(self, step: Rewind) -> None:
        await self.end_job()
        target = self.moments[-1 - step.to % len(self.moments)]
        done = await state_rewinds.rewind(self.db, self.name, Point("entry", target.position), by="me@here")
        assert blobs(await self.kept()) == blobs(target.kept)
        assert done.again == records(self.path, target.path)
        assert done.skipped == records(target.path, self.path)
        self.path = target.path if done.changed else self.path  # to where it is already: no entry

    async def kept(self) -> Snapshot:
        log = await state_log.open_log(self.db, self.name)
        return [dict(row) for row in await self.db.fetch(SNAPSHOT, log.connection_id)]

    async def remember(self) -> None:
        log = await state_log.open_log(self.db, self.name)
        self.moments.append(Moment(await state_log.head(self.db, log), await self.kept(), self.path))


def _plain(row: StateRow) -> tuple[str, str, str | None]:
    return row.type, row.stream, row.namespace


def blobs(kept: Snapshot) -> list[tuple[Any, ...]]:
    return [(each["type"], each["stream"], each["namespace"], each["state"]) for each in kept]


def records(ours: Sequence[tuple[int, Mapping[Any, int]]], theirs: Sequence[tuple[int, Mapping[Any, int]]]) -> Any:
    """Of the commits on one way only, by whose state it is."""
    known = {number for number, _ in theirs}
    total: Counter[Any] = Counter()
    for number, logged in ours:
        if number not in known:
            total.update(logged)
    return dict(total)


def told(entry: Entry) -> dict[str, Any]:
    columns = ("at", "type", "stream", "namespace", "state", "job_id", "attempt", "by")
    return {name: getattr(entry, name) for name in columns}


async def happen(steps: Sequence[Step], seen: Counter[str], db: asyncpg.Pool) -> None:
    connection = Connection(db)
    await connection.attempt(Attempt(frozenset()))
    await connection.remember()
    for step in steps:
        seen[type(step).__name__ if not isinstance(step, Commit) else step.type] += 1
        await connection.do(step)
    log = await state_log.open_log(db, connection.name)
    for moment in connection.moments:
        assert [told(each) for each in await state_log.as_of(db, log, moment.position)] == moment.kept
        seen["kept"] += bool(moment.kept)


def test_whatever_happened_every_point_of_the_past_is_exact(books: Books) -> None:
    """As is, for every rewind, what is read again because of it."""
    seen: Counter[str] = Counter()

    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
    @given(STEPS)
    def check(steps: Sequence[Step]) -> None:
        books.run(lambda db: happen(steps, seen, db))

    check()
    assert min(seen[each] for each in ("STREAM", "GLOBAL", "LEGACY", "Attempt", "Rewind", "kept")) > 20
