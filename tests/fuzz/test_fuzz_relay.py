"""The relay against a slow one that is obviously right: whatever a source sends, both do and count the same.

`make fuzz` does it with many more lines.
"""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import mutator, odd_lines, sound_lines
from tests.fuzz.fuzzing import Plan, fuzz
from tests.fuzz.relay_runs import Attempt, run

GROUPS, LINES = 20, 10_000
dice = st.randoms(use_true_random=False)
KINDS = [sound_lines.record, sound_lines.row, sound_lines.state, *sound_lines.OTHERS, *odd_lines.KINDS, *odd_lines.ENDS]


@st.composite
def source_lines(draw: st.DrawFn) -> bytes:
    """A line of any kind, every third one damaged."""
    thrown: Random = draw(dice)
    source = sound_lines.Source(mutator.STREAMS, draw(st.sampled_from(["STREAM", "GLOBAL", "LEGACY"])))
    line = draw(st.sampled_from(KINDS))(thrown, source)
    return mutator.damaged(thrown, line) if draw(st.integers(0, 2)) == 0 else line


@pytest.mark.parametrize("group", range(GROUPS))
def test_the_relay_does_and_counts_what_the_reference_does(group: int) -> None:
    """200,000 lines in all."""
    seeds = Plan(first=group, step=GROUPS, lines=LINES)
    assert [found for progress in fuzz(seeds) for found in progress.found] == []


@given(source_lines(), st.integers(0, 1_000))
def test_one_line_of_any_kind_is_judged_alike(line: bytes, seed: int) -> None:
    run([line], seed)


@given(st.lists(source_lines(), max_size=8), st.integers(0, 1_000))
def test_a_few_lines_of_any_kinds_are_judged_alike(lines: list[bytes], seed: int) -> None:
    run(lines, seed)


@given(st.binary(max_size=60), st.integers(0, 1_000))
def test_bytes_that_are_nothing_are_judged_alike(data: bytes, seed: int) -> None:
    run([data], seed)


def test_without_a_last_newline_the_last_line_counts() -> None:
    line = b'{"type":"RECORD","record":{"stream":"users","data":{}}}'
    attempt = Attempt(line, Random(0))
    attempt.run()
    assert attempt.reference.streams["users", None].total.records == attempt.real.ledger.counters.records_forwarded == 1
