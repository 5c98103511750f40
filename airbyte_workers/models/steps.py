"""What passes between a workflow and its activities."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import Field

from airbyte_workers.models.evidence import Failure
from airbyte_workers.models.inputs import Connector, StreamRequest, SyncInput
from airbyte_workers.models.statuses import JobStatus
from airbyte_workers.models.values import Value
from airbyte_workers.names import JobKind, LauncherChoice, Role, pod_name


class Asker(Value):
    """The run that asks for a job; `first_run_id`: the one that it was reset from, at first, else its own.

    `traceparent`: the W3C trace context that it was started with.
    """

    workflow_id: str
    run_id: str
    first_run_id: str = ""
    traceparent: str = ""


class OpenJob(Asker):
    """What opens a sync, clear or refresh: the typed input and who asked for it."""

    input: SyncInput
    kind: JobKind = JobKind.SYNC
    request: StreamRequest | None = None
    is_scheduled: bool = False


class Order(Value):
    """What a job that asks one connector one thing works with."""

    connector: Connector
    launcher: LauncherChoice | None = None
    local_root: str | None = None


class OpenOperation(Asker):
    """What opens a spec, check or discover, and who asked for it."""

    kind: JobKind
    order: Order


class Limits(Value):
    """Time limits, read from settings once per job: a replay must not depend on the environment."""

    attempt_s: float
    spec_s: float = 0
    check_s: float = 0
    discover_s: float
    end_s: float = 600
    heartbeat_s: float
    bookkeeping_s: float

    def of(self, kind: JobKind) -> float:
        """The longest that a pod of this kind may run, in seconds."""
        asked = {JobKind.SPEC: self.spec_s, JobKind.CHECK: self.check_s, JobKind.DISCOVER: self.discover_s}
        return asked.get(kind, self.attempt_s)


class RetryRules(Value):
    """When a failed attempt is followed by another; names and defaults as upstream (airbyte-behaviour.md 2).

    `own`: the limits that the connection sets itself. `rate_limit_max_wait_s`: the longest wait for a source's quota.
    """

    complete_failures_max_successive: int = 5
    complete_failures_max_total: int = 10
    partial_failures_max_successive: int = 1000
    partial_failures_max_total: int = 20
    complete_failures_backoff_min_interval_s: float = 10
    complete_failures_backoff_max_interval_s: float = 1800
    complete_failures_backoff_base: float = 3
    rate_limit_max_wait_s: float = 86_400
    max_retries: int | None = None
    own: tuple[str, ...] = ()


class RetryTally(Value):
    """The failed attempts of a job so far; complete: without progress, partial: with."""

    successive_complete: int = 0
    successive_partial: int = 0
    total_complete: int = 0
    total_partial: int = 0


class AttemptRef(Value):
    """Which pod: `attempt` counts from 0; `of`: which connector of a sync is asked, where either could be.

    `checks`: the connectors that must pass their check before the pod is launched.
    """

    job_id: int
    attempt: int
    kind: JobKind
    of: Role | None = None
    checks: tuple[Role, ...] = ()

    @property
    def pod(self) -> str:
        """The pod's name."""
        return pod_name(self.kind, self.job_id, self.attempt, self.of)


class SearchAttributes(Value):
    """By what Temporal finds the job's run; only what is registered there: anything else would stop the run.

    `status`: it can be found by the job's status, too, which changes.
    """

    keywords: Mapping[str, str] = Field(default_factory=dict)
    lists: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    status: bool = False


class JobPlan(Value):
    """What the workflow needs to know of the job it opened.

    `questions` are to be asked before its configs and its catalog are known to be right: specs first.
    `refused`: why it cannot run, where that is known at once. `has_catalog`: what to sync was given whole.
    `previous_succeeded`: the connection's last sync did, so this one's first attempt needs no checks.
    `launcher` says for people what runs the pods, and why.
    """

    job_id: int
    launcher: str = ""
    questions: tuple[AttemptRef, ...] = ()
    refused: Failure | None = None
    has_catalog: bool = False
    previous_succeeded: bool = False
    limits: Limits
    retries: RetryRules = RetryRules()
    search: SearchAttributes = SearchAttributes()

    def asks(self, kind: JobKind) -> list[AttemptRef]:
        """The questions of one kind."""
        return [ref for ref in self.questions if ref.kind is kind]


class Configured(Value):
    """The job's configured catalog is stored, or why there is none; `choice` tells people what will be synced."""

    failure: Failure | None = None
    choice: tuple[str, ...] = ()


class OpenAttempt(Value):
    """The next attempt of a job and how long it waited for its turn."""

    job_id: int
    attempt: int
    waited_s: float = 0


class Launched(Value):
    """The end of a launch: the pod runs, or why it cannot."""

    launched: bool
    failure: Failure | None = None


class AttemptOutcome(Value):
    """The end of an attempt, small enough for history whatever the data was; `refused`: nothing was started.

    `ends_by`: when the job's total time is over; None: it has no limit, or nobody said.
    """

    status: Literal["succeeded", "failed", "cancelled"]
    failures: tuple[Failure, ...] = ()
    records_committed: int = 0
    records_rejected: int = 0
    refused: bool = False
    retry_at: datetime | None = None
    ends_by: datetime | None = None


class CloseAttempt(Value):
    """An attempt to close with what the workflow knows; the rest is in its marker.

    `follows` says for people what comes next, `retried` whether that is another attempt.
    """

    ref: AttemptRef
    outcome: AttemptOutcome
    tally: RetryTally | None = None
    follows: str = ""
    retried: bool = False


class CloseOperation(Value):
    """A spec, check or discover to close: how its pod ended; what the connector said is in the pod's marker."""

    ref: AttemptRef
    outcome: AttemptOutcome
    by: str = ""
    reason: str = ""


class CloseJob(Value):
    """A job to close; `by` and `reason` say who ended it and why."""

    job_id: int
    status: JobStatus
    failures: tuple[Failure, ...] = ()
    by: str = ""
    reason: str = ""
