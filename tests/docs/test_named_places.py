"""Places in the code that pages name: the files are there, and so are the functions and classes in them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from remarks import FILES, ROOT, remarks

DOCS = ROOT / "docs"
PAGES = [*sorted((DOCS / "explanation").glob("*.md")), DOCS / "reference" / "rules.md"]

FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`([^`]+)`")
PLACE = re.compile(r"(?<![\w.])(?P<file>[A-Za-z_][\w/]*\.py)(?:: (?P<name>[A-Za-z_]\w*(?:\.\w+)?))?")
MODULE = re.compile(r"(?P<file>[a-z_]+(?:/[a-z_]+)+): (?P<name>[A-Za-z_]\w*(?:\.\w+)?)")
MEMBER = re.compile(r"\b[A-Z]\w+\.[a-z_]\w*(?!\w*[/.])")
TYPE = re.compile(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b")


def places(text: str) -> Iterator[tuple[str, str | None]]:
    """Every file that a page names as code, with the name in it, if one is told."""
    inline = [" ".join(code.split()) for code in INLINE.findall(FENCE.sub("", text))]
    for code in [*inline, *FENCE.findall(text)]:
        yield from ((found["file"], found["name"]) for found in PLACE.finditer(code))
        yield from ((f"{found['file']}.py", found["name"]) for found in MODULE.finditer(code))


def problem(file: str, name: str | None) -> str | None:
    """What is wrong with a place; None: it is there."""
    found = [path for path in FILES if path.as_posix().endswith(f"/{file}")]
    if not found:
        return f"there is no {file}"
    if name is not None and not any(name in names(path) for path in found):
        return f"{file} has no {name}"
    return None


@cache
def names(path: Path) -> frozenset[str]:
    """What a module defines: its own names, and what its classes have, as `Class.member` and as `member`."""
    return frozenset(_defined(ast.parse(path.read_bytes()).body))


def _defined(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.ClassDef):
            yield node.name
            yield from (name for member in _defined(node.body) for name in (member, f"{node.name}.{member}"))
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_places_that_a_page_names_are_there(page: Path) -> None:
    wrong = {told for place in places(page.read_text(encoding="utf-8")) if (told := problem(*place))}
    assert wrong == set()


def test_places_that_the_code_names_are_there() -> None:
    wrong = {
        f"{file.relative_to(ROOT)}: {told}"
        for file in FILES
        for text in remarks(file.read_text(encoding="utf-8"))
        for place in places(text)
        if ("/" in place[0] or place[1]) and (told := problem(*place))  # else it may be a reader's own file
    }
    assert wrong == set()


def test_types_on_the_arrows_are_classes_of_ours() -> None:
    """In the drawings of the path of one sync, and so are their members; a class of one word looks like any word."""
    drawings = " ".join(FENCE.findall((DOCS / "explanation" / "path-of-one-sync.md").read_text(encoding="utf-8")))
    defined = {name for file in FILES for name in names(file)}
    told = {*TYPE.findall(drawings), *MEMBER.findall(drawings)}
    assert told - defined == set()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("see `jobs/retries.py: decide`", None),
        ("see `jobs/retries.py:\ndecide`", None),
        ("```text\nwhat ─► jobs/retries.py: decide ─► Decision\n```", None),
        ("`runs.py: SyncRun.report`", None),
        ("`jobs/retries: decide`", None),
        ("`jobs/retries.py: decided`", "jobs/retries.py has no decided"),
        ("`jobs/retries: decided`", "jobs/retries.py has no decided"),
        ("`runs.py: SyncRun.reports`", "runs.py has no SyncRun.reports"),
        ("```text\njobs/retry.py: decide\n```", "there is no jobs/retry.py"),
    ],
)
def test_a_place_is_found_however_it_is_written(text: str, told: str | None) -> None:
    assert [problem(*place) for place in places(text)] == [told]
