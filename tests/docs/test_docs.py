"""What the documentation shows is what the code does: generated pages, links, commands."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest

from airbyte_workers.cli.main import main as command_line

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
MADE = "<!-- made by docs/generate_reference.py -->"
WRITTEN = [page for page in PAGES if page != DOCS / "reference" / "cli.md"]

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^( *)(```+).*?^\1\2$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`([^`\n]+)`")
COMMAND = re.compile(r"(?:^|[\s/=])airbyte-workers +(\S.*)")


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_reference", ROOT / "docs" / "generate_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_what_the_code_says() -> None:
    """A changed setting, failure type, field, status, table or command needs `python docs/generate_reference.py`."""
    pages = generator().pages()
    found = {str(path.relative_to(DOCS)): path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md")}
    made = {name: text for name, text in found.items() if text.startswith(MADE)}
    pictures = {name: (DOCS / name).read_text(encoding="utf-8") for name in pages if name.endswith(".svg")}
    assert pages == made | pictures


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    """Files exist, and so do the headings that a link points at."""
    broken = [target for target in _links(page) if not _exists(page, target)]
    assert broken == []


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_are_shown_can_be_typed(page: Path) -> None:
    """Every `airbyte-workers ...` parses: the command exists, and so do its options and their values."""
    problems = [f"{words}: {problem}" for words in _commands(page) if (problem := _problem(words))]
    assert problems == []


def test_every_page_is_linked_from_the_index() -> None:
    """A page that nobody links to is a page that nobody finds."""
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / target.partition("#")[0]).resolve() for target in _links(index)}
    assert {page for page in (ROOT / "docs").rglob("*.md") if page != index} <= linked


def test_the_readme_is_short() -> None:
    """Whoever comes by reads it to its end."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def _links(page: Path) -> list[str]:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    return [target for target in LINK.findall(text) if "://" not in target]


def _exists(page: Path, target: str) -> bool:
    name, _, heading = target.partition("#")
    path = (page.parent / name).resolve() if name else page
    if not path.exists():
        return False
    return not heading or heading in _headings(path)


def _headings(page: Path) -> set[str]:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ +(.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _commands(page: Path) -> Iterator[str]:
    text = page.read_text(encoding="utf-8")
    shown = [line for block in FENCE.finditer(text) for line in block[0].replace("\\\n", " ").splitlines()]
    shown += INLINE.findall(FENCE.sub("", text))
    for line in shown:
        if line.lstrip().startswith("docker "):  # there it is the name of an image
            continue
        if found := COMMAND.search(line):
            yield re.split(r"[|><]|&&|;", found[1])[0]


def _problem(words: str) -> str | None:
    arguments = shlex.split(words, comments=True)
    command: click.Command = command_line
    while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        name = arguments.pop(0)
        found = command.get_command(click.Context(command), name)
        if found is None:
            return f"there is no command {name}"
        command = found
    try:
        command.make_context(command.name, arguments, **command_line.context_settings)
    except click.exceptions.Exit:  # --help, --version
        return None
    except click.ClickException as error:
        return error.format_message()
    return None
