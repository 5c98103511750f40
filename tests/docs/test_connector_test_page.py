"""The page on `connector test` has every verdict there is, in the words of the code."""

from __future__ import annotations

import re
from pathlib import Path

from airbyte_workers.conformance.tables import DURABILITY, FINDINGS, meanings
from airbyte_workers.conformance.verdicts import Level, Line, Meaning
from airbyte_workers.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "test-a-connector.md"
ROW = re.compile(r"^\| (\S.*?) \| (pass|warning|fail|skipped) \| (.*) \| (.*) \|$", re.MULTILINE)


def rows(page: str) -> list[tuple[str, ...]]:
    _, _, after = page.partition("## Every verdict")
    table, _, _ = after.partition("\n## ")
    return ROW.findall(table)


def row(meaning: Meaning) -> tuple[str, ...]:
    return meaning.line, meaning.level, meaning.found, meaning.means


def test_every_verdict_stands_in_the_table_in_the_words_of_the_code() -> None:
    skipped = (Line.DURABILITY, Level.SKIPPED, "always", f"{DURABILITY[0].upper()}{DURABILITY[1:]}.")
    told = [row(each) for each in meanings()]
    place = next(at for at, each in enumerate(told) if [*Line].index(Line(each[0])) > [*Line].index(Line.DURABILITY))
    told.insert(place, skipped)
    assert rows(PAGE.read_text(encoding="utf-8")) == told, "\n".join(f"| {' | '.join(each)} |" for each in told)


def test_every_line_has_a_verdict_to_give() -> None:
    assert {each.line for each in meanings()} | {Line.DURABILITY} == set(Line)
    assert len(set(meanings())) == len(FINDINGS)


def test_the_page_names_every_limit() -> None:
    page = PAGE.read_text(encoding="utf-8")
    limits = [name for name in Settings.model_fields if name.startswith("connector_test_")]
    assert [name for name in limits if f"AIRBYTE_WORKERS_{name.upper()}" not in page] == []
