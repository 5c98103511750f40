"""The tables of docs/how-to/find-faults-with-doctor.md are what `doctor` does."""

from __future__ import annotations

import re
from pathlib import Path

from airbyte_workers.doctor.checks import CHECKS
from airbyte_workers.doctor.known_engines import KNOWN, OLDEST, Number

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "find-faults-with-doctor.md"
ROW = re.compile(r"^\| (.+?) \|(.*)\|$", re.MULTILINE)


def rows(head: str) -> list[list[str]]:
    """The cells below the head of a table."""
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(f"\n{head}\n")
    assert rest, f"there is no table {head}"
    table = rest.split("\n\n", 1)[0].splitlines()[1:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_every_check_is_listed_with_what_it_looks_at_and_mends() -> None:
    assert rows("| check | looks at | `--fix` |") == [[f"`{each.name}`", each.looks_at, each.mends] for each in CHECKS]


def test_every_check_that_can_mend_says_what() -> None:
    assert all(bool(each.mends) == (each.mend is not None) for each in CHECKS)
    assert len({each.name for each in CHECKS}) == len(CHECKS) >= 15


def test_every_engine_that_is_known_for_a_fault_is_listed() -> None:
    listed = rows("| versions | where | what happens |")
    first, *others = listed
    assert first[0] == f"before {_number(OLDEST)}"
    issues = [re.findall(r"moby#\d+", each.seen) for each in KNOWN]
    assert [[row[0], row[1], re.findall(r"moby#\d+", row[2])] for row in others if "moby#" in row[2]] == [
        [f"{_number(each.since)} to before {_number(each.until)}", each.only or "everywhere", found]
        for each, found in zip(KNOWN, issues, strict=True)
    ]


def _number(number: Number) -> str:
    return ".".join(map(str, number))
