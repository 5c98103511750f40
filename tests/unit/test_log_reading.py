"""A job's log read by ranges: every line once, in order, as it grows, is capped, begun anew, or read from its end."""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_workers.orchestrator.joblog import LogLimits, LogWriter, write_last
from airbyte_workers.redaction import Redactor
from airbyte_workers.settings import Settings
from airbyte_workers.store import log_reading
from airbyte_workers.store.log_objects import LogObject, attempt_folder, job_folder
from airbyte_workers.store.log_reading import LogReader
from airbyte_workers.store.objects import Objects, StorageError

FOLDER = attempt_folder(7, 0)
CHUNK_BYTES = 600
SIX = 6  # lines in one object of a small writer


class Place:
    """A folder as object storage, that counts what is asked of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.objects = Counted(root.as_uri())

    def writer(self, chunks: int = 1000, folder: str = FOLDER) -> LogWriter:
        limits = LogLimits.of(
            Settings(
                max_log_bytes=chunks * CHUNK_BYTES,
                max_log_line_bytes=50_000,
                log_chunk_bytes=CHUNK_BYTES,
                log_unwritten_bytes=8 * CHUNK_BYTES,
                log_repeats_burst=1_000_000,
            )
        )
        return LogWriter(self.objects, folder, Redactor(), limits)

    def reader(self) -> LogReader:
        return LogReader(self.objects, job_folder(7))


class Counted(Objects):
    """Object storage that remembers which parts were read, and can be away from the next but nth change on."""

    def __init__(self, url: str) -> None:
        super().__init__(url, timeout=5)
        self.parts: list[tuple[str, int, int]] = []
        self.away_after: int | None = None

    async def put(self, key: str, body: bytes) -> None:
        self._spend()
        await super().put(key, body)

    async def delete(self, key: str) -> None:
        self._spend()
        await super().delete(key)

    def _spend(self) -> None:
        if self.away_after == 0:
            raise StorageError("away")
        if self.away_after is not None:
            self.away_after -= 1

    async def part(self, key: str, start: int, end: int) -> bytes | None:
        self.parts.append((key, start, end))
        return await super().part(key, start, end)


@contextmanager
def small_objects() -> Iterator[None]:
    """Objects of six lines, read in pieces of about two."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_reading, "BLOCK", 250)
        yield


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with small_objects():
        yield Place(tmp_path / "storage")


def say(log: LogWriter, numbers: range) -> None:
    """Lines of one length."""
    for number in numbers:
        log("source", "INFO", f"{number:04} {'x' * 12}")


def texts(lines: list[bytes]) -> list[str]:
    return [json.loads(line)["text"].split()[0] for line in lines]


async def read(reader: LogReader) -> list[str]:
    return texts([line async for lines in reader.new() for line in lines])


def numbered(numbers: range) -> list[str]:
    return [f"{number:04}" for number in numbers]


# --- forwards ---


async def test_a_log_is_read_whole_and_then_only_what_is_new(place: Place) -> None:
    log, reader = place.writer(), place.reader()
    say(log, range(20))
    await log.flush()
    assert await read(reader) == numbered(range(20))
    assert await read(reader) == []
    say(log, range(20, 45))
    await log.flush()
    assert await read(reader) == numbered(range(20, 45))


async def test_no_byte_is_read_twice_but_a_few_to_know_where_one_is(place: Place) -> None:
    log, reader = place.writer(), place.reader()
    for first in range(0, 60, 2):
        say(log, range(first, first + 2))
        await log.flush()
        await read(reader)
    written = sum(path.stat().st_size for path in place.root.rglob("*.jsonl"))
    asked = sum(end - start for _, start, end in place.objects.parts)
    again = len(place.objects.parts) * log_reading._TAIL
    assert written <= asked <= written + again
    assert max(end - start for _, start, end in place.objects.parts) <= log_reading.BLOCK + log_reading._TAIL


async def test_nothing_is_asked_of_an_object_that_has_not_grown(place: Place) -> None:
    log, reader = place.writer(), place.reader()
    say(log, range(20))
    await log.flush()
    await read(reader)
    place.objects.parts.clear()
    await read(reader)
    assert place.objects.parts == []


async def test_a_line_longer_than_a_block_is_read_whole(place: Place) -> None:
    log, reader = place.writer(), place.reader()
    for text in ("short", "x" * 40_000, "short again"):
        log("source", "INFO", text)
    await log.flush()
    assert await read(reader) == ["short", "x" * 40_000, "short"]


