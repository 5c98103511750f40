"""Clear and refresh in the job database: which streams they are about; conformance cases D23, E7, E8.

D24 has no counterpart: a clear or a refresh is a job that is asked for, none waits in a table for another to take it.
"""

from __future__ import annotations

import json
from typing import Any

import asyncpg
import pytest
from rows import FAILED, SUCCEEDED, close_attempt, close_job, next_attempt, open_attempt, request, sync_input

from airbyte_workers.models import ClearInput, OpenJob, RefreshInput
from airbyte_workers.names import JobKind, Role
from airbyte_workers.protocol.streams import StreamKey
from airbyte_workers.store import connections, generations, jobs, opening, states
from airbyte_workers.store.attempts import Attempt
from airbyte_workers.store.jobs import Job
from airbyte_workers.store.sealing import Seal
from airbyte_workers.store.states import StateRow, Writer
from airbyte_workers.store.stream_requests import undivided_before

USERS, LOGS, PUBLIC, DOTTED = ("users", None), ("logs", "n"), ("users", "public"), ("a.b", "n")
KEYS = (USERS, LOGS, PUBLIC, DOTTED)


def catalog(*, resumable: bool = False) -> str:
    streams = [
        {
            "stream": {"name": name, "namespace": namespace, "json_schema": {}, "is_resumable": resumable},
            "sync_mode": "full_refresh" if name == "logs" else "incremental",
            "destination_sync_mode": "append",
        }
        for name, namespace in KEYS
    ]
    return json.dumps({"streams": streams})


async def synced(db: asyncpg.Pool, seal: Seal, *rows: StateRow, **destination: Any) -> Job:
    """A connection that has synced and has these states."""
    asked = sync_input(destination={"command": ["destination-jsonl"], **destination})
    job_id = await opening.open_sync(db, seal, request(asked))
    job = await jobs.read_job(db, seal, job_id)
    assert job.connection_id is not None
    await jobs.set_catalog(db, job, catalog(), "sha")
    attempt = await open_attempt(db, job_id, 0)
    if rows:
        await states.commit(db, Writer(job.connection_id, job_id, 0, attempt.fence), rows, ())
    await close_attempt(db, job_id, 0, SUCCEEDED)
    return job


def ordered(input: ClearInput, kind: JobKind) -> OpenJob:
    return request(input.sync).model_copy(update={"kind": kind, "request": input.order})


def clear(*streams: Any) -> OpenJob:
    return ordered(ClearInput(connection="demo", streams=streams or None), JobKind.CLEAR)


def refresh(*streams: Any, mode: str = "merge") -> OpenJob:
    input = RefreshInput.model_validate({"connection": "demo", "streams": streams or None, "mode": mode})
    return ordered(input, JobKind.REFRESH)


async def opened(db: asyncpg.Pool, seal: Seal, asked: OpenJob) -> Job:
    return await jobs.read_job(db, seal, await opening.open_sync(db, seal, asked))


def stream(key: StreamKey, seq: int = 1) -> StateRow:
    return StateRow("STREAM", key[0], key[1], json.dumps({"of": key}), seq)


async def kept(db: asyncpg.Pool) -> set[StreamKey]:
    return {(row["stream"], row["namespace"]) for row in await db.fetch("select stream, namespace from states")}


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("logs", LOGS),
        ({"name": "logs", "namespace": "n"}, LOGS),
        ("n.logs", LOGS),
        ("users", USERS),
        ("public.users", PUBLIC),
        ({"name": "users", "namespace": "public"}, PUBLIC),
        ({"name": "users", "namespace": ""}, USERS),
        ("a.b", DOTTED),
        ("n.a.b", DOTTED),
    ],
)
async def test_a_stream_is_found_as_people_write_it(db: asyncpg.Pool, seal: Seal, typed: Any, found: StreamKey) -> None:
    await synced(db, seal)
    job = await opened(db, seal, clear(typed))
    assert job.scope.streams == {found}
    assert (job.kind, job.scope.truncates) == (JobKind.CLEAR, False)
    assert list(job.connectors) == [Role.DESTINATION], "a clear reads no source"
    assert job.catalog_id is not None, "what is cleared is known without asking anybody"


