"""The shapes of a job's page, pure: places are shares of their box in percent, paths are in a box of 1000 by 100.

A box is stretched to the room that it has, so the words stand beside it: they are read at any width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from airbyte_workers.cli.job_report_model import AttemptLine, Course, JobReport, Span, StreamLine
from airbyte_workers.cli.output import amount
from airbyte_workers.quantities import duration

WIDE, HIGH = 1000.0, 100.0
_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
_TICKS = 6
_LEAST = 0.3  # percent: what is shorter could not be seen


@dataclass(frozen=True)
class Tick:
    """A place on an axis, in percent, and what it says."""

    at: float
    label: str


@dataclass(frozen=True)
class Bar:
    """A rectangle from `at` on, in percent; `kind` is its colour."""

    at: float
    length: float
    kind: str
    label: str


@dataclass(frozen=True)
class Shape:
    """A path; `kind` is its colour."""

    kind: str
    path: str


@dataclass(frozen=True)
class Panel:
    """One chart over the time of an attempt; `top`: what its upper edge stands for."""

    title: str
    top: str
    shapes: tuple[Shape, ...]


@dataclass(frozen=True)
class CourseChart:
    """The charts of one attempt above each other; `bars`: one for each span, with its figures in words."""

    panels: tuple[Panel, ...]
    ticks: tuple[Tick, ...]
    bars: tuple[Bar, ...]


# --- axes ---


def ticks(length_s: float) -> tuple[Tick, ...]:
    """Round times on an axis of so many seconds, at most seven."""
    if length_s <= 0:
        return (Tick(0, "0 s"),)
    fitting = (step for step in _STEPS_S if length_s / step <= _TICKS)
    step = next(fitting, 86_400 * -(-length_s // (_TICKS * 86_400)))
    return tuple(
        Tick(place * step / length_s * 100, _round_time(place * step)) for place in range(int(length_s / step) + 1)
    )


def _round_time(seconds: float) -> str:
    """`2 m` for `2 m 0 s`."""
    text = duration(seconds)
    return text if seconds < 60 else text.removesuffix(" 0 s").removesuffix(" 0 m")


def rounded_up(most: float) -> float:
    """The next of 1, 2, 5, 10, 20, ..."""
    size = 1.0
    while size * 10 <= most:
        size *= 10
    return next(size * each for each in (1, 2, 5, 10) if size * each >= most)


# --- attempts ---


def attempt_axis(report: JobReport) -> tuple[Tick, ...]:
    """From the moment the job was opened to its end, or to now."""
    return ticks(_whole_s(report))


def attempt_bars(report: JobReport, attempt: AttemptLine) -> tuple[Bar, ...]:
    """What an attempt waited for, and how long it ran."""
    whole = timedelta(seconds=_whole_s(report))

    def share(of: timedelta) -> float:
        return min(max(of / whole * 100, 0.0), 100.0) if whole else 0.0

    def bar(kind: str, since: datetime, until: datetime, words: str) -> Bar:
        at = min(share(since - report.opened_at), 100 - _LEAST)
        length = max(share(until - report.opened_at) - at, _LEAST)
        return Bar(at, length, kind, f"{words} {duration(max((until - since).total_seconds(), 0))}")

    return tuple(bar(*each) for each in _phases(report, attempt))


def _phases(report: JobReport, attempt: AttemptLine) -> Iterator[tuple[str, datetime, datetime, str]]:
    started, until = attempt.started_at, attempt.ended_at or report.made_at
    placed = min(started + timedelta(seconds=attempt.queued_s), until)
    began = min(max(attempt.began_at or placed, placed), until)
    if attempt.waited_s:
        yield "waited", started - timedelta(seconds=attempt.waited_s), started, "waited after the failure before:"
    if placed > started:
        yield "queued", started, placed, "checks, and waiting for a place on the host:"
    if began > placed:
        yield "launching", placed, began, "its pod was launched in"
    yield f"ran-{attempt.status}", began, until, "ran for"


def _whole_s(report: JobReport) -> float:
    return max(((report.ended_at or report.made_at) - report.opened_at).total_seconds(), 0.0)


# --- streams ---


def stream_bars(stream: StreamLine, longest: int) -> tuple[Bar, ...]:
    """What became of the records of a stream; the largest stream's bar is as long as its box."""
    parts = (
        ("committed", stream.committed),
        ("filtered", stream.filtered),
        ("rejected", stream.rejected),
        ("open", stream.open),
    )
    bars: list[Bar] = []
    at = 0.0
    for kind, count in parts:
        length = min(count / max(longest, 1) * 100, 100 - at)
        if count:
            words = "not committed, or read again" if kind == "open" else kind
            bars.append(Bar(at, max(length, _LEAST), kind, f"{stream.name}: {count:,} {words}"))
        at += length
    return tuple(bars)


