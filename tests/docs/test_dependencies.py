"""The page about dependencies names what pyproject.toml declares, and that is what our packages import."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import files, packages_distributions, requires
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "explanation" / "dependencies.md").read_text(encoding="utf-8")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
OURS: tuple[str, ...] = tuple(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
NAME = re.compile(r"[A-Za-z0-9._-]+")
ROW = re.compile(r"^\| `([^`]+)` \|.*$", re.MULTILINE)


def folded(name: str) -> str:
    """A distribution's name as the package index compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def named(requirements: Iterable[str]) -> set[str]:
    return {folded(found[0]) for each in requirements if (found := NAME.match(each))}


def rows(heading: str) -> dict[str, str]:
    """The rows below a heading of the page, by the dependency they are about."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return {folded(row[1]): row[0] for row in ROW.finditer(section)}


PROVIDERS = packages_distributions()
DECLARED = named(PROJECT["project"]["dependencies"])


def imported() -> set[str]:
    """The distributions whose modules are imported by what we ship."""
    sources = [file for package in OURS for file in (ROOT / package).rglob("*.py")]
    modules = {name for file in sources for name in _imports(ast.parse(file.read_bytes()))}
    known = {*OURS, *sys.stdlib_module_names}
    foreign = {name for name in modules if name.partition(".")[0] not in known}
    return {folded(provider) for module in foreign for provider in _providers(module)}


def _providers(module: str) -> Iterable[str]:
    """Who installs it; several distributions may share the first part of their modules' names."""
    first = module.partition(".")[0]
    sharing = set(PROVIDERS.get(first, [f"nobody's {module}"]))
    if len(sharing) == 1:
        return sharing
    path = module.replace(".", "/")
    return {
        each for each in sharing if any(str(file).startswith((f"{path}/", f"{path}.py")) for file in files(each) or ())
    }


def _imports(tree: ast.Module) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize(
    ("heading", "requirements"),
    [
        ("At run time", PROJECT["project"]["dependencies"]),
        ("The extra `embedded`", PROJECT["project"]["optional-dependencies"]["embedded"]),
    ],
)
def test_the_page_has_a_row_for_every_dependency_and_for_nothing_else(heading: str, requirements: list[str]) -> None:
    assert set(rows(heading)) == named(requirements)


def test_whatever_is_declared_is_imported_or_said_to_wait_for_its_use() -> None:
    waiting = {name for name, row in rows("At run time").items() if "nothing imports it" in row}
    assert DECLARED - imported() == waiting


def test_whatever_is_imported_is_declared_or_said_to_come_with_what_is() -> None:
    """Such a one is required by a declared distribution, and the row of that one names it."""
    table = rows("At run time")
    brought = {
        found
        for each in DECLARED
        for found in named(requires(each) or ())
        if f"`{found}`" in table.get(each, "").replace("_", "-")
    }
    assert imported() - DECLARED - brought == set()
