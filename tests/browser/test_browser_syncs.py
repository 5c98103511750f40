"""A sync from the Start Workflow form to its cancel: what Temporal's page shows of it meanwhile."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Take
from tests.browser.pictures import pasted
from tests.browser.temporal_page import TemporalPage
from tests.e2e.e2e_support import Place, until

pytestmark = [pytest.mark.embedded, pytest.mark.browser, pytest.mark.timeout(180)]
PROGRESS = (
    r"[\d,]+ committed",
    r"[\d,]+ records/s, [\d.]+ MB/s",
    r"acknowledged [\d.]+ s ago",
    r"waiting for the source",
)


def described(name: str, **config: Any) -> dict[str, Any]:
    """What people paste for a sync of one stream."""
    return {
        "connection": name,
        "source": {"command": ["source-synthetic"], "config": {"streams": ["users"], **config}},
        "destination": {"command": ["destination-jsonl"], "config": {"path": name}},
        "streams": [{"name": "users", "sync_mode": "incremental", "destination_sync_mode": "append"}],
    }


def cancel_all(stack: Place) -> None:
    """Pods go on without their stack: those of tests that failed, too, are ended before it."""
    for job in stack.jobs():
        if job["status"] not in ("succeeded", "failed", "cancelled"):
            stack.run("jobs", "cancel", str(job["job_id"]))
    until(lambda: not stack.pods_left(), f"the end of {stack.pods_left()}")


@pytest.fixture(scope="module")
def running(stack: Place, temporal_page: TemporalPage) -> Iterator[TemporalPage]:
    """The page, and a sync of `people` that was started in it and moves records."""
    try:
        temporal_page.fill_form("sync/people", "Sync", pasted("connection"))
        temporal_page.press_start("sync/people")
        temporal_page.open_tab("User Metadata")
        temporal_page.read_details("records/s")
        yield temporal_page
    finally:
        cancel_all(stack)


def committed(details: str) -> int:
    found = re.search(r"([\d,]+) committed", details)
    assert found is not None, details
    return int(found[1].replace(",", ""))


def test_the_details_of_a_running_sync_say_how_far_it_is_and_whom_it_waits_for(
    running: TemporalPage, take: Take
) -> None:
    running.list_runs()  # the head of a run's page is as old as the way to it
    running.open_run("sync/people", "User Metadata")
    before = running.read_details("Sync of people", "attempt 1", *PROGRESS)
    until(lambda: committed(running.read_details(*PROGRESS)) > committed(before), "more committed records")
    take("sync-running.png", scrolled=75)


def test_the_timeline_names_every_step(running: TemporalPage) -> None:
    running.open_run("sync/people")
    for step in ("open sync of people", "check the configs", "settle the catalog", "open attempt 1"):
        expect(running.page.get_by_text(step)).to_be_attached()
    expect(running.page.get_by_text(re.compile(r"watch replication-job-\d+-attempt-0"))).to_be_attached()


def test_a_pending_activity_shows_its_heartbeat(running: TemporalPage) -> None:
    running.open_run("sync/people", "Pending Activities")
    beat = running.page.get_by_role("textbox", name="Heartbeat Details")
    expect(beat).to_contain_text('"phase": "running"')
    expect(beat).to_contain_text(re.compile(r'"records_emitted": [1-9]'))


def test_a_run_is_found_by_its_connection_and_status(running: TemporalPage, take: Take) -> None:
    running.open_run("sync/people", "Search Attributes")
    attributes = running.page.get_by_role("textbox", name="Search Attributes")
    for line in ('"AirbyteConnection": "people"', '"AirbyteJobStatus": "running"', '"source-synthetic"'):
        expect(attributes).to_contain_text(line)
    rows = running.page.get_by_role("table", name="Workflows").get_by_role("row").filter(has_text="sync/people")
    running.list_runs('AirbyteConnection = "people" AND AirbyteJobStatus = "running"')
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Running", ignore_case=True)
    take("found-runs.png")
    running.list_runs('AirbyteConnection = "people" AND AirbyteJobStatus = "failed"')
    expect(rows).to_have_count(0)


def test_the_cancel_button_cancels_the_sync_and_leaves_nothing(running: TemporalPage, stack: Place, take: Take) -> None:
    running.list_runs()
    running.open_run("sync/people")
    question = running.ask_to_cancel()
    take("cancel-sync.png")
    question.get_by_role("button", name="Confirm").click()
    expect(running.status).to_have_text("Canceled", ignore_case=True)
    until(lambda: not stack.pods_left(), f"the end of {stack.pods_left()}")
    (job,) = stack.jobs("--connection", "people")
    assert (job["status"], job["records_committed"] > 0) == ("cancelled", True)


def test_a_sync_that_waits_says_until_when_and_why(temporal_page: TemporalPage, stack: Place, take: Take) -> None:
    crash = {"crash_after": 1, "crash_message": "the shop answers 503"}
    temporal_page.fill_form("sync/shop", "Sync", described("shop", **crash))
    temporal_page.press_start("sync/shop")
    temporal_page.open_tab("User Metadata")
    temporal_page.read_details(
        r"next attempt at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC",
        "attempt 2 starts in 50 s: 1 complete failure in a row",
        "the shop answers 503",
    )
    take("sync-waiting.png")
    temporal_page.ask_to_cancel().get_by_role("button", name="Confirm").click()
    expect(temporal_page.status).to_have_text("Canceled", ignore_case=True)
    until(lambda: not stack.pods_left(), f"the end of {stack.pods_left()}")


def test_a_failed_sync_says_why_where_its_result_would_be(temporal_page: TemporalPage, take: Take) -> None:
    asked = described("mill", crash_after=1, crash_message="the mill stands still") | {"max_retries": 0}
    temporal_page.fill_form("sync/mill", "Sync", asked)
    temporal_page.press_start("sync/mill")
    expect(temporal_page.status).to_have_text("Failed", ignore_case=True)
    expect(temporal_page.result).to_contain_text("the mill stands still")
    take("sync-failed.png")
