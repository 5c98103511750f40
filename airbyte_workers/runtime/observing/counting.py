"""What of a job's past is counted, and as what: pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from airbyte_workers.models import TERMINAL_JOB_STATUSES, AttemptStatus, Evidence
from airbyte_workers.names import REPLICATION_KINDS, JobKind, Role
from airbyte_workers.settings import Settings
from airbyte_workers.store.observations import JobPast, Load, Observed, Places, PodTimes
from airbyte_workers.telemetry.figures import Figure

_ENDS = {f"attempt {end}": end for end in ("succeeded", "failed", "cancelled")}
_TERMINAL = {str(status) for status in TERMINAL_JOB_STATUSES}
_CODES = {0: "0", 1: "1", 2: "2", 137: "137", 143: "143", None: "unknown"}


def ends_attempt(seen: Observed) -> bool:
    """Whether the attempt that it tells of is over."""
    return seen.attempt is not None and seen.event in _ENDS


def ends_job(seen: Observed) -> bool:
    """Whether the job is over."""
    return seen.attempt is None and seen.event in _TERMINAL


def of_happening(seen: Observed) -> Iterator[Figure]:
    """What the happening itself counts as."""
    kind = {"kind": str(seen.kind)}
    if seen.event == "opened":
        yield Figure("job_created", labels=kind)
    elif seen.event == "attempt opened":
        yield Figure("attempt_created", labels=kind)
    elif seen.event == "pod removed":
        yield Figure("workload_pods_cleaned")
    elif ends_attempt(seen):
        yield Figure("attempt_completed", labels={**kind, "status": _ENDS[seen.event]})
    elif ends_job(seen):
        yield Figure("job_completed", labels={**kind, "status": seen.event})
        if seen.kind is JobKind.SYNC:
            yield Figure("syncs", labels={"status": seen.event})


def of_attempt(past: JobPast, number: int) -> Iterator[Figure]:
    """What an attempt that is over adds; `number` counts from 1."""
    attempt = next((each for each in past.job.attempts if each.number == number), None)
    if attempt is None or attempt.ended_at is None:
        return
    kind = {"kind": str(past.job.kind)}
    status = "succeeded" if attempt.status is AttemptStatus.SUCCEEDED else "failed"
    yield Figure("attempt_duration", _seconds(attempt.started_at, attempt.ended_at), {**kind, "status": status})
    yield Figure("workload_time_to_transition_from_create", attempt.queued_s, kind)
    if attempt.records_committed:
        yield Figure("replication_made_progress", labels=kind)
    yield Figure("bytes_committed", attempt.bytes_committed, kind)
    if attempt.status is AttemptStatus.FAILED and attempt.failures:
        first = attempt.failures[0]
        labels = {"failure_origin": str(first.origin), "failure_type": str(first.type)}
        yield Figure("attempt_failed_by_failure_origin", labels=labels)
    if attempt.evidence is not None:
        yield from _of_evidence(attempt.evidence, kind)
    for pod in pods_of_attempt(past, number):
        yield from _of_pod(pod)


def of_job(past: JobPast) -> Iterator[Figure]:
    """What a job that is over adds beside its attempts."""
    job = past.job
    if job.kind is JobKind.SYNC and job.started_at is not None and job.ended_at is not None:
        yield Figure("syncs_duration", _seconds(job.started_at, job.ended_at), {"status": str(job.status)})
    for pod in pods_of_job(past):
        yield from _of_pod(pod)


def of_load(load: Sequence[Load], places: Sequence[Places], settings: Settings) -> Iterator[Figure]:
    """How much there is to do, and room for it; a kind of which there is nothing is 0, not what it was."""
    for kind in JobKind:
        labels = {"kind": str(kind)}
        waiting = [each for each in load if each.kind is kind and each.status in ("pending", "queued")]
        running = [each for each in load if each.kind is kind and each.status not in ("pending", "queued")]
        for name, some in (("pending", waiting), ("running", running)):
            yield Figure(f"num_{name}_jobs", sum(each.jobs for each in some), labels)
            oldest = max((each.oldest_s for each in some), default=0)
            yield Figure(f"oldest_{name}_job_age_secs", oldest, labels)
    for place in places:
        labels = {"kind": str(place.kind)}
        yield Figure("workload_queue_size", place.waiting, labels)
        yield Figure("dataplane_pods", place.live, labels)
        yield Figure("dataplane_pod_slots", settings.pods_at_once(place.kind), labels)


def pods_of_attempt(past: JobPast, number: int) -> list[PodTimes]:
    """The attempt's own pod, and those that checked connectors for it."""
    if past.job.kind not in REPLICATION_KINDS:
        return []
    kinds = (past.job.kind, JobKind.CHECK)
    return [pod for pod in past.pods if pod.kind in kinds and pod.attempt == number - 1]


def pods_of_job(past: JobPast) -> list[PodTimes]:
    """Those of no attempt: what was asked before the first one, or all there is of a spec, check or discover."""
    if past.job.kind not in REPLICATION_KINDS:
        return list(past.pods)
    return [pod for pod in past.pods if pod.kind in (JobKind.SPEC, JobKind.DISCOVER)]


def _of_evidence(evidence: Evidence, kind: dict[str, str]) -> Iterator[Figure]:
    yield Figure("worker_destination_message_sent", evidence.records_forwarded, kind)
    yield Figure("line_skipped_with_record", evidence.malformed, kind)
    yield Figure("record_schema_validation_error", evidence.records_invalid, kind)
    codes = {Role.SOURCE: evidence.source_exit_code, Role.DESTINATION: evidence.destination_exit_code}
    for role, code in codes.items():
        labels = {"role": str(role), "exit_code": _CODES.get(code, "other")}
        yield Figure("connector_exit_code", labels=labels)


def _of_pod(pod: PodTimes) -> Iterator[Figure]:
    """A pod that was refused by a check, or cancelled before its launch, is no launch that failed."""
    kind = {"kind": str(pod.kind)}
    if pod.launched_at is not None:
        yield Figure("workload_launch_status", labels={**kind, "status": "launched"})
        yield Figure("workload_launch_duration", _seconds(pod.created_at, pod.launched_at), kind)
    elif pod.failed_launches and pod.status == "failure":
        yield Figure("workload_launch_status", labels={**kind, "status": "failed"})


def _seconds(began: datetime, ended: datetime) -> float:
    return max((ended - began).total_seconds(), 0)
