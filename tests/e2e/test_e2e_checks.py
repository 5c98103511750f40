"""Checks before attempts: source, then destination, unless the last sync succeeded; what a failed one does."""

from __future__ import annotations

from typing import Any

import pytest
from e2e_scripted import RECORDS, Scripted
from e2e_support import Place

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(240)]
SOURCE, DESTINATION = ("source", "check"), ("destination", "check")
READ, WRITE = ("source", "read"), ("destination", "write")
CHECKS = [SOURCE, DESTINATION]


def checks(sync: Scripted) -> list[tuple[str, str]]:
    return sync.told("check")


def first_failures(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Of each attempt: whose failure it is, and what kind."""
    return [
        (each["failures"][0]["origin"], each["failures"][0]["type"]) for each in report["attempts"] if each["failures"]
    ]


def test_a_first_sync_checks_the_source_then_the_destination_and_one_after_a_success_nothing(place: Place) -> None:
    sync = Scripted(place, "checked-first")
    assert sync.sync("S").code == 0
    assert sync.told("check", "read", "write")[:2] == CHECKS
    assert sorted(sync.told("check", "read", "write")[2:]) == sorted([WRITE, READ])
    again = sync.sync("S")
    assert (again.code, again.report["records_committed"]) == (0, 0)
    assert len(sync.notes("read")) == 2
    assert checks(sync) == CHECKS


def test_a_sync_after_a_failed_one_checks_again(place: Place) -> None:
    sync = Scripted(place, "checked-after-failure")
    assert sync.sync("CS", "--retries", "0").code == 1
    assert checks(sync) == CHECKS
    assert sync.sync("CS", "--retries", "0").code == 0
    assert checks(sync) == CHECKS * 2
    assert sync.sync("CS", "--retries", "0").code == 0
    assert checks(sync) == CHECKS * 2


def test_every_retry_is_checked_before_also_where_the_first_attempt_was_not(place: Place) -> None:
    sync = Scripted(place, "checked-retries")
    assert sync.sync("SPCS").code == 0
    ended = sync.sync("SPCS", source={"records": 2 * RECORDS})
    assert [attempt["status"] for attempt in ended.report["attempts"]] == ["failed", "failed", "succeeded"]
    assert checks(sync) == CHECKS * 3, "once before the first sync, then before each of two retries"
    assert sync.ids() == list(range(2 * RECORDS))


def test_a_failed_check_of_the_source_fails_the_job_at_once(place: Place) -> None:
    sync = Scripted(place, "source-refuses")
    report = sync.sync("S", source={"checks": "F"}).report
    assert (report["status"], first_failures(report)) == ("failed", [("source", "config_error")])
    (failure,) = report["failures"]
    assert "as scripted: check 1 of the source fails" in failure["message"]
    assert failure["command"] == "check"
    assert report["reason"].startswith("stopped after 1 attempt: a config_error is not retried; last reason: source: ")
    assert sync.told() == [SOURCE], "the destination was not checked, and nothing was read or written"
    assert not sync.out.exists()


def test_a_failed_check_of_the_destination_fails_the_job_at_once(place: Place) -> None:
    sync = Scripted(place, "destination-refuses")
    report = sync.sync("S", destination={"checks": "F"}).report
    assert (report["status"], first_failures(report)) == ("failed", [("destination", "config_error")])
    assert "as scripted: check 1 of the destination fails" in report["failures"][0]["message"]
    assert sync.told() == CHECKS
    assert not sync.out.exists()


@pytest.mark.parametrize("who", ["source", "destination"])
def test_a_check_that_crashes_is_a_failed_attempt_that_is_retried(place: Place, who: str) -> None:
    sync = Scripted(place, f"{who}-check-crashes")
    changes: dict[str, Any] = {who: {"checks": "XS"}}
    ended = sync.sync("S", **changes)
    report = ended.report
    assert (ended.code, [attempt["status"] for attempt in report["attempts"]]) == (0, ["failed", "succeeded"])
    assert first_failures(report) == [(who, "system_error")]
    assert report["attempts"][1]["waited_s"] == 1, "it synced no data: a complete failure"
    assert checks(sync) == ([SOURCE] if who == "source" else CHECKS) + CHECKS
    assert len(sync.notes("read")) == 1
    assert sync.ids() == list(range(RECORDS))


def test_a_check_that_fails_before_a_retry_ends_the_job_and_keeps_what_is_committed(place: Place) -> None:
    sync = Scripted(place, "refuses-later")
    report = sync.sync("PS", source={"checks": "SF"}).report
    assert (report["status"], first_failures(report)) == (
        "failed",
        [("source", "system_error"), ("source", "config_error")],
    )
    assert len(sync.notes("read")) == 1
    assert sync.position() == report["records_committed"] == 10
    assert sync.sync("PS").code == 0
    assert sync.ids() == list(range(RECORDS))
