"""Tables of plain lines: whole for programs, within the terminal for people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from airbyte_workers.cli.tables import Column, table

COLUMNS = (
    Column("job", right=True),
    Column("connection", least=8),
    Column("bytes", right=True, spare=2),
    Column("at", spare=1),
)
ROW = ("12", "a-connection-with-a-long-name", "1.2 kB", "10:30")


def test_without_a_width_nothing_is_cut() -> None:
    assert list(table(COLUMNS, [ROW, ("7", "b", "10 B", "")], None)) == [
        "job  connection                      bytes  at",
        " 12  a-connection-with-a-long-name  1.2 kB  10:30",
        "  7  b                                10 B",
    ]


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (49, " 12  a-connection-with-a-long-name  1.2 kB  10:30"),
        (48, " 12  a-connection-with-a-long-na…  1.2 kB  10:30"),
        (28, " 12  a-conne…  1.2 kB  10:30"),
        (27, " 12  a-connection-w…  10:30"),
        (19, " 12  a-connection-…"),
        (13, " 12  a-conne…"),
        (5, " 12  a-conne…"),
    ],
)
def test_a_narrow_terminal_cuts_names_first_and_then_leaves_columns_out(width: int, shown: str) -> None:
    assert list(table(COLUMNS, [ROW], width))[1] == shown


@given(
    st.lists(st.tuples(*[st.text(max_size=40)] * 4), max_size=5),
    st.integers(min_value=14, max_value=80),
)
def test_every_row_is_one_line_that_fits(rows: list[tuple[str, ...]], width: int) -> None:
    narrow = (Column("a", least=1), Column("b", least=1), Column("c", spare=1, least=1), Column("d", least=1))
    lines = list(table(narrow, rows, width))
    assert len(lines) == len(rows) + 1
    assert all(line.isprintable() and cell_len(line) <= width for line in lines)


def test_a_name_can_neither_end_the_line_nor_command_the_terminal() -> None:
    (_, row) = table((Column("name"), Column("n")), [("a\nb\x1b[31mc\td", "1")], None)
    assert row == "a b?[31mc d  1"
