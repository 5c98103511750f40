"""gc that is killed anywhere leaves nothing that the next one does not find."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from books import Books
from old_jobs import Archive, removed

from airbyte_workers.jobs.gc_report import Thing

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(300)]


class Breaking:
    """A pool, or a storage, whose connections break after so many calls in all; where they do, the process ends."""

    def __init__(self, within: Any, calls: int, counted: list[int] | None = None) -> None:
        self._within = within
        self._calls = calls
        self._counted = counted if counted is not None else []

    def __getattr__(self, name: str) -> Any:
        if name in ("execute", "executemany", "fetch", "fetchrow", "fetchval", "pages", "delete_all"):
            self._counted.append(1)
            if len(self._counted) > self._calls:
                raise ConnectionResetError("the connection is gone")
        return getattr(self._within, name)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Breaking]:
        async with self._within.acquire() as session:
            yield Breaking(session, self._calls, self._counted)


async def made(db: Any, folder: Path) -> None:
    """Five jobs of which three may go, two catalogs, and a log of nobody."""
    archive = Archive(db, folder)
    for _ in range(2):
        await archive.job("a", days=300)
        await archive.job("b", days=300)
    orphan = await archive.job(None, kind="check", days=300)
    await db.execute("delete from jobs where id = $1", orphan)
    await archive.job(None, kind="check", days=300)
    await db.execute(
        "insert into catalogs (kind, connection_id, sha256, catalog, created_at)"
        " select 'configured', id, gen_random_uuid()::text, '{}', now() - interval '300 days' from connections"
    )


async def cleaned(db: Any, folder: Path) -> Any:
    return await Archive(db, folder).gc(gc_batch=1)


async def cleaned_until(db: Any, folder: Path, calls: int) -> Any:
    counted: list[int] = []
    archive = Archive(Breaking(db, calls, counted), folder)
    archive.seen_as = partial(Breaking, calls=calls, counted=counted)
    return await archive.gc(gc_batch=1)


def owners_of(stored: list[str]) -> set[int]:
    return {int(key.split("/")[1]) for key in stored if key.startswith("logs/")}


def test_wherever_gc_breaks_off_the_next_one_finishes(books: Books, tmp_path: Path) -> None:
    """The process ends after one call of the database or of storage, after three, and so on to the last."""
    calls = 1
    while not books.run(partial(broken_off, folder=tmp_path / str(calls), calls=calls)):
        calls += 2
    assert calls > 60


async def broken_off(db: Any, *, folder: Path, calls: int) -> bool:
    """Whether gc came to its end all the same."""
    archive, finished = Archive(db, folder), False
    await made(db, folder)
    before = await archive.jobs()
    try:
        await cleaned_until(db, folder, calls)
        finished = True
    except ConnectionResetError:
        gone = set(before) - set(await archive.jobs())
        assert owners_of(archive.stored()) & gone == set(), "rows went before their objects"
    await cleaned(db, folder)
    assert len(before) - len(await archive.jobs()) == 3
    assert owners_of(archive.stored()) == set(await archive.jobs()), "what is left is not whole"
    assert await db.fetchval("select count(*) from catalogs") == 0
    await db.execute("delete from connections")
    return finished


def test_the_number_of_statements_depends_on_batches_and_not_on_jobs(books: Books, tmp_path: Path) -> None:
    """No question is asked for each job, connection, attempt or object."""

    async def asked(db: Any, jobs: int) -> int:
        archive, counted = Archive(db, tmp_path), list[int]()
        for number in range(jobs):
            for _ in range(2):
                await archive.job(f"{jobs}-{number}", days=300)
        report = await Archive(Breaking(db, 10_000, counted), tmp_path).gc(gc_batch=100)
        assert removed(report)[Thing.JOBS] == jobs
        await db.execute("delete from connections")
        return len(counted)

    assert books.run(lambda db: asked(db, 3)) == books.run(lambda db: asked(db, 40))


def test_two_at_once_never_remove_the_same(books: Books, tmp_path: Path) -> None:
    books.run(lambda db: made(db, tmp_path))

    async def both(db: Any) -> list[Any]:
        return await asyncio.gather(cleaned(db, tmp_path), cleaned(db, tmp_path), return_exceptions=True)

    done = [each for each in books.run(both) if not isinstance(each, BaseException)]
    assert len(done) == 1
    assert removed(done[0])[Thing.JOBS] == 3
