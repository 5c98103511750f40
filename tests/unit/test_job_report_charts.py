"""The shapes of a job's page: everything lies in its box, lengths are as their numbers, time is to scale."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reported_jobs import BROKE, NOON, at, attempt, job, reported, stream, throughput

from airbyte_workers.cli.job_report_charts import (
    Shape,
    attempt_axis,
    attempt_bars,
    course_chart,
    rounded_up,
    stream_bars,
    ticks,
)
from airbyte_workers.cli.job_report_model import Course, Span, StreamLine
from airbyte_workers.models import AttemptStatus, JobStatus, StreamCounts

NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
lengths = st.floats(0.001, 40 * 86_400)
counts = st.integers(0, 10**12)


def course(*spans: Span) -> Course:
    return Course(number=1, began_at=NOON, bottleneck="", spans=spans)


def span(from_s: float, to_s: float, **counted: float) -> Span:
    told = {"records_emitted": 0, "bytes_emitted": 0, "records_committed": 0} | counted
    return Span.model_validate({"from_s": from_s, "to_s": to_s} | told)


@st.composite
def courses(draw: st.DrawFn) -> Course:
    ends = sorted(draw(st.sets(st.integers(1, 10**6), min_size=1, max_size=60)))
    spans = [
        span(
            before / 10,
            after / 10,
            records_emitted=draw(counts),
            bytes_emitted=draw(counts),
            records_committed=draw(counts),
            blocked_on_source_s=draw(st.floats(0, 10**6)),
            blocked_on_destination_s=draw(st.floats(0, 10**6)),
        )
        for before, after in pairwise([0, *ends])
    ]
    return course(*spans)


@given(courses())
def test_every_path_lies_in_its_box(drawn: Course) -> None:
    chart = course_chart(drawn)
    if not any(each.records_emitted for each in drawn.spans):
        assert chart is None
        return
    assert chart is not None
    for panel in chart.panels:
        for shape in panel.shapes:
            assert set(re.sub(r"[-\d.,]", "", shape.path)) <= set("MLHVZ")
            assert all(0 <= float(number) <= 1000 for number in NUMBER.findall(shape.path))
    for bar in chart.bars:
        assert 0 <= bar.at <= bar.at + bar.length <= 100.001


@given(lengths)
def test_an_axis_has_few_round_times_all_of_them_on_it(length_s: float) -> None:
    marked = ticks(length_s)
    assert 1 <= len(marked) <= 7
    assert all(0 <= tick.at <= 100.001 for tick in marked)
    assert marked[0].label == "0 s"


@pytest.mark.parametrize(
    ("length_s", "labels"),
    [
        (0, ["0 s"]),
        (50, ["0 s", "10 s", "20 s", "30 s", "40 s", "50 s"]),
        (300, ["0 s", "1 m", "2 m", "3 m", "4 m", "5 m"]),
        (4 * 3600, ["0 s", "1 h", "2 h", "3 h", "4 h"]),
    ],
)
def test_the_times_of_an_axis_are_those_that_people_count_in(length_s: float, labels: list[str]) -> None:
    assert [tick.label for tick in ticks(length_s)] == labels


@given(st.floats(0, 1e15))
def test_the_upper_edge_is_a_round_number_that_nothing_passes(most: float) -> None:
    top = rounded_up(most)
    assert most <= top <= max(1, 10 * most)
    assert f"{top:.0f}".rstrip("0") in ("1", "2", "5")


def test_rates_are_stairs_and_sums_are_lines() -> None:
    chart = course_chart(
        course(span(0, 1, records_emitted=100), span(1, 3, records_emitted=100, records_committed=200))
    )
    assert chart is not None
    rates, sums, waits = chart.panels
    assert (rates.top, rates.shapes) == ("100/s", (Shape("emitted", "M0,100V0.0H333.3V50.0H1000.0V100Z"),))
    assert [shape.path for shape in sums.shapes] == [
        "M0,100L333.3,50.0L1000.0,0.0V100Z",
        "M0,100L333.3,100.0L1000.0,0.0",
    ]
    assert waits.shapes == ()


def test_waits_are_stacked() -> None:
    (_, _, waits) = course_chart(  # type: ignore[union-attr]  # records came, so there is one
        course(span(0, 10, records_emitted=1, blocked_on_source_s=2, blocked_on_destination_s=5))
    ).panels
    assert waits.shapes == (
        Shape("source", "M0,100.0V80.0H1000.0V100.0H0.0Z"),
        Shape("destination", "M0,80.0V30.0H1000.0V80.0H0.0Z"),
    )


def test_what_was_in_a_span_is_said_in_words() -> None:
    counted = {"records_emitted": 2_000, "bytes_emitted": 4_000_000, "records_committed": 1_000}
    chart = course_chart(course(span(0, 2, **counted, blocked_on_destination_s=1.5)))
    assert chart is not None
    assert [bar.label for bar in chart.bars] == [
        "0 s to 2 s: 2,000 records (1,000/s, 2.0 MB/s), 1,000 committed; waited for: destination 75%"
    ]


def test_a_stream_s_bar_is_as_long_as_its_records_and_has_what_became_of_them() -> None:
    line = StreamLine(name="s", emitted=50, committed=30, filtered=10, rejected=5)
    assert [(bar.kind, bar.at, bar.length) for bar in stream_bars(line, 100)] == [
        ("committed", 0, 30),
        ("filtered", 30, 10),
        ("rejected", 40, 5),
        ("open", 45, 5),
    ]
    assert stream_bars(StreamLine(name="s"), 0) == ()


@given(counts, counts, counts, counts)
def test_no_bar_of_a_stream_leaves_its_box(emitted: int, committed: int, filtered: int, rejected: int) -> None:
    line = StreamLine(name="s", emitted=emitted, committed=committed, filtered=filtered, rejected=rejected)
    assert all(bar.length > 0 and bar.at <= 100 for bar in stream_bars(line, emitted))
    assert sum(bar.length for bar in stream_bars(line, emitted)) <= 101.3  # each can be seen, however short


def test_an_attempt_s_bars_are_its_waits_its_launch_and_its_run() -> None:
    second = attempt(2, BROKE, started_at=at(100), ended_at=at(150), waited_s=20, queued_s=10)
    whole = reported(job(JobStatus.FAILED, attempts=(attempt(1), second), ended_at=at(200)), throughput())
    late = whole.attempts[1].model_copy(update={"began_at": at(120)})
    told = [(bar.kind, round(bar.at, 3), round(bar.length, 3)) for bar in attempt_bars(whole, late)]
    assert told == [("waited", 40, 10), ("queued", 50, 5), ("launching", 55, 5), ("ran-failed", 60, 15)]
    assert [tick.label for tick in attempt_axis(whole)][-1] == "3 m"


def test_an_attempt_that_runs_reaches_to_now() -> None:
    runs = attempt(1, status=AttemptStatus.RUNNING, ended_at=None, started_at=NOON)
    whole = reported(job(JobStatus.RUNNING, ended_at=None, attempts=(runs,)))
    (bar,) = attempt_bars(whole, whole.attempts[0])
    assert (bar.kind, bar.at, bar.length) == ("ran-running", 0, 100)


def test_clocks_that_disagree_move_nothing_out_of_its_box() -> None:
    """The pod's clock is another one than the database's."""
    odd = attempt(1, started_at=at(10), ended_at=at(20), waited_s=100, queued_s=100)
    whole = reported(job(attempts=(odd,), ended_at=at(15), streams=(StreamCounts(name="s"), stream("t", 1))))
    early = whole.attempts[0].model_copy(update={"began_at": NOON - timedelta(hours=1)})
    assert all(0 <= bar.at <= bar.at + bar.length <= 100.001 for bar in attempt_bars(whole, early))