async def test_where_nothing_is_nothing_was_found(place: Place) -> None:
    reader = place.reader()
    assert (await read(reader), reader.found) == ([], False)
    log = place.writer()
    say(log, range(1))
    await log.flush()
    assert (await read(reader), reader.found) == (["0000"], True)


async def test_the_log_of_job_70_is_not_that_of_job_7(place: Place) -> None:
    log = place.writer(folder=attempt_folder(70, 0))
    say(log, range(1))
    await log.flush()
    assert await read(place.reader()) == []


# --- capped ---


async def test_over_the_cap_a_reader_who_comes_late_is_told_how_much_is_missing_and_where(place: Place) -> None:
    log = place.writer(chunks=4)
    for first in range(0, 120, SIX):
        say(log, range(first, first + SIX))
        await log.flush()
    lines = await read(place.reader())
    (gap,) = [at for at, text in enumerate(lines) if len(text) < 4]
    assert lines[:gap] == numbered(range(gap))
    assert lines[gap + 1 :] == numbered(range(120 - (len(lines) - gap - 1), 120))
    assert int(lines[gap]) == log.lines_dropped == 120 - (len(lines) - 1)


async def test_over_the_cap_a_reader_who_reads_along_misses_nothing_and_is_told_of_nothing(place: Place) -> None:
    log, reader, lines = place.writer(chunks=4), place.reader(), list[str]()
    for first in range(0, 120, 5):
        say(log, range(first, first + 5))
        await log.flush()
        lines += await read(reader)
    assert log.lines_dropped > 0
    assert lines == numbered(range(120))


async def test_an_object_that_is_removed_while_it_is_read_is_in_the_gap(place: Place) -> None:
    log, reader = place.writer(chunks=4), place.reader()
    say(log, range(SIX * 4))
    await log.flush()
    lines: list[bytes] = []
    pieces = reader.new()
    lines += await anext(pieces)
    say(log, range(SIX * 4, SIX * 12))
    await log.flush()
    async for piece in pieces:
        lines += piece
    told = texts(lines)
    (gap,) = [at for at, text in enumerate(told) if len(text) < 4]
    assert told[:gap] == numbered(range(gap))
    assert told[gap + 1 :] == numbered(range(SIX * 12 - len(told) + gap + 1, SIX * 12))


async def test_of_an_object_that_was_removed_nobody_knows_whether_it_was_read_to_its_end(place: Place) -> None:
    log, reader, lines = place.writer(chunks=4), place.reader(), list[str]()
    for first in range(0, 5 * SIX + 2, 2):  # the reader is within the sixth object
        say(log, range(first, first + 2))
        await log.flush()
        lines += await read(reader)
    say(log, range(5 * SIX + 2, 8 * SIX + 2))  # now the seventh is the first of those that are left
    await log.flush()
    assert min(path.name for path in place.root.rglob("00000[2-9].jsonl")) == "000006.jsonl"
    more = await read(reader)
    assert (lines, len(more[0])) == (numbered(range(5 * SIX + 2)), 2)
    assert more[1:] == numbered(range(6 * SIX, 8 * SIX + 2))


async def test_lines_that_were_never_written_are_told_where_they_are_missing_and_once(place: Place) -> None:
    log = place.writer(chunks=4)
    for first in range(0, 60, SIX):
        say(log, range(first, first + SIX))
        await log.flush()
    place.objects.away_after = 0
    say(log, range(60, 60 + 12 * SIX))
    await log.flush()
    place.objects.away_after = 1  # one object gets through
    await log.flush()
    lines = await read(place.reader())
    gaps = [at for at, text in enumerate(lines) if len(text) != 4]
    assert len(gaps) == 2
    assert sum(int(lines[at]) for at in gaps) == int(lines[-1]) + 1 - (len(lines) - 2)


async def test_a_log_that_was_begun_anew_is_read_from_its_beginning(place: Place) -> None:
    """A pod that is launched again writes over what the one before it wrote."""
    reader = place.reader()
    for name, lines in (("one", 3), ("two", 5), ("three", 1), ("four", 4)):
        log = place.writer()
        for number in range(lines):
            log("source", "INFO", f"{name}-{number}")
        await asyncio.sleep(0.002)  # the time stands in each line
        await log.flush()
        assert await read(reader) == [f"{name}-{number}" for number in range(lines)]


