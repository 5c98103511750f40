"""Jobs of every kind, as the page about them is made from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airbyte_workers.cli.job_report_data import Source, charted, job_report
from airbyte_workers.cli.job_report_model import JobReport
from airbyte_workers.models import (
    AttemptStatus,
    Evidence,
    Failure,
    FailureOrigin,
    FailureType,
    JobStatus,
    Mark,
    StreamCounts,
    Throughput,
)
from airbyte_workers.names import JobKind
from airbyte_workers.store.history import AttemptHistory, Happening, JobHistory
from airbyte_workers.store.job_facts import JobFacts
from airbyte_workers.store.throughputs import Seen

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
BROKE = Failure(origin=FailureOrigin.SOURCE, type=FailureType.SYSTEM_ERROR, message="the source exited with code 1")
GREEN = Evidence(
    source_exit_code=0, destination_exit_code=0, end_of_input=True, completion="reported", states_emitted=2,
    states_committed=2, acknowledgements=2, records_emitted=5, records_forwarded=5,
)  # fmt: skip


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def attempt(number: int, *failures: Failure, **more: Any) -> AttemptHistory:
    told = {
        "number": number,
        "status": AttemptStatus.FAILED if failures else AttemptStatus.SUCCEEDED,
        "started_at": at(60 * number),
        "ended_at": at(60 * number + 50),
        "failures": failures,
        "evidence": GREEN.model_copy(update={"source_exit_code": 1}) if failures else GREEN,
    }
    return AttemptHistory.model_validate(told | more)


def stream(name: str, emitted: int, **more: Any) -> StreamCounts:
    told = {"name": name, "status": "complete", "records_emitted": emitted, "records_committed": emitted}
    return StreamCounts.model_validate(told | more)


def job(status: JobStatus = JobStatus.SUCCEEDED, **more: Any) -> JobHistory:
    attempts = more.get("attempts", ())
    told = {
        "job_id": 7,
        "connection": "people",
        "subject": "people",
        "status": status,
        "workflow_id": "sync/people",
        "run_id": "r",
        "launcher": "docker",
        "connectors": {"source": "airbyte/source-faker:7.2.1", "destination": "airbyte/destination-jsonl:1"},
        "created_at": NOON,
        "ended_at": at(60 * (len(attempts) + 1)),
        "evidence": attempts[-1].evidence if attempts else None,
        "events": (Happening(at=NOON, event="opened", reason="workflow sync/people"),),
    }
    return JobHistory.model_validate(told | more)


def throughput(points: int = 10, *, step_s: float = 5, records: int = 1000, **shares: float) -> Throughput:
    """As many records in every span; `shares`: of each span, by the fields of `Waits`."""
    marks = [
        Mark(
            at_s=step_s * number,
            records_emitted=records * number,
            bytes_emitted=100 * records * number,
            records_committed=records * (number - 1),
            moving_s=step_s * number,
            **{name: share * step_s * number for name, share in shares.items()},
        )
        for number in range(1, points + 1)
    ]
    return Throughput(began_at=at(62), marks=tuple(marks))


def source(job: JobHistory, kept: Throughput | None = None, seen: Seen | None = None) -> Source:
    """`kept`: what every attempt's pod left, if it left anything."""
    facts = JobFacts.model_validate(job.model_dump(include=set(JobFacts.model_fields)))
    courses = {} if kept is None else dict.fromkeys(charted(job), kept)
    return Source(facts, job, courses, seen, at(60 * (len(job.attempts) + 2)))


def reported(job: JobHistory, kept: Throughput | None = None, seen: Seen | None = None) -> JobReport:
    return job_report(source(job, kept, seen))


def check(status: JobStatus, **more: Any) -> JobHistory:
    asked = {"kind": JobKind.CHECK, "connection": "", "subject": "airbyte/source-faker:7.2.1", "evidence": None}
    return job(status, **(asked | more))
