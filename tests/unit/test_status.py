"""Which status may follow which: the table of airbyte-behaviour.md 1.2, every pair of it."""

from __future__ import annotations

import itertools

import pytest

from airbyte_workers.jobs.status import (
    ATTEMPT_MOVES,
    JOB_MOVES,
    IllegalTransition,
    attempt_moves,
    job_has_ended,
    job_moves,
    steps,
)
from airbyte_workers.models import TERMINAL_JOB_STATUSES, AttemptStatus, JobStatus

# From each row to each column: + may, - may not, . is the status itself and no move.
JOBS = """
            PENDING QUEUED RUNNING INCOMPLETE FAILED SUCCEEDED CANCELLED
PENDING     .       +      +       +          +      -         +
QUEUED      +       .      +       -          +      -         +
RUNNING     -       -      .       +          +      +         +
INCOMPLETE  +       -      +       +          +      +         +
FAILED      -       -      -       -          .      -         -
SUCCEEDED   -       -      -       -          -      .         -
CANCELLED   -       -      -       -          -      -         .
"""
ATTEMPTS = """
            RUNNING SUCCEEDED FAILED
RUNNING     .       +         +
SUCCEEDED   -       .         -
FAILED      -       -         .
"""


def cells(table: str) -> list[tuple[str, str, bool]]:
    head, *rows = [line.split() for line in table.strip().splitlines()]
    return [(row[0], column, cell == "+") for row in rows for column, cell in zip(head, row[1:], strict=True)]


JOB_CELLS = [(JobStatus[one], JobStatus[other], may) for one, other, may in cells(JOBS)]
ATTEMPT_CELLS = [(AttemptStatus[one], AttemptStatus[other], may) for one, other, may in cells(ATTEMPTS)]
ENDS = [JobStatus.FAILED, JobStatus.SUCCEEDED, JobStatus.CANCELLED]
LIVE = [status for status in JobStatus if status not in ENDS]


def test_the_tables_know_every_status() -> None:
    assert {(one, other) for one, other, _ in JOB_CELLS} == set(itertools.product(JobStatus, repeat=2))
    assert {(one, other) for one, other, _ in ATTEMPT_CELLS} == set(itertools.product(AttemptStatus, repeat=2))
    assert (set(JOB_MOVES), set(ATTEMPT_MOVES)) == (set(JobStatus), set(AttemptStatus))


def test_jobs_and_attempts_may_become_what_the_tables_say() -> None:
    assert [other in JOB_MOVES[one] for one, other, _ in JOB_CELLS] == [may for *_, may in JOB_CELLS]
    assert [other in ATTEMPT_MOVES[one] for one, other, _ in ATTEMPT_CELLS] == [may for *_, may in ATTEMPT_CELLS]


@pytest.mark.parametrize("status", JobStatus)
def test_failed_succeeded_and_cancelled_jobs_have_ended(status: JobStatus) -> None:
    """Conformance case D12."""
    assert job_has_ended(status) is (status in ENDS)
    assert set(ENDS) == TERMINAL_JOB_STATUSES


@pytest.mark.parametrize(("status", "target", "may"), JOB_CELLS)
def test_a_job_moves_stays_silently_when_it_has_ended_or_is_refused(
    status: JobStatus, target: JobStatus, may: bool
) -> None:
    if status in ENDS:
        assert not job_moves(7, status, target)
    elif may:
        assert job_moves(7, status, target)
    else:
        with pytest.raises(IllegalTransition, match=f"^job 7 is {status} and cannot become {target}$"):
            job_moves(7, status, target)


@pytest.mark.parametrize(("status", "target", "may"), ATTEMPT_CELLS)
def test_an_attempt_moves_stays_silently_when_it_has_ended_or_is_refused(
    status: AttemptStatus, target: AttemptStatus, may: bool
) -> None:
    if status is not AttemptStatus.RUNNING:
        assert not attempt_moves(7, 0, status, target)
    elif may:
        assert attempt_moves(7, 0, status, target)
    else:
        with pytest.raises(IllegalTransition, match=r"^attempt 1 of job 7 is running and cannot become running$"):
            attempt_moves(7, 0, status, target)


@pytest.mark.parametrize(("status", "target"), list(itertools.product(LIVE, [JobStatus.INCOMPLETE, *ENDS])))
def test_every_live_job_reaches_the_end_of_an_attempt_and_its_own_by_legal_moves(
    status: JobStatus, target: JobStatus
) -> None:
    """Else a run whose launch was not written down could never be closed."""
    path = steps(status, target)
    assert path[-1] is target
    assert all(other in JOB_MOVES[one] for one, other in itertools.pairwise([status, *path]))


@pytest.mark.parametrize(
    ("status", "target", "path"),
    [
        (JobStatus.QUEUED, JobStatus.INCOMPLETE, (JobStatus.PENDING, JobStatus.INCOMPLETE)),
        (JobStatus.QUEUED, JobStatus.CANCELLED, (JobStatus.CANCELLED,)),
        (JobStatus.PENDING, JobStatus.SUCCEEDED, (JobStatus.RUNNING, JobStatus.SUCCEEDED)),
        (JobStatus.RUNNING, JobStatus.SUCCEEDED, (JobStatus.SUCCEEDED,)),
        (JobStatus.INCOMPLETE, JobStatus.INCOMPLETE, (JobStatus.INCOMPLETE,)),
    ],
)
def test_only_what_lies_between_is_passed(status: JobStatus, target: JobStatus, path: tuple[JobStatus, ...]) -> None:
    assert steps(status, target) == path
