"""How an attempt went over time is kept in a bounded number of marks, whatever the attempt was."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from airbyte_workers.models import Mark, Throughput
from airbyte_workers.replication.marks import Marks, judged

STEP_S = 1.0
Looks = list[tuple[float, int]]
looks = st.lists(st.tuples(st.floats(0.2, 5), st.integers(0, 10_000)), min_size=1, max_size=600)
bounds = st.integers(10, 40)


def kept(looked: Looks, most: int) -> tuple[Marks, Mark]:
    """The marks of an attempt that was looked at so: seconds since the look before, records that came meanwhile."""
    marks = Marks(most, STEP_S)
    times, sums = accumulate(gap for gap, _ in looked), accumulate(count for _, count in looked)
    seen = [Mark(at_s=at_s, records_emitted=records) for at_s, records in zip(times, sums, strict=True)]
    for mark in seen:
        if marks.is_due(mark.at_s):
            marks.add(mark)
    marks.end(seen[-1])
    return marks, seen[-1]


@given(looks, bounds)
def test_there_are_never_more_marks_than_may_be(looked: Looks, most: int) -> None:
    marks, _ = kept(looked, most)
    assert 1 <= len(marks.all) <= most


@given(looks, bounds)
def test_nothing_is_lost_when_marks_go(looked: Looks, most: int) -> None:
    marks, last = kept(looked, most)
    assert marks.all[-1] == last
    between = [after.records_emitted - before.records_emitted for before, after in pairwise((Mark(at_s=0), *marks.all))]
    assert sum(between) == last.records_emitted


@given(looks, bounds)
def test_marks_are_in_order_and_no_later_one_has_less(looked: Looks, most: int) -> None:
    marks, _ = kept(looked, most)
    for before, after in pairwise(marks.all):
        assert before.at_s < after.at_s
        assert before.records_emitted <= after.records_emitted


def test_a_full_series_goes_on_with_twice_the_step() -> None:
    marks = Marks(10, STEP_S)
    for second in range(1, 101):
        if marks.is_due(second):
            marks.add(Mark(at_s=second, records_emitted=second))
    assert [mark.at_s for mark in marks.all] == [16, 32, 48, 64, 80, 96]


def test_the_end_right_behind_a_mark_takes_its_place() -> None:
    marks = Marks(10, STEP_S)
    marks.add(Mark(at_s=1, records_emitted=1))
    marks.end(Mark(at_s=1.1, records_emitted=2))
    assert marks.all == (Mark(at_s=1.1, records_emitted=2),)


def test_at_the_end_that_is_committed_which_the_verdict_says() -> None:
    went = Throughput(
        began_at=datetime(2026, 5, 1, tzinfo=UTC),
        marks=(Mark(at_s=1, records_committed=1), Mark(at_s=2, records_committed=5)),
    )
    assert [mark.records_committed for mark in judged(went, 7).marks] == [1, 7]
    assert judged(went.model_copy(update={"marks": ()}), 7).marks == ()
