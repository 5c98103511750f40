"""What mkdocs cannot say in mkdocs.yml: the navigation is docs/index.md, and links to the code lead to pages of it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
OUTSIDE = re.compile(r"(?<=\]\()(?:\.\./)+[^)#\s]+")
LEVEL = re.compile(r"^(#{2,3}) (.+)$")
ENTRY = re.compile(r"^- \[([^\]]+)\]\(([^)#]+\.md)\)")
LONG_NAME = re.compile(r"(?<=<code>)[^<>\s]{45,}(?=</code>)")
WORD_END = re.compile(r"(::|[/_])")
CODE_FOLDER = "code"
LANGUAGES = {".py": "python", ".sh": "sh", ".sql": "sql", ".yml": "yaml", ".yaml": "yaml"}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    config.nav = navigation((Path(config.docs_dir) / "index.md").read_text(encoding="utf-8"))
    return config


def navigation(index: str) -> list[dict[str, Any]]:
    """The pages that the index lists, below its headings and in its order."""
    found: list[dict[str, Any]] = [{"Documentation": "index.md"}]
    levels: list[list[dict[str, Any]]] = [found]
    for line in index.splitlines():
        if heading := LEVEL.match(line):
            pages: list[dict[str, Any]] = []
            del levels[len(heading[1]) - 1 :]
            levels[-1].append({heading[2]: pages})
            levels.append(pages)
        elif entry := ENTRY.match(line):
            levels[-1].append({entry[1]: entry[2]})
    return _without_empty(found)


def _without_empty(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    kept = []
    for item in items:
        ((title, content),) = item.items()
        if content := _without_empty(content) if isinstance(content, list) else content:
            kept.append({title: content})
    return kept


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Every file and folder outside of docs/ that a page links to gets a page that shows it."""
    pages = [file for file in files if file.is_documentation_page()]
    linked = {path for page in pages for path in _linked(page.src_uri, page.content_string)}
    for path in sorted(each for place in linked for each in _with_files(place)):
        page = File.generated(config, _page_of(path), content=_shown(path))
        page.inclusion = page.inclusion.NOT_IN_NAV
        files.append(page)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    del config, files
    folder = posixpath.dirname(page.file.src_uri)

    def place(found: re.Match[str]) -> str:
        path = _outside(page.file.src_uri, found[0])
        return posixpath.relpath(_page_of(path), folder) if path else found[0]

    return OUTSIDE.sub(place, markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Long names of tests may be broken where their words end: tables that name them stay as wide as the page."""
    del page, config, files
    return LONG_NAME.sub(lambda name: WORD_END.sub(r"\1<wbr>", name[0]), html)


def _linked(page: str, markdown: str) -> Iterator[PurePosixPath]:
    yield from (path for target in OUTSIDE.findall(markdown) if (path := _outside(page, target)))


def _outside(page: str, target: str) -> PurePosixPath | None:
    """What a link of a page leads to, from the repository's root; None: a page of the docs."""
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), target))
    return None if path.startswith("docs/") else PurePosixPath(path)


def _with_files(path: PurePosixPath) -> Iterator[PurePosixPath]:
    yield path
    if (ROOT / path).is_dir():
        yield from (path / file.name for file in _files(path))


def _files(folder: PurePosixPath) -> list[Path]:
    return sorted(file for file in (ROOT / folder).iterdir() if file.suffix in LANGUAGES and file.stat().st_size)


def _page_of(path: PurePosixPath) -> str:
    return f"{CODE_FOLDER}/{path}.md"


def _shown(path: PurePosixPath) -> str:
    """A file as it is, a folder as the list of its files; not searched, as the docs are what is looked for."""
    head = f"---\nsearch: {{exclude: true}}\n---\n# {path}\n\n"
    if (ROOT / path).is_dir():
        return head + "\n".join(f"- [`{file.name}`]({path.name}/{file.name}.md)" for file in _files(path))
    text = (ROOT / path).read_text(encoding="utf-8")
    return f"{head}````{LANGUAGES.get(path.suffix, 'text')}\n{text}````\n"
