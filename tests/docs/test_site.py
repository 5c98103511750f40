"""The site of `make docs` is built without a warning, loads nothing from elsewhere, and has the index as navigation."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
BUILD_S = 100
LOADS = {"img": "src", "script": "src", "iframe": "src", "source": "src", "video": "src", "embed": "src"}
LINKS_THAT_LOAD = {"stylesheet", "icon", "preload", "modulepreload", "prefetch", "preconnect", "dns-prefetch"}
LOADED_BY_STYLE = re.compile(r"@import\s+['\"]?([^'\";\s]+)|url\(\s*['\"]?([^'\")]+)")
LIST_IN_PARAGRAPH = re.compile(r"<p>(?:(?!</p>).)*^(?:- |\* |\d+\. |\|)(?:(?!</p>).)*</p>", re.DOTALL | re.MULTILINE)


class Page(HTMLParser):
    """What a built page loads, what it links to, and its title."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.title = ""
        self._in_title = False
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        self._in_title = tag == "title"
        if has.get(LOADS.get(tag, "")):
            self.loads.append(has[LOADS[tag]])
        elif tag == "link" and LINKS_THAT_LOAD & set(has.get("rel", "").split()):
            self.loads.append(has["href"])
        elif tag == "a" and has.get("href"):
            self.links.append(has["href"])

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data.strip()
            self._in_title = False


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=BUILD_S,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    return {str(file.relative_to(site)): Page(file) for file in sorted(site.rglob("*.html"))}


def test_every_page_of_the_docs_is_there_with_a_title_of_its_own(pages: dict[str, Page]) -> None:
    written = {str(file.relative_to(DOCS).with_suffix(".html")) for file in DOCS.rglob("*.md")}
    assert written <= set(pages)
    titles = [pages[name].title for name in sorted(written)]
    assert all(titles)
    assert len(set(titles)) == len(titles)


def test_no_page_loads_anything_from_elsewhere(site: Path, pages: dict[str, Page]) -> None:
    loaded = [(name, url) for name, page in pages.items() for url in page.loads]
    assert len(loaded) > len(pages)
    assert [each for each in loaded if not _is_here(site, *each)] == []


def test_no_style_loads_anything_from_elsewhere(site: Path) -> None:
    styles = {file: LOADED_BY_STYLE.findall(file.read_text(encoding="utf-8")) for file in site.rglob("*.css")}
    assert styles
    urls = [(str(file), first or second) for file, found in styles.items() for first, second in found]
    assert [each for each in urls if urlsplit(each[1]).scheme not in ("", "data") or each[1].startswith("//")] == []


def test_what_the_theme_would_fetch_for_drawings_is_not_asked_for(site: Path) -> None:
    """Its script loads a library from elsewhere on a page with such a block; ours are pictures and text."""
    assert [file.name for file in site.rglob("*.html") if 'class="mermaid"' in file.read_text(encoding="utf-8")] == []


def test_every_link_within_the_site_leads_somewhere(site: Path, pages: dict[str, Page]) -> None:
    """Also those to the code, which the hook turns into pages."""
    links = [(name, url) for name, page in pages.items() for url in page.links]
    within = [(name, url) for name, url in links if not urlsplit(url).scheme and not url.startswith("#")]
    assert any(url.endswith("jobs/outcome.py.html") for _, url in within)
    assert [each for each in within if not _is_here(site, *each)] == []


def test_lists_and_tables_are_what_they_are_on_a_repository_page(site: Path) -> None:
    """Without an empty line before them they would be lines of a paragraph here."""
    broken = {file.name for file in site.rglob("*.html") if LIST_IN_PARAGRAPH.search(file.read_text(encoding="utf-8"))}
    assert broken == set()


def test_the_navigation_is_the_index(site: Path) -> None:
    """Every page that the index lists, in its order."""
    index = (DOCS / "index.md").read_text(encoding="utf-8").partition("## Words")[0]
    listed = re.findall(r"^- \[([^\]]+)\]\(([^)#]+)\.md\)", index, re.MULTILINE)
    shown = list(_navigation((site / "404.html").read_text(encoding="utf-8")))
    assert shown == [("Documentation", "index"), *listed]


def _navigation(html: str) -> Iterator[tuple[str, str]]:
    """The title and the place of each page, as the side of every page lists them."""
    side = html.partition('data-md-level="0"')[2].partition("md-sidebar--secondary")[0]
    for link in re.finditer(r'<a href="([^"]+)\.html" class="md-nav__link">(.*?)</a>', side, re.DOTALL):
        title = re.sub(r"<[^>]+>", "", link[2])
        yield " ".join(title.split()).replace("&#39;", "'"), link[1].lstrip("/").removeprefix("./")


def test_what_one_would_look_for_is_found_and_the_code_is_not_searched(site: Path) -> None:
    docs = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))["docs"]
    for word in (
        "rewind",
        "tctl",
        "AIRBYTE_WORKERS_HOME",
        "at least once",
        "stream_generations",
        "worker_source_message",
    ):
        assert any(word.lower() in f"{each['title']} {each['text']}".lower() for each in docs), word
    assert [each["location"] for each in docs if each["location"].startswith("code/")] == []


@pytest.mark.browser
def test_search_works_from_a_folder_without_a_web_server(site: Path) -> None:
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto((site / "how-to" / "undo-a-sync.html").as_uri())
        page.get_by_role("textbox", name="Search").press_sequentially("stream generations")  # it listens to keys
        page.locator(".md-search-result__item").first.wait_for()
        found = page.locator(".md-search-result__item h1").all_inner_texts()
        browser.close()
    assert "Generations" in found
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


def _is_here(site: Path, page: str, url: str) -> bool:
    split = urlsplit(url)
    if split.scheme == "data":
        return True
    if split.scheme or split.netloc:
        return False
    start = site if page == "404.html" else (site / page).parent
    target = start / unquote(split.path).lstrip("/")
    return target.resolve().is_relative_to(site.resolve()) and target.exists()
