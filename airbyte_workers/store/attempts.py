"""Attempts as rows: opened under a new fence, closed once from what is known of their end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from airbyte_workers.jobs.status import attempt_moves, job_has_ended
from airbyte_workers.models import (
    AttemptOutcome,
    AttemptStatus,
    AttemptSummary,
    Failure,
    FailureOrigin,
    FailureType,
    JobStatus,
)
from airbyte_workers.names import JobKind, pod_name
from airbyte_workers.protocol.generations import renewed
from airbyte_workers.protocol.messages import ConfiguredCatalog, parse
from airbyte_workers.store import generations
from airbyte_workers.store.states import Writer, forget_all, write_counts
from airbyte_workers.store.stream_requests import scope_of
from airbyte_workers.store.transitions import HeldJob, held, reach, storable, write_event

CANCELLED = Failure(
    origin=FailureOrigin.PLATFORM, type=FailureType.MANUAL_CANCELLATION, message="the sync was cancelled"
)


class AttemptRefused(Exception):
    """No such attempt can be opened, now or later."""


class AttemptGone(LookupError):
    """The database has no such attempt: it was restored from an older copy while a run did the job."""


class JobEnded(AttemptRefused):
    """An attempt was asked for of a job that has ended."""


@dataclass(frozen=True)
class Attempt:
    """An attempt as it was opened; `number` counts from 0."""

    job_id: int
    number: int
    fence: int
    pod: str


@dataclass(frozen=True)
class _End:
    """What is written of an attempt that is over."""

    status: AttemptStatus
    failures: Sequence[Failure]
    summary: AttemptSummary | None = None


# --- opening ---


async def open_attempt(db: asyncpg.Pool, job_id: int, number: int, *, waited_s: float) -> Attempt:
    """Raise the connection's fence and write the attempt's row; asked again while it runs, the same attempt.

    Attempts are numbered without gaps, and one runs at a time. Raises AttemptRefused and LookupError.
    """
    async with held(db, job_id) as job:
        if job_has_ended(job.status):
            raise JobEnded(f"job {job_id} has ended ({job.status})")
        known = await _running(job)
        if known is not None and known.number == number:
            return known
        await _refuse_unless_next(job, number, known)
        attempt = Attempt(job_id, number, await _raise_fence(job), pod_name(job.kind, job_id, number))
        await _insert(job, attempt, waited_s)
        await _begin_generations(job, attempt)
        await write_event(job.session, job_id, number, "attempt opened", reason=f"fence {attempt.fence}")
        return attempt


async def _running(job: HeldJob) -> Attempt | None:
    row = await job.session.fetchrow(
        "select number, fence, pod from attempts where job_id = $1 and status = 'running'", job.id
    )
    return None if row is None else Attempt(job.id, row["number"], row["fence"], row["pod"])


async def _refuse_unless_next(job: HeldJob, number: int, running: Attempt | None) -> None:
    count: int = await job.session.fetchval("select count(*) from attempts where job_id = $1", job.id)
    if 0 <= number < count:
        raise AttemptRefused(f"attempt {number + 1} of job {job.id} has ended")
    if running is not None:
        raise AttemptRefused(f"attempt {running.number + 1} of job {job.id} is still running")
    if number != count:
        raise AttemptRefused(f"job {job.id} has had {count} attempt(s): its next is {count + 1}, not {number + 1}")


async def _raise_fence(job: HeldJob) -> int:
    fence: int = await job.session.fetchval(
        "update connections set fence = fence + 1 where id = $1 returning fence", job.connection_id
    )
    return fence


async def _insert(job: HeldJob, attempt: Attempt, waited_s: float) -> None:
    """`state_before` is the newest entry of the state log as the attempt finds it, before it changes anything."""
    await job.session.execute(
        """
        insert into attempts (job_id, number, fence, pod, waited_s, log_path, state_before)
        select $1, $2, $3, $4, $5, $6, coalesce(max(id), 0)::text from state_log where connection_id = $7
        """,
        attempt.job_id,
        attempt.number,
        attempt.fence,
        attempt.pod,
        waited_s,
        f"logs/{attempt.job_id}/{attempt.number}",
        job.connection_id,
    )


async def _begin_generations(job: HeldJob, attempt: Attempt) -> None:
    """What is read again from its beginning, or cleared, begins anew."""
    if job.catalog_id is None or job.connection_id is None:
        return
    catalog: str = await job.session.fetchval("select catalog from catalogs where id = $1", job.catalog_id)
    row = await job.session.fetchrow("select kind, request, supports_refreshes from jobs where id = $1", job.id)
    assert row is not None
    configured = parse(ConfiguredCatalog, catalog.encode())
    scope = scope_of(row)
    streams = renewed(configured, scope, attempt.number)
    writer = Writer(job.connection_id, job.id, attempt.number, attempt.fence)
    whole = len(streams) == len(configured.streams)
    await generations.begin(job.session, writer, streams, whole=whole)
    if scope.kind is JobKind.CLEAR and scope.streams is None:
        await forget_all(job.session, writer)


# --- reading ---


async def read_attempt(db: asyncpg.Pool, job_id: int, number: int) -> Attempt:
    """The attempt. Raises AttemptGone."""
    row = await db.fetchrow("select fence, pod from attempts where job_id = $1 and number = $2", job_id, number)
    if row is None:
        raise AttemptGone(f"job {job_id} has no attempt {number + 1}")
    return Attempt(job_id, number, row["fence"], row["pod"])


async def committed(db: asyncpg.Pool, job_id: int, number: int) -> tuple[int, int]:
    """Records committed and rejected in an attempt, as its own commits counted them."""
    row = await db.fetchrow(
        "select records_committed, records_rejected from attempts where job_id = $1 and number = $2", job_id, number
    )
    return (row["records_committed"], row["records_rejected"]) if row is not None else (0, 0)


# --- closing ---


async def close_attempt(
    db: asyncpg.Pool,
    job_id: int,
    number: int,
    outcome: AttemptOutcome,
    summary: AttemptSummary | None,
    *,
    follows: str = "",
) -> None:
    """Write the end of an attempt from its marker; without one, or when its watcher knows better, from the outcome.

    The job ends with an attempt that succeeded; after any other it is incomplete, and `follows` tells people what
    comes next. An attempt that has ended stays as it is. Raises LookupError.
    """
    async with held(db, job_id) as job:
        if await close_held(job, number, outcome, summary) and follows:
            await write_event(job.session, job_id, None, "next", reason=follows)


async def close_held(job: HeldJob, number: int, outcome: AttemptOutcome, summary: AttemptSummary | None) -> bool:
    """The same for a job that is held; says whether the attempt ended with this. Raises LookupError."""
    good = outcome.status == "succeeded"
    end = _End(AttemptStatus.SUCCEEDED if good else AttemptStatus.FAILED, _told(outcome, summary), _storable(summary))
    if not attempt_moves(job.id, number, await _status(job, number), end.status):
        return False
    await _write_end(job, number, end)
    why = _first([*outcome.failures, *end.failures])
    await write_event(job.session, job.id, number, f"attempt {outcome.status}", reason=why)
    status = JobStatus.SUCCEEDED if good else JobStatus.INCOMPLETE
    await reach(job, status, reason=f"attempt {number + 1} {outcome.status}")
    return True


async def end_running(
    job: HeldJob, status: JobStatus, failures: Sequence[Failure], summary: AttemptSummary | None = None
) -> None:
    """Fail the attempt that still runs while its job is ended as `status`; `summary`: what its pod has left."""
    running = await _running(job)
    if running is None:
        return
    cancelled = status is JobStatus.CANCELLED
    told = _with_cancellation(failures) if cancelled else failures
    await _write_end(job, running.number, _End(AttemptStatus.FAILED, told, _storable(summary)))
    event = "attempt cancelled" if cancelled else "attempt failed"
    await write_event(job.session, job.id, running.number, event, reason=_first(told) or f"the job has {status}")


async def has_succeeded(job: HeldJob) -> bool:
    """Whether an attempt of the job has."""
    return bool(
        await job.session.fetchval(
            "select exists (select from attempts where job_id = $1 and status = 'succeeded')", job.id
        )
    )


async def is_running(job: HeldJob) -> bool:
    """Whether an attempt of the job does."""
    return await _running(job) is not None


async def running_number(job: HeldJob) -> int | None:
    """Which attempt of the job does."""
    running = await _running(job)
    return running.number if running is not None else None


async def has_committed(db: asyncpg.Pool, attempt: Attempt) -> bool:
    """Whether a pod of the attempt has committed states: another one under the same fence could not go on from them."""
    return bool(
        await db.fetchval(
            "select exists (select from state_log where job_id = $1 and attempt = $2 and fence = $3 and seq > 0)",
            attempt.job_id,
            attempt.number,
            attempt.fence,
        )
    )


async def _status(job: HeldJob, number: int) -> AttemptStatus:
    status: str | None = await job.session.fetchval(
        "select status from attempts where job_id = $1 and number = $2", job.id, number
    )
    if status is None:
        raise AttemptGone(f"job {job.id} has no attempt {number + 1}")
    return AttemptStatus(status)


async def _write_end(job: HeldJob, number: int, end: _End) -> None:
    """Counts first: a commit of the attempt that is still under way takes the same rows in this order."""
    summary = end.summary
    if summary is not None:
        await write_counts(job.session, job.id, number, summary.streams)
    await job.session.execute(
        """
        update attempts set status = $3, failures = $4, warnings = $5, evidence = $6, log_lines_dropped = $7,
            peak_memory_bytes = $8, ended_at = clock_timestamp()
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
    )
    await job.session.execute(_TOTALS, job.id, number)


_TOTALS = """
update attempts set (records_emitted, records_committed, records_rejected, bytes_emitted, bytes_committed) = (
    select coalesce(sum(records_emitted), 0), coalesce(sum(records_committed), 0), coalesce(sum(records_rejected), 0),
        coalesce(sum(bytes_emitted), 0), coalesce(sum(bytes_committed), 0)
    from stream_stats where job_id = $1 and attempt = $2)
where job_id = $1 and number = $2
"""


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
    return failures if said else (CANCELLED, *failures)


def _storable(summary: AttemptSummary | None) -> AttemptSummary | None:
    return None if summary is None else AttemptSummary.model_validate(storable(summary.model_dump(mode="json")))


def _first(failures: Sequence[Failure]) -> str:
    return failures[0].message if failures else ""
