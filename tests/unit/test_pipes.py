"""FIFOs on an event loop, with real FIFOs: when there is data, when there is an end, when there is only silence."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from airbyte_workers.orchestrator.pipes import FifoReader, FifoWriter, blocks, open_reader, try_open_writer
from airbyte_workers.replication.lines import LineTooLong

MIB = 1024 * 1024
NO_LIMIT = 2**40


@pytest.fixture
def path(tmp_path: Path) -> Path:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    return fifo


@pytest.fixture
def reader(path: Path) -> Iterator[FifoReader]:
    reader = open_reader(path)
    yield reader
    reader.close()


def opened(path: Path) -> FifoWriter:
    writer = try_open_writer(path)
    assert writer is not None
    return writer


async def some_turns() -> None:
    """Time enough for what could happen at once to happen."""
    for _ in range(5):
        await asyncio.sleep(0.01)


async def everything(reader: FifoReader, size: int = 64 * 1024) -> bytes:
    parts = []
    while part := await reader.read(size):
        parts.append(part)
    return b"".join(parts)


# --- reading ---


async def test_no_data_before_the_first_writer_is_not_an_end(reader: FifoReader, path: Path) -> None:
    reading = asyncio.create_task(reader.read(100))
    await some_turns()
    assert not reading.done()
    writer = opened(path)
    await some_turns()
    assert not reading.done()
    writer.write_now(b"hello")
    assert await reading == b"hello"
    writer.close()
    assert await reader.read(100) == b""


async def test_the_end_comes_when_the_last_writer_is_gone_and_stays(reader: FifoReader, path: Path) -> None:
    first, second = opened(path), opened(path)
    first.write_now(b"a")
    first.close()
    second.write_now(b"b")
    assert await reader.read(100) == b"ab"
    reading = asyncio.create_task(reader.read(100))
    await some_turns()
    assert not reading.done()
    second.close()
    assert await reading == b""
    assert await reader.read(100) == b""


async def test_a_writer_that_came_and_went_before_the_first_read_is_an_end(reader: FifoReader, path: Path) -> None:
    writer = opened(path)
    writer.write_now(b"all")
    writer.close()
    assert await everything(reader) == b"all"


async def test_a_writer_that_says_nothing_is_an_end_when_it_goes(reader: FifoReader, path: Path) -> None:
    reading = asyncio.create_task(reader.read(100))
    writer = opened(path)
    await some_turns()
    writer.close()
    assert await reading == b""


async def test_a_read_gives_no_more_than_was_asked_for(reader: FifoReader, path: Path) -> None:
    writer = opened(path)
    writer.write_now(b"abcdef")
    writer.close()
    assert [await reader.read(4), await reader.read(4), await reader.read(4)] == [b"abcd", b"ef", b""]


# --- a connector that ended without ever opening its pipe ---


async def test_a_pipe_that_nobody_ever_opened_ends_on_the_word_that_its_writer_is_gone(reader: FifoReader) -> None:
    reading = asyncio.create_task(reader.read(100))
    await some_turns()
    assert not reading.done()
    reader.writer_gone()
    assert await reading == b""
    assert await reader.read(100) == b""


async def test_the_word_may_come_before_the_read(reader: FifoReader) -> None:
    reader.writer_gone()
    assert await reader.read(100) == b""


async def test_what_is_in_the_pipe_of_a_gone_writer_is_still_read(reader: FifoReader, path: Path) -> None:
    writer = opened(path)
    writer.write_now(b"last words")
    writer.close()
    reader.writer_gone()
    assert await everything(reader) == b"last words"


async def test_a_leftover_that_holds_the_pipe_open_in_silence_is_not_waited_for(reader: FifoReader, path: Path) -> None:
    leftover = opened(path)
    leftover.write_now(b"last words")
    reader.writer_gone()
    assert await everything(reader) == b"last words"
    leftover.close()


async def test_a_leftover_that_still_speaks_is_heard(reader: FifoReader, path: Path) -> None:
    leftover = opened(path)
    reader.writer_gone()
    reading = asyncio.create_task(everything(reader))
    await some_turns()
    leftover.write_now(b"wait, ")
    await some_turns()
    leftover.write_now(b"there is more")
    leftover.close()
    assert await reading == b"wait, there is more"


# --- interruption ---


async def test_an_interruption_ends_the_read_that_waits_and_every_later_one(reader: FifoReader, path: Path) -> None:
    writer = opened(path)
    reading = asyncio.create_task(reader.read(100))
    await some_turns()
    reader.interrupt()
    assert await reading == b""
    writer.write_now(b"unheard")
    assert await reader.read(100) == b""
    writer.close()


async def test_after_a_resumption_nothing_is_lost(reader: FifoReader, path: Path) -> None:
    writer = opened(path)
    writer.write_now(b"kept")
    reader.interrupt()
    assert await reader.read(100) == b""
    reader.resume()
    writer.close()
    assert await everything(reader) == b"kept"


async def test_an_interruption_ends_the_wait_for_a_leftover_too(reader: FifoReader, path: Path) -> None:
    leftover = opened(path)
    reader.writer_gone()
    reading = asyncio.create_task(reader.read(100))
    await some_turns()
    reader.interrupt()
    assert await reading == b""
    leftover.close()


async def test_a_cancelled_read_leaves_the_pipe_as_it_was(reader: FifoReader, path: Path) -> None:
    reading = asyncio.create_task(reader.read(100))
    await some_turns()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    writer = opened(path)
    writer.write_now(b"still here")
    assert await reader.read(100) == b"still here"
    writer.close()


# --- writing ---


def test_without_a_reader_there_is_no_writer(path: Path, tmp_path: Path) -> None:
    assert try_open_writer(path) is None
    assert try_open_writer(tmp_path / "nothing") is None


async def test_a_writer_goes_as_slowly_as_its_reader(reader: FifoReader, path: Path) -> None:
    data = os.urandom(MIB)
    writer = opened(path)
    writing = asyncio.create_task(writer.write(data))
    await some_turns()
    assert not writing.done()
    head = await reader.read(1000)
    await some_turns()
    assert not writing.done()
    reading = asyncio.create_task(everything(reader))
    await writing
    writer.close()
    assert head + await reading == data


async def test_a_reader_that_goes_is_felt_by_the_write_that_waits(path: Path) -> None:
    reader = open_reader(path)
    writer = opened(path)
    writing = asyncio.create_task(writer.write(bytes(MIB)))
    await some_turns()
    reader.close()
    with pytest.raises(BrokenPipeError):
        await writing
    with pytest.raises(BrokenPipeError):
        await writer.write(b"x")
    writer.close()


async def test_a_reader_that_does_not_read_can_be_given_up(reader: FifoReader, path: Path) -> None:
    writer = opened(path)
    writing = asyncio.create_task(writer.write(bytes(MIB)))
    await some_turns()
    writer.give_up()
    with pytest.raises(BrokenPipeError):
        await writing
    with pytest.raises(BrokenPipeError):
        await writer.write(b"x")
    writer.close()


async def test_an_empty_write_is_nothing(reader: FifoReader, path: Path) -> None:
    writer = opened(path)
    writer.give_up()
    await writer.write(b"")
    writer.close()


async def test_a_pipe_can_be_let_go_of_twice(reader: FifoReader, path: Path) -> None:
    writer = opened(path)
    writer.close()
    writer.close()


async def test_a_word_to_a_reader_that_is_gone_is_an_error(path: Path) -> None:
    reader = open_reader(path)
    writer = opened(path)
    reader.close()
    with pytest.raises(BrokenPipeError):
        writer.write_now(b"TERM\n")
    writer.close()


async def test_a_pipe_can_be_enlarged_and_what_is_no_pipe_says_no(
    reader: FifoReader, path: Path, tmp_path: Path
) -> None:
    writer = opened(path)
    assert isinstance(writer.enlarge(128 * 1024), bool)
    assert isinstance(reader.enlarge(128 * 1024), bool)
    writer.close()
    plain = FifoWriter(os.open(tmp_path / "file", os.O_CREAT | os.O_WRONLY))
    assert plain.enlarge(128 * 1024) is False
    plain.close()


# --- something else in the place of a FIFO: its folder is the connector's too ---


def stand_in(kind: str, place: Path, target: Path) -> None:
    """Put something into the place of a FIFO that leads, or could lead, to a file of the host."""
    target.write_bytes(KEPT)
    if kind == "link":
        place.symlink_to(target)
    elif kind == "link to a FIFO that is read":
        os.mkfifo(target.with_name("elsewhere"))
        place.symlink_to(target.with_name("elsewhere"))
    elif kind == "link to nothing":
        place.symlink_to(target.with_name("nothing"))
    elif kind == "hard link":
        place.hardlink_to(target)
    elif kind == "file":
        place.write_bytes(KEPT)
    elif kind == "folder":
        place.mkdir()
    elif kind == "link to a device":
        place.symlink_to("/dev/null")
    elif kind == "device":
        try:
            os.mknod(place, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("only root makes devices")
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(os.path.relpath(place))


KEPT = b"of the host\n"
STAND_INS = [
    "link",
    "link to a FIFO that is read",
    "link to nothing",
    "hard link",
    "file",
    "folder",
    "link to a device",
    "device",
    "socket",
]


@pytest.mark.parametrize("kind", STAND_INS)
def test_what_is_no_fifo_has_no_writer_and_no_reader(tmp_path: Path, kind: str) -> None:
    stand_in(kind, tmp_path / "in", tmp_path / "target")
    elsewhere = tmp_path / "elsewhere"
    reading = open_reader(elsewhere) if elsewhere.exists() else None
    assert try_open_writer(tmp_path / "in") is None
    with pytest.raises(OSError, match="in'"):
        open_reader(tmp_path / "in")
    assert (tmp_path / "target").read_bytes() == KEPT
    assert not (tmp_path / "nothing").exists()
    if reading is not None:
        reading.close()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
@pytest.mark.parametrize("kind", STAND_INS)
def test_what_is_no_fifo_costs_no_descriptor_however_often_it_is_tried(tmp_path: Path, kind: str) -> None:
    stand_in(kind, tmp_path / "in", tmp_path / "target")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(10):
        assert try_open_writer(tmp_path / "in") is None
    assert len(list(Path("/proc/self/fd").iterdir())) == before


# --- blocks of whole lines ---


async def said(reader: FifoReader, limit: int = NO_LIMIT, size: int = 16) -> list[bytes]:
    return [block async for block in blocks(reader, size=size, max_line_bytes=limit)]


async def test_blocks_end_at_newlines_and_the_last_line_needs_none(reader: FifoReader, path: Path) -> None:
    writer = opened(path)
    writer.write_now(b"one\ntwo\nthree is longer than a read\nfour")
    writer.close()
    found = await said(reader)
    assert b"".join(found) == b"one\ntwo\nthree is longer than a read\nfour\n"
    assert all(block.endswith(b"\n") for block in found)


async def test_half_a_line_of_an_interrupted_reader_is_no_message(reader: FifoReader, path: Path) -> None:
    writer = opened(path)
    writer.write_now(b"whole\nhal")
    reading = asyncio.create_task(said(reader))
    await some_turns()
    reader.interrupt()
    assert await reading == [b"whole\n"]
    writer.close()


async def test_a_line_over_the_limit_is_refused(reader: FifoReader, path: Path) -> None:
    writer = opened(path)
    writer.write_now(b"ok\n" + b"x" * 100)
    with pytest.raises(LineTooLong):
        await said(reader, limit=50)
    writer.close()


async def test_a_source_that_never_pauses_does_not_starve_other_tasks(reader: FifoReader, path: Path) -> None:
    writer = opened(path)
    writer.write_now(b"line\n" * 1000)
    writer.close()
    turns = []

    async def other() -> None:
        for n in range(2000):
            turns.append(n)
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    seen = []
    async for _ in blocks(reader, size=50, max_line_bytes=NO_LIMIT):
        seen.append(len(turns))
        time.sleep(0.001)  # noqa: ASYNC251  # what a block costs: time without a pause
    await task
    assert len(seen) == 100
    assert len(set(seen)) > 5


async def test_a_reader_that_was_interrupted_before_anybody_wrote_still_waits_for_a_writer(
    reader: FifoReader, path: Path
) -> None:
    reading = asyncio.create_task(reader.read(100))
    await asyncio.sleep(0)
    reader.interrupt()
    assert await reading == b""
    reader.resume()
    reading = asyncio.create_task(reader.read(100))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not reading.done()
    writer = opened(path)
    writer.write_now(b"late\n")
    assert await reading == b"late\n"
    writer.close()
