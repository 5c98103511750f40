"""What was found about records that were held against their stream's schema, in words; no value of a record is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from airbyte_workers.models import DeadLetterCounts, StreamValidation

_STREAMS = 10  # with a warning of their own; the rest is counted
_ERRORS = 3  # told in a warning
HINT = "validation.dead_letters: true keeps such records"


def warnings_of(found: Sequence[StreamValidation]) -> Iterator[str]:
    """One for each stream with records that do not fit or a schema that is of no use; a field too many is none."""
    troubled = [each for each in found if each.invalid or each.problem]
    yield from (f"validation: {warning(each)}" for each in troubled[:_STREAMS])
    if len(troubled) > _STREAMS:
        yield f"validation: so it is with {len(troubled) - _STREAMS} more streams"


def warning(stream: StreamValidation) -> str:
    """What is wrong with the stream's records, in one line."""
    if not stream.invalid:
        return f"stream {_name(stream)}: {stream.problem}"
    told = [f"{text} ({count:,})" for text, count in stream.errors[:_ERRORS]]
    more = len(stream.errors) - len(told)
    listed = "; ".join(told) + (f"; and {more} more" if more or stream.errors_more else "")
    return f"{_counted(stream)}: {listed}"


def details(stream: StreamValidation) -> Iterator[str]:
    """Everything that was found of the stream, a line for each."""
    yield _counted(stream)
    if stream.problem:
        more = f" ({stream.unchecked:,} records)" if stream.unchecked else ""
        yield f"  {stream.problem}{more}"
    yield from (f"  {text} ({count:,})" for text, count in stream.errors)
    if stream.errors_more:
        yield f"  and others ({stream.errors_more:,})"
    if stream.unexpected_fields:
        names = ", ".join(f"{name} ({count:,})" for name, count in stream.unexpected_fields)
        others = f", and others ({stream.unexpected_more:,})" if stream.unexpected_more else ""
        yield f"  fields that its schema does not know: {names}{others}"


def about_letters(counts: DeadLetterCounts, command: str) -> str:
    """How many dead letters there are, and how to read them; empty where there are none."""
    if not counts.kept and not counts.left_out:
        return ""
    left_out = ""
    if counts.left_out:
        left_out = f", {counts.left_out:,} left out for want of room (AIRBYTE_WORKERS_MAX_DEAD_LETTER_BYTES)"
    return f"dead letters: {counts.kept:,} kept{left_out}; read them with `{command}`"


def foremost(found: Sequence[StreamValidation], most: int) -> tuple[StreamValidation, ...]:
    """At most so many streams, in their order: those of which there is something to tell before all others."""
    places = sorted(range(len(found)), key=lambda place: (not found[place].has_findings, place))
    return tuple(found[place] for place in sorted(places[:most]))


def _counted(stream: StreamValidation) -> str:
    checked = f"{stream.validated:,} checked records of {_name(stream)}"
    if not stream.invalid:
        return f"{checked}: all fit its schema" if stream.validated else f"{_name(stream)}: no record was checked"
    ended = ", then no more were checked" if stream.stopped else ""
    return f"{stream.invalid:,} of {checked} do not fit its schema{ended}"


def _name(stream: StreamValidation) -> str:
    return f"{stream.namespace}.{stream.name}" if stream.namespace else stream.name
