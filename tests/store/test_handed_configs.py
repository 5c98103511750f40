"""Configs that clients hand over: sealed to the workers' key, used once, not kept for ever."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from old_jobs import Archive

from airbyte_workers.store.database import connected
from airbyte_workers.store.handed import NoKey, UnknownConfig, hand_over, publish_key, take
from airbyte_workers.store.seal_errors import SealError
from airbyte_workers.store.sealing import Seal, seal_for

pytestmark = pytest.mark.postgres
CONFIG = {"host": "db.example", "password": "hunter2", "tables": [{"name": "üsers"}]}


@pytest.fixture
async def served(db: asyncpg.Pool, seal: Seal) -> asyncpg.Pool:
    """A database that a Temporal worker has used."""
    await publish_key(db, seal)
    return db


async def taken(db: asyncpg.Pool, seal: Seal, config_id: UUID) -> dict[str, Any]:
    async with db.acquire() as session, session.transaction():
        return await take(session, seal, config_id)


async def made_older(db: asyncpg.Pool, config_id: UUID, days: float) -> None:
    age = timedelta(days=days)
    await db.execute("update handed_configs set created_at = created_at - $2::interval where id = $1", config_id, age)


async def held(db: asyncpg.Pool) -> set[UUID]:
    return {row["id"] for row in await db.fetch("select id from handed_configs")}


# --- taking ---


async def test_a_handed_config_is_taken_as_it_was_and_only_once(served: asyncpg.Pool, seal: Seal) -> None:
    config_id = await hand_over(served, CONFIG)
    assert await taken(served, seal, config_id) == CONFIG
    with pytest.raises(UnknownConfig, match=f"nothing is stored under the id {config_id}: it was used already"):
        await taken(served, seal, config_id)


async def test_each_id_brings_its_own_config(served: asyncpg.Pool, seal: Seal) -> None:
    ids = [await hand_over(served, {"number": number}) for number in range(3)]
    assert [await taken(served, seal, config_id) for config_id in reversed(ids)] == [{"number": n} for n in (2, 1, 0)]


async def test_a_config_is_still_there_when_the_job_was_not_opened_after_all(served: asyncpg.Pool, seal: Seal) -> None:
    config_id = await hand_over(served, CONFIG)
    with suppress(ZeroDivisionError):
        async with served.acquire() as session, session.transaction():
            await take(session, seal, config_id)
            raise ZeroDivisionError
    assert await taken(served, seal, config_id) == CONFIG


async def test_of_many_who_take_at_once_one_gets_it(served: asyncpg.Pool, seal: Seal) -> None:
    config_id = await hand_over(served, CONFIG)
    results = await asyncio.gather(*(taken(served, seal, config_id) for _ in range(6)), return_exceptions=True)
    assert [each for each in results if not isinstance(each, UnknownConfig)] == [CONFIG]


async def test_who_waits_for_a_taker_that_fails_gets_it(served: asyncpg.Pool, seal: Seal) -> None:
    config_id = await hand_over(served, CONFIG)
    async with served.acquire() as session:
        first = session.transaction()
        await first.start()
        await take(session, seal, config_id)
        second = asyncio.create_task(taken(served, seal, config_id))
        while not await served.fetchval("select exists (select from pg_locks where not granted)"):
            await asyncio.sleep(0.01)
        await first.rollback()
    assert await second == CONFIG


async def test_an_id_that_was_never_given_is_refused(served: asyncpg.Pool, seal: Seal) -> None:
    await hand_over(served, CONFIG)
    with pytest.raises(UnknownConfig, match="start the job again"):
        await taken(served, seal, uuid4())


@pytest.mark.parametrize(
    "sealed", [b"", b"\x02garbage", seal_for(Seal(b"k" * 32).public_key, ["x"])], ids=["nothing", "garbage", "a list"]
)
async def test_what_is_no_sealed_object_is_refused_and_stays(served: asyncpg.Pool, seal: Seal, sealed: bytes) -> None:
    config_id = uuid4()
    await served.execute("insert into handed_configs (id, sealed) values ($1, $2)", config_id, sealed)
    with pytest.raises(SealError):
        await taken(served, seal, config_id)
    assert await held(served) == {config_id}


# --- handing over ---


async def test_nothing_in_the_database_can_be_read_without_the_key(served: asyncpg.Pool, seal: Seal) -> None:
    config_id = await hand_over(served, CONFIG)
    rows = await served.fetch("select t::text as row, sealed from handed_configs t")
    stored = rows[0]["row"].encode() + rows[0]["sealed"]
    for part in (b"hunter2", b"password", b"db.example", b"hunter2".hex().encode()):
        assert part not in stored
    with pytest.raises(SealError, match="another key"):
        await taken(served, Seal(b"x" * 32), config_id)
    assert await taken(served, seal, config_id) == CONFIG


async def test_a_client_needs_no_key(served: asyncpg.Pool, seal: Seal, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as client:
        client.setattr(Seal, "__init__", lambda *_: pytest.fail("a client has no key to make a Seal of"))
        config_id = await hand_over(served, CONFIG)
    assert await taken(served, seal, config_id) == CONFIG


async def test_without_a_published_key_nothing_is_handed_over(db: asyncpg.Pool) -> None:
    with pytest.raises(NoKey, match="no Temporal worker has used this database yet: start one first"):
        await hand_over(db, CONFIG)
    assert await held(db) == set()


async def test_a_database_without_tables_is_one_that_no_worker_has_used(empty_url: str) -> None:
    async with connected(empty_url, size=1, timeout=20) as pool:
        with pytest.raises(NoKey, match="start one first"):
            await hand_over(pool, CONFIG)


async def test_a_config_that_is_not_json_is_refused_and_nothing_is_kept(served: asyncpg.Pool) -> None:
    with pytest.raises(SealError, match="cannot be written as JSON"):
        await hand_over(served, {"password": object()})
    assert await held(served) == set()


async def test_gc_removes_what_nobody_took_and_waits_for_nobody_who_takes(archive: Archive, seal: Seal) -> None:
    await publish_key(archive.db, seal)
    old, wanted, young = [await hand_over(archive.db, CONFIG) for _ in range(3)]
    for config_id, days in ((old, 7.01), (wanted, 8), (young, 6.99)):
        await made_older(archive.db, config_id, days)
    async with archive.db.acquire() as session, session.transaction():
        assert await take(session, seal, wanted) == CONFIG
        await asyncio.wait_for(archive.gc(), timeout=10)
    assert await held(archive.db) == {young}
    with pytest.raises(UnknownConfig, match="nobody used it for too long"):
        await taken(archive.db, seal, old)


# --- the workers' key ---


async def test_workers_with_the_same_key_share_a_database(served: asyncpg.Pool) -> None:
    await publish_key(served, Seal(b"k" * 32))
    assert await served.fetchval("select count(*) from public_keys") == 1


async def test_a_worker_with_another_key_is_refused_and_changes_nothing(served: asyncpg.Pool, seal: Seal) -> None:
    with pytest.raises(SealError, match="SECRETS_KEY_FILE must name the key file that the other Temporal workers use"):
        await publish_key(served, Seal(b"x" * 32))
    assert await taken(served, seal, await hand_over(served, CONFIG)) == CONFIG


async def test_of_workers_with_different_keys_that_start_at_once_one_wins(db: asyncpg.Pool) -> None:
    keys = [Seal(bytes([number]) * 32) for number in range(6)]
    results = await asyncio.gather(*(publish_key(db, each) for each in keys), return_exceptions=True)
    assert sum(result is None for result in results) == 1
    assert sum(isinstance(result, SealError) for result in results) == 5
    winner = keys[results.index(None)]
    assert await taken(db, winner, await hand_over(db, CONFIG)) == CONFIG


async def test_a_second_key_and_what_is_no_key_are_kept_out_by_the_table_itself(served: asyncpg.Pool) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        await served.execute("insert into public_keys (public_key) values ($1)", bytes(32))
    with pytest.raises(asyncpg.CheckViolationError):
        await served.execute("insert into public_keys (id, public_key) values (false, $1)", bytes(32))
    with pytest.raises(asyncpg.CheckViolationError):
        await served.execute("update public_keys set public_key = ''")
