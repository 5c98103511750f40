"""What crosses Temporal and what a pod writes down: inputs people type, small results, the report."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from airbyte_workers.names import JobKind, Role
from airbyte_workers.quantities import InAll, InARow, Interval, Retries, cpus, memory_bytes

ConnectionName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
LauncherName = Literal["process", "docker", "auto"]


class Typed(BaseModel):
    """What a person types: unknown fields are refused, values never stand in an error message."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Value(BaseModel):
    """What a program writes: a reader of an older version skips fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


def _amount(read: Callable[[str], object]) -> AfterValidator:
    """Refuse an amount that cannot be read, and keep it as it was written."""

    def check(amount: object) -> object:
        if amount is not None:
            read(str(amount))
        return amount

    return AfterValidator(check)


# --- inputs ---------------------------------------------------------------------------------------------------------


class Resources(Typed):
    """What a connector's container may use; what is left out comes from the settings. Processes have no limits."""

    cpu_limit: Annotated[str | float | None, _amount(cpus)] = None
    memory_limit: Annotated[str | int | None, _amount(memory_bytes)] = None
    pids_limit: Annotated[int, Field(ge=0)] | None = None


class Runnable(Typed):
    """A connector's program: an image, or a command where the host allows it."""

    image: Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)] | None = None
    command: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    resources: Resources = Resources()

    @model_validator(mode="after")
    def _check_program(self) -> Self:
        if (self.image is None) == (self.command is None):
            raise ValueError("give either image or command")
        return self

    @property
    def name(self) -> str:
        """The name by which people know the connector."""
        return self.image or " ".join(self.command or ())


class Connector(Runnable):
    """A connector and its config.

    `config_id` stands for a config that a client handed to the job database, so that Temporal never carries it.
    """

    config: dict[str, Any] = Field(default_factory=dict, repr=False)
    config_id: UUID | None = None
    config_file: str | None = None

    @model_validator(mode="after")
    def _check_config(self) -> Self:
        if self.config_file is not None:
            raise ValueError("config_file is read by the command line; a workflow input takes config")
        if self.config_id is not None and self.config:
            raise ValueError("give either config or config_id")
        return self


class Destination(Connector):
    """A destination; `stream_status: omit` is for old ones that do not understand stream statuses."""

    stream_status: Literal["send", "omit"] = "send"
    supports_refreshes: bool = False


class StreamChoice(Typed):
    """A stream to sync; what is left out comes from the discovered catalog."""

    name: str
    namespace: str | None = None
    sync_mode: Literal["full_refresh", "incremental"] | None = None
    destination_sync_mode: (
        Literal["append", "overwrite", "append_dedup", "overwrite_dedup", "update", "soft_delete"] | None
    ) = None
    cursor_field: tuple[str, ...] | None = None
    primary_key: tuple[tuple[str, ...], ...] | None = None


class RetryLimits(Typed):
    """A connection's own limits, not the stack's: upstream's settings without SYNC_JOB_RETRIES_, in small letters.

    `max_retries` limits the retries of a job whatever they were for; a number in place of the object stands for it.
    """

    max_retries: Retries | None = None
    complete_failures_max_successive: InARow | None = None
    complete_failures_max_total: InAll | None = None
    complete_failures_backoff_min_interval_s: Interval | None = None
    complete_failures_backoff_max_interval_s: Interval | None = None
    complete_failures_backoff_base: Annotated[float, Field(ge=1, le=1000)] | None = None
    partial_failures_max_successive: InARow | None = None
    partial_failures_max_total: InAll | None = None


def _retries(typed: object) -> object:
    if isinstance(typed, int) and not isinstance(typed, bool):
        return {"max_retries": typed}
    if typed is None or isinstance(typed, dict | RetryLimits):
        return typed
    raise ValueError("must be a number of retries, or an object of limits")


