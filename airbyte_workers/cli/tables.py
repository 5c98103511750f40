"""Tables of plain lines: whole in a file or a pipe, cut to the width of a terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

_GAP = "  "


@dataclass(frozen=True)
class Column:
    """`least`: characters to which it may be cut where a line is too long; 0: never.

    `spare`: where that is not enough, columns are left out, the highest first; 0: never.
    """

    title: str
    right: bool = False
    least: int = 0
    spare: int = 0


def terminal_width() -> int | None:
    """Characters of a line where it is shown; None: nobody counts them."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None) -> Iterator[str]:
    """The lines of a table, its head first. Every row is one line, whatever its cells hold."""
    cells = [[column.title for column in columns], *([_one_line(cell) for cell in row] for row in rows)]
    widths = [max(map(cell_len, each)) for each in zip(*cells, strict=True)]
    shown = list(range(len(columns)))
    if width is not None:
        shown, widths = _fitted(columns, widths, width)
    for row in cells:
        yield _GAP.join(_cell(row[place], widths[place], columns[place]) for place in shown).rstrip()


def _fitted(columns: Sequence[Column], widths: Sequence[int], width: int) -> tuple[list[int], list[int]]:
    """Which columns are shown, and how wide."""
    shown = list(range(len(columns)))
    while True:
        narrow = list(widths)
        over = sum(narrow[place] for place in shown) + len(_GAP) * (len(shown) - 1) - width
        for place in sorted((place for place in shown if columns[place].least), key=lambda place: -narrow[place]):
            cut = min(max(0, over), max(0, narrow[place] - columns[place].least))
            narrow[place] -= cut
            over -= cut
        spare = max(shown, key=lambda place: columns[place].spare)
        if over <= 0 or not columns[spare].spare:
            return shown, narrow
        shown.remove(spare)


def _cell(text: str, width: int, column: Column) -> str:
    if cell_len(text) > width:
        text = set_cell_size(text, max(0, width - 1)) + "…"
    blank = " " * (width - cell_len(text))
    return blank + text if column.right else text + blank


def _one_line(text: str) -> str:
    """A connector's name or what it said can hold anything; a terminal obeys some of it."""
    return "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))
