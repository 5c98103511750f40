"""What a person is told of a job that is followed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from airbyte_workers.cli.screens import figures, moving_line, news
from airbyte_workers.models import Failure, FailureOrigin, FailureType, Progress, RunPhase
from airbyte_workers.names import JobKind

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
LOST = Failure(origin=FailureOrigin.SOURCE, type=FailureType.SYSTEM_ERROR, message="no route")
WAIT = "attempt 3 starts in 1 m 30 s: 2 complete failures in a row"
AT_ONCE = "attempt 3 follows at once: the last attempt committed data"


def phase(name: str, attempt: int = 0, detail: str = "", **more: Any) -> RunPhase:
    return RunPhase(phase=name, attempt=attempt, detail=detail, job_id=7, launcher="process", subject="demo", **more)


def told(*phases: RunPhase) -> list[str]:
    """What is said of the phases that come after the first, which has been seen."""
    said = []
    for before, after in pairwise(phases):
        said += news(before, after)
    return said


def test_the_first_look_says_what_the_job_is() -> None:
    assert news(None, phase("opening", choice=("users: incremental, append",))) == [
        "launcher: process",
        "job 7: sync of demo",
        "  users: incremental, append",
    ]


def test_checks_before_an_attempt_are_told_once() -> None:
    checking = phase("starting", 1, "checking the source and the destination first")
    running = phase("running", 1, "pod x")
    assert told(phase("opening"), checking, checking, running) == [
        "attempt 1: checking the source and the destination first",
        "attempt 1 is running (pod x)",
    ]


def test_an_attempt_that_starts_without_checks_says_nothing_before_it_runs() -> None:
    assert told(phase("opening"), phase("starting", 1)) == []


def test_a_wait_is_told_once_with_its_reason_and_the_way_out() -> None:
    failed = phase("attempt failed", 2, WAIT, failures=(LOST,))
    waiting = phase("waiting", 2, WAIT, failures=(LOST,), next_attempt_at=NOW)
    starting = phase("starting", 3, failures=(LOST,))
    assert told(phase("running", 2), failed, waiting, waiting, starting) == [
        f"attempt 2 failed: source: no route; {WAIT} (Ctrl-C to stop)"
    ]


@pytest.mark.parametrize(
    "seen",
    [
        [phase("running", 2)],
        [phase("attempt failed", 2, AT_ONCE, failures=(LOST,))],
        [phase("waiting", 2, AT_ONCE, failures=(LOST,))],
        [phase("attempt failed", 2, AT_ONCE, failures=(LOST,)), phase("waiting", 2, AT_ONCE, failures=(LOST,))],
    ],
    ids=["nothing of it", "its end", "its wait", "both"],
)
def test_an_attempt_that_follows_at_once_is_told_however_little_was_seen(seen: list[RunPhase]) -> None:
    said = told(phase("running", 2), *seen, phase("starting", 3, failures=(LOST,), follows=AT_ONCE))
    assert said == [f"attempt 2 failed: source: no route; {AT_ONCE}"]


def test_whoever_joins_late_hears_how_the_last_attempt_ended_and_no_guess() -> None:
    assert news(None, phase("running", 3, "pod x", failures=(LOST,)))[2:] == [
        "attempt 2 failed: source: no route",
        "attempt 3 is running (pod x)",
    ]


def test_a_cancel_says_who_asked() -> None:
    assert told(phase("running", 1), phase("cancelling", 1, "asked for by ann@host")) == [
        "stopping (asked for by ann@host)"
    ]


# --- the line that moves ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "shown"), [(41.3, "41 s"), (90, "1 m 30 s"), (0.2, "0 s"), (-3, "0 s")])
def test_a_wait_counts_down(seconds: float, shown: str) -> None:
    waiting = phase("waiting", 2, WAIT, next_attempt_at=NOW + timedelta(seconds=seconds))
    assert moving_line(waiting, None, NOW) == f"attempt 3 starts in {shown}"


def test_without_figures_the_line_says_where_the_run_is() -> None:
    assert (
        moving_line(phase("asking", 0, "the source for its streams"), None, NOW) == "asking: the source for its streams"
    )
    assert moving_line(phase("opening"), None, NOW) == "opening"


@pytest.mark.parametrize(
    ("progress", "shown"),
    [
        (Progress(phase="checking the source"), "checking the source, before the attempt starts"),
        (Progress(phase="launching"), "launching: installing or pulling what is missing, starting the pod"),
        (
            Progress(phase="queued"),
            "queued: as many pods run on this host as may (MAX_DISCOVERY_WORKERS), waiting for a place",
        ),
        (
            Progress(
                phase="running", records_emitted=1200, records_committed=1000, bytes_emitted=3_000_000,
                records_per_second=10, bytes_per_second=2e6, last_acknowledgement_age_s=0.4,
            ),
            "running: 1,200 records, 2.0 MB/s, acknowledged 0.4 s ago, 1,000 committed, 10/s, 3.0 MB",
        ),
        (
            Progress(phase="running", records_emitted=1200, records_estimated=5000, records_per_second=19),
            "running: 1,200 of about 5,000 records (24%, about 3 m 20 s left), 0.0 MB/s, nothing acknowledged yet, "
            "0 committed, 19/s, 0 B",
        ),
        (
            Progress(phase="finishing", records_emitted=5200, records_estimated=5000, records_per_second=19),
            "finishing: 5,200 of about 5,000 records (99%), 0.0 MB/s, nothing acknowledged yet, 0 committed, 19/s, 0 B",
        ),
    ],
    ids=lambda value: value.phase if isinstance(value, Progress) else "",
)  # fmt: skip
def test_figures_say_what_the_pod_does(progress: Progress, shown: str) -> None:
    assert figures(progress, JobKind.DISCOVER) == shown
    assert moving_line(phase("running", 1), progress, NOW) == shown.replace("DISCOVERY", "SYNC")
