"""Single questions to a connector, asked in the Start Workflow form of Temporal's page, and their answers there."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Take
from tests.browser.pictures import pasted
from tests.browser.temporal_page import TemporalPage

pytestmark = [pytest.mark.embedded, pytest.mark.browser, pytest.mark.timeout(180)]
SOURCE = {"command": ["source-synthetic"], "config": {"records": 100}}


def test_a_check_is_filled_in_and_started_and_its_result_stands_on_its_page(
    temporal_page: TemporalPage, take: Take
) -> None:
    temporal_page.fill_form("check/people", "Check", pasted("command"))
    expect(temporal_page.page.get_by_text("Task Queue is Active")).to_be_visible()
    take("start-check.png")
    temporal_page.press_start("check/people")
    expect(temporal_page.status).to_have_text("Completed", ignore_case=True)
    expect(temporal_page.result).to_contain_text('"status": "succeeded"')
    take("check-result.png")


def test_a_connector_that_cannot_work_is_a_result_with_its_words(temporal_page: TemporalPage, take: Take) -> None:
    temporal_page.fill_form(
        "check/nowhere", "Check", {"command": ["destination-jsonl"], "config": {"path": "/dev/null"}}
    )
    temporal_page.press_start("check/nowhere")
    expect(temporal_page.status).to_have_text("Completed", ignore_case=True)
    expect(temporal_page.result).to_contain_text('"status": "failed"')
    expect(temporal_page.result).to_contain_text("/dev/null")
    take("check-failed.png")


def test_a_config_that_does_not_fit_fails_the_run_and_names_the_field(temporal_page: TemporalPage, take: Take) -> None:
    temporal_page.fill_form("check/many", "Check", SOURCE | {"config": {"records": "many"}})
    temporal_page.press_start("check/many")
    expect(temporal_page.status).to_have_text("Failed", ignore_case=True)
    expect(temporal_page.result).to_contain_text("config.records: must be an integer")
    take("wrong-config.png")


def test_a_mistyped_field_fails_the_run_at_once_and_is_named(temporal_page: TemporalPage, take: Take) -> None:
    temporal_page.fill_form("check/typo", "Check", {"command": ["source-synthetic"], "confg": {"password": "hunter2"}})
    temporal_page.press_start("check/typo")
    expect(temporal_page.status).to_have_text("Failed", ignore_case=True)
    expect(temporal_page.result).to_contain_text("confg: unknown field; did you mean config?")
    expect(temporal_page.result).not_to_contain_text("hunter2")
    take("wrong-input.png")


def test_a_wrong_queue_is_seen_in_the_form_alone(temporal_page: TemporalPage, take: Take) -> None:
    temporal_page.fill_form("check/lost", "Check", SOURCE, queue="airbite")
    expect(temporal_page.page.get_by_text("Task Queue is Inactive")).to_be_visible()
    take("wrong-queue.png")