async def test_what_followed_an_attempt_is_told_once_however_often_it_is_written(place: Place) -> None:
    reader = place.reader()
    for text in ("attempt 2 starts in 10 s", "attempt 2 starts in 10 seconds"):
        await write_last(place.objects, FOLDER, text)
        await read(reader)
    assert reader.lines == 1


@settings(max_examples=100, deadline=None)
@given(
    steps=st.lists(st.sampled_from(["say", "say a lot", "flush", "read", "away", "soon away", "back"]), max_size=40),
    chunks=st.integers(2, 6),
)
def test_whatever_happens_lines_come_once_in_order_and_those_that_are_missing_are_told(
    steps: list[str], chunks: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, small_objects():
        asyncio.run(_history(Path(folder), [*steps, "back", "flush", "read"], chunks))


async def _history(root: Path, steps: list[str], chunks: int) -> None:
    place = Place(root / "storage")
    log, reader, lines, said = place.writer(chunks), place.reader(), list[str](), 0
    for step in steps:
        if step.startswith("say"):
            more = 5 if step == "say" else 40
            say(log, range(said, said + more))
            said += more
        elif step == "flush":
            await log.flush()
        elif step == "read":
            lines += await read(reader)
        else:
            place.objects.away_after = {"away": 0, "soon away": 2, "back": None}[step]
    numbers = [int(text) for text in lines if len(text) == 4]
    assert numbers == sorted(set(numbers))
    told = {at for at, text in enumerate(lines) if len(text) != 4}
    expected = 0
    for at, text in enumerate(lines):
        if at in told:
            continue
        if int(text) != expected:
            assert at - 1 in told, (lines, text)
        expected = int(text) + 1
    assert expected == said
    late = await read(place.reader())
    missing = said - len([text for text in late if len(text) == 4])
    told_late = sum(int(text) for text in late if len(text) != 4)
    assert told_late >= missing
    if not {"away", "soon away"} & set(steps):  # then one removal may be told before it succeeds
        assert told_late == missing == log.lines_dropped


# --- backwards ---


@pytest.mark.parametrize("count", [0, 1, 5, 7, 20, 44, 45, 1000])
async def test_the_last_lines_are_those_of_the_whole_log(place: Place, count: int) -> None:
    log, reader = place.writer(), place.reader()
    say(log, range(45))
    await log.flush()
    assert texts(list(await reader.last(count))) == numbered(range(45))[max(0, 45 - count) :]
    say(log, range(45, 50))
    await log.flush()
    assert await read(reader) == numbered(range(45, 50))


async def test_the_last_lines_that_are_wanted_are_looked_for_further_up(place: Place) -> None:
    log, reader = place.writer(), place.reader()
    say(log, range(45))
    await log.flush()
    found = await reader.last(3, lambda line: re.search(rb'"00[0-4]5', line) is not None)
    assert texts(list(found)) == ["0015", "0025", "0035"]


async def test_for_a_few_last_lines_the_rest_is_not_read(place: Place) -> None:
    log, reader = place.writer(), place.reader()
    say(log, range(600))
    await log.flush()
    await reader.last(3)
    assert sum(end - start for _, start, end in place.objects.parts) <= 2 * log_reading.BLOCK


async def test_a_long_line_is_whole_among_the_last_ones(place: Place) -> None:
    log, reader = place.writer(), place.reader()
    for text in ("a", "x" * 40_000, "b"):
        log("source", "INFO", text)
    await log.flush()
    assert texts(list(await reader.last(2))) == ["x" * 40_000, "b"]


# --- the order ---


def test_objects_are_read_in_the_order_in_which_they_came_about() -> None:
    keys = [
        "logs/7/spec-destination/000000.jsonl",
        "logs/7/spec-source/000000.jsonl",
        "logs/7/spec-source/000001.jsonl",
        "logs/7/discover/000000.jsonl",
        "logs/7/0/0-0-check-source/000000.jsonl",
        "logs/7/0/0-1-check-destination/000000.jsonl",
        "logs/7/0/000000.jsonl",
        "logs/7/0/000001.jsonl",
        "logs/7/0/000002-dropped.jsonl",
        "logs/7/0/000002.jsonl",
        "logs/7/0/000009.jsonl",
        "logs/7/0/1000000.jsonl",
        "logs/7/0/last.jsonl",
    ]
    objects = [LogObject(key, 1) for key in sorted(keys)]
    assert [each.key for each in sorted(objects, key=lambda each: each.place)] == keys
    assert [each.attempt for each in objects if each.attempt is None] == [None] * 4
