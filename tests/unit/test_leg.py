"""A connector as the orchestrator sees it, with real files and FIFOs: what it is told and says, how it ends."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_workers.jobs.endings import EndPeriods
from airbyte_workers.names import Role
from airbyte_workers.orchestrator.leg import ConnectorExit, Leg
from airbyte_workers.orchestrator.pipes import open_reader
from airbyte_workers.orchestrator.stderr import ShortLines

HURRY = EndPeriods(grace=0.01, term=0.01, exit_code=0.01)
KEPT = b"of the host\n"
MIB = 2**20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "destination"
    folder.mkdir()
    for name in ("in", "out", "err", "control"):
        os.mkfifo(folder / name)
    return folder


@pytest.fixture
def leg(folder: Path) -> Iterator[Leg]:
    leg = Leg(Role.DESTINATION, folder)
    yield leg
    leg.close()


def link(place: Path, target: Path) -> None:
    target.write_bytes(KEPT)
    place.unlink(missing_ok=True)
    place.symlink_to(target)


def plain(place: Path, _: Path) -> None:
    place.unlink(missing_ok=True)
    place.write_bytes(KEPT)


def no_folder(place: Path, _: Path) -> None:
    place.unlink(missing_ok=True)
    place.mkdir()


IMPOSTORS = [link, plain, no_folder]


def content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


# --- words to it, and its input ---


@pytest.mark.parametrize("put", IMPOSTORS)
async def test_a_word_goes_nowhere_when_control_is_no_fifo(
    leg: Leg, folder: Path, tmp_path: Path, put: Callable[[Path, Path], None]
) -> None:
    put(folder / "control", tmp_path / "target")
    leg.say("TERM")
    assert content(folder / "control") in (KEPT, None)
    assert content(tmp_path / "target") in (KEPT, None)
    assert not await leg.opened(0.05)


@pytest.mark.parametrize("put", IMPOSTORS)
async def test_an_input_that_is_no_fifo_is_nobody_there(
    leg: Leg, folder: Path, tmp_path: Path, put: Callable[[Path, Path], None]
) -> None:
    put(folder / "in", tmp_path / "target")
    assert await leg.open_input(0.05) is None
    assert content(tmp_path / "target") in (KEPT, None)


async def test_words_still_arrive_when_control_is_swapped_after_it_was_opened(
    leg: Leg, folder: Path, tmp_path: Path
) -> None:
    wrapper = open_reader(folder / "control")
    assert await leg.opened(10)
    link(folder / "control", tmp_path / "target")
    leg.say("release")
    leg.say("TERM")
    assert await wrapper.read(100) == b"release\nTERM\n"
    assert (tmp_path / "target").read_bytes() == KEPT
    wrapper.close()


async def test_a_word_to_a_wrapper_that_is_gone_is_no_error(leg: Leg, folder: Path) -> None:
    wrapper = open_reader(folder / "control")
    leg.say("release")
    wrapper.close()
    leg.say("TERM")
    leg.say("KILL")


@pytest.mark.parametrize("name", ["out", "err"])
def test_an_output_that_is_no_fifo_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    link(folder / name, tmp_path / "target")
    with pytest.raises(OSError, match=name):
        Leg(Role.SOURCE, folder)


async def test_an_input_is_not_waited_for_when_the_connector_has_ended(leg: Leg, folder: Path) -> None:
    (folder / "exit_code").write_text("3\n")
    assert await leg.open_input(60) is None
    assert await leg.opened(60)


# --- what it says of its end ---


@pytest.mark.parametrize(
    ("written", "known", "code"),
    [
        (b"0\n", True, 0),
        (b"137\n", True, 137),
        (b" 3 \n", True, 3),
        (b"0", False, None),
        (b"", False, None),
        (b"1", False, None),
        (b"13", False, None),
        (b"\n", True, None),
        (b"-1\n", True, None),
        (b"+0\n", True, None),
        (b"0x0\n", True, None),
        (b"0 0\n", True, None),
        (b"ok\n", True, None),
        (b"0\nno newline", False, None),
        (b"\xd9\xa3\n", True, None),
        (b"\xff\xfe\n", True, None),
        (b"0" * 63 + b"\n", True, 0),
        (b"0" * 64 + b"\n", False, None),
        (b"\0\n", True, None),
    ],
)
async def test_an_exit_code_is_read_when_it_is_whole_and_what_is_none_is_unknown(
    leg: Leg, folder: Path, written: bytes, known: bool, code: int | None
) -> None:
    (folder / "exit_code").write_bytes(written)
    assert leg.exit_code_written() == known
    assert (await leg.ended(HURRY)).code == code


@settings(max_examples=40)
@given(st.binary(max_size=8) | st.integers(0, 10**30).map(lambda code: b"%d\n" % code))
def test_no_exit_code_is_too_odd_to_be_read(tmp_path_factory: pytest.TempPathFactory, written: bytes) -> None:
    folder = tmp_path_factory.mktemp("leg")
    for name in ("out", "err"):
        os.mkfifo(folder / name)
    for name in ("exit_code", "out_of_memory"):
        (folder / name).write_bytes(written)
    leg = Leg(Role.SOURCE, folder)
    ended = asyncio.run(leg.stopped(HURRY))
    leg.close()
    digits = written.strip()
    assert ended.code == (int(digits) if leg.exit_code_written() and digits.isdigit() else None)
    assert ended.out_of_memory is None or ended.out_of_memory >= 0
    assert (ended.out_of_memory is None) == (not leg.exit_code_written())


@pytest.mark.parametrize("name", ["exit_code", "out_of_memory"])
async def test_what_it_says_of_its_end_is_read_through_no_link(
    leg: Leg, folder: Path, tmp_path: Path, name: str
) -> None:
    """A connector that is killed could else be made to look like one that ended well."""
    (tmp_path / "said").write_text("0\n")
    (folder / name).symlink_to(tmp_path / "said")
    assert await leg.ended(HURRY) == ConnectorExit(None)


@pytest.mark.parametrize("name", ["exit_code", "out_of_memory"])
async def test_a_folder_in_the_place_of_a_file_says_nothing_and_costs_nothing(
    leg: Leg, folder: Path, name: str
) -> None:
    (folder / name).mkdir()
    before = psutil.Process().num_fds()
    for _ in range(3):
        assert (await leg.ended(HURRY)).out_of_memory is None
    assert psutil.Process().num_fds() == before


async def test_a_fifo_in_the_place_of_an_exit_code_is_not_waited_for(leg: Leg, folder: Path) -> None:
    os.mkfifo(folder / "exit_code")
    assert (await leg.ended(HURRY)).code is None
    writer = os.open(folder / "exit_code", os.O_RDWR | os.O_NONBLOCK)
    assert (await leg.ended(HURRY)).code is None
    os.close(writer)


@pytest.mark.parametrize(
    ("written", "limit"),
    [
        (b"536870912\n", 512 * MIB),
        (b"max\n", 0),
        (b"9223372036854771712\n", 0),  # cgroup v1 on 4 KiB pages
        (b"9223372036854710272\n", 0),  # and on 64 KiB pages
        (b"18446744073709551615\n", 0),
        (b"nonsense\n", 0),
        (b"-1\n", 0),
        (b"\n", 0),
        (b"4611686018427387903\n", 2**62 - 1),
        (b"536870912", None),
        (b"", None),
    ],
)
async def test_the_memory_limit_of_a_connector_that_was_killed_at_it(
    leg: Leg, folder: Path, written: bytes, limit: int | None
) -> None:
    (folder / "out_of_memory").write_bytes(written)
    (folder / "exit_code").write_bytes(b"137\n")
    assert await leg.ended(HURRY) == ConnectorExit(137, out_of_memory=limit)


async def test_a_connector_that_ended_in_another_way_was_not_short_of_memory(leg: Leg, folder: Path) -> None:
    (folder / "exit_code").write_bytes(b"137\n")
    assert await leg.ended(HURRY) == ConnectorExit(137)


# --- its end ---


async def test_one_that_ends_within_its_grace_is_not_forced(leg: Leg, folder: Path) -> None:
    wrapper = open_reader(folder / "control")
    ending = asyncio.create_task(leg.ended(EndPeriods(grace=60, term=60, exit_code=60)))
    await asyncio.sleep(0)
    (folder / "exit_code").write_bytes(b"0\n")
    assert await ending == ConnectorExit(0)
    wrapper.close()


async def test_one_that_stays_is_told_to_end_and_then_ended(leg: Leg, folder: Path) -> None:
    wrapper = open_reader(folder / "control")
    assert await leg.ended(HURRY) == ConnectorExit(None, forced=True)
    assert await wrapper.read(100) == b"TERM\nKILL\n"
    wrapper.close()


async def test_one_that_ends_on_term_is_not_killed(leg: Leg, folder: Path) -> None:
    wrapper = open_reader(folder / "control")
    ending = asyncio.create_task(leg.stopped(EndPeriods(grace=60, term=60, exit_code=60)))
    assert await wrapper.read(100) == b"TERM\n"
    (folder / "exit_code").write_bytes(b"143\n")
    assert await ending == ConnectorExit(143)
    wrapper.close()


async def test_one_whose_wrapper_is_lost_has_an_exit_code_that_nobody_knows(leg: Leg) -> None:
    assert await leg.ended(EndPeriods(grace=60, term=60, exit_code=0.05)) == ConnectorExit(None)


# --- its stderr ---

LONGEST = 10
PARTS = st.lists(st.sampled_from([b"a", b"bc", "ž€".encode(), b"\n", b"\r", b"0123456789", b"\xff"]))


async def told(leg: Leg, folder: Path, *chunks: bytes) -> list[str]:
    """What comes to the log of chunks that the connector writes one after the other."""
    lines: list[str] = []
    writer = os.open(folder / "err", os.O_WRONLY)
    reading = asyncio.create_task(
        leg.read_stderr(lambda role, level, text: lines.append(f"{role} {level} {text}"), longest=LONGEST)
    )
    for chunk in chunks:
        os.write(writer, chunk)
        await asyncio.sleep(0.01)
    os.close(writer)
    await reading
    return [line.removeprefix("destination INFO ") for line in lines]


async def test_what_it_says_on_stderr_comes_line_by_line_and_the_last_needs_no_newline(leg: Leg, folder: Path) -> None:
    assert await told(leg, folder, b"one\ntw", b"o\r\n\n", b"10%\r20%\rthr", b"ee") == [
        "one",
        "two",
        "10%",
        "20%",
        "three",
    ]


async def test_the_rest_of_a_long_line_never_looks_like_a_line_of_its_own(leg: Leg, folder: Path) -> None:
    """A secret's part at its beginning would be no secret to anybody."""
    first, second = await told(leg, folder, b"x" * 35, b"hunter2", b"y" * 40_000, b"hunter2", b"zzz\nnext")
    assert first == ("x" * 35 + "hunter2")[: 4 * LONGEST]
    assert second == "next"


@given(PARTS, st.integers(1, 7))
def test_lines_are_the_same_however_they_are_cut_into_chunks(parts: list[bytes], size: int) -> None:
    whole = b"".join(parts)
    cut = ShortLines(LONGEST)
    lines = [line for at in range(0, len(whole), size) for line in cut.feed(whole[at : at + size])]
    lines += cut.finish()
    expected = [line[: 4 * LONGEST].decode(errors="replace") for line in re.split(rb"[\r\n]+", whole) if line]
    assert lines == expected


@given(st.lists(st.binary(max_size=200)))
def test_of_no_line_more_is_held_than_its_limit(chunks: list[bytes]) -> None:
    cut = ShortLines(LONGEST)
    assert all(len(line) <= 4 * LONGEST for chunk in chunks for line in cut.feed(chunk))
    assert all(len(line) <= 4 * LONGEST for line in cut.finish())


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1, max_size=LONGEST))
def test_as_many_characters_as_were_asked_for_are_kept_whatever_their_size(text: str) -> None:
    cut = ShortLines(LONGEST)
    (line,) = cut.feed(f"{text}{'x' * 100}\n".encode())
    assert line.startswith(text)