class SyncInput(Typed):
    """One sync: a connection by name, or both connectors and what to sync.

    `catalog` is a configured catalog as Airbyte's users have it; without `streams` and `catalog` every stream
    the source has is synced (decisions.md, "Connections and safety"). `catalog_id` stands for a catalog that a client
    handed to the job database, being too large for Temporal. `retries` are the connection's limits; `max_retries` is
    the number of retries of this run alone.
    """

    connection: ConnectionName
    source: Connector | None = None
    destination: Destination | None = None
    streams: Annotated[tuple[StreamChoice, ...], Field(min_length=1)] | None = None
    catalog: dict[str, Any] | None = None
    catalog_id: UUID | None = None
    launcher: LauncherName | None = None
    retries: Annotated[
        RetryLimits | None, BeforeValidator(_retries, json_schema_input_type=int | RetryLimits | None)
    ] = None
    max_retries: Retries | None = None
    local_root: str | None = None
    accept_unacknowledged: bool = False
    allow_malformed: bool = False
    fail_on_source_stats: bool = False

    @model_validator(mode="after")
    def _complete(self) -> SyncInput:
        if (self.source is None) != (self.destination is None):
            raise ValueError("give both source and destination, or neither to use the stored connection")
        if [self.streams, self.catalog, self.catalog_id].count(None) < 2:
            raise ValueError("give either streams or catalog")
        return self


class StreamName(Typed):
    """A stream of a connection; `namespace` where several have the name. The name alone, as a text, stands for it."""

    name: str
    namespace: str | None = None


def _named(typed: object) -> object:
    return {"name": typed} if isinstance(typed, str) else typed


NamedStream = Annotated[StreamName, BeforeValidator(_named, json_schema_input_type=str | StreamName)]
StreamOrder = Literal["clear", "merge", "truncate"]


class ClearInput(Typed):
    """Forget a stored connection's state and have the destination remove what it holds; without `streams`: of all."""

    connection: ConnectionName
    streams: Annotated[tuple[NamedStream, ...], Field(min_length=1)] | None = None
    launcher: LauncherName | None = None
    max_retries: Retries | None = None
    local_root: str | None = None

    @property
    def sync(self) -> SyncInput:
        """The connection by name, with what concerns this run alone."""
        chosen = self.model_dump(include={"connection", "launcher", "max_retries", "local_root"})
        return SyncInput.model_validate(chosen)

    @property
    def order(self) -> StreamRequest:
        """What is to be done with which streams."""
        return StreamRequest(order="clear", streams=self.streams)


class RefreshInput(ClearInput):
    """Read streams of a stored connection again from their beginning and sync the others as ever.

    `merge` keeps what the destination has, `truncate` has it replaced by what is read once that is complete.
    """

    mode: Literal["merge", "truncate"] = "merge"

    @property
    def order(self) -> StreamRequest:
        """What is to be done with which streams."""
        return StreamRequest(order=self.mode, streams=self.streams)


class SpecInput(Runnable):
    """Ask a connector what it can be configured with."""

    launcher: LauncherName | None = None
    local_root: str | None = None

    @property
    def connector(self) -> Connector:
        """The connector alone."""
        return Connector(image=self.image, command=self.command, resources=self.resources)


class _Question(Connector):
    """What a connector is asked with a config."""

    launcher: LauncherName | None = None
    local_root: str | None = None

    @property
    def connector(self) -> Connector:
        """The connector alone."""
        return Connector.model_validate(self.model_dump(exclude={"launcher", "local_root"}))


class CheckInput(_Question):
    """Ask a connector whether it can work with a config."""


class DiscoverInput(_Question):
    """Ask a connector what a config gives access to."""


class CancelRequest(Typed):
    """Who cancels which job and why; `now` ends the pod at once instead of in order."""

    job_id: int
    by: str = ""
    reason: str = ""
    now: bool = False


# --- failures and evidence ------------------------------------------------------------------------------------------


class FailureOrigin(StrEnum):
    """Whose failure it is (airbyte-behaviour.md 5.10)."""

    SOURCE = "source"
    DESTINATION = "destination"
    REPLICATION = "replication"
    PLATFORM = "airbyte_platform"
    UNKNOWN = "unknown"


