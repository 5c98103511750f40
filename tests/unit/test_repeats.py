"""Lines that repeat others: none is lost without being counted, none is shown out of its turn, memory has a bound."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_workers.replication.repeats import Line, RepeatLimits, Repeats, template

FRAMES = "  at somewhere\n" * 99
LIMITS = RepeatLimits(burst=10, per_minute=60, kinds=4, told_s=10)
_COUNT = re.compile(r"(?:repeated )?([\d,]+) (?:times|more lines?)")


def repeats(limits: RepeatLimits = LIMITS) -> Repeats:
    return Repeats(limits, lambda line: line.text[:20])


def say(each: Repeats, texts: Iterable[str], now: float = 0.0) -> list[str]:
    return [line.text for text in texts for line in each.take(Line("source", "INFO", text), now)]


def texts(lines: Iterable[Line]) -> list[str]:
    return [line.text for line in lines]


def counted(lines: Iterable[str]) -> int:
    """How many lines are told of by counts; these begin with a word that no line of the tests begins with."""
    return sum(int(found[1].replace(",", "")) for line in lines if (found := _COUNT.match(line)))


# --- copies in a row ---


def test_copies_in_a_row_are_one_line_and_their_number() -> None:
    each = repeats()
    assert say(each, ["a"] * 12_346) == ["a"]
    assert say(each, ["b"]) == ["repeated 12,345 times: a", "b"]
    assert each.counted == 12_345


def test_a_single_copy_is_shown() -> None:
    each = repeats()
    assert say(each, ["a", "a", "b"]) == ["a", "a", "b"]
    assert each.counted == 0


@pytest.mark.parametrize(
    "other",
    [
        Line("source", "WARN", "a"),
        Line("source", "INFO", "a", ("users", None)),
        Line("source", "INFO", "a\nat line 1"),
        Line("source", "INFO", "A"),
    ],
)
def test_what_differs_in_anything_is_no_copy(other: Line) -> None:
    each = repeats()
    line = Line("source", "INFO", "a")
    assert [*each.take(line, 0), *each.take(other, 0), *each.take(line, 0)] == [line, other, line]


def test_copies_of_one_leg_stay_in_a_row_when_another_leg_speaks() -> None:
    each = repeats()
    shown = [
        line
        for _ in range(5)
        for leg in ("source", "destination", "airbyte_platform")
        for line in each.take(Line(leg, "INFO", "a"), 0)
    ]
    assert [line.leg for line in shown] == ["source", "destination", *["airbyte_platform"] * 5]
    assert texts(each.rest()) == ["repeated 4 times: a"] * 2


def test_copies_that_do_not_end_are_told_now_and_then() -> None:
    each = repeats()
    told = []
    for second in range(31):
        say(each, ["a"] * 100, second)
        told += [(second, text) for text in texts(each.due(second))]
    assert told == [
        (0, "repeated 99 times: a"),
        *((second, "repeated 1,000 times: a") for second in (10, 20, 30)),
    ]


# --- a flood of one kind ---


def test_of_a_flood_the_first_lines_are_shown_and_then_as_many_as_the_rate_allows() -> None:
    each = repeats()
    assert say(each, (f"bad row {number}" for number in range(1000))) == [f"bad row {number}" for number in range(10)]
    assert texts(each.due(0)) == ["990 more lines like this one: bad row 10"]
    assert say(each, (f"bad row {number}" for number in range(1000, 2000)), 3) == [
        f"bad row {n}" for n in (1000, 1001, 1002)
    ]
    assert texts(each.due(9)) == []
    assert texts(each.due(10)) == ["997 more lines like this one: bad row 1003"]
    assert each.counted == 990 + 997


def test_a_kind_that_is_rarer_than_the_rate_loses_no_line() -> None:
    each = repeats()
    assert len([text for second in range(1000) for text in say(each, [f"row {second}"], second)]) == 1000


def test_a_flood_hides_no_line_of_another_kind_or_level_or_stream() -> None:
    each = repeats()
    say(each, (f"bad row {number}" for number in range(100)))
    assert say(each, ["the disk is full"]) == ["the disk is full"]
    for line in (Line("source", "ERROR", "bad row 5"), Line("source", "INFO", "bad row 5", ("users", None))):
        assert list(each.take(line, 0)) == [line]


def test_copies_within_a_flood_are_counted_with_it() -> None:
    each = repeats()
    shown = say(each, (f"bad row {number // 3}" for number in range(300)))
    assert len(shown) <= 2 * LIMITS.burst
    rest = texts(each.rest())
    assert sum(text.startswith("bad") for text in shown) + counted(shown + rest) == 300


def test_the_platform_may_say_anything_as_often_as_it_likes() -> None:
    each = repeats()
    line = Line("airbyte_platform", "ERROR", "attempt failed")
    assert [shown for _ in range(100) for shown in each.take(line, 0)] == [line] * 100
    assert each.counted == 0


def test_the_count_of_a_kind_that_is_forgotten_is_told_first() -> None:
    each = repeats()
    say(each, (f"bad row {number}" for number in range(12)))
    shown = [text for kind in "ghjk" for text in say(each, (f"{kind} {number}" for number in range(9)))]
    assert shown.count("2 more lines like this one: bad row 10") == 1
    assert len(shown) == 4 * 9 + 1


def test_no_number_of_kinds_fills_the_memory() -> None:
    each = repeats()
    for letter in range(0x4E00, 0x4E00 + 3000):
        say(each, (f"{chr(letter)} {number}" for number in range(12)))
        say(each, [f"once {chr(letter)}"])
    assert len(each._few) <= LIMITS.kinds
    assert len(each._kinds) <= LIMITS.kinds


lines = st.builds(
    Line,
    st.sampled_from(["source", "destination", "airbyte_platform"]),
    st.sampled_from(["INFO", "ERROR"]),
    st.builds("{} {}".format, st.sampled_from(["g", "h", "row", "x\ny", "'q'"]), st.integers(0, 3)),
    st.sampled_from([None, ("users", None)]),
)
moments = st.floats(0, 5, allow_nan=False)
steps = st.lists(st.tuples(lines, st.integers(1, 30), moments, st.booleans()), max_size=40)
limits = st.builds(
    RepeatLimits,
    burst=st.integers(1, 12),
    per_minute=st.floats(0.1, 600),
    kinds=st.integers(1, 4),
    told_s=st.floats(0.1, 20),
)


@given(steps, limits)
def test_every_line_is_shown_or_counted_once_and_those_that_are_shown_keep_their_order(
    said: list[tuple[Line, int, float, bool]], given_limits: RepeatLimits
) -> None:
    each = repeats(given_limits)
    given_lines: list[Line] = []
    written: list[Line] = []
    now = 0.0
    for line, times, pause, flushed in said:
        now += pause
        given_lines += [line] * times
        for _ in range(times):
            written += each.take(line, now)
        if flushed:
            written += each.due(now)
    written += each.rest()
    shown = [line for line in written if not _COUNT.match(line.text)]
    assert len(shown) + counted(texts(written)) == len(given_lines)
    assert each.counted == counted(texts(written))
    for leg in ("source", "destination", "airbyte_platform"):
        waiting = iter([line for line in given_lines if line.leg == leg])
        assert all(line in waiting for line in shown if line.leg == leg)
    assert list(each.rest()) == []


# --- what is of one kind ---


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("row 1 of 20", "row 12345 of 7"),
        ("user 4f9e1c2a-0b3d-4e5f-8a7b-1c2d3e4f5a6b", "user 0A9e1c2a-1b3d-5e5f-8a7b-1c2d3e4f5a6f"),
        ("hash deadbeef", "hash 00ff12"),
        ("column 'name' of \"users\"", "column 'salary' of \"people\""),
        ("can't read 'x1' of `t`", "can't read 'y' of `people`"),
        ("value 'cut", "value 'off at the end"),
        ("x" * 300 + " 1", "x" * 300 + " 22"),
        ("1" + "x" * 900 + " 1", "22" + "x" * 900 + " 22"),
        ('Malformed: {"id": 1}', 'Malformed: {"id": 22}'),
    ],
)
def test_texts_that_differ_in_numbers_ids_and_quoted_words_are_of_one_kind(one: str, other: str) -> None:
    assert template(one) == template(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("no luck", "no money"),
        ("row 1", "row 1 is missing"),
        ('{"level": "info", "message": "starting"}', '{"level": "info", "message": "stopping"}'),
        ("{'message': 'starting'}", "{'message': 'stopping'}"),
        (
            "Traceback\n" + "  at somewhere\n" * 99 + "ValueError: no",
            "Traceback\n" + "  at somewhere\n" * 99 + "KeyError: no",
        ),
        ("w" * 199 + "z", "w" * 199 + "y"),
        ("w" * 900 + "z", "w" * 900 + "y"),
        ("ä", "ö"),
    ],
)
def test_texts_that_say_something_else_are_not(one: str, other: str) -> None:
    assert template(one) != template(other)


@given(st.text(st.characters(), max_size=900))
def test_no_text_is_odd_enough_to_have_no_kind_or_a_long_one(text: str) -> None:
    assert len(template(text)) <= 4 * 401
