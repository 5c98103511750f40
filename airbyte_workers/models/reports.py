"""What people read: reports, results, and the answer to the `progress` query."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from airbyte_workers.models.evidence import Evidence, Failure
from airbyte_workers.models.progress import Waits
from airbyte_workers.models.statuses import AttemptStatus, JobStatus
from airbyte_workers.models.stream_counts import StreamCounts
from airbyte_workers.models.values import Value
from airbyte_workers.names import JobKind


class AttemptReport(Waits):
    """One attempt as people see it: `number` counts from 1."""

    number: int
    status: AttemptStatus
    started_at: datetime
    ended_at: datetime | None = None
    waited_s: float = 0
    records_committed: int = 0
    failures: tuple[Failure, ...] = ()
    peak_memory_bytes: int = 0


class SyncReport(Waits):
    """The result of a sync, clear or refresh and the one object that `sync -o json` ends with.

    `reason` says why it ended as it did, where a success does not say it all; `ended_by`: who cancelled it. The waits
    are the sums of the attempts'.
    """

    job_id: int
    kind: JobKind = JobKind.SYNC
    connection: str
    status: JobStatus
    mode: Literal["stdio"] = "stdio"
    attempts: tuple[AttemptReport, ...] = ()
    streams: tuple[StreamCounts, ...] = ()
    streams_omitted: int = 0
    records_committed: int = 0
    bytes_committed: int = 0
    queued_s: float = 0
    duration_s: float = 0
    failures: tuple[Failure, ...] = ()
    warnings: tuple[str, ...] = ()
    evidence: Evidence | None = None
    ended_by: str = ""
    reason: str = ""


class SpecResult(Value):
    """What a connector can be configured with; `image` is the connector's name, whatever it runs as."""

    image: str
    spec: dict[str, Any]


class CheckResult(Value):
    """Whether a connector can work with a config; a failed check is a result, not a failed run."""

    status: Literal["succeeded", "failed"]
    message: str = ""


class DiscoverResult(Value):
    """What a config gives access to: how many streams, and the catalog where it is small enough to cross Temporal."""

    catalog_id: int
    streams: int
    catalog: dict[str, Any] | None = None


class OperationEnd(Value):
    """How a spec, check or discover ended: with a result, or why without."""

    status: JobStatus
    spec: SpecResult | None = None
    check: CheckResult | None = None
    discover: DiscoverResult | None = None
    failures: tuple[Failure, ...] = ()


class RunPhase(Value):
    """The answer to the `progress` query; live figures are in the watching activity's heartbeat.

    `subject` is what the job works on: a connection, or the one connector that is asked something. `follows` is what
    was decided after the last failed attempt.
    """

    kind: JobKind = JobKind.SYNC
    job_id: int | None = None
    subject: str = ""
    launcher: str = ""
    phase: str = "opening"
    attempt: int = 0
    detail: str = ""
    choice: tuple[str, ...] = ()
    follows: str = ""
    next_attempt_at: datetime | None = None
    failures: tuple[Failure, ...] = ()
