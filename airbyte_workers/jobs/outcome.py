"""When is a sync green? One pure function reads the evidence (decisions.md, "Evidence")."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from airbyte_workers.jobs.failures import cancellation, memory_exhausted, of_sync, ordered
from airbyte_workers.models import Evidence, Failure, FailureOrigin, FailureType, Policy

SIGTERM_EXIT = 143


@dataclass(frozen=True)
class Verdict:
    """How an attempt ended. `unproven`: green because the owner accepts it, not because it was proven."""

    status: Literal["succeeded", "failed", "cancelled"]
    failures: tuple[Failure, ...] = ()
    warnings: tuple[str, ...] = ()
    unproven: bool = False


def outcome(evidence: Evidence, seen: Sequence[Failure], policy: Policy, *, cancelled: bool = False) -> Verdict:
    """The verdict on an attempt: succeeded only if nothing is missing from its evidence.

    `seen` are the failures that were met on the way (ERROR traces, a lost lease); they come first. What only follows
    from another failure (no last acknowledgement after a crash) is told only when nothing else is.
    """
    if cancelled:
        return Verdict("cancelled", (cancellation(),))  # what connectors say after it follows from it
    timed_out = any(each.type is FailureType.DESTINATION_TIMEOUT for each in seen)  # and was stopped for it
    causes = [
        *seen,
        *_source_end(evidence),
        *_destination_end(evidence, timed_out=timed_out),
        *_incomplete(evidence),
        *_counts(evidence, policy),
    ]
    consequences = [*_end(evidence)]
    if not evidence.destination_closed:  # else what the source had not done yet is nobody's fault
        consequences = [*_completion(evidence), *_states(evidence, policy), *consequences]
    warnings = tuple(_warnings(evidence, policy))
    if causes or consequences:
        return Verdict("failed", ordered(_by_blame(evidence, causes) or consequences), warnings)
    if _is_unproven(evidence):
        warnings += ("unproven: the destination acknowledged nothing",)
    return Verdict("succeeded", (), warnings, unproven=_is_unproven(evidence))


def _by_blame(evidence: Evidence, causes: Sequence[Failure]) -> Sequence[Failure]:
    """A source that ended by itself is told of first: the destination then misses what the source left out."""
    if evidence.source_stopped:
        return causes
    return sorted(causes, key=lambda failure: failure.origin is not FailureOrigin.SOURCE)


def _source_end(evidence: Evidence) -> Iterator[Failure]:
    source = FailureOrigin.SOURCE
    is_complete = closed_complete(evidence)
    if evidence.source_forced and not is_complete and not evidence.source_stopped:
        yield of_sync(
            source,
            FailureType.SOURCE_DID_NOT_EXIT,
            "the source closed its output but did not exit and was stopped",
        )
    elif not is_complete and not evidence.source_stopped:
        yield from _exit(source, evidence.source_exit_code, evidence.source_out_of_memory)


def _destination_end(evidence: Evidence, *, timed_out: bool) -> Iterator[Failure]:
    destination = FailureOrigin.DESTINATION
    if evidence.destination_forced and timed_out:
        return
    if evidence.destination_forced:
        yield of_sync(
            destination,
            FailureType.DESTINATION_DID_NOT_EXIT,
            f"{destination_did_not_exit(evidence.destination_closed)}: it may not have finished",
        )
    else:
        yield from _exit(destination, evidence.destination_exit_code, evidence.destination_out_of_memory)


def destination_did_not_exit(closed: str) -> str:
    """What to tell of a destination that had to be stopped; `closed` as in `Evidence.destination_closed`."""
    if closed:
        return f"the destination closed its {closed} before its end of input, did not exit and was stopped"
    return "the destination did not exit after its end of input and was stopped"


def _end(evidence: Evidence) -> Iterator[Failure]:
    if not evidence.end_of_input or evidence.source_stopped or evidence.destination_closed:
        yield of_sync(
            FailureOrigin.DESTINATION,
            FailureType.SYSTEM_ERROR,
            "the destination ended before it was given everything the source sent",
        )
    if evidence.error_traces:
        yield of_sync(
            FailureOrigin.UNKNOWN,
            FailureType.SYSTEM_ERROR,
            f"an unknown failure: {evidence.error_traces} error trace(s) were sent, and what they said is lost",
        )


def _exit(origin: FailureOrigin, code: int | None, out_of_memory: int | None) -> Iterator[Failure]:
    if code and out_of_memory is not None:
        yield of_sync(origin, FailureType.OUT_OF_MEMORY, memory_exhausted(origin, code, out_of_memory))
    elif code is None:
        yield of_sync(origin, FailureType.EXIT_UNKNOWN, f"the {origin} ended and nobody knows its exit code")
    elif code != 0:
        yield of_sync(origin, FailureType.SYSTEM_ERROR, f"the {origin} exited with code {code}{_meaning(code)}")


def is_read(evidence: Evidence) -> bool:
    """Whether the source read every stream to its end, as far as it says."""
    return evidence.completion != "missing" and not evidence.streams_not_complete


def closed_complete(evidence: Evidence) -> bool:
    """Whether a source that had to be stopped had said of every stream that it was complete."""
    return evidence.source_forced and evidence.completion == "reported" and is_read(evidence)


def _meaning(code: int) -> str:
    known = {
        126: " (the program cannot be executed)",
        127: " (the program was not found)",
        137: " (killed: by somebody, or because this machine ran out of memory)",
        SIGTERM_EXIT: " (terminated)",
    }
    return known.get(code, "")


def _incomplete(evidence: Evidence) -> Iterator[Failure]:
    if evidence.streams_incomplete:
        yield of_sync(
            FailureOrigin.SOURCE,
            FailureType.STREAM_INCOMPLETE,
            f"the source could not complete {', '.join(evidence.streams_incomplete)}",
        )


def _completion(evidence: Evidence) -> Iterator[Failure]:
    if is_read(evidence):
        return
    yield of_sync(
        FailureOrigin.SOURCE,
        FailureType.STREAM_INCOMPLETE,
        f"the source did not say that it completed {_listed(evidence.streams_not_complete)}",
    )


def _listed(streams: Sequence[str]) -> str:
    return ", ".join(streams) or "its streams"


def _states(evidence: Evidence, policy: Policy) -> Iterator[Failure]:
    if evidence.states_held_back:
        yield of_sync(
            FailureOrigin.SOURCE,
            FailureType.STREAM_INCOMPLETE,
            f"{evidence.states_held_back} state(s) came after an error of their stream and were held back",
        )
    if policy.accept_unacknowledged and not evidence.acknowledgements:
        return
    if not evidence.acknowledgements and (evidence.records_emitted or evidence.keys_unacknowledged):
        yield of_sync(
            FailureOrigin.DESTINATION,
            FailureType.NO_ACKNOWLEDGEMENT,
            "the destination acknowledged nothing: it is not known whether it wrote anything"
            " (accept_unacknowledged: true lets such a sync pass)",
        )
    elif evidence.keys_unacknowledged or evidence.streams_unacknowledged:
        yield of_sync(
            FailureOrigin.DESTINATION,
            FailureType.STATE_UNACKNOWLEDGED,
            f"the destination did not acknowledge the last state of {_listed(evidence.streams_unacknowledged)}",
        )
    elif evidence.states_committed < evidence.states_emitted:
        yield of_sync(
            FailureOrigin.PLATFORM,
            FailureType.STATE_UNACKNOWLEDGED,
            f"{evidence.states_emitted - evidence.states_committed} acknowledged state(s) could not be committed",
        )


def _counts(evidence: Evidence, policy: Policy) -> Iterator[Failure]:
    if evidence.records_emitted - evidence.records_filtered != evidence.records_forwarded:
        yield of_sync(
            FailureOrigin.REPLICATION,
            FailureType.COUNT_MISMATCH,
            f"{evidence.records_emitted} records came, {evidence.records_filtered} were filtered"
            f" and {evidence.records_forwarded} went on",
        )
    if evidence.destination_stats_mismatches:
        yield of_sync(
            FailureOrigin.DESTINATION,
            FailureType.COUNT_MISMATCH,
            f"{evidence.destination_stats_mismatches} state(s) came back with another number of records than was sent",
        )
    if evidence.source_stats_mismatches and policy.fail_on_source_stats:
        yield of_sync(
            FailureOrigin.SOURCE,
            FailureType.COUNT_MISMATCH,
            _source_stats(evidence),
        )
    if evidence.malformed and not policy.allow_malformed:
        yield of_sync(
            FailureOrigin.SOURCE,
            FailureType.MALFORMED_MESSAGE,
            f"{evidence.malformed} line(s) that look like records or states could not be read and were dropped"
            " (allow_malformed: true lets such a sync pass)",
        )


def _warnings(evidence: Evidence, policy: Policy) -> Iterator[str]:
    if evidence.values_nulled:
        told = "which went on as null (`meta.changes` says so)"
        yield f"mappers could not change {evidence.values_nulled} value(s), {told}"
    if closed_complete(evidence):
        yield "source_did_not_exit: the source had completed every stream but had to be stopped"
    if evidence.bare_acknowledgements:
        count = evidence.bare_acknowledgements
        yield f"the destination sent {count} acknowledgements as bare states, not as STATE messages"
    if evidence.unmatched_acknowledgements:
        yield f"unmatched_ack: {evidence.unmatched_acknowledgements} acknowledgement(s) matched no waiting state"
    if evidence.source_stats_mismatches and not policy.fail_on_source_stats:
        yield _source_stats(evidence)
    if evidence.records_rejected_undivided:
        count = evidence.records_rejected_undivided
        yield f"the destination rejected {count:,} record(s) of states of several streams: they count as committed"
    if evidence.malformed and policy.allow_malformed:
        yield f"{evidence.malformed} malformed line(s) were dropped"


def _is_unproven(evidence: Evidence) -> bool:
    return not evidence.acknowledgements and bool(evidence.records_emitted or evidence.keys_unacknowledged)


def _source_stats(evidence: Evidence) -> str:
    return f"{evidence.source_stats_mismatches} state(s) of the source stated another number of records than it sent"
