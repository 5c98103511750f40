"""What a pod tells of itself: progress, failures, counts and the evidence that success is read out of."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from airbyte_workers.models.findings import DeadLetterCounts, StreamValidation
from airbyte_workers.models.progress import Throughput, Waits
from airbyte_workers.models.stream_counts import StreamCounts
from airbyte_workers.models.values import Value
from airbyte_workers.names import Role


class FailureOrigin(StrEnum):
    """Whose failure it is (airbyte-behaviour.md 5.10)."""

    SOURCE = "source"
    DESTINATION = "destination"
    REPLICATION = "replication"
    PLATFORM = "airbyte_platform"
    UNKNOWN = "unknown"


class FailureType(StrEnum):
    """What kind of failure it is: upstream's words first, then ours for what upstream has no word for.

    A new one may belong to the sets below, and its meaning stands in `jobs/advice.py`; tests say what is missing.
    """

    CONFIG_ERROR = "config_error"
    SYSTEM_ERROR = "system_error"
    TRANSIENT_ERROR = "transient_error"
    MANUAL_CANCELLATION = "manual_cancellation"
    SOURCE_SILENT = "source_silent"
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
    TOTAL_TIMEOUT = "total_timeout"
    INVALID_RECORDS = "invalid_records"


NEVER_RETRIED = frozenset(
    {
        FailureType.CONFIG_ERROR,
        FailureType.MANUAL_CANCELLATION,
        FailureType.INVALID_RECORDS,
        FailureType.TOTAL_TIMEOUT,
    }
)
"""What another attempt would not change: such a failure stands first among those of its attempt.

The next attempt goes on behind what is committed and so sees fewer invalid records: it would pass their limit.
"""
SAID_BY_CONNECTOR = frozenset(
    {FailureType.CONFIG_ERROR, FailureType.SYSTEM_ERROR, FailureType.TRANSIENT_ERROR, FailureType.OUT_OF_MEMORY}
)
"""What a connector tells of itself, by a trace or by its end: a check that fails so has its answer."""
NEVER_RAN = frozenset({FailureType.ORCHESTRATOR_LOST, FailureType.EXIT_UNKNOWN, FailureType.LAUNCH_FAILED})
"""What says nothing of the connector: a check that ends so was none, and is tried again."""
BEFORE_DATA = frozenset({FailureType.CONFIG_ERROR, FailureType.LAUNCH_FAILED, FailureType.TOTAL_TIMEOUT})
"""An attempt that failed so and left no evidence ended before its pod ran: no data was moved."""


class Failure(Value):
    """One reason why an attempt failed; `stream` when the connector said which, `command` when it was running one."""

    origin: FailureOrigin
    type: FailureType
    message: str
    internal_message: str | None = None
    command: Literal["spec", "check", "discover", "read", "write"] | None = None
    stream: str | None = None
    namespace: str | None = None


class Ends(Value):
    """How both connectors of an attempt ended.

    An exit code of None means that nobody knows it. `*_forced`: had to be stopped after its grace;
    `source_stopped`: was stopped by us because something else had ended the sync.
    `*_out_of_memory`: the memory limit in bytes at which the kernel killed it or a child of it; 0: no limit of its own.
    `destination_closed`: what it closed first, by ending or otherwise, before it was given its end of input.
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


class Counters(Value, frozen=False):
    """What is counted while an attempt runs, in `replication/`; all of it becomes evidence, told by `jobs/readings.py`.

    `records_rejected_undivided`: by the destination, with a state that speaks for several streams: which one's they are
    is not known, so they stand in no stream's counts. `values_nulled`: by mappers that could not change them.
    """

    error_traces: int = 0
    states_committed: int = 0
    states_held_back: int = 0
    empty_states_sent: int = 0
    acknowledgements: int = 0
    bare_acknowledgements: int = 0
    records_forwarded: int = 0
    records_filtered: int = 0
    records_rejected_undivided: int = 0
    values_nulled: int = 0
    malformed: int = 0
    records_validated: int = 0
    records_invalid: int = 0
    source_stats_mismatches: int = 0
    destination_stats_mismatches: int = 0


class Evidence(Ends, Counters, frozen=True):
    """What was seen of one attempt; `jobs/outcome.py` alone reads success out of it.

    Stream lists are cut to the first ten; the counts beside them are whole. `states_merged`: while they waited, to stay
    within the memory for it.
    """

    completion: Literal["reported", "inferred", "missing"] = "missing"
    streams_not_complete: tuple[str, ...] = ()
    streams_incomplete: tuple[str, ...] = ()
    states_emitted: int = 0
    states_merged: int = 0
    keys_unacknowledged: int = 0
    streams_unacknowledged: tuple[str, ...] = ()
    unmatched_acknowledgements: int = 0
    records_emitted: int = 0


class LegTimes(Value):
    """When a connector of an attempt ran: from its wrapper's first sign to its exit code; None: nobody saw it."""

    role: Role
    began_at: datetime | None = None
    ended_at: datetime | None = None


class AttemptSummary(Waits):
    """The body of a final marker of a replication pod.

    `processor_s`: of the orchestrator. `retry_at`: when the quota is reset that a stream still waited for at the end
    (RATE_LIMITED).
    """

    status: Literal["succeeded", "failed", "cancelled"]
    failures: tuple[Failure, ...] = ()
    warnings: tuple[str, ...] = ()
    evidence: Evidence = Evidence()
    streams: tuple[StreamCounts, ...] = ()
    log_lines_dropped: int = 0
    peak_memory_bytes: int = 0
    processor_s: float = 0
    unproven: bool = False
    retry_at: datetime | None = None
    validation: tuple[StreamValidation, ...] = ()
    dead_letters: DeadLetterCounts = DeadLetterCounts()
    throughput: Throughput | None = None
    legs: tuple[LegTimes, ...] = ()


class ConnectorResult(Value):
    """The body of a final marker of a connector pod.

    `new_config`: one that the connector sent in place of its own, sealed to the workers' public key, in base64.
    """

    status: Literal["succeeded", "failed"]
    failures: tuple[Failure, ...] = ()
    result: dict[str, Any] | None = None
    exit_code: int | None = None
    new_config: str | None = None
