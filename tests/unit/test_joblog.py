"""The log of an attempt in a real folder: capped, head and tail kept, what is missing counted."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from airbyte_workers.orchestrator.joblog import LogLimits, LogWriter
from airbyte_workers.redaction import MASK, Redactor
from airbyte_workers.settings import Settings
from airbyte_workers.store.objects import Objects

PREFIX = "logs/job-1/attempt-0"
MIB = 1024 * 1024
LINE = "x" * 8000
CHUNK_BYTES = MIB
MAX_UNWRITTEN = 8  # chunks
A_CHUNK = CHUNK_BYTES // 8000  # lines, about
SECRET = "hunter2&hunter3"


class Storage:
    """A folder as object storage that can be away for a while."""

    def __init__(self, root: Path) -> None:
        self._root = root / "storage"
        self.objects = Objects(self._root.as_uri(), timeout=5)

    def go_away(self) -> None:
        (self._root / "logs").write_text("a file where a folder should be")

    def come_back(self) -> None:
        (self._root / "logs").unlink()

    @property
    def folder(self) -> Path:
        return self._root / PREFIX

    def chunks(self) -> list[list[dict[str, Any]]]:
        paths = sorted(self.folder.glob("*.jsonl"))
        return [[json.loads(line) for line in path.read_bytes().splitlines()] for path in paths]

    def lines(self) -> list[dict[str, Any]]:
        return [line for chunk in self.chunks() for line in chunk]

    def sizes(self) -> list[int]:
        return [path.stat().st_size for path in self.folder.glob("*.jsonl")]


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path)


def writer(
    storage: Storage,
    *,
    max_bytes: int = 50 * MIB,
    max_line_bytes: int = 16 * 1024,
    secrets: tuple[str, ...] = (),
    burst: int = 1_000_000,
) -> LogWriter:
    settings = Settings(
        max_log_bytes=max_bytes,
        max_log_line_bytes=max_line_bytes,
        log_chunk_bytes=CHUNK_BYTES,
        log_unwritten_bytes=MAX_UNWRITTEN * CHUNK_BYTES,
        log_repeats_burst=burst,
    )
    return LogWriter(storage.objects, PREFIX, Redactor(secrets), LogLimits.of(settings))


def numbered(log: LogWriter, first: int, count: int) -> None:
    for number in range(first, first + count):
        log("source", "INFO", f"{number} {LINE}")


def numbers(lines: list[dict[str, Any]]) -> list[int]:
    return [int(line["text"].split()[0]) for line in lines if line["leg"] == "source"]


async def test_a_line_says_when_who_how_loud_and_what(storage: Storage) -> None:
    log = writer(storage)
    log("destination", "warn", 'flushed "users"\nat once ż')
    await log.flush()
    (line,) = storage.lines()
    assert line.pop("at").endswith("+00:00")
    assert line == {"leg": "destination", "level": "WARN", "text": 'flushed "users"\nat once ż'}


async def test_lines_come_back_in_their_order_and_each_once(storage: Storage) -> None:
    log = writer(storage)
    for first in range(0, 600, 100):
        numbered(log, first, 100)
        await log.flush()
        await log.flush()
    assert numbers(storage.lines()) == list(range(600))
    assert len(storage.chunks()) > 1
    assert log.lines_dropped == 0


async def test_no_chunk_is_bigger_than_its_limit(storage: Storage) -> None:
    log = writer(storage)
    numbered(log, 0, 3 * A_CHUNK)
    await log.flush()
    assert len(storage.sizes()) == 4
    assert max(storage.sizes()) <= CHUNK_BYTES


async def test_nothing_said_is_nothing_written(storage: Storage) -> None:
    await writer(storage).flush()
    assert storage.chunks() == []


@pytest.mark.parametrize(("length", "kept"), [(99, "x" * 99), (100, "x" * 100), (101, "x" * 94 + " [cut]")])
async def test_a_long_line_is_cut_and_says_so(storage: Storage, length: int, kept: str) -> None:
    log = writer(storage, max_line_bytes=100)
    log("source", "INFO", "x" * length)
    await log.flush()
    assert storage.lines()[0]["text"] == kept


@pytest.mark.parametrize("text", ["half \ud800", "nul \0", "\x01", "\u2028"])
async def test_any_text_can_be_written(storage: Storage, text: str) -> None:
    log = writer(storage)
    log("source", "INFO", text)
    await log.flush()
    assert len(storage.lines()) == 1


# --- streams ---


@pytest.mark.parametrize(
    ("stream", "told"),
    [
        (None, {}),
        (("users", None), {"stream": "users"}),
        (("users", "public"), {"stream": "users", "namespace": "public"}),
        ((SECRET, SECRET), {"stream": MASK, "namespace": MASK}),
    ],
)
async def test_a_line_about_a_stream_names_it_and_no_secret(
    storage: Storage, stream: tuple[str, str | None] | None, told: dict[str, str]
) -> None:
    log = writer(storage, secrets=(SECRET,))
    log("source", "INFO", "hello", stream)
    await log.flush()
    assert {name: value for name, value in storage.lines()[0].items() if name in ("stream", "namespace")} == told


# --- secrets ---


async def test_no_line_holds_a_secret(storage: Storage) -> None:
    log = writer(storage, secrets=(SECRET,))
    for leg in ("source", "destination", "airbyte_platform"):
        log(leg, "INFO", f'signed in with {SECRET}\nand again: {{"password": "something else"}}')
    await log.flush()
    shown = f'signed in with {MASK}\nand again: {{"password": "{MASK}"}}'
    assert [line["text"] for line in storage.lines()] == [shown] * 3


async def test_a_cut_leaves_no_part_of_a_secret(storage: Storage) -> None:
    log = writer(storage, max_line_bytes=100, secrets=(SECRET,))
    shifts = range(100 - len(SECRET) - 8, 102)
    for before in shifts:
        log("source", "INFO", "x" * before + SECRET + "y" * 100)
    await log.flush()
    kept = [line["text"].removesuffix(" [cut]") for line in storage.lines()]
    assert [len(text) for text in kept] == [94] * len(shifts)
    assert set("".join(kept)) <= set("xy*")


async def test_a_secret_behind_many_others_is_not_half_shown_because_they_became_shorter(storage: Storage) -> None:
    long = "s3cret" * 200
    log = writer(storage, max_line_bytes=6_000, secrets=(long, SECRET))
    for shift in range(len(SECRET)):
        log("source", "INFO", (long + "-") * 4 + "x" * (log.reads - 4 * len(long) - 4 - shift) + SECRET)
    await log.flush()
    assert all(set(line["text"]) <= set("*-x [cut]") for line in storage.lines())


async def test_only_a_destination_may_quote_data_so_only_its_lines_are_cut_there(storage: Storage) -> None:
    log = writer(storage)
    for leg in ("source", "destination"):
        log(leg, "ERROR", "INSERT INTO users VALUES (1, 'Ann')")
    await log.flush()
    source, destination = (line["text"] for line in storage.lines())
    assert source == "INSERT INTO users VALUES (1, 'Ann')"
    assert destination == f"INSERT INTO users VALUES ({MASK}"


@pytest.mark.parametrize(
    ("given", "kept"), [("fatal", "FATAL"), ("Trace", "TRACE"), (SECRET, "INFO"), ("", "INFO"), ("NOTICE", "INFO")]
)
async def test_a_level_is_one_of_the_known_ones_and_never_a_text(storage: Storage, given: str, kept: str) -> None:
    log = writer(storage)
    log("source", given, "hello")
    await log.flush()
    assert storage.lines()[0]["level"] == kept


# --- bounds ---


async def test_a_flush_that_is_cancelled_loses_no_line(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    log = writer(storage)
    numbered(log, 0, 3 * A_CHUNK)

    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    with monkeypatch.context() as patched:
        patched.setattr(storage.objects, "put", never)
        flushing = asyncio.create_task(log.flush())
        await asyncio.sleep(0)
        flushing.cancel()
        await asyncio.wait([flushing])
    await log.flush()
    assert numbers(storage.lines()) == list(range(3 * A_CHUNK))


async def test_over_the_cap_the_head_and_the_tail_stay_and_the_rest_is_counted(storage: Storage) -> None:
    log = writer(storage, max_bytes=4 * MIB)
    written = 24 * (A_CHUNK // 2)
    for first in range(0, written, A_CHUNK // 2):
        numbered(log, first, A_CHUNK // 2)
        await log.flush()
    lines = storage.lines()
    kept = numbers(lines)
    (gap,) = [place for place, line in enumerate(lines) if line["leg"] == "airbyte_platform"]
    head, tail = kept[:gap], kept[gap:]
    assert head == list(range(len(head)))
    assert tail == list(range(written - len(tail), written))
    assert log.lines_dropped == written - len(kept)
    assert lines[gap]["text"] == f"{log.lines_dropped:,} lines dropped here"
    assert sum(storage.sizes()) <= 5 * MIB
    assert len(head) >= A_CHUNK
    assert len(tail) >= A_CHUNK


async def test_what_is_said_while_storage_is_away_is_written_when_it_is_back(storage: Storage) -> None:
    log = writer(storage)
    numbered(log, 0, 10)
    storage.go_away()
    await log.flush()
    numbered(log, 10, 3 * A_CHUNK)
    await log.flush()
    storage.come_back()
    await log.flush()
    assert numbers(storage.lines()) == list(range(10 + 3 * A_CHUNK))
    assert log.lines_dropped == 0


async def test_storage_that_stays_away_costs_the_oldest_lines_and_a_bounded_memory(storage: Storage) -> None:
    log = writer(storage)
    storage.go_away()
    total = (MAX_UNWRITTEN + 5) * A_CHUNK
    for first in range(0, total, A_CHUNK):
        numbered(log, first, A_CHUNK)
        await log.flush()
    assert log.lines_dropped > 0
    storage.come_back()
    await log.flush()
    kept = numbers(storage.lines())
    assert kept == list(range(log.lines_dropped, total))
    assert storage.lines()[0]["text"] == f"{log.lines_dropped:,} lines dropped here"


async def test_of_an_object_that_is_dropped_half_written_the_other_half_is_counted(storage: Storage) -> None:
    log = writer(storage)
    numbered(log, 0, 10)
    await log.flush()
    total = (MAX_UNWRITTEN + 3) * A_CHUNK
    numbered(log, 10, total - 10)  # without a pause
    await log.flush()
    kept = numbers(storage.lines())
    assert len(kept) + log.lines_dropped == total
    assert kept[:11] == [*range(10), log.lines_dropped + 10]
    assert [line["text"] for line in storage.lines() if line["leg"] == "airbyte_platform"] == [
        f"{log.lines_dropped:,} lines dropped here"
    ]


async def test_an_object_that_is_just_being_written_is_not_dropped(storage: Storage) -> None:
    log = writer(storage)
    numbered(log, 0, 10)
    flushing = asyncio.create_task(log.flush())
    await asyncio.sleep(0)
    total = (MAX_UNWRITTEN + 3) * A_CHUNK
    numbered(log, 10, total - 10)
    await flushing
    await log.flush()
    assert len(numbers(storage.lines())) + log.lines_dropped == total
    assert numbers(storage.lines())[: A_CHUNK // 2] == list(range(A_CHUNK // 2))


async def test_an_object_that_was_dropped_half_written_gives_way_like_any_other(storage: Storage) -> None:
    log = writer(storage, max_bytes=4 * MIB)
    numbered(log, 0, 3 * A_CHUNK + 10)
    await log.flush()
    numbered(log, 3 * A_CHUNK + 10, (MAX_UNWRITTEN + 6) * A_CHUNK)
    await log.flush()
    assert len(storage.sizes()) == 2 + 1 + 2 + 1  # the head, what stands for the rest, the tail, the newest
    kept = numbers(storage.lines())
    assert len(kept) + log.lines_dropped == (MAX_UNWRITTEN + 9) * A_CHUNK + 10


async def test_what_stands_for_removed_objects_is_the_only_object_that_changes(storage: Storage) -> None:
    """Who reads along keeps an offset in each."""
    log = writer(storage, max_bytes=4 * MIB)
    seen: dict[str, bytes] = {}
    for first in range(0, 12 * A_CHUNK, A_CHUNK // 2):
        numbered(log, first, A_CHUNK // 2)
        await log.flush()
        there = {path.name: path.read_bytes() for path in storage.folder.glob("*.jsonl")}
        changed = [name for name in there if not there[name].startswith(seen.get(name, b""))]
        assert changed in ([], ["000002-dropped.jsonl"])
        seen = there
    assert log.lines_dropped > 0


async def test_lines_that_come_faster_than_storage_takes_them_are_lost_with_their_number(storage: Storage) -> None:
    """More chunks than may wait come while one is being written; its lines are shorter, so more than any other's."""
    log = writer(storage)
    short = 5000
    for number in range(short):
        log("source", "INFO", f"{number} {'x' * 100}")
    numbered(log, short, A_CHUNK)
    flushing = asyncio.create_task(log.flush())
    await asyncio.sleep(0)
    rest = (MAX_UNWRITTEN + 4) * A_CHUNK
    numbered(log, short + A_CHUNK, rest)
    await flushing
    await log.flush()
    assert log.lines_dropped > 0
    assert len(numbers(storage.lines())) + log.lines_dropped == short + A_CHUNK + rest