async def test_without_streams_a_job_is_about_every_one(db: asyncpg.Pool, seal: Seal) -> None:
    await synced(db, seal, supports_refreshes=True)
    job = await opened(db, seal, refresh(mode="truncate"))
    assert (job.scope.streams, job.scope.truncates, job.scope.supports_refreshes) == (None, True, True)
    assert list(job.connectors) == [Role.SOURCE, Role.DESTINATION]


async def test_a_stream_that_is_named_twice_counts_once(db: asyncpg.Pool, seal: Seal) -> None:
    await synced(db, seal)
    await opened(db, seal, clear("logs", "n.logs"))
    told = await db.fetchval("select request from jobs where kind = 'clear'")
    assert told == {"order": "clear", "streams": [{"name": "logs", "namespace": "n"}]}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (clear("user"), "connection demo does not sync a stream user; did you mean users?"),
        (clear({"name": "logs", "namespace": "m"}), "connection demo does not sync a stream m.logs"),
        (refresh("logs"), "destination-jsonl is not known to support refreshes"),
    ],
)
async def test_what_cannot_be_done_opens_no_job(db: asyncpg.Pool, seal: Seal, asked: OpenJob, told: str) -> None:
    await synced(db, seal)
    with pytest.raises(connections.Refused, match=told):
        await opened(db, seal, asked)
    assert await db.fetchval("select count(*) from jobs") == 1


async def test_a_name_in_several_namespaces_needs_one(db: asyncpg.Pool, seal: Seal) -> None:
    job = await synced(db, seal)
    only_in_namespaces = catalog().replace('"users", "namespace": null', '"users", "namespace": "private"')
    await jobs.set_catalog(db, job, only_in_namespaces, "other")
    with pytest.raises(connections.Refused, match=r"\(private.users, public.users\): say which"):
        await opened(db, seal, clear("users"))


@pytest.mark.parametrize("asked", [clear(), refresh()])
async def test_a_connection_that_never_synced_has_nothing_to_clear(
    db: asyncpg.Pool, seal: Seal, asked: OpenJob
) -> None:
    input = sync_input(destination={"command": ["destination-jsonl"], "supports_refreshes": True})
    await close_job(
        db, await opening.open_sync(db, seal, request(input)), jobs.JobStatus.FAILED, failures=FAILED.failures
    )
    with pytest.raises(connections.Refused, match="demo has not synced yet"):
        await opened(db, seal, asked)


async def test_a_legacy_state_cannot_be_cleared_in_part(db: asyncpg.Pool, seal: Seal) -> None:
    await synced(db, seal, StateRow("LEGACY", "", None, '{"a": 1}', 1))
    with pytest.raises(connections.Refused, match="one state for all of its streams"):
        await opened(db, seal, clear("logs"))
    job = await opened(db, seal, clear("logs", "public.users", "a.b", "users"))
    await open_attempt(db, job.id, 0)
    assert await kept(db) == set()
    assert await undivided_before(db, job.id) == ("LEGACY", '{"a": 1}')


async def test_d23_a_clear_begins_a_generation_and_erases_the_state_of_its_streams_alone(
    db: asyncpg.Pool, seal: Seal
) -> None:
    first = await synced(db, seal, *(stream(key) for key in KEYS))
    assert first.connection_id is not None
    before = await generations.current(db, first.connection_id)
    job = await opened(db, seal, clear("public.users", "a.b"))
    await open_attempt(db, job.id, 0)
    assert await kept(db) == {USERS, LOGS}
    bumped = {key: before.get(key, 0) + 1 for key in (PUBLIC, DOTTED)}
    assert await generations.current(db, first.connection_id) == before | bumped
    await next_attempt(db, job.id, 1)
    assert await generations.current(db, first.connection_id) == before | bumped, "a retry begins nothing"


