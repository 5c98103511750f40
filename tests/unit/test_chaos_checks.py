"""What counts as lost, doubled, out of order or left behind: each is found, and nothing else is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airbyte_workers.chaos.books import position
from airbyte_workers.chaos.cases import Expected
from airbyte_workers.chaos.checks import AttemptSeen, Seen, violations
from airbyte_workers.models import AttemptStatus, JobStatus
from airbyte_workers.orchestrator.markers import Marker

DONE = AttemptSeen(AttemptStatus.SUCCEEDED, Marker.SUCCESS, "succeeded")
FAILED = AttemptSeen(AttemptStatus.FAILED, Marker.FAILURE, "failed")
ENDED = AttemptSeen(AttemptStatus.FAILED, Marker.FAILURE, "cancelled")
ONE = Expected(JobStatus.SUCCEEDED, 1, "")
TWO = Expected(JobStatus.SUCCEEDED, 2, "")
STOPPED = Expected(JobStatus.CANCELLED, 1, "")
WHOLE = Seen(JobStatus.SUCCEEDED, 10, (DONE,), range(10), (5, 10), 10)
CUT_OFF = Seen(JobStatus.CANCELLED, 10, (ENDED,), range(7), (3, 5), 5)


@pytest.mark.parametrize(
    ("expected", "seen"),
    [
        (ONE, WHOLE),
        (TWO, replace(WHOLE, attempts=(FAILED, DONE))),
        (TWO, replace(WHOLE, attempts=(FAILED, DONE), positions=(5, 5, 10))),
        (STOPPED, CUT_OFF),
        (STOPPED, replace(CUT_OFF, ids=(), positions=(), committed=0)),
    ],
    ids=["whole", "second attempt", "a state committed again", "cancelled", "cancelled before any record"],
)
def test_what_is_as_it_must_be_is_no_violation(expected: Expected, seen: Seen) -> None:
    assert violations(expected, seen) == ()


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (replace(WHOLE, ids=[0, 1, 2, 4, 5, 6, 7, 8, 9]), "1 record(s) below 10 are missing: 3"),
        (replace(WHOLE, ids=()), "10 record(s) below 10 are missing: 0, 1, 2, 3, 4 and 5 more"),
        (replace(WHOLE, ids=[*range(10), 9]), "1 record(s) are there more than once: 9"),
        (replace(WHOLE, ids=[0, 2, 1, *range(3, 10)]), "records are out of order: 1 came late"),
        (replace(WHOLE, ids=range(11)), "1 record(s) were never sent: 10"),
        (replace(WHOLE, positions=(5, 3, 10)), "committed states went back: 3 after 5"),
        (replace(WHOLE, positions=(5, 9)), "the kept state reaches 10, the last committed one 9"),
        (replace(WHOLE, positions=(5, 9), committed=9), "the kept state reaches 9 of 10 records of a succeeded job"),
        (replace(WHOLE, attempts=(FAILED, DONE)), "the job had 2 attempt(s), expected 1"),
        (
            replace(WHOLE, attempts=(replace(DONE, marker=Marker.RUNNING, told=""),)),
            "attempt 1 is succeeded, but its pod's marker is RUNNING",
        ),
        (
            replace(WHOLE, attempts=(replace(DONE, told="failed"),)),
            "the job is succeeded, but its last marker tells that it failed",
        ),
        (
            replace(WHOLE, left=("process 7 of a pod", "pipe /x/in")),
            "something is left: process 7 of a pod; pipe /x/in",
        ),
    ],
)
def test_whatever_is_not_is_told_and_nothing_else(seen: Seen, said: str) -> None:
    assert violations(ONE, seen) == (said,)


def test_a_job_that_ended_otherwise_is_told_with_what_was_expected() -> None:
    failed = replace(WHOLE, status=JobStatus.FAILED, attempts=(FAILED,))
    assert violations(ONE, failed) == ("the job is failed, expected succeeded",)


def test_a_job_that_was_never_there_is_a_violation() -> None:
    assert "the job is not there, expected succeeded" in violations(ONE, Seen(None, 10))


def test_a_success_after_which_another_attempt_came_is_a_violation() -> None:
    twice = replace(WHOLE, attempts=(DONE, DONE))
    assert violations(TWO, twice) == ("its attempts are succeeded, succeeded, expected failed, succeeded",)


def test_a_cancelled_job_owes_what_is_committed() -> None:
    assert violations(STOPPED, replace(CUT_OFF, ids=range(4))) == ("1 record(s) below 5 are missing: 4",)


def test_a_cancelled_job_owes_nothing_beyond() -> None:
    assert violations(STOPPED, replace(CUT_OFF, ids=range(5))) == ()


def test_a_cancelled_job_doubles_nothing_either() -> None:
    doubled = replace(CUT_OFF, ids=[0, 1, 2, 3, 4, 4])
    assert violations(STOPPED, doubled) == ("1 record(s) are there more than once: 4",)


def test_how_far_a_state_of_the_source_reaches() -> None:
    state = '{"type":"STREAM","stream":{"stream_descriptor":{"name":"stream_0"},"stream_state":{"next":700}}}'
    assert position(state) == 700
