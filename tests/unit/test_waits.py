"""Whom a sync waited for: as shares of the last seconds, in the line that moves, in the report."""

from __future__ import annotations

import pytest

from airbyte_workers.cli.report import waited_for as reported
from airbyte_workers.cli.screens import figures
from airbyte_workers.models import Progress, SyncReport, Waits
from airbyte_workers.names import JobKind
from airbyte_workers.orchestrator.speed import waited_for


def waits(moving: float, source: float = 0, destination: float = 0, limit: float = 0) -> Waits:
    return Waits(
        moving_s=moving, blocked_on_source_s=source, blocked_on_destination_s=destination, held_by_limit_s=limit
    )


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        (waits(0), waits(0), ("", 0)),
        (waits(10), waits(10), ("", 0)),
        (waits(10), waits(20, 8, 1), ("source", 0.8)),
        (waits(100, 90), waits(105, 90, 4), ("destination", 0.8)),
        (waits(0), waits(10, 1, 1, 7), ("limit", 0.7)),
        (waits(0), waits(10, 4, 3, 3), ("", 0)),
        (waits(0), waits(10, 11), ("source", 1)),
    ],
)
def test_who_was_waited_for_most_of_the_last_seconds_is_named(then: Waits, now: Waits, told: tuple[str, float]) -> None:
    assert waited_for(then, now) == told


@pytest.mark.parametrize(
    ("whom", "words"),
    [("source", "waiting for the source 83%"), ("limit", "held by its speed limit 83%"), ("", "MB/s, nothing")],
)
def test_the_line_that_moves_says_it(whom: str, words: str) -> None:
    told = Progress.model_validate({"phase": "running", "waiting_for": whom, "waiting_share": 0.83})
    assert words in figures(told, JobKind.SYNC)


def test_a_report_has_the_shares_of_the_time_in_which_data_moved() -> None:
    report = SyncReport(job_id=1, connection="c", status="failed", **dict(waits(200, 166, 4)))
    assert reported(report) == "the source was waited for 83% of the time, the destination 2%"
    assert reported(waits(200, 20, 0, 150)).endswith("the destination 0%, its speed limit held it back for 75%")


def test_where_no_data_moved_nobody_was_waited_for() -> None:
    assert reported(Waits()) == ""
