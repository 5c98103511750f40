"""A stack of its own and one window on Temporal's page for each file; a failed test says where it left what it saw."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Error, Page

from tests.browser.pictures import promised
from tests.browser.temporal_page import HEIGHT, WIDTH, TemporalPage, folded, opened
from tests.e2e.e2e_support import QUICK, Place, kill_all, processes_of

Take = Callable[..., None]
_PAGE = pytest.StashKey[tuple[Page, Path]]()
VARIABLES = QUICK | {"SYNC_JOB_RETRIES_COMPLETE_FAILURES_BACKOFF_MIN_INTERVAL_S": "50"}
"""A failed sync waits long enough to be looked at."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """`airbyte-workers local` in a folder of its own."""
    root = tmp_path_factory.mktemp("browser-stack")
    place = Place(root / "work", root / "home", VARIABLES)
    place.work.mkdir()
    place.home.mkdir(mode=0o700)
    try:
        with place.local():
            yield place
        assert processes_of(root) == []
    finally:
        kill_all(root)


@pytest.fixture(scope="module")
def temporal_page(
    stack: Place, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TemporalPage]:
    chromium = shutil.which("chromium")
    assert chromium is not None
    with opened(chromium, str(stack.stack()["ui_address"])) as window:
        request.config.stash[_PAGE] = window.page, tmp_path_factory.mktemp("failed")
        yield window
        del request.config.stash[_PAGE]


@pytest.fixture
def take(temporal_page: TemporalPage, tmp_path: Path) -> Take:
    """Take the picture of this name; what the documentation says of it must be on the screen."""
    folder = Path(os.environ.get("PICTURES") or tmp_path)

    def taken(name: str, *, scrolled: int = 0, height: int = HEIGHT) -> None:
        temporal_page.settle(scrolled)
        temporal_page.page.screenshot(
            path=folder / name,
            animations="disabled",
            caret="hide",
            clip={"x": 0, "y": 0, "width": WIDTH, "height": height},
        )
        readable = folded(temporal_page.readable())
        assert [word for word in promised(name) if folded(word) not in readable] == []

    return taken


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Of a failed test, what the window showed: a screenshot and the page's text in the test's folder."""
    report = yield
    seen = item.config.stash.get(_PAGE, None)
    if report.failed and report.when != "teardown" and seen is not None:
        page, folder = seen
        report.sections.append(("Temporal's page", _left_behind(page, folder / item.name)))
    return report


def _left_behind(page: Page, folder: Path) -> str:
    folder.mkdir(exist_ok=True)
    try:
        page.screenshot(path=folder / "page.png")
        text = "\n".join(frame.locator("body").inner_text() for frame in page.frames)
        (folder / "page.txt").write_text(text, encoding="utf-8")
        address = page.url
        page.goto("about:blank")  # what it has open is not in the next test's way
    except Error as error:
        return f"cannot be shown any more: {error}"
    return f"{address}: see page.png and page.txt in {folder}"
