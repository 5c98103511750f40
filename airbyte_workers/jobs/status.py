"""Which status may follow which, of jobs and of their attempts (airbyte-behaviour.md 1.2)."""

from __future__ import annotations

from collections.abc import Mapping

from airbyte_workers.models import TERMINAL_JOB_STATUSES, AttemptStatus, JobStatus

_J, _A = JobStatus, AttemptStatus
JOB_MOVES: Mapping[JobStatus, frozenset[JobStatus]] = {
    _J.PENDING: frozenset({_J.QUEUED, _J.RUNNING, _J.INCOMPLETE, _J.FAILED, _J.CANCELLED}),
    _J.QUEUED: frozenset({_J.PENDING, _J.RUNNING, _J.FAILED, _J.CANCELLED}),
    _J.RUNNING: frozenset({_J.INCOMPLETE, _J.FAILED, _J.SUCCEEDED, _J.CANCELLED}),
    _J.INCOMPLETE: frozenset({_J.PENDING, _J.RUNNING, _J.INCOMPLETE, _J.FAILED, _J.SUCCEEDED, _J.CANCELLED}),
    _J.FAILED: frozenset(),
    _J.SUCCEEDED: frozenset(),
    _J.CANCELLED: frozenset(),
}
ATTEMPT_MOVES: Mapping[AttemptStatus, frozenset[AttemptStatus]] = {
    _A.RUNNING: frozenset({_A.SUCCEEDED, _A.FAILED}),
    _A.SUCCEEDED: frozenset(),
    _A.FAILED: frozenset(),
}
_PASSED: Mapping[tuple[JobStatus, JobStatus], JobStatus] = {
    (_J.QUEUED, _J.INCOMPLETE): _J.PENDING,
    (_J.QUEUED, _J.SUCCEEDED): _J.RUNNING,
    (_J.PENDING, _J.SUCCEEDED): _J.RUNNING,
}


class IllegalTransition(Exception):
    """A job or an attempt was to become what it cannot become."""


def job_has_ended(status: JobStatus) -> bool:
    """Whether a job stays as it is from now on."""
    return status in TERMINAL_JOB_STATUSES


def job_moves(job_id: int, status: JobStatus, target: JobStatus) -> bool:
    """Whether to write the move: a job that has ended stays as it is, silently. Raises IllegalTransition."""
    if job_has_ended(status):
        return False
    if target not in JOB_MOVES[status]:
        raise IllegalTransition(f"job {job_id} is {status} and cannot become {target}")
    return True


def attempt_moves(job_id: int, number: int, status: AttemptStatus, target: AttemptStatus) -> bool:
    """The same for an attempt; `number` counts from 0."""
    if not ATTEMPT_MOVES[status]:
        return False
    if target not in ATTEMPT_MOVES[status]:
        raise IllegalTransition(f"attempt {number + 1} of job {job_id} is {status} and cannot become {target}")
    return True


def steps(status: JobStatus, target: JobStatus) -> tuple[JobStatus, ...]:
    """The moves that lead a live job to the end of an attempt or of its own.

    An end can be known before its beginning was written: an attempt that fails while it waits for a place leaves the
    queue first, and what succeeded has run.
    """
    passed = _PASSED.get((status, target))
    return (target,) if passed is None else (passed, target)