# --- repeats ---


async def test_a_line_that_is_said_again_and_again_stands_once_with_its_number(storage: Storage) -> None:
    log = writer(storage)
    for _ in range(12_346):
        log("source", "WARN", "no luck\nat line 1", ("users", None))
    log("source", "INFO", "something else")
    await log.flush()
    said = [(line["level"], line.get("stream"), line["text"]) for line in storage.lines()]
    assert said == [
        ("WARN", "users", "no luck\nat line 1"),
        ("WARN", "users", "repeated 12,345 times: no luck"),
        ("INFO", None, "something else"),
    ]


async def test_a_count_is_told_at_the_next_flush_though_nothing_else_was_said(storage: Storage) -> None:
    log = writer(storage)
    for _ in range(5):
        log("source", "INFO", "waiting")
    await log.flush()
    assert [line["text"] for line in storage.lines()] == ["waiting", "repeated 4 times: waiting"]


async def test_of_a_flood_of_one_kind_some_lines_stand_there_and_the_rest_is_counted(storage: Storage) -> None:
    log = writer(storage, burst=20)
    numbered(log, 0, 10_000)
    log.settle()
    await log.flush()
    (total,) = [line["text"] for line in storage.lines() if line["leg"] == "airbyte_platform"]
    counts = [line["text"] for line in storage.lines() if "more lines like this one" in line["text"]]
    kept = [line["text"] for line in storage.lines() if line["text"].endswith(LINE)]
    counted = sum(int(text.split()[0].replace(",", "")) for text in counts)
    assert len(kept) + counted == 10_000
    assert kept[:20] == [f"{number} {LINE}" for number in range(20)]
    assert total == f"of what was said {counted:,} lines repeat others and are only counted"
    assert len(counts) == 1
    assert len(counts[0]) < 300


