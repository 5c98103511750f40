"""A job's log as it is asked for: which attempt, once or as it grows, and what is told where there is none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from rows import FAILED, close_attempt, close_job, next_attempt, open_attempt, open_job, succeed

from airbyte_workers.job_logs import LogRequest, NoLog, Piece, RequestedLog
from airbyte_workers.models import JobStatus
from airbyte_workers.orchestrator.joblog import LogLimits, LogWriter, write_last
from airbyte_workers.redaction import Redactor
from airbyte_workers.runs import InvalidInput, UnknownJob
from airbyte_workers.settings import Settings
from airbyte_workers.store.objects import Objects, StorageError, open_objects
from airbyte_workers.store.sealing import Seal


@dataclass
class Shelf:
    """One job, the storage of its logs, and what those who follow were told."""

    db: asyncpg.Pool
    root: Path
    job_id: int
    told: list[str] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        return Settings(home=self.root, storage_url=(self.root / "storage").as_uri(), progress_interval_s=0.01)

    @property
    def objects(self) -> Objects:
        return open_objects(self.settings)

    def writer(self, folder: str) -> LogWriter:
        prefix = f"logs/{self.job_id}/{folder}"
        limits = LogLimits.of(Settings(max_log_bytes=10**7, max_log_line_bytes=1000))
        return LogWriter(self.objects, prefix, Redactor(), limits)

    async def write(self, folder: str, *texts: str) -> None:
        """A program that says this and ends."""
        log = self.writer(folder)
        for text in texts:
            log("source", "INFO", text)
        await log.flush()

    def log(self, **wanted: Any) -> RequestedLog:
        return RequestedLog(self.db, self.settings, LogRequest(job_id=self.job_id, **wanted), tell=self.told.append)

    async def read(self, **wanted: Any) -> list[str]:
        return texts([piece async for piece in self.log(**wanted).read()])


def texts(pieces: Sequence[Piece]) -> list[str]:
    return [json.loads(line)["text"] for piece in pieces for line in piece.lines]


@pytest.fixture
async def shelf(db: asyncpg.Pool, seal: Seal, tmp_path: Path) -> Shelf:
    return Shelf(db, tmp_path, await open_job(db, seal))


async def opened(shelf: Shelf, *numbers: int) -> None:
    for number in numbers:
        if number:
            await next_attempt(shelf.db, shelf.job_id, number)
        else:
            await open_attempt(shelf.db, shelf.job_id, 0)


async def end(shelf: Shelf) -> None:
    await close_job(shelf.db, shelf.job_id, JobStatus.FAILED, failures=FAILED.failures)


# --- which log ---


@pytest.mark.parametrize(
    ("attempt", "lines"), [(None, ["two"]), (2, ["two"]), (1, ["asked the source", "asked", "checked", "one", "next"])]
)
async def test_the_log_is_that_of_the_last_attempt_unless_another_is_asked_for(
    shelf: Shelf, attempt: int | None, lines: list[str]
) -> None:
    """What was asked before the first attempt belongs to it; what was checked before any, to that one."""
    await opened(shelf, 0, 1)
    await shelf.write("0", "one")
    await shelf.write("0/0-0-check-source", "checked")
    await shelf.write("discover", "asked")
    await shelf.write("spec-source", "asked the source")
    await write_last(shelf.objects, f"logs/{shelf.job_id}/0", "next")
    await shelf.write("1", "two")
    assert await shelf.read(attempt=attempt) == lines


async def test_before_its_first_attempt_a_job_has_the_log_of_what_it_asked(shelf: Shelf) -> None:
    await shelf.write("spec-source", "asked")
    assert await shelf.read() == ["asked"]
    with pytest.raises(InvalidInput, match=f"job {shelf.job_id} has had 0 attempts: there is no attempt 1"):
        await shelf.read(attempt=1)


async def test_the_log_of_a_check_is_its_own(shelf: Shelf) -> None:
    await shelf.write("check", "checked")
    assert await shelf.read() == ["checked"]


async def test_an_attempt_that_was_not_made_has_no_log(shelf: Shelf) -> None:
    await opened(shelf, 0)
    with pytest.raises(InvalidInput, match=f"job {shelf.job_id} has had 1 attempt: there is no attempt 2"):
        await shelf.read(attempt=2)


@pytest.mark.parametrize("job_id", [-1, 0, 999, 2**63])
async def test_a_job_that_is_not_there_has_no_log(shelf: Shelf, job_id: int) -> None:
    shelf.job_id = job_id
    with pytest.raises(UnknownJob, match=f"there is no job {job_id}"):
        await shelf.read()


# --- nothing there ---


async def test_a_job_that_has_written_nothing_yet_has_an_empty_log(shelf: Shelf) -> None:
    await opened(shelf, 0)
    assert await shelf.read() == []


@pytest.mark.parametrize("attempt", [None, 1])
@pytest.mark.parametrize("follow", [False, True])
async def test_a_job_that_ended_without_a_log_says_where_it_was_looked_for(
    shelf: Shelf, attempt: int | None, follow: bool
) -> None:
    await opened(shelf, 0)
    await end(shelf)
    log = shelf.log(attempt=attempt)
    with pytest.raises(NoLog, match="none of its pods wrote one, it was removed, or STORAGE_URL") as caught:
        assert [piece async for piece in (log.follow() if follow else log.read())] == []
    assert shelf.settings.storage in str(caught.value)
    assert ("attempt 1 of" in str(caught.value)) is (attempt is not None)


async def test_a_log_that_gc_removed_says_when(shelf: Shelf) -> None:
    await opened(shelf, 0)
    await end(shelf)
    await shelf.db.execute("update jobs set log_removed_at = '2026-11-26 12:00+00' where id = $1", shelf.job_id)
    with pytest.raises(NoLog, match=r"was removed by gc to make room, on 2026-11-2\d at \d\d:\d\d"):
        await shelf.read()


async def test_storage_that_does_not_answer_is_no_empty_log(shelf: Shelf) -> None:
    (shelf.root / "storage").mkdir()
    (shelf.root / "storage" / "logs").write_text("a file where a folder should be")
    for log in (shelf.log().read(), shelf.log().follow()):
        with pytest.raises(StorageError, match="cannot list"):
            await anext(log)


# --- as it grows ---


class Follower:
    """Reads along, a piece at a time."""

    def __init__(self, log: AsyncIterator[Piece]) -> None:
        self._log = log
        self.lines: list[str] = []

    async def until(self, count: int) -> list[str]:
        """Wait for so many lines."""
        async with asyncio.timeout(20):
            while len(self.lines) < count:
                self.lines += texts([await anext(self._log)])
        return self.lines

    async def rest(self) -> list[str]:
        """Read to the end, which must come."""
        async with asyncio.timeout(20):
            async for piece in self._log:
                self.lines += texts([piece])
        return self.lines


async def test_a_log_is_followed_from_before_the_first_attempt_to_the_end_of_the_job(shelf: Shelf) -> None:
    follower = Follower(shelf.log().follow())
    await shelf.write("spec-source", "asked")
    assert await follower.until(1) == ["asked"]
    await opened(shelf, 0)
    log = shelf.writer("0")
    for text in ("a", "b"):
        log("source", "INFO", text)
        await log.flush()
        await follower.until(len(follower.lines) + 1)
    await write_last(shelf.objects, f"logs/{shelf.job_id}/0", "next")
    await opened(shelf, 1)
    await shelf.write("1", "c")
    await follower.until(5)
    await shelf.write("1/0-0-check-source", "d")
    await end(shelf)
    assert await follower.rest() == ["asked", "a", "b", "next", "c", "d"]


async def test_what_was_written_last_is_printed_though_the_job_has_ended_meanwhile(shelf: Shelf) -> None:
    await shelf.write("0", "a")
    follower = Follower(shelf.log().follow())
    await opened(shelf, 0)
    await follower.until(1)
    await shelf.write("0/0-0-check-source", "b")
    await end(shelf)
    assert await follower.rest() == ["a", "b"]


async def test_one_attempt_is_followed_until_the_next_one_begins(shelf: Shelf) -> None:
    """The end of its log is written after its row."""
    await opened(shelf, 0)
    await shelf.write("0", "a")
    follower = Follower(shelf.log(attempt=1).follow())
    await follower.until(1)
    await close_attempt(shelf.db, shelf.job_id, 0, FAILED)
    await write_last(shelf.objects, f"logs/{shelf.job_id}/0", "next")
    await open_attempt(shelf.db, shelf.job_id, 1)
    await shelf.write("1", "of another")
    assert await follower.rest() == ["a", "next"]


async def test_the_log_of_a_job_that_has_ended_is_followed_to_its_end_at_once(shelf: Shelf) -> None:
    await shelf.write("0", "a")
    await succeed(shelf.db, shelf.job_id)
    assert await Follower(shelf.log().follow()).rest() == ["a"]


async def test_the_last_lines_and_then_what_comes(shelf: Shelf) -> None:
    await opened(shelf, 0)
    log = shelf.writer("0")
    for text in "abc":
        log("source", "INFO", text)
    await log.flush()
    follower = Follower(shelf.log(last=1).follow())
    assert await follower.until(1) == ["c"]
    for text in "de":
        log("source", "INFO", text)
    await log.flush()
    await end(shelf)
    assert await follower.rest() == ["c", "d", "e"]


async def test_who_follows_waits_for_storage_that_is_away_and_is_told_once(shelf: Shelf) -> None:
    await opened(shelf, 0)
    await shelf.write("0", "a")
    follower = Follower(shelf.log().follow())
    await follower.until(1)
    logs = shelf.root / "storage" / "logs"
    logs.rename(shelf.root / "away")
    logs.write_text("a file where a folder should be")
    waiting = asyncio.create_task(follower.until(2))
    async with asyncio.timeout(20):
        while not shelf.told:
            await asyncio.sleep(0.01)
    logs.unlink()
    (shelf.root / "away").rename(logs)
    await shelf.write("0/0-0-check-source", "b")
    assert await waiting == ["a", "b"]
    await end(shelf)
    await follower.rest()
    (told,) = shelf.told
    assert told.startswith("waiting: object storage file:///")
