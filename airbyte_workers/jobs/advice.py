"""What each type of failure means and what a person can do about it: for the documentation and for `jobs explain`.

Settings stand here under their environment variables, fields of the sync file in backticks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from airbyte_workers.models import Failure, FailureOrigin, FailureType


class Change(StrEnum):
    """Where something must be changed before it is worth trying again."""

    NOTHING = "nothing"
    SETTINGS = "settings"
    FILE = "sync file"


@dataclass(frozen=True)
class Advice:
    """What a failure of this type means, what to do, and where the change has to be made."""

    meaning: str
    action: str
    change: Change = Change.NOTHING


_MORE_MEMORY = (
    "Raise {}, or JOB_MAIN_CONTAINER_MEMORY_LIMIT; without a limit, give the machine more memory or fewer syncs "
    "(MAX_SYNC_WORKERS)."
)
ADVICE: Mapping[FailureType, Advice] = {
    FailureType.CONFIG_ERROR: Advice(
        "The connector says that its config is wrong; or there is no such stream, program, package, image or "
        "secret; or the connector could not be installed or pulled in ten tries "
        "(AIRBYTE_WORKERS_LAUNCH_TRIES).",
        "Read the message, change what it names, sync again.",
        Change.FILE,
    ),
    FailureType.SYSTEM_ERROR: Advice(
        "The connector failed: an ERROR trace without a type of its own, or an exit code other than 0.",
        "Read the log of the attempt; the connector's own words are in it.",
    ),
    FailureType.TRANSIENT_ERROR: Advice(
        "The connector says that it may work later. Said of the platform: the job's run in Temporal ended without it"
        " (terminated, deleted, lost), and the reconciler ended the job.",
        "Nothing, the retries are for this.",
    ),
    FailureType.MANUAL_CANCELLATION: Advice(
        "Somebody cancelled the job.",
        "Nothing is wrong; `jobs show` says who cancelled it. What was committed stays.",
    ),
    FailureType.SOURCE_SILENT: Advice(
        "Not one byte came from the source for too long, neither data nor a line of its log, while nothing kept it "
        "from sending. Both connectors were stopped; what is committed stays.",
        "Look what it waits for: its log ends there. If it may take so long, raise `clocks.source_silence_minutes`, or "
        "AIRBYTE_WORKERS_SOURCE_SILENCE_MINUTES for all.",
        Change.FILE,
    ),
    FailureType.HEARTBEAT_TIMEOUT: Advice(
        "The source went on talking, but sent neither a record nor a state for too long.",
        "Read its log for what it does instead. If it may take so long, raise `clocks.source_progress_minutes`, or "
        "AIRBYTE_WORKERS_SOURCE_PROGRESS_MINUTES for all.",
        Change.FILE,
    ),
    FailureType.DESTINATION_TIMEOUT: Advice(
        "For too long the destination took nothing of its input, acknowledged none of the states it had, or went on "
        "working after its end of input without acknowledging anything.",
        "Look whether what it writes to hangs or waits for a lock. If it may take so long, raise "
        "`clocks.acknowledgement_minutes`, or AIRBYTE_WORKERS_ACKNOWLEDGEMENT_MINUTES for all.",
        Change.FILE,
    ),
    FailureType.DESTINATION_DID_NOT_EXIT: Advice(
        "After its end of input the destination said nothing and had to be stopped: it may not have finished.",
        "Raise SHUTDOWN_GRACE_PERIOD_S if it only needs longer: so long it may be silent.",
        Change.SETTINGS,
    ),
    FailureType.SOURCE_DID_NOT_EXIT: Advice(
        "The source closed its output without having completed every stream, and had to be stopped. Had it "
        "completed all of them, this would be a warning.",
        "Read the source's log; it hangs.",
    ),
    FailureType.EXIT_UNKNOWN: Advice(
        "A connector is gone and left no exit code: it was killed together with what watches it, or its container"
        " was removed by somebody else.",
        "Look for an out-of-memory kill on the host.",
    ),
    FailureType.NO_RESULT: Advice(
        "The connector ended its spec, check or discover with exit code 0 and without an answer.",
        "Read what it said: `jobs logs`. It may be a connector that cannot do what was asked.",
    ),
    FailureType.OUT_OF_MEMORY: Advice(
        "A connector failed after the kernel had killed it, or a child of it, for want of memory. The message"
        " has the limit, or says that the machine itself was full.",
        _MORE_MEMORY.format("`resources.memory_limit` of the connector"),
        Change.FILE,
    ),
    FailureType.NEVER_OPENED: Advice(
        "A connector did not start in time.",
        "Raise AIRBYTE_WORKERS_CONNECTOR_START_TIMEOUT_S if the host is only slow.",
        Change.SETTINGS,
    ),
    FailureType.STREAM_INCOMPLETE: Advice(
        "The source said INCOMPLETE for a stream, or did not say COMPLETE for all, or states were held back "
        "because they came after an error of their stream.",
        "Read the source's log around that stream.",
    ),
    FailureType.NO_ACKNOWLEDGEMENT: Advice(
        "The destination sent no state back at all, so nobody knows whether it wrote anything.",
        "Use a destination that acknowledges, or accept it: `accept_unacknowledged: true`.",
        Change.FILE,
    ),
    FailureType.STATE_UNACKNOWLEDGED: Advice(
        "The destination did not send back the last state of some streams.",
        "Everything up to the last acknowledged state is committed; the next attempt goes on there.",
    ),
    FailureType.MALFORMED_MESSAGE: Advice(
        "Lines that look like records or states could not be read, so data may have been lost with them.",
        "Report it to the connector's authors, or accept it: `allow_malformed: true`.",
        Change.FILE,
    ),
    FailureType.MESSAGE_TOO_LONG: Advice(
        "One message is longer than the limit.",
        "Raise MAX_MESSAGE_BYTES.",
        Change.SETTINGS,
    ),
    FailureType.UNKNOWN_STREAM: Advice(
        "The source sent records or a status of a stream that is not in the configured catalog.",
        "Give the stream, or an up-to-date catalog.",
        Change.FILE,
    ),
    FailureType.MIXED_STATE_TYPES: Advice(
        "The source sent states of two types in one sync; they cannot be put in one order.",
        "Report it to the source's authors.",
    ),
    FailureType.COUNT_MISMATCH: Advice(
        "Numbers of records that must agree do not: received and forwarded, or sent and stated by the destination.",
        "Report it; `fail_on_source_stats` decides whether the source's own numbers count.",
    ),
    FailureType.SUPERSEDED: Advice(
        "A newer attempt of the connection has begun; this one was stopped and can commit nothing more.",
        "Nothing: the newer attempt is the one that counts.",
    ),
    FailureType.LEASE_LOST: Advice(
        "The attempt could not reach the database for LEASE_SECONDS and ended itself, or hung and was ended.",
        "Bring the database back; look at what stopped the orchestrator's process if the database was there.",
    ),
    FailureType.ORCHESTRATOR_LOST: Advice(
        "The pod's own program ended without a result: killed, or the host went down.",
        "Nothing if it was a reboot; else look for an out-of-memory kill.",
    ),
    FailureType.LAUNCH_FAILED: Advice(
        "The pod could not be started, or the host it was asked of has no such launcher.",
        "The message says what was missing; the Temporal worker's log has more.",
        Change.SETTINGS,
    ),
    FailureType.TOTAL_TIMEOUT: Advice(
        "The job took longer than it may, all its attempts and the waits between them counted.",
        "Raise `clocks.total_minutes`, or AIRBYTE_WORKERS_TOTAL_MINUTES for all. What is committed stays: the next "
        "sync goes on from there.",
        Change.FILE,
    ),
    FailureType.TIMED_OUT: Advice(
        "The attempt, or the question to a connector, took longer than its limit.",
        "SYNC_JOB_MAX_TIMEOUT_DAYS, ACTIVITY_SPEC_TIMEOUT_MINUTES, ACTIVITY_CHECK_TIMEOUT_MINUTES and "
        "ACTIVITY_DISCOVERY_TIMEOUT_MINUTES are the limits.",
        Change.SETTINGS,
    ),
    FailureType.INVALID_RECORDS: Advice(
        "More records do not fit their stream's schema than `validation.max_invalid_records` allows. They have gone on "
        "to the destination.",
        "`jobs show` names the fields. Discover anew if the schema is out of date, have the source repaired, or raise "
        "the limit. It is not tried again: what is committed would not be counted a second time.",
        Change.FILE,
    ),
}
_CUT_OFF = (
    "Sync again: it goes on from what is committed. To end a job, cancel it (`jobs cancel`): a run that is terminated "
    "takes its retries with it."
)
_CONNECTORS = (FailureOrigin.SOURCE, FailureOrigin.DESTINATION)


def advice_for(failure: Failure) -> Advice:
    """The advice on this very failure: whose config, limits or log it is about is said where that is known."""
    advice = ADVICE[failure.type]
    if failure.origin is FailureOrigin.PLATFORM and failure.type is FailureType.TRANSIENT_ERROR:
        return replace(advice, action=_CUT_OFF)
    if failure.origin not in _CONNECTORS:
        return advice
    action = _action(failure, advice.action)
    if failure.command == "check":
        action += f" The {failure.origin} was checked before the attempt: no data was moved."
    return replace(advice, action=action)


def _action(failure: Failure, general: str) -> str:
    if failure.type is FailureType.CONFIG_ERROR:
        return f"Change `{failure.origin}.config`, or what it points at, as the message says."
    if failure.type is FailureType.OUT_OF_MEMORY:
        return _MORE_MEMORY.format(f"`{failure.origin}.resources.memory_limit`")
    return general