async def test_what_a_count_says_of_its_lines_holds_no_secret(storage: Storage) -> None:
    log = writer(storage, secrets=(SECRET,), burst=1)
    for number in range(100):
        log("source", "INFO", f"{'x' * 195} {SECRET} {number}")
        log("destination", "INFO", f"insert into t values ({number}, 'Ann')")
        log("destination", "ERROR", "a")
        log("destination", "ERROR", "a")
        log("destination", "ERROR", "a")
    log.settle()
    await log.flush()
    counts = [line["text"] for line in storage.lines() if "more lines like" in line["text"]]
    assert len(counts) >= 2
    stored = b"".join(path.read_bytes() for path in storage.folder.glob("*.jsonl"))
    assert b"hunter" not in stored
    assert b"Ann" not in stored


async def test_what_the_platform_says_is_never_left_out(storage: Storage) -> None:
    log = writer(storage, burst=1)
    for _ in range(50):
        log("airbyte_platform", "ERROR", "attempt failed")
    await log.flush()
    assert [line["text"] for line in storage.lines()] == ["attempt failed"] * 50


async def test_settling_twice_tells_nothing_twice(storage: Storage) -> None:
    log = writer(storage)
    for _ in range(3):
        log("source", "INFO", "waiting")
    log.settle()
    log.settle()
    await log.flush()
    log.settle()
    await log.flush()
    assert [line["text"] for line in storage.lines()] == [
        "waiting",
        "repeated 2 times: waiting",
        "of what was said 2 lines repeat others and are only counted",
    ]
