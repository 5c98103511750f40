"""Two charts as SVG text: bars of rates, and memory against the number of records. They bring their own background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

_WIDTH, _TOP, _EDGE = 760, 74, 20
_ROW, _BAR, _LABELS, _VALUES = 28, 18, 240, 70
_PLOT, _AXIS, _FOOT = 220, 60, 54
_PAPER, _INK, _PALE, _LINE, _OURS, _OTHERS = "#ffffff", "#1f2328", "#59636e", "#d1d9e0", "#0969da", "#8c959f"


@dataclass(frozen=True)
class Heading:
    """What a chart is of, and beneath it how that was measured."""

    title: str
    note: str = ""


@dataclass(frozen=True)
class Bar:
    """One bar; `value` in MB/s."""

    label: str
    value: float
    ours: bool = False


def rate_bars(heading: Heading, bars: Sequence[Bar]) -> str:
    """Horizontal bars from top to bottom in the order given."""
    longest = max((bar.value for bar in bars), default=0) or 1
    room = _WIDTH - _LABELS - _VALUES - 2 * _EDGE
    rows = [
        piece
        for number, bar in enumerate(bars)
        for piece in _bar(bar, _TOP + number * _ROW, room * bar.value / longest)
    ]
    return _picture(heading, _TOP + len(bars) * _ROW + _EDGE, rows)


def memory_curve(heading: Heading, points: Sequence[tuple[int, float]]) -> str:
    """Peaks in MiB over numbers of records, the latter on a scale of powers of ten."""
    height = _TOP + _PLOT + _FOOT
    if not points:
        return _picture(heading, height, [])
    plane = _Plane.of(points)
    marks = [
        piece
        for records, mib in points
        for piece in (
            f'<circle cx="{plane.x(records):.1f}" cy="{plane.y(mib):.1f}" r="4" fill="{_OURS}"/>',
            _text(plane.x(records), plane.y(mib) - 10, f"{mib:,.0f}", anchor="middle", bold=True),
        )
    ]
    way = " ".join(f"{plane.x(records):.1f},{plane.y(mib):.1f}" for records, mib in points)
    curve = f'<polyline points="{way}" fill="none" stroke="{_OURS}" stroke-width="2"/>'
    return _picture(heading, height, [*plane.grid(), curve, *marks])


@dataclass(frozen=True)
class _Plane:
    """Where a number of records and a number of MiB are on the paper."""

    first_power: int
    last_power: int
    step: int
    steps: int

    @classmethod
    def of(cls, points: Sequence[tuple[int, float]]) -> _Plane:
        counts = [max(1, records) for records, _ in points]
        first, last = floor(log10(min(counts))), ceil(log10(max(counts)))
        most = max(100.0, *(mib for _, mib in points)) * 1.05  # room for the number above the highest point
        step = max(25, 25 * ceil(most / 150))
        return cls(first, max(last, first + 1), step, ceil(most / step))

    def x(self, records: int) -> float:
        part = (log10(max(1, records)) - self.first_power) / (self.last_power - self.first_power)
        return _AXIS + _EDGE + part * (_WIDTH - 2 * (_AXIS + _EDGE))

    def y(self, mib: float) -> float:
        return _TOP + _PLOT * (1 - mib / (self.step * self.steps))

    def grid(self) -> list[str]:
        """Lines and numbers of both axes, and what the lower one counts."""
        pieces: list[str] = []
        for mib in range(0, self.step * self.steps + 1, self.step):
            pieces.append(_line((_AXIS, self.y(mib)), (_WIDTH - _AXIS, self.y(mib))))
            pieces.append(_text(_AXIS - 8, self.y(mib) + 4, str(mib), anchor="end", fill=_PALE))
        for power in range(self.first_power, self.last_power + 1):
            across = self.x(10**power)
            pieces.append(_line((across, _TOP + _PLOT), (across, _TOP + _PLOT + 5)))
            pieces.append(_text(across, _TOP + _PLOT + 20, f"{10**power:,}", anchor="middle", fill=_PALE))
        return [*pieces, _text(_WIDTH / 2, _TOP + _PLOT + 42, "records", anchor="middle", fill=_PALE)]


def _bar(bar: Bar, top: float, length: float) -> tuple[str, str, str]:
    left, middle, colour = _EDGE + _LABELS, top + _BAR / 2 + 4, _OURS if bar.ours else _OTHERS
    return (
        _text(left - 10, middle, bar.label, anchor="end", bold=bar.ours),
        f'<rect x="{left}" y="{top}" width="{max(length, 1):.1f}" height="{_BAR}" rx="2" fill="{colour}"/>',
        _text(left + max(length, 1) + 8, middle, f"{bar.value:,.0f}", bold=bar.ours),
    )


def _line(start: tuple[float, float], end: tuple[float, float]) -> str:
    return f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}" stroke="{_LINE}"/>'


def _text(x: float, y: float, words: str, *, anchor: str = "start", bold: bool = False, fill: str = _INK) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}"{weight}>{escape(words)}</text>'


def _picture(heading: Heading, height: int, pieces: Sequence[str]) -> str:
    """The paper, its heading, and the pieces on it."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'role="img" aria-label="{escape(heading.title)}" font-family="Helvetica, Arial, sans-serif" font-size="13">',
        f'<rect x="0.5" y="0.5" width="{_WIDTH - 1}" height="{height - 1}" rx="6" fill="{_PAPER}" stroke="{_LINE}"/>',
        _text(_EDGE, 30, heading.title, bold=True),
        _text(_EDGE, 50, heading.note, fill=_PALE),
    )
    nothing = () if pieces else (_text(_EDGE, _TOP + 4, "not measured", fill=_PALE),)
    return "\n".join((*head, *nothing, *pieces, "</svg>", ""))
