"""The trace of a job, made of what is kept of it: job, attempts, pods, legs. Pure: told twice, it is the same twice.

Ids follow from the job, so that every process which tells a part of the trace gives it its place in the whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from airbyte_workers.jobs.trace_context import parsed
from airbyte_workers.models import AttemptStatus, Ends, JobStatus, LegTimes
from airbyte_workers.names import CONNECTOR_ROLES, REPLICATION_KINDS, Role
from airbyte_workers.runtime.observing.counting import pods_of_attempt, pods_of_job
from airbyte_workers.store.history import AttemptHistory, JobHistory
from airbyte_workers.store.observations import JobPast, PodTimes

Attribute = str | int | float | bool
_JOB = "job"
_MAX_EVENTS = 128  # what the SDK itself keeps of a span by default
_MAX_TEXT = 1000


@dataclass(frozen=True)
class Moment:
    """Something that happened while a span lasted."""

    at: datetime
    name: str
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True)
class Span:
    """A part of a job with its beginning and end; `path` is its place in the job, `parent` that of what it is part of.

    `error`: why it did not succeed.
    """

    name: str
    path: str
    parent: str | None
    began_at: datetime
    ended_at: datetime
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    error: str | None = None
    moments: tuple[Moment, ...] = ()


@dataclass(frozen=True)
class Trace:
    """A job's trace: its own, or the one of whoever started it, below `parent_id` then; `key` is the job's."""

    id: int
    key: str
    parent_id: int | None = None
    is_sampled: bool = True

    def span_id(self, path: str) -> int:
        """The id of the span at this place."""
        return _hashed(f"{self.key}/{path}", 8)


class Tracer(Protocol):
    """What takes spans that have ended."""

    def tell(self, trace: Trace, spans: Iterable[Span]) -> None: ...


class NoTracer:
    """Nobody collects spans."""

    def tell(self, trace: Trace, spans: Iterable[Span]) -> None:
        """Forget them."""


def trace_of(past: JobPast) -> Trace:
    """Where the job's spans belong."""
    key = f"{past.job.job_id}/{past.job.created_at.isoformat()}"
    given = parsed(past.traceparent)
    if given is not None:
        return Trace(given.trace_id, key, given.span_id, given.is_sampled)
    return Trace(_hashed(key, 16), key)


def job_spans(past: JobPast) -> Iterator[Span]:
    """The job itself and what it did beside its attempts; nothing while it has not ended."""
    job = past.job
    if job.ended_at is None:
        return
    failed = job.status is JobStatus.FAILED
    yield Span(
        name=str(job.kind),
        path=_JOB,
        parent=None,
        began_at=job.created_at,
        ended_at=job.ended_at,
        attributes=_of_job(job),
        error=_cut(job.failures[0].message if job.failures else job.reason or "failed") if failed else None,
        moments=tuple(_moments(job)),
    )
    for pod in pods_of_job(past):
        yield from _pod_spans(pod, _JOB, job.ended_at)


def attempt_spans(past: JobPast, number: int) -> Iterator[Span]:
    """An attempt with the wait before it, its pods and their legs; nothing while it has not ended."""
    attempt = next((each for each in past.job.attempts if each.number == number), None)
    if attempt is None or attempt.ended_at is None:
        return
    path = f"{_JOB}/attempt-{number}"
    if attempt.waited_s:
        began = attempt.started_at - timedelta(seconds=attempt.waited_s)
        told = {"airbyte.attempt": number}
        yield Span("wait", f"{path}/wait", _JOB, began, attempt.started_at, told)
    yield Span(
        name="attempt",
        path=path,
        parent=_JOB,
        began_at=attempt.started_at,
        ended_at=attempt.ended_at,
        attributes=_of_attempt(past.job, attempt),
        error=_why(attempt),
    )
    for pod in pods_of_attempt(past, number):
        yield from _pod_spans(pod, path, attempt.ended_at, attempt.started_at)
        if pod.kind in REPLICATION_KINDS:
            yield from _leg_spans(past, attempt, f"{path}/{pod.pod}")


# --- parts ---


def _pod_spans(pod: PodTimes, parent: str, ended_at: datetime, asked_at: datetime | None = None) -> Iterator[Span]:
    """The wait for its place, its life, and its start in that; `asked_at`: since when it waited, where it is known."""
    told: dict[str, Attribute] = {
        "airbyte.pod": pod.pod,
        "airbyte.pod.kind": str(pod.kind),
        "airbyte.launcher": pod.launcher,
        "airbyte.dataplane": pod.dataplane,
    }
    path, began = f"{parent}/{pod.pod}", pod.created_at
    if asked_at is not None and pod.kind in REPLICATION_KINDS and asked_at < began:
        yield Span("queue", f"{path}/queue", parent, asked_at, began, told)
    ended = max(pod.ended_at or ended_at, began)
    yield Span("pod", path, parent, began, ended, told, _why_pod(pod))
    if pod.launched_at is not None:
        yield Span("launch", f"{path}/launch", path, began, max(pod.launched_at, began), told)


