"""The page of rules has an entry for every rule that the code cites, and none that nobody cites."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from remarks import FILES, ROOT, remarks

PAGE = (ROOT / "docs" / "reference" / "rules.md").read_text(encoding="utf-8")

DOCUMENT = re.compile(
    r"(airbyte-behaviour|architecture)(?:\.md)? (?:section )?(\d+(?:\.\d+)?)"
    r'|(temporal-python)\.md ([A-Z]\d+)|(decisions)\.md, "([^"]+)"'
)
BARE = re.compile(r"(?:airbyte-behaviour|architecture|temporal-python|decisions|conformance-cases|style)\.md")
CASES = re.compile(r"\b(?P<group>[A-Z])(?P<first>\d{1,2})\b(?:(?:-| to )(?P=group)(?P<last>\d{1,2})\b)?")
GROUP = re.compile(r"\b(?:[Gg]roup|[Cc]ases|Left out of|Of) ([A-Z])\b")
NAMED = re.compile(r"def test_([a-z]\d{1,2})_")
NO_CASES = {"S3"}  # Amazon's object storage


def cited(text: str) -> Iterator[str]:
    """The rules that a text cites, each as the page names it."""
    text = " ".join(text.split())
    for found in DOCUMENT.finditer(text):
        document, place = (each for each in found.groups() if each)
        yield f'{document}.md, "{place}"' if document == "decisions" else f"{document}.md {place}"
    rest = DOCUMENT.sub("", text)
    yield from (found[0] for found in BARE.finditer(rest))  # a document without a place: nobody can look that up
    for case in CASES.finditer(rest):
        numbers = range(int(case["first"]), int(case["last"] or case["first"]) + 1)
        yield from ({f"{case['group']}{number}" for number in numbers} - NO_CASES)
    yield from (f"group {found[1]}" for found in GROUP.finditer(rest))


def citations() -> dict[str, str]:
    """Every rule that is cited, with a file that does: in a remark, or by the name of a test."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found = dict.fromkeys(cited(" ".join(text[0] for text in DOCUMENT.finditer(project))), "pyproject.toml")
    for file in FILES:
        source = file.read_text(encoding="utf-8")
        rules = [rule for text in remarks(source) for rule in cited(text)]
        rules += [case.upper() for case in NAMED.findall(source)]
        found |= dict.fromkeys(rules, str(file.relative_to(ROOT)))
    return found


def entries() -> list[str]:
    """What the page has: a heading each, or a row of the table of a group of cases."""
    headings = re.findall(r"^### (.+)$", PAGE, re.MULTILINE)
    rows = re.findall(r"^\| ([A-Z]\d+) \|", PAGE, re.MULTILINE)
    return [_group_of(each) or each for each in headings] + rows


def _group_of(heading: str) -> str | None:
    found = re.match(r"Group ([A-Z]):", heading)
    return f"group {found[1]}" if found else None


def test_every_rule_that_is_cited_has_an_entry() -> None:
    assert {rule: file for rule, file in citations().items() if rule not in entries()} == {}


def test_every_entry_is_cited() -> None:
    """A group of cases is cited by each of its cases."""
    found = set(citations())
    found |= {f"group {rule[0]}" for rule in found if re.fullmatch(r"[A-Z]\d+", rule)}
    assert [entry for entry in entries() if entry not in found] == []


def test_an_entry_stands_once() -> None:
    assert len(entries()) == len(set(entries()))


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("as upstream (airbyte-behaviour.md 2.3)", ["airbyte-behaviour.md 2.3"]),
        ("four limits (airbyte-behaviour.md section 2):", ["airbyte-behaviour.md 2"]),
        ('no data then means the end (decisions.md,\n"The pod").', ['decisions.md, "The pod"']),
        ("of all cases (temporal-python.md A2)", ["temporal-python.md A2"]),
        ("says so (conformance case R8)", ["R8"]),
        ("C12 to C14", ["C12", "C13", "C14"]),
        ("E1-E2, group R", ["E1", "E2", "group R"]),
        ("somewhere in decisions.md", ["decisions.md"]),
        ("on S3", []),
    ],
)
def test_a_citation_is_found_however_it_is_written(text: str, rules: list[str]) -> None:
    assert sorted(cited(text)) == sorted(rules)