class FailureType(StrEnum):
    """What kind of failure it is: upstream's words first, then ours for what upstream has no word for."""

    CONFIG_ERROR = "config_error"
    SYSTEM_ERROR = "system_error"
    TRANSIENT_ERROR = "transient_error"
    MANUAL_CANCELLATION = "manual_cancellation"
    HEARTBEAT_TIMEOUT = "heartbeat_timeout"
    DESTINATION_TIMEOUT = "destination_timeout"
    DESTINATION_DID_NOT_EXIT = "destination_did_not_exit"
    SOURCE_DID_NOT_EXIT = "source_did_not_exit"
    EXIT_UNKNOWN = "exit_unknown"
    NO_RESULT = "no_result"
    OUT_OF_MEMORY = "out_of_memory"
    NEVER_OPENED = "never_opened"
    STREAM_INCOMPLETE = "stream_incomplete"
    NO_ACKNOWLEDGEMENT = "no_acknowledgement"
    STATE_UNACKNOWLEDGED = "state_unacknowledged"
    MALFORMED_MESSAGE = "malformed_message"
    MESSAGE_TOO_LONG = "message_too_long"
    UNKNOWN_STREAM = "unknown_stream"
    MIXED_STATE_TYPES = "mixed_state_types"
    COUNT_MISMATCH = "count_mismatch"
    SUPERSEDED = "superseded"
    LEASE_LOST = "lease_lost"
    ORCHESTRATOR_LOST = "orchestrator_lost"
    LAUNCH_FAILED = "launch_failed"
    TIMED_OUT = "timed_out"


class Failure(Value):
    """One reason why an attempt failed; `stream` when the connector said which, `command` when it was running one."""

    origin: FailureOrigin
    type: FailureType
    message: str
    internal_message: str | None = None
    command: Literal["spec", "check", "discover", "read", "write"] | None = None
    stream: str | None = None
    namespace: str | None = None


class Evidence(Value):
    """What was seen of one attempt; `jobs/outcome.py` alone reads success out of it.

    An exit code of None means that nobody knows it. `*_forced`: had to be stopped after its grace;
    `source_stopped`: was stopped by us because something else had ended the sync.
    `*_out_of_memory`: the memory limit in bytes at which the kernel killed it or a child of it; 0: no limit of its own.
    `destination_closed`: what it closed first, by ending or otherwise, before it was given its end of input.
    Stream lists are cut to the first ten; the counts beside them are whole.
    """

    source_exit_code: int | None = None
    destination_exit_code: int | None = None
    source_out_of_memory: int | None = None
    destination_out_of_memory: int | None = None
    source_forced: bool = False
    source_stopped: bool = False
    destination_forced: bool = False
    destination_closed: Literal["", "input", "output"] = ""
    end_of_input: bool = False
    completion: Literal["reported", "inferred", "missing"] = "missing"
    streams_not_complete: tuple[str, ...] = ()
    streams_incomplete: tuple[str, ...] = ()
    error_traces: int = 0
    states_emitted: int = 0
    states_committed: int = 0
    states_held_back: int = 0
    empty_states_sent: int = 0
    keys_unacknowledged: int = 0
    streams_unacknowledged: tuple[str, ...] = ()
    acknowledgements: int = 0
    bare_acknowledgements: int = 0
    unmatched_acknowledgements: int = 0
    records_emitted: int = 0
    records_forwarded: int = 0
    records_filtered: int = 0
    malformed: int = 0
    source_stats_mismatches: int = 0
    destination_stats_mismatches: int = 0


class StreamCounts(Value):
    """One stream of one attempt, or of a job summed over its attempts. Bytes are those of `data` as it stood."""

    name: str
    namespace: str | None = None
    status: Literal["pending", "running", "complete", "incomplete", "rate_limited"] = "pending"
    records_emitted: int = 0
    records_committed: int = 0
    records_filtered: int = 0
    records_rejected: int = 0
    bytes_emitted: int = 0
    bytes_committed: int = 0