def _leg_spans(past: JobPast, attempt: AttemptHistory, pod: str) -> Iterator[Span]:
    times = past.attempts.get(attempt.number)
    if times is None or attempt.ended_at is None:
        return
    if times.began_at is not None:
        ended = times.began_at + timedelta(seconds=times.ran_s)
        yield Span(str(Role.ORCHESTRATOR), f"{pod}/{Role.ORCHESTRATOR}", pod, times.began_at, ended, _waits(attempt))
    for leg in sorted(times.legs, key=lambda leg: leg.role is not Role.SOURCE):
        if leg.role in CONNECTOR_ROLES and leg.began_at is not None:
            yield _leg_span(leg, leg.began_at, attempt, pod)


def _leg_span(leg: LegTimes, began_at: datetime, attempt: AttemptHistory, pod: str) -> Span:
    assert attempt.ended_at is not None
    code = _exit_code(attempt.evidence or Ends(), leg.role)
    told: dict[str, Attribute] = {} if code is None else {"process.exit.code": code}
    error = None if code == 0 else "exit code unknown" if code is None else f"exited with code {code}"
    ended = max(leg.ended_at or attempt.ended_at, began_at)
    return Span(str(leg.role), f"{pod}/{leg.role}", pod, began_at, ended, told, error)


# --- what is told of them ---


def _of_job(job: JobHistory) -> dict[str, Attribute]:
    told: dict[str, Attribute | None] = {
        "airbyte.job.id": job.job_id,
        "airbyte.job.kind": str(job.kind),
        "airbyte.job.status": str(job.status),
        "airbyte.connection": job.connection or None,
        "airbyte.subject": job.subject or None,
        "airbyte.launcher": job.launcher,
        "airbyte.is_scheduled": job.is_scheduled,
        "airbyte.records_committed": job.records_committed,
        "airbyte.bytes_committed": job.bytes_committed,
        "temporalWorkflowID": job.workflow_id,
        "temporalRunID": job.run_id,
        **{f"airbyte.{role}": image for role, image in (job.connectors or {}).items()},
    }
    return {name: value for name, value in told.items() if value is not None}


def _of_attempt(job: JobHistory, attempt: AttemptHistory) -> dict[str, Attribute]:
    told: dict[str, Attribute] = {
        "airbyte.job.id": job.job_id,
        "airbyte.connection": job.connection,
        "airbyte.attempt": attempt.number,
        "airbyte.attempt.status": str(attempt.status),
        "airbyte.records_emitted": attempt.records_emitted,
        "airbyte.records_committed": attempt.records_committed,
        "airbyte.bytes_emitted": attempt.bytes_emitted,
        "airbyte.bytes_committed": attempt.bytes_committed,
        "airbyte.peak_memory_bytes": attempt.peak_memory_bytes,
    }
    if attempt.failures:
        told["airbyte.failure.origin"] = str(attempt.failures[0].origin)
        told["airbyte.failure.type"] = str(attempt.failures[0].type)
    return told


def _waits(attempt: AttemptHistory) -> dict[str, Attribute]:
    names = ("moving_s", "blocked_on_source_s", "blocked_on_destination_s", "held_by_limit_s")
    return {f"airbyte.{name}": getattr(attempt, name) for name in names}


def _moments(job: JobHistory) -> Iterator[Moment]:
    """What happened, of a long past the last of it."""
    for each in job.events[-_MAX_EVENTS:]:
        told: dict[str, Attribute] = {"reason": _cut(each.reason)} if each.reason else {}
        if each.by:
            told["by"] = each.by
        if each.attempt is not None:
            told["airbyte.attempt"] = each.attempt + 1
        yield Moment(each.at, each.event, told)


def _why(attempt: AttemptHistory) -> str | None:
    if attempt.status is AttemptStatus.SUCCEEDED:
        return None
    return _cut(attempt.failures[0].message) if attempt.failures else "failed"


def _why_pod(pod: PodTimes) -> str | None:
    if pod.status not in ("failure", "cancelled"):
        return None
    if pod.launched_at is None:
        return "its launch failed" if pod.failed_launches else f"not launched: {pod.status}"
    return f"the pod ended as {pod.status}"


def _exit_code(ends: Ends, role: Role) -> int | None:
    return ends.source_exit_code if role is Role.SOURCE else ends.destination_exit_code


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]} [cut]"


def _hashed(text: str, size: int) -> int:
    """Never 0, which is no id."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=size).digest(), "big") or 1
