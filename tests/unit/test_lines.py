"""Bytes to whole lines: how the bytes arrive makes no difference."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_workers.replication.lines import LineCutter, LineTooLong

KIB = 1024
MIB = 1024 * KIB
NO_LIMIT = 2**40

chunks_of_bytes = st.lists(
    st.lists(st.sampled_from([b"a", b"\n", b"\r\n", b"\xff\x00", b"bcd", b'{"x":1}'])).map(b"".join), max_size=12
)


def cut(chunks: list[bytes], limit: int = NO_LIMIT) -> list[bytes]:
    cutter = LineCutter(limit)
    return [block for block in (*map(cutter.feed, chunks), cutter.finish()) if block]


@given(chunks_of_bytes)
def test_any_chunks_of_the_same_bytes_give_the_same_lines(chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    missing = b"\n" if whole and not whole.endswith(b"\n") else b""
    blocks = cut(chunks)
    assert b"".join(blocks) == whole + missing
    assert all(block.endswith(b"\n") for block in blocks)


@given(chunks_of_bytes, st.integers(1, 12))
def test_a_line_over_the_limit_is_refused_however_it_arrives(chunks: list[bytes], limit: int) -> None:
    """The newline does not count: a line of exactly the limit passes, with or without one."""
    too_long = any(len(line) > limit for line in b"".join(chunks).split(b"\n"))
    if not too_long:
        assert cut(chunks, limit) == cut(chunks)
        return
    with pytest.raises(LineTooLong):
        cut(chunks, limit)


@pytest.mark.parametrize(
    "chunks", [[b"ab\ncd\nefghi"], [b"ab\ncd\nefghi\nj\n"], [b"ab\nc", b"d\nefghi\n"], [b"ab\ncd\nef", b"ghi"]]
)
def test_lines_before_one_that_is_too_long_are_given_out(chunks: list[bytes]) -> None:
    cutter, out = LineCutter(4), b""

    def feed_all() -> None:
        nonlocal out
        for chunk in [*chunks, b""]:
            out += cutter.feed(chunk)

    with pytest.raises(LineTooLong) as caught:
        feed_all()
    assert out == b"ab\ncd\n"
    assert caught.value.head == b"efghi"


def test_a_line_that_was_refused_is_not_given_out_at_the_end() -> None:
    cutter = LineCutter(4)
    assert cutter.feed(b"ab\ncdefgh") == b"ab\n"
    with pytest.raises(LineTooLong):
        cutter.finish()


def test_a_missing_last_newline_is_not_a_lost_message() -> None:
    assert cut([b"one\ntw", b"o"]) == [b"one\n", b"two\n"]


def test_nothing_in_nothing_out() -> None:
    assert cut([]) == cut([b"", b""]) == []


def test_a_block_holds_every_line_that_a_chunk_completes() -> None:
    assert cut([b"a", b"b\nc\nd", b"\n"]) == [b"ab\nc\n", b"d\n"]


def test_a_cutter_can_be_used_on_after_its_finish() -> None:
    cutter = LineCutter(NO_LIMIT)
    assert cutter.feed(b"a") == b""
    assert cutter.finish() == b"a\n"
    assert cutter.feed(b"b\n") == b"b\n"
    assert cutter.finish() == b""


def test_a_refusal_shows_how_the_line_begins() -> None:
    cutter = LineCutter(10 * KIB)
    cutter.feed(b'short\n{"type":"RECORD"')
    with pytest.raises(LineTooLong) as caught:
        cutter.feed(b"x" * 20 * KIB)
    assert caught.value.head.startswith(b'{"type":"RECORD"xxx')
    assert len(caught.value.head) == 4 * KIB
    assert caught.value.size > 10 * KIB


class _NeverAdded(bytes):
    def __radd__(self, other: bytes) -> bytes:
        raise AssertionError("a chunk was added to the one before it")


def test_a_long_line_is_joined_once() -> None:
    """`rest += chunk` copied what was held with every chunk: 88 s for 128 MiB."""
    cutter = LineCutter(NO_LIMIT)
    for _ in range(100):
        assert cutter.feed(_NeverAdded(b"x" * KIB)) == b""
    assert cutter.feed(b"\n") == b"x" * 100 * KIB + b"\n"


def test_a_long_line_takes_its_own_size_and_that_of_its_copy_at_most() -> None:
    cutter = LineCutter(NO_LIMIT)
    tracemalloc.start()
    try:
        for _ in range(64):
            cutter.feed(bytes(64 * KIB))
        block = cutter.feed(b"\n")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(block) == 4 * MIB + 1
    assert peak < 9 * MIB
