"""Ends of attempts as rows: written once, from what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from airbyte_workers.jobs.failures import cancellation
from airbyte_workers.jobs.status import attempt_moves
from airbyte_workers.models import (
    AttemptOutcome,
    AttemptStatus,
    AttemptSummary,
    CloseAttempt,
    Failure,
    FailureType,
    JobStatus,
    RetryTally,
    Waits,
)
from airbyte_workers.store import attempts, stream_counts
from airbyte_workers.store.attempts import AttemptGone
from airbyte_workers.store.transitions import Event, HeldJob, held, reach, storable, write_event


@dataclass(frozen=True)
class _End:
    """What is written of an attempt that is over."""

    status: AttemptStatus
    failures: Sequence[Failure]
    summary: AttemptSummary | None = None


async def close_attempt(db: asyncpg.Pool, close: CloseAttempt, summary: AttemptSummary | None) -> None:
    """Write the end of an attempt from its marker; without one, or when its watcher knows better, from the outcome.

    The job ends with an attempt that succeeded; after any other it is incomplete, and its past tells which attempt
    follows. An attempt that has ended stays as it is; the retry counters are written again. Raises LookupError.
    """
    ref = close.ref
    async with held(db, ref.job_id) as job:
        ended = await close_held(job, ref.attempt, close.outcome, summary)
        if ended and close.retried and close.follows:  # what else follows is told by the job's end
            await write_event(job.session, job.id, Event("next", reason=close.follows))
        if close.tally is not None:
            await _save_tally(job, close.tally)


async def close_held(job: HeldJob, number: int, outcome: AttemptOutcome, summary: AttemptSummary | None) -> bool:
    """End an attempt of a job that is held; says whether it ended with this. Raises LookupError."""
    good = outcome.status == "succeeded"
    end = _End(AttemptStatus.SUCCEEDED if good else AttemptStatus.FAILED, _told(outcome, summary), _storable(summary))
    if not attempt_moves(job.id, number, await _status(job, number), end.status):
        return False
    await _write_end(job, number, end)
    why = _first([*outcome.failures, *end.failures])
    await write_event(job.session, job.id, Event(f"attempt {outcome.status}", number, reason=why))
    status = JobStatus.SUCCEEDED if good else JobStatus.INCOMPLETE
    await reach(job, status, reason=f"attempt {number + 1} {outcome.status}")
    return True


async def end_running(
    job: HeldJob, status: JobStatus, failures: Sequence[Failure], summary: AttemptSummary | None = None
) -> None:
    """Fail the attempt that still runs while its job is ended as `status`; `summary`: what its pod has left."""
    running = await attempts.running(job.session, job.id)
    if running is None:
        return
    cancelled = status is JobStatus.CANCELLED
    told = _with_cancellation(failures) if cancelled else failures
    await _write_end(job, running.number, _End(AttemptStatus.FAILED, told, _storable(summary)))
    event = "attempt cancelled" if cancelled else "attempt failed"
    reason = _first(told) or f"the job has {status}"
    await write_event(job.session, job.id, Event(event, running.number, reason=reason))


async def _status(job: HeldJob, number: int) -> AttemptStatus:
    status: str | None = await job.session.fetchval(
        "select status from attempts where job_id = $1 and number = $2", job.id, number
    )
    if status is None:
        raise AttemptGone(job.id, number)
    return AttemptStatus(status)


async def _write_end(job: HeldJob, number: int, end: _End) -> None:
    """Counts first: a commit of the attempt that is still under way takes the same rows in this order."""
    summary = end.summary
    waits = [getattr(summary or Waits(), each) for each in Waits.model_fields]
    if summary is not None:
        await stream_counts.write(job.session, job.id, number, summary.streams)
    await job.session.execute(
        """
        update attempts set status = $3, failures = $4, warnings = $5, evidence = $6, log_lines_dropped = $7,
            peak_memory_bytes = $8, validation = $9, moving_s = $10, blocked_on_source_s = $11,
            blocked_on_destination_s = $12, held_by_limit_s = $13, throughput = $14, legs = $15,
            ended_at = clock_timestamp()
        where job_id = $1 and number = $2
        """,
        job.id,
        number,
        str(end.status),
        storable([failure.model_dump(mode="json") for failure in end.failures]),
        list(summary.warnings) if summary else [],
        summary.evidence.model_dump(mode="json") if summary else None,
        summary.log_lines_dropped if summary else 0,
        summary.peak_memory_bytes if summary else 0,
        [each.model_dump(mode="json") for each in summary.validation] if summary else [],
        *waits,
        summary.throughput.model_dump(mode="json") if summary and summary.throughput else None,
        [each.model_dump(mode="json") for each in summary.legs] if summary else [],
    )
    await stream_counts.add_up(job.session, job.id, number)


async def _save_tally(job: HeldJob, tally: RetryTally) -> None:
    """The job's counters, for people and for a later run."""
    await job.session.execute(
        """
        update retry_states set successive_complete = $2, successive_partial = $3, total_complete = $4,
            total_partial = $5, updated_at = now() where job_id = $1
        """,
        job.id,
        tally.successive_complete,
        tally.successive_partial,
        tally.total_complete,
        tally.total_partial,
    )


def _told(outcome: AttemptOutcome, summary: AttemptSummary | None) -> Sequence[Failure]:
    """The marker's failures, which are whole, unless the outcome has a status or a reason that is not among them."""
    told: Sequence[Failure] = outcome.failures
    if summary is not None and summary.status == outcome.status:
        reasons = {(failure.origin, failure.type) for failure in summary.failures}
        known = all((failure.origin, failure.type) in reasons for failure in outcome.failures)
        told = summary.failures if known else outcome.failures
    return _with_cancellation(told) if outcome.status == "cancelled" else told


def _with_cancellation(failures: Sequence[Failure]) -> Sequence[Failure]:
    """An attempt that was cancelled says so (conformance case R8)."""
    said = any(failure.type is FailureType.MANUAL_CANCELLATION for failure in failures)
    return failures if said else (cancellation(), *failures)


def _storable(summary: AttemptSummary | None) -> AttemptSummary | None:
    return None if summary is None else AttemptSummary.model_validate(storable(summary.model_dump(mode="json")))


def _first(failures: Sequence[Failure]) -> str:
    return failures[0].message if failures else ""