async def test_a_clear_of_everything_forgets_streams_that_are_synced_no_more_too(db: asyncpg.Pool, seal: Seal) -> None:
    await synced(db, seal, stream(USERS), stream(("gone", None)))
    part = await opened(db, seal, clear("users"))
    await open_attempt(db, part.id, 0)
    assert await kept(db) == {("gone", None)}
    await close_attempt(db, part.id, 0, SUCCEEDED)
    whole = await opened(db, seal, clear())
    await open_attempt(db, whole.id, 0)
    assert await kept(db) == set()


async def test_e7_a_generation_grows_by_one_and_knows_the_job_that_began_it(db: asyncpg.Pool, seal: Seal) -> None:
    first = await synced(db, seal, supports_refreshes=True)
    await db.execute(
        "insert into stream_generations (connection_id, stream, namespace, generation_id, start_job_id)"
        " values ($1, 'users', 'public', 42, 1), ($1, 'a.b', 'n', 42, 1)",
        first.connection_id,
    )
    job = await opened(db, seal, refresh("public.users"))
    await jobs.set_catalog(db, job, catalog(), "sha")
    await open_attempt(db, job.id, 0)
    rows = await db.fetch(
        "select stream, generation_id, start_job_id from stream_generations where start_job_id = $1 order by 1", job.id
    )
    assert [tuple(row) for row in rows] == [("logs", 2, job.id), ("users", 43, job.id)], "logs is a full refresh"


async def test_e8_a_stream_without_a_generation_gets_the_first(db: asyncpg.Pool, seal: Seal) -> None:
    first = await synced(db, seal, supports_refreshes=True)
    assert first.connection_id is not None
    job = await opened(db, seal, refresh("users"))
    await jobs.set_catalog(db, job, catalog(), "sha")
    await open_attempt(db, job.id, 0)
    assert (await generations.current(db, first.connection_id))[USERS] == 1


@pytest.mark.parametrize(("supports", "expected"), [(True, 1), (False, 3)])
async def test_a_full_refresh_that_can_resume_begins_once_where_the_destination_can_tell(
    db: asyncpg.Pool, seal: Seal, supports: bool, expected: int
) -> None:
    asked = sync_input(destination={"command": ["destination-jsonl"], "supports_refreshes": supports})
    job_id = await opening.open_sync(db, seal, request(asked))
    job = await jobs.read_job(db, seal, job_id)
    assert job.connection_id is not None
    await jobs.set_catalog(db, job, catalog(resumable=True), "sha")
    await open_attempt(db, job_id, 0)
    last: Attempt | None = None
    for number in (1, 2):
        last = await next_attempt(db, job_id, number)
        await states.commit(db, Writer(job.connection_id, job_id, number, last.fence), [stream(LOGS)], ())
    assert (await generations.current(db, job.connection_id))[LOGS] == expected


async def test_the_row_of_a_clear_is_not_taken_for_a_sync_that_succeeded(db: asyncpg.Pool, seal: Seal) -> None:
    """D19: resets are not considered."""
    first = await synced(db, seal)
    job = await opened(db, seal, clear())
    await open_attempt(db, job.id, 0)
    await close_attempt(db, job.id, 0, FAILED)
    await close_job(db, job.id, jobs.JobStatus.FAILED, failures=FAILED.failures)
    assert await jobs.previous_succeeded(db, first.connection_id, job.id + 1)


async def test_a_clear_and_a_sync_share_the_lock_of_their_connection(db: asyncpg.Pool, seal: Seal) -> None:
    await synced(db, seal)
    await opened(db, seal, clear())
    for asked in (clear(), request(sync_input())):
        with pytest.raises(connections.ConnectionBusy):
            await opened(db, seal, asked)
