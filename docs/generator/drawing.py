"""Boxes and arrows as SVG, with a background of their own: they look the same on a light page and on a dark one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, MARGIN = 110, 36, 36
INK, GREY, FRAME, LIVE, END = "#1f2328", "#59636e", "#d1d9e0", "#ddf4ff", "#eff2f5"


@dataclass(frozen=True)
class Box:
    """A status; x and y are its middle."""

    name: str
    x: float
    y: float
    width: float = WIDTH
    height: float = HEIGHT
    is_end: bool = False

    @staticmethod
    def around(boxes: Sequence[Box]) -> Box:
        """The frame of some boxes."""
        left, right = min(box.x for box in boxes), max(box.x for box in boxes)
        top, bottom = min(box.y for box in boxes), max(box.y for box in boxes)
        width, height = right - left + WIDTH + 2 * MARGIN, bottom - top + HEIGHT + 2 * MARGIN
        return Box("", (left + right) / 2, (top + bottom) / 2, width, height)

    @property
    def right(self) -> float:
        return self.x + self.width / 2

    def border_towards(self, other: Box) -> tuple[float, float]:
        """Where a line from its middle to another's leaves it."""
        across, down = other.x - self.x, other.y - self.y
        share = min(
            self.width / 2 / abs(across) if across else float("inf"),
            self.height / 2 / abs(down) if down else float("inf"),
        )
        return self.x + across * share, self.y + down * share


class Drawing:
    def __init__(self, width: int, height: int, told: str) -> None:
        self._size = width, height
        self._told = told
        self._parts: list[str] = []

    def frame(self, frame: Box) -> None:
        self._rectangle(frame, 'fill="none" stroke-dasharray="5 4"')

    def box(self, box: Box) -> None:
        self._rectangle(box, f'fill="{END if box.is_end else LIVE}"')
        self._parts.append(f'<text x="{box.x:g}" y="{box.y + 5:g}" text-anchor="middle">{escape(box.name)}</text>')

    def arrow(self, begin: Box, end: Box, *, is_both: bool) -> None:
        """A line to the end's border; one that leads both ways is drawn from either side, with both heads."""
        if begin == end:
            self._loop(begin)
            return
        self._line(begin.border_towards(end), end.border_towards(begin), is_both=is_both)

    def arrow_from_frame(self, frame: Box, end: Box) -> None:
        self._line((frame.right, end.y), (end.x - end.width / 2, end.y), is_both=False)

    def svg(self) -> str:
        width, height = self._size
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img" aria-label="{escape(self._told)}" '
            'font-family="Helvetica, Arial, sans-serif" font-size="14">'
        )
        tip = (
            f'<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" '
            f'orient="auto-start-reverse"><path d="M0 0L10 5L0 10z" fill="{GREY}"/></marker></defs>'
        )
        page = f'x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="6"'
        back = f'<rect {page} fill="#ffffff" stroke="{FRAME}"/>'
        return "\n".join((head, tip, back, f'<g fill="{INK}">', *dict.fromkeys(self._parts), "</g>", "</svg>\n"))

    def _rectangle(self, box: Box, look: str) -> None:
        left, top = box.x - box.width / 2, box.y - box.height / 2
        self._parts.append(
            f'<rect x="{left:g}" y="{top:g}" width="{box.width:g}" height="{box.height:g}" rx="6" '
            f'stroke="{GREY}" {look}/>'
        )

    def _line(self, begin: tuple[float, float], end: tuple[float, float], *, is_both: bool) -> None:
        tips = 'marker-end="url(#tip)"' + (' marker-start="url(#tip)"' if is_both else "")
        places = f'x1="{begin[0]:.1f}" y1="{begin[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}"'
        self._parts.append(f'<line {places} stroke="{GREY}" {tips}/>')

    def _loop(self, box: Box) -> None:
        x, bottom = box.x, box.y + box.height / 2
        way = f"M{x - 20:g} {bottom:g}C{x - 20:g} {bottom + 26:g} {x + 20:g} {bottom + 26:g} {x + 20:g} {bottom:g}"
        self._parts.append(f'<path d="{way}" fill="none" stroke="{GREY}" marker-end="url(#tip)"/>')
