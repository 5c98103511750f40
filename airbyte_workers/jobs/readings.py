"""Evidence as people read it, piece by piece, with what each says against a green sync: `jobs/outcome.py` in words."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from airbyte_workers.jobs.outcome import closed_complete, is_read
from airbyte_workers.models import Evidence, Value


class Sign(StrEnum):
    """What a piece of evidence says; a doubt is told as a warning, and makes no sync red by itself."""

    GOOD = "ok"
    DOUBT = "doubt"
    BAD = "red"


class Reading(Value):
    """One piece of evidence."""

    name: str
    value: str
    verdict: Sign


def readings(evidence: Evidence) -> tuple[Reading, ...]:
    """Every piece, in the order in which it comes about; without one that is bad the attempt succeeds.

    What a connection's owner accepts is not known here: it makes a bad piece good enough.
    """
    return (
        Reading(name="source exit code", value=_source_exit(evidence), verdict=_source_verdict(evidence)),
        Reading(name="destination exit code", value=_destination_exit(evidence), verdict=_destination(evidence)),
        Reading(name="end of input", value=_end_of_input(evidence), verdict=_bad(not _is_whole(evidence))),
        Reading(name="error traces", value=str(evidence.error_traces), verdict=_bad(evidence.error_traces > 0)),
        Reading(name="completion", value=_completion(evidence), verdict=_bad(_is_incomplete(evidence))),
        Reading(name="states", value=_states(evidence), verdict=_bad(_lacks_states(evidence))),
        Reading(name="acknowledgements", value=_acknowledgements(evidence), verdict=_acknowledged(evidence)),
        Reading(name="records", value=_records(evidence), verdict=_bad(_loses_records(evidence))),
        Reading(name="counts of connectors", value=_stats(evidence), verdict=_stats_verdict(evidence)),
        Reading(name="malformed lines", value=str(evidence.malformed), verdict=_bad(evidence.malformed > 0)),
        Reading(
            name="nulled values",
            value=str(evidence.values_nulled),
            verdict=Sign.DOUBT if evidence.values_nulled else Sign.GOOD,
        ),
        Reading(name="validation", value=_validation(evidence), verdict=_validated(evidence)),
    )


def _bad(is_bad: bool) -> Sign:
    return Sign.BAD if is_bad else Sign.GOOD


# --- exits ---


def _source_exit(evidence: Evidence) -> str:
    said = _code(evidence.source_exit_code, evidence.source_out_of_memory)
    if evidence.source_stopped:
        return f"{said}, stopped because the sync could not go on"
    return f"{said}, stopped because it did not exit" if evidence.source_forced else said


def _source_verdict(evidence: Evidence) -> Sign:
    if evidence.source_stopped:
        return Sign.DOUBT  # whatever it was stopped for is bad
    if evidence.source_forced:
        return Sign.DOUBT if closed_complete(evidence) else Sign.BAD
    return _bad(evidence.source_exit_code != 0)


def _destination_exit(evidence: Evidence) -> str:
    said = _code(evidence.destination_exit_code, evidence.destination_out_of_memory)
    return f"{said}, stopped because it did not exit" if evidence.destination_forced else said


def _destination(evidence: Evidence) -> Sign:
    return _bad(evidence.destination_forced or evidence.destination_exit_code != 0)


def _code(code: int | None, out_of_memory: int | None) -> str:
    said = "unknown" if code is None else str(code)
    return f"{said}, out of memory" if code and out_of_memory is not None else said


def _is_whole(evidence: Evidence) -> bool:
    return evidence.end_of_input and not evidence.source_stopped and not evidence.destination_closed


def _end_of_input(evidence: Evidence) -> str:
    if _is_whole(evidence):
        return "the destination was given everything"
    if evidence.destination_closed:
        return f"the destination closed its {evidence.destination_closed} before"
    return "the destination was not given everything"


# --- streams and states ---


def _is_incomplete(evidence: Evidence) -> bool:
    return not is_read(evidence) or bool(evidence.streams_incomplete)


def _completion(evidence: Evidence) -> str:
    if evidence.streams_incomplete:
        return f"INCOMPLETE: {', '.join(evidence.streams_incomplete)}"
    if not is_read(evidence):
        return f"missing for {', '.join(evidence.streams_not_complete) or 'its streams'}"
    return {
        "reported": "reported: the source said COMPLETE for every stream",
        "inferred": "inferred from exit code 0: the source says nothing of its streams",
    }[evidence.completion]


def _lacks_states(evidence: Evidence) -> bool:
    return evidence.states_held_back > 0 or evidence.states_committed < evidence.states_emitted


def _states(evidence: Evidence) -> str:
    said = f"{evidence.states_emitted} emitted, {evidence.states_committed} committed"
    if evidence.empty_states_sent:
        said += f", {evidence.empty_states_sent} empty one(s) sent for streams without any"
    if evidence.states_merged:
        said += f", {evidence.states_merged} merged into later ones while they waited"
    return f"{said}, {evidence.states_held_back} held back" if evidence.states_held_back else said


def _lacks_acknowledgement(evidence: Evidence) -> bool:
    return evidence.keys_unacknowledged > 0 or bool(evidence.streams_unacknowledged)


def _acknowledged(evidence: Evidence) -> Sign:
    nothing = not evidence.acknowledgements and bool(evidence.records_emitted)
    if nothing or _lacks_acknowledgement(evidence):
        return Sign.BAD
    unclear = evidence.bare_acknowledgements or evidence.unmatched_acknowledgements
    return Sign.DOUBT if unclear else Sign.GOOD


def _acknowledgements(evidence: Evidence) -> str:
    parts = [str(evidence.acknowledgements)]
    if _lacks_acknowledgement(evidence):
        parts.append(f"none for the last state of {', '.join(evidence.streams_unacknowledged) or 'some streams'}")
    if evidence.unmatched_acknowledgements:
        parts.append(f"{evidence.unmatched_acknowledgements} that matched no state")
    if evidence.bare_acknowledgements:
        parts.append(f"{evidence.bare_acknowledgements} as bare states")
    return ", ".join(parts)


# --- counts ---


def _loses_records(evidence: Evidence) -> bool:
    return evidence.records_emitted - evidence.records_filtered != evidence.records_forwarded


def _records(evidence: Evidence) -> str:
    said = (
        f"{evidence.records_emitted:,} emitted, {evidence.records_filtered:,} filtered, "
        f"{evidence.records_forwarded:,} forwarded"
    )
    undivided = evidence.records_rejected_undivided
    return f"{said}, {undivided:,} rejected of nobody knows which stream" if undivided else said


def _stats_verdict(evidence: Evidence) -> Sign:
    if evidence.destination_stats_mismatches:
        return Sign.BAD
    return Sign.DOUBT if evidence.source_stats_mismatches else Sign.GOOD


def _stats(evidence: Evidence) -> str:
    differing: Iterator[str] = (
        f"{count} of the {whose}'s differ from ours"
        for whose, count in (
            ("source", evidence.source_stats_mismatches),
            ("destination", evidence.destination_stats_mismatches),
        )
        if count
    )
    return ", ".join(differing) or "none differs from ours"


def _validated(evidence: Evidence) -> Sign:
    """A doubt: whether so many are too many is the owner's say."""
    return Sign.DOUBT if evidence.records_invalid else Sign.GOOD


def _validation(evidence: Evidence) -> str:
    checked = f"{evidence.records_validated:,} records checked"
    return f"{checked}, {evidence.records_invalid:,} do not fit their schema" if evidence.records_invalid else checked
