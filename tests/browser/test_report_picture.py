"""The page of a job, as a browser shows it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Take
from tests.browser.temporal_page import TemporalPage
from tests.e2e.e2e_support import Place, catalog

pytestmark = [pytest.mark.embedded, pytest.mark.browser, pytest.mark.timeout(180)]


def slow_twice(place: Place) -> dict[str, Any]:
    """A source that is slow, and breaks once."""
    once = {"crash_after": 9000, "crash_once_file": str(place.work / "crashed"), "crash_message": "the line went dead"}
    return {
        "connection": "orders",
        "source": place.source(streams=3, records=12_000, record_bytes=1000, state_every=500, delay_ms=50, **once),
        "destination": place.jsonl(),
        "catalog": catalog("stream_0", "stream_1", "stream_2"),
        "retries": {"complete_failures_backoff_min_interval_s": 0},
    }


def test_it_loads_nothing_and_shows_attempts_speed_and_the_bottleneck(
    stack: Place, temporal_page: TemporalPage, take: Take
) -> None:
    done = stack.sync(slow_twice(stack))
    assert done.code == 0, done.err
    written = stack.run("jobs", "report", str(done.report["job_id"]), "--html", "orders.html")
    assert written.code == 0, written.err
    asked: list[str] = []
    page = temporal_page.page
    page.unroute_all(behavior="ignoreErrors")  # here nothing may be asked for at all
    page.context.unroute_all(behavior="ignoreErrors")
    page.on("request", lambda request: asked.append(request.url))
    page.goto((stack.work / "orders.html").as_uri())
    expect(page.get_by_role("heading", level=1)).to_contain_text(re.compile("orders"))
    take("job-report.png", height=800)
    page.set_viewport_size({"width": 390, "height": 800})
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390
    assert [url for url in asked if not url.startswith("file:")] == []
