"""Migrations: applied once, in order, by whoever comes first; never over an unknown schema."""

from __future__ import annotations

import asyncio
import re
from importlib import resources

import asyncpg
import pytest

from airbyte_workers.models import StreamCounts
from airbyte_workers.store import database
from airbyte_workers.store.database import Migration, MigrationError, connected, migrate, migrations, pending_migrations

pytestmark = pytest.mark.postgres
NEWEST = len(migrations())
STILL_WRITTEN_BY_OLDER_WORKERS = {"log_path", "retry_rules"}


async def test_an_empty_database_gets_every_migration_once(empty_url: str) -> None:
    async with connected(empty_url, size=2, timeout=20) as pool:
        assert list(await pending_migrations(pool)) == list(migrations())
        assert [each.version for each in await migrate(pool)] == [each.version for each in migrations()]
        assert await migrate(pool) == []
        assert await pending_migrations(pool) == []


def test_migrations_are_numbered_without_gaps() -> None:
    assert [each.version for each in migrations()] == list(range(1, len(migrations()) + 1))


async def test_a_database_with_jobs_is_upgraded_and_keeps_them(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected(empty_url, size=2, timeout=20) as pool:
        with monkeypatch.context() as earlier:
            first = migrations()[:1]
            earlier.setattr(database, "migrations", lambda: first)
            await migrate(pool)
        await pool.execute("insert into jobs (kind, input, workflow_id, run_id) values ('sync', 'x', 'w', 'r')")
        assert [each.version for each in await migrate(pool)] == [each.version for each in migrations()[1:]]
        job = await pool.fetchrow("select run_id, secret_names from jobs")
        assert job is not None
        assert (job["run_id"], job["secret_names"]) == ("r", [])


async def test_several_processes_that_start_at_once_migrate_once(empty_url: str) -> None:
    async def one() -> int:
        async with connected(empty_url, size=1, timeout=20) as pool:
            return len(await migrate(pool))

    assert sorted(await asyncio.gather(*(one() for _ in range(5)))) == [0, 0, 0, 0, len(migrations())]


async def test_a_changed_migration_is_refused(empty_url: str) -> None:
    async with connected(empty_url, size=2, timeout=20) as pool:
        await migrate(pool)
        await pool.execute("update schema_migrations set checksum = 'other'")
        with pytest.raises(MigrationError, match="another text"):
            await migrate(pool)


async def test_a_database_of_a_newer_version_is_refused(empty_url: str) -> None:
    async with connected(empty_url, size=2, timeout=20) as pool:
        await migrate(pool)
        await pool.execute("insert into schema_migrations values (9999, 'from_the_future', 'x', now())")
        with pytest.raises(MigrationError, match="from_the_future"):
            await pending_migrations(pool)


@pytest.mark.parametrize(("works_with", "is_taken"), [(NEWEST, True), (NEWEST + 1, False)])
async def test_a_newer_release_beside_us_may_have_migrated_what_we_need_not_know(
    empty_url: str, works_with: int, is_taken: bool
) -> None:
    async with connected(empty_url, size=2, timeout=20) as pool:
        await migrate(pool)
        await pool.execute(
            "insert into schema_migrations (version, name, checksum, works_with) values (9999, 'future', '', $1)",
            works_with,
        )
        if is_taken:
            assert await migrate(pool) == await pending_migrations(pool) == []
        else:
            with pytest.raises(MigrationError, match="does not know"):
                await migrate(pool)


def test_a_migration_says_in_its_first_line_whose_code_it_leaves_working() -> None:
    assert Migration(15, "more", "-- works with 0013\ncreate table more ()").works_with == 13
    assert Migration(15, "more", "-- Rows of more.\ncreate table more ()").works_with is None


def test_no_migration_shuts_out_workers_that_a_later_one_would_let_in() -> None:
    needed = [each.works_with or each.version for each in migrations()]
    assert needed == sorted(needed)


async def test_a_migration_that_fails_leaves_nothing_behind(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = database.Migration(2, "broken", "create table half (id int); select 1/0;")
    monkeypatch.setattr(database, "migrations", lambda: [broken])
    async with connected(empty_url, size=2, timeout=20) as pool:
        with pytest.raises(Exception, match="division by zero"):
            await database.migrate(pool)
        assert await pool.fetchval("select to_regclass('half')") is None


async def test_every_column_is_named_by_the_code_that_has_a_use_for_it(db: asyncpg.Pool) -> None:
    store = resources.files("airbyte_workers.store")
    code = "\n".join(each.read_text(encoding="utf-8") for each in store.iterdir() if each.name.endswith(".py"))
    used = set(re.findall(r"\w+", code)) | set(StreamCounts.model_fields)
    rows = await db.fetch("select column_name from information_schema.columns where table_schema = 'public'")
    assert {row["column_name"] for row in rows} - used == STILL_WRITTEN_BY_OLDER_WORKERS
