"""Temporal's web page as a person uses it: the form, the page of a run and its tabs, what can be read on the screen."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Error, Locator, Page, Route, expect, sync_playwright

WIDTH, HEIGHT = 1280, 800
WAIT_MS = 30_000
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_READABLE = """() => {
  const found = [];
  const look = (page, left, top) => {
    const inside = box => box.width > 1 && box.height > 1 && top + box.top >= 0 && left + box.left >= 0
      && top + box.bottom <= innerHeight && left + box.right <= innerWidth;
    const walker = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const range = page.createRange();
      range.selectNodeContents(node);
      const shown = node.parentElement.checkVisibility({visibilityProperty: true, opacityProperty: true});
      if (shown && [...range.getClientRects()].some(inside)) found.push(node.data);
    }
    for (const field of page.querySelectorAll('input')) {
      if (inside(field.getBoundingClientRect())) found.push(field.value);
    }
    for (const frame of page.querySelectorAll('iframe')) {
      const box = frame.getBoundingClientRect();
      if (frame.contentDocument) look(frame.contentDocument, left + box.left, top + box.top);
    }
  };
  look(document, 0, 0);
  return found.join('');
}"""


@contextmanager
def opened(chromium: str, address: str) -> Iterator[TemporalPage]:
    """A window of this browser on the web page at the address."""
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, timezone_id="UTC", locale="en-US")
        context.set_default_timeout(WAIT_MS)
        context.route("**/*", _carry)
        yield TemporalPage(context.new_page(), address)
        context.unroute_all(behavior="ignoreErrors")
        browser.close()


def _carry(route: Route) -> None:
    """Requests go by playwright's own client.

    Chromium breaks off all of its own whenever the machine's networks change, and other tests start and end containers.
    """
    try:
        route.fulfill(response=route.fetch(timeout=2 * WAIT_MS))
    except Error:  # the page has been left meanwhile, or the server is gone
        with suppress(Error):
            route.abort()


def folded(text: str) -> str:
    """Without white space: where the page breaks lines and puts boxes is nothing that people read."""
    return re.sub(r"\s+", "", text)


@dataclass(frozen=True)
class TemporalPage:
    """The one window of a test file."""

    page: Page
    address: str

    def fill_form(
        self, workflow_id: str, workflow_type: str, pasted: Mapping[str, Any], queue: str = "airbyte"
    ) -> None:
        """Open Start Workflow from the list, as people do, and fill it in."""
        self.list_runs()
        self.page.get_by_role("link", name="Start Workflow", exact=True).click()
        self.page.get_by_label("Workflow ID").fill(workflow_id)
        self.page.get_by_label("Task Queue").fill(queue)
        self.page.get_by_label("Workflow Type").fill(workflow_type)
        self.page.get_by_role("textbox", name="Data").click()
        self.page.keyboard.insert_text(json.dumps(pasted, indent=2))

    def press_start(self, workflow_id: str) -> None:
        """Press the button, and follow the note that says that this run is started to its page."""
        self.page.get_by_role("main").get_by_role("button", name="Start Workflow").click()
        self._notes.and_(self.page.locator(f'[href*="{quote(workflow_id, safe="")}"]')).first.click()
        expect(self.page.get_by_role("heading", level=1)).to_contain_text(workflow_id)

    def list_runs(self, query: str = "") -> None:
        """The list of runs; by links where there are any, because each load of the whole page takes seconds."""
        if query or not self.page.url.startswith(self.address):
            self.page.goto(f"{self.address}/namespaces/default/workflows" + (f"?query={quote(query)}" if query else ""))
        else:
            self.page.get_by_role("link", name="Workflows", exact=True).first.click()
        expect(self.page.get_by_role("table", name="Workflows")).to_be_visible()

    def open_run(self, workflow_id: str, tab: str = "Timeline") -> None:
        """The page of a run, from the list of them."""
        if f"/workflows/{quote(workflow_id, safe='')}/" not in self.page.url:
            self.list_runs()
            self.page.get_by_role("link", name=workflow_id, exact=True).first.click()
        expect(self.page.get_by_role("heading", level=1)).to_contain_text(workflow_id)
        self.open_tab(tab)

    def open_tab(self, name: str) -> None:
        tab = self.page.get_by_role("tab", name=name)
        tab.click()
        expect(tab).to_have_attribute("aria-selected", "true")

    @property
    def _notes(self) -> Locator:
        return self.page.get_by_role("link", name="Workflow started successfully")

    @property
    def status(self) -> Locator:
        """Of the run that is open."""
        return self.page.get_by_test_id("execution-status").or_(self.page.get_by_role("status")).first

    @property
    def result(self) -> Locator:
        """The box with the result, or with the failure, of the run that is open."""
        return self.page.get_by_role("textbox", name="Result")

    def read_details(self, *wanted: str) -> str:
        """The panel Current Details, asked for again with the page's key R until all of this stands in it."""
        panel = self.page.frame_locator('iframe[title="output"]').locator("body")
        for _ in range(WAIT_MS // 500):
            self.page.keyboard.press("r")
            self.page.wait_for_timeout(500)
            with suppress(Error):
                text = panel.inner_text(timeout=500)
                if all(re.search(each, text) for each in wanted):
                    return text
        raise AssertionError(f"the details did not come to say {wanted}: {panel.inner_text()}")

    def ask_to_cancel(self) -> Locator:
        """Press the run's cancel button; what the page asks then."""
        self.page.get_by_role("button", name="Request Cancellation").click()
        question = self.page.get_by_role("dialog", name="Cancel Workflow")
        expect(question).to_contain_text("Are you sure you want to cancel this workflow?")
        return question

    def settle(self, scrolled: int) -> None:
        """Nothing has the focus or the mouse, notes are gone, and the page is scrolled down by so much."""
        self.page.evaluate("document.activeElement?.blur()")
        with suppress(Error):  # it goes by itself, too
            self._notes.first.locator("xpath=../..").get_by_role("button", name="Close").click(timeout=500)
        expect(self._notes).to_have_count(0)
        self.page.mouse.move(WIDTH * 0.6, 10)
        self.page.evaluate("to => document.querySelector('#content-wrapper')?.scrollTo(0, to)", scrolled)

    def readable(self) -> str:
        """What is on the screen now, without scrolling: text, and what stands in fields."""
        return str(self.page.evaluate(_READABLE))