class AttemptStatus(StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class JobStatus(StrEnum):
    """decisions.md, "Results and ends" says when each begins."""

    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    SUCCEEDED = "succeeded"
    CANCELLED = "cancelled"


TERMINAL_JOB_STATUSES = frozenset({JobStatus.FAILED, JobStatus.SUCCEEDED, JobStatus.CANCELLED})


class AttemptSummary(Value):
    """The body of a final marker of a replication pod.

    `retry_at`: when the quota is reset that a stream of the source still waited for at the end (RATE_LIMITED).
    """

    status: Literal["succeeded", "failed", "cancelled"]
    failures: tuple[Failure, ...] = ()
    warnings: tuple[str, ...] = ()
    evidence: Evidence = Evidence()
    streams: tuple[StreamCounts, ...] = ()
    log_lines_dropped: int = 0
    peak_memory_bytes: int = 0
    unproven: bool = False
    retry_at: datetime | None = None


class ConnectorResult(Value):
    """The body of a final marker of a connector pod."""

    status: Literal["succeeded", "failed"]
    failures: tuple[Failure, ...] = ()
    result: dict[str, Any] | None = None
    exit_code: int | None = None


class Progress(Value):
    """How far an attempt is; heartbeat details of the watching activity, so small on purpose."""

    phase: str = "starting"
    records_emitted: int = 0
    records_committed: int = 0
    bytes_emitted: int = 0
    records_per_second: float = 0
    bytes_per_second: float = 0
    states_emitted: int = 0
    states_committed: int = 0
    last_acknowledgement_age_s: float | None = None
    memory_bytes: int = 0


# --- between workflow and activities ----------------------------------------------------------------------------------


class StreamRequest(Value):
    """What a clear or refresh does with which streams of its connection; None: with every one."""

    order: StreamOrder
    streams: tuple[StreamName, ...] | None = None


class OpenJob(Value):
    """What opens a sync, clear or refresh: the typed input and who asked for it.

    `first_run_id` is the run that this one was reset from, at first; its own where it was not.
    """

    input: SyncInput
    kind: JobKind = JobKind.SYNC
    request: StreamRequest | None = None
    workflow_id: str
    run_id: str
    first_run_id: str = ""


class Order(Value):
    """What a job that asks one connector one thing works with."""

    connector: Connector
    launcher: LauncherName | None = None
    local_root: str | None = None


class OpenOperation(Value):
    """What opens a spec, check or discover, and who asked for it; `first_run_id` as in `OpenJob`."""

    kind: JobKind
    order: Order
    workflow_id: str
    run_id: str
    first_run_id: str = ""


class Limits(Value):
    """Time limits, read from settings once per job: a replay must not depend on the environment."""

    attempt_s: float
    spec_s: float = 0
    check_s: float = 0
    discover_s: float
    end_s: float = 600
    heartbeat_s: float
    bookkeeping_s: float


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


class JobPlan(Value):
    """What the workflow needs to know of the job it opened.

    `questions` are to be asked before its configs and its catalog are known to be right: specs first.
    `refused`: why it cannot run, where that is known at once. `has_catalog`: what to sync was given whole.
    `previous_succeeded`: the connection's last sync did, so this one's first attempt needs no checks.
    `launcher` says for people what runs the pods, and why.
    """

    job_id: int
    connection: str = ""
    launcher: str = ""
    questions: tuple[AttemptRef, ...] = ()
    refused: Failure | None = None
    has_catalog: bool = False
    previous_succeeded: bool = False
    limits: Limits
    retries: RetryRules = RetryRules()


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
    queued_s: float = 0


class AttemptOutcome(Value):
    """The end of an attempt, small enough for history whatever the data was; `refused`: nothing was started."""

    status: Literal["succeeded", "failed", "cancelled"]
    failures: tuple[Failure, ...] = ()
    records_committed: int = 0
    records_rejected: int = 0
    refused: bool = False
    retry_at: datetime | None = None


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


# --- what people read -----------------------------------------------------------------------------------------------


class AttemptReport(Value):
    """One attempt as people see it: `number` counts from 1."""

    number: int
    status: AttemptStatus
    started_at: datetime
    ended_at: datetime | None = None
    waited_s: float = 0
    records_committed: int = 0
    failures: tuple[Failure, ...] = ()
    peak_memory_bytes: int = 0


class SyncReport(Value):
    """The result of a sync, clear or refresh and the one object that `sync -o json` ends with.

    `reason` says why it ended as it did, where a success does not say it all; `ended_by`: who cancelled it.
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