# --- throughput ---


def course_chart(course: Course) -> CourseChart | None:
    """Rates, sums and waits over the time of an attempt; None where there is nothing to see."""
    length = course.spans[-1].to_s if course.spans else 0.0
    if length <= 0 or not any(span.records_emitted for span in course.spans):
        return None
    return CourseChart(
        panels=(_rates(course.spans, length), _sums(course.spans, length), _waits(course.spans, length)),
        ticks=ticks(length),
        bars=tuple(_span_bar(span, length) for span in course.spans),
    )


def _rates(spans: Sequence[Span], length: float) -> Panel:
    top = rounded_up(max(span.records_per_second for span in spans))
    outline = _stairs(spans, length, lambda span: span.records_per_second / top)
    fastest = max(span.bytes_emitted / span.length_s for span in spans)
    title = f"records emitted per second (at most {amount(fastest)}/s)"
    return Panel(title, f"{top:,.0f}/s", (Shape("emitted", f"M0,{HIGH:g}{outline}V{HIGH:g}Z"),))


def _sums(spans: Sequence[Span], length: float) -> Panel:
    emitted, committed = (
        sum(getattr(span, each) for span in spans) for each in ("records_emitted", "records_committed")
    )
    top = rounded_up(max(emitted, committed))
    came = _line(spans, length, lambda span: span.records_emitted / top)
    durable = _line(spans, length, lambda span: span.records_committed / top)
    shapes = (Shape("came", f"M0,{HIGH:g}{came}V{HIGH:g}Z"), Shape("committed-line", f"M0,{HIGH:g}{durable}"))
    return Panel("records emitted, and of these committed (line)", f"{top:,.0f}", shapes)


def _waits(spans: Sequence[Span], length: float) -> Panel:
    """Shares of each span, stacked: nobody waits for two at once."""
    shapes: list[Shape] = []
    below = [0.0] * len(spans)
    for kind, of in (
        ("source", "blocked_on_source_s"),
        ("destination", "blocked_on_destination_s"),
        ("limit", "held_by_limit_s"),
    ):
        above = [min(low + getattr(span, of) / span.length_s, 1.0) for low, span in zip(below, spans, strict=True)]
        if above != below:
            shapes.append(Shape(kind, _band(spans, length, (below, above))))
        below = above
    return Panel("share of the time that was waited for somebody", "100%", tuple(shapes))


def _stairs(spans: Sequence[Span], length: float, height: Callable[[Span], float]) -> str:
    return "".join(f"V{_y(height(span))}H{_x(span.to_s, length)}" for span in spans)


def _line(spans: Sequence[Span], length: float, height: Callable[[Span], float]) -> str:
    path, reached = [], 0.0
    for span in spans:
        reached += height(span)
        path.append(f"L{_x(span.to_s, length)},{_y(reached)}")
    return "".join(path)


def _band(spans: Sequence[Span], length: float, edges: tuple[Sequence[float], Sequence[float]]) -> str:
    """Between two stairs: along the upper one, and back along the lower one."""
    low, high = edges
    there = "".join(f"V{_y(top)}H{_x(span.to_s, length)}" for span, top in zip(spans, high, strict=True))
    back = "".join(
        f"V{_y(base)}H{_x(span.from_s, length)}" for span, base in zip(reversed(spans), reversed(low), strict=True)
    )
    return f"M0,{_y(low[0])}{there}{back}Z"


def _span_bar(span: Span, length: float) -> Bar:
    at = span.from_s / length * 100
    shares = [
        f"{name} {min(seconds / span.length_s, 1):.0%}"
        for name, seconds in (
            ("source", span.blocked_on_source_s),
            ("destination", span.blocked_on_destination_s),
            ("limit", span.held_by_limit_s),
        )
        if seconds
    ]
    waited = f"; waited for: {', '.join(shares)}" if shares else ""
    words = (
        f"{duration(span.from_s)} to {duration(span.to_s)}: {span.records_emitted:,} records"
        f" ({span.records_per_second:,.0f}/s, {amount(span.bytes_emitted / span.length_s)}/s),"
        f" {span.records_committed:,} committed{waited}"
    )
    return Bar(at, (span.to_s - span.from_s) / length * 100, "span", words)


def _x(seconds: float, length: float) -> str:
    return f"{seconds / length * WIDE:.1f}"


def _y(share: float) -> str:
    return f"{HIGH * (1 - min(max(share, 0.0), 1.0)):.1f}"
