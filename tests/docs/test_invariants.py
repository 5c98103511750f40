"""The page of invariants names code and tests that exist: a claim whose test is gone has none."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "explanation" / "invariants.md").read_text(encoding="utf-8")
CODE = re.compile(r"^`([\w/]+\.(?:py|sql))(?:: ([\w.]+))?`$")
TEST = re.compile(r"`([\w/]+\.py)::([\w:]+)`")
CONTRACT = re.compile(r'^import contract "([^"]+)"')


def claims() -> Iterator[tuple[str, str, str]]:
    """Of every row of the tables: the claim, what holds it, what fails without it."""
    for line in PAGE.partition("## What is not held")[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if len(cells) == 4 and cells[0] not in ("claim", "---"):
            yield cells[0], cells[1], cells[2]


def test_what_holds_a_claim_exists() -> None:
    assert [(claim, code) for claim, code, _ in claims() if not _is_code(code)] == []


def test_what_fails_without_it_exists() -> None:
    assert [(claim, tests) for claim, _, tests in claims() if not _are_tests(tests)] == []


def test_every_invariant_has_claims() -> None:
    sections = re.findall(r"^## (\d+)\. ", PAGE, re.MULTILINE)
    assert sections == [str(number) for number in range(1, 12)]
    assert len(list(claims())) > 100


def _is_code(cell: str) -> bool:
    found = CODE.match(cell)
    if found is None:
        return False
    place = next((each for each in (ROOT / "airbyte_workers" / found[1], ROOT / found[1]) if each.exists()), None)
    return place is not None and (found[2] is None or found[2] in _names_in(place))


def _names_in(path: Path) -> set[str]:
    """Classes, functions, methods and constants, as the page writes them."""
    return set(_names(ast.parse(path.read_text(encoding="utf-8")).body, ""))


def _names(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name
        if isinstance(node, ast.ClassDef):
            yield from _names(node.body, f"{prefix}{node.name}.")
        if isinstance(node, ast.Assign):
            yield from (prefix + each.id for each in node.targets if isinstance(each, ast.Name))
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield prefix + node.target.id


def _are_tests(cell: str) -> bool:
    if contract := CONTRACT.match(cell):
        return f'name = "{contract[1]}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    tests = TEST.findall(cell)
    return bool(tests) and all(_is_test(ROOT / "tests" / path, name.rpartition("::")[2]) for path, name in tests)


def _is_test(path: Path, name: str) -> bool:
    """Those of a launcher may come from the contract beside it."""
    sources = [each for each in (path, path.with_name("launcher_contract.py")) if each.exists()]
    defined = re.compile(rf"^ *(?:async )?def {name}\(", re.MULTILINE)
    return any(defined.search(each.read_text(encoding="utf-8")) for each in sources)
