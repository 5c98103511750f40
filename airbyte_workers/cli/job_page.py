"""One job whole, as text: what it was, its attempts, its streams, the evidence, its past."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from airbyte_workers.cli import again
from airbyte_workers.cli.report import evidence_line, failure_line, stream_table, summary, waited_for, why_ended
from airbyte_workers.cli.tables import Column, table
from airbyte_workers.cli.timeline import told
from airbyte_workers.cli.times import local
from airbyte_workers.jobs import record_findings
from airbyte_workers.jobs.readings import readings
from airbyte_workers.models import Evidence, JobStatus, StreamCounts
from airbyte_workers.protocol.streams import shown
from airbyte_workers.quantities import duration
from airbyte_workers.store.history import AttemptHistory, Happening, JobHistory, foremost

_STREAMS = 40  # shown unless all are asked for
_ATTEMPTS = (2, 10)  # first and last ones
_EVENTS = (10, 40)
_NAMES = 10  # streams named in one line
_COLUMNS = (
    Column("attempt", right=True),
    Column("status"),
    Column("started", spare=2),
    Column("took", right=True, spare=1),
    Column("waited", right=True, spare=3),
    Column("queued", right=True, spare=4),
    Column("committed", right=True),
    Column("why", least=20),
)
T = TypeVar("T")


@dataclass(frozen=True)
class Look:
    """How to look at a job: at the streams and evidence of one attempt, or of all and of the last.

    `all`: however many there are. `width` of a line; None: any.
    """

    attempt: AttemptHistory | None = None
    all: bool = False
    width: int | None = None


def page(job: JobHistory, look: Look) -> Iterator[str]:
    """The lines of the page."""
    yield summary(job, job.kind, job.subject)
    if why := why_ended(job):
        yield why
    yield from _particulars(job)
    if job.attempts:
        yield ""
        yield from _attempts(job.attempts, look)
    elif job.status is not JobStatus.CANCELLED:
        yield from (f"  {failure_line(failure)}" for failure in job.failures)
    yield from _streams(job, look)
    chosen = look.attempt or (job.attempts[-1] if job.attempts else None)
    yield from _evidence(chosen)
    yield from _validation(chosen, look)
    warnings = job.warnings if look.attempt is None else look.attempt.warnings
    yield from (f"warning: {warning}" for warning in warnings)
    yield ""
    yield from _past(job.events, look)


def _particulars(job: JobHistory) -> Iterator[str]:
    launched = f"launcher {job.launcher}; " if job.launcher else ""
    scheduled = " by its schedule" if job.is_scheduled else ""
    yield f"{launched}opened {local(job.created_at)}{scheduled}; workflow {job.workflow_id}, run {job.run_id}"
    if job.request is not None:
        streams = job.request.streams
        names = "every stream" if streams is None else _names([shown((each.name, each.namespace)) for each in streams])
        yield f"{job.request.order}: {names}"
    if job.catalog_id is not None:
        yield f"catalog: {again.PROGRAM} catalog show {job.catalog_id}"


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more


# --- attempts ---


def _attempts(attempts: Sequence[AttemptHistory], look: Look) -> Iterator[str]:
    first, last = _ends(attempts, _ATTEMPTS, look)
    head, *rows = table(_COLUMNS, [_attempt(each) for each in (*first, *last)], look.width)
    yield head
    yield from rows[: len(first)]
    if left_out := len(attempts) - len(first) - len(last):
        yield f"... {left_out} more attempts (--all)"
    yield from rows[len(first) :]


def _attempt(attempt: AttemptHistory) -> tuple[str, ...]:
    took = duration((attempt.ended_at - attempt.started_at).total_seconds()) if attempt.ended_at else ""
    reasons = [told(failure) for failure in attempt.failures]
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return (
        str(attempt.number),
        attempt.status,
        local(attempt.started_at),
        took,
        duration(attempt.waited_s) if attempt.waited_s else "",
        duration(attempt.queued_s),
        f"{attempt.records_committed:,}",
        f"{reasons[0]}{more}" if reasons else "",
    )


# --- streams and evidence ---


def _streams(job: JobHistory, look: Look) -> Iterator[str]:
    streams: Sequence[StreamCounts] = job.streams if look.attempt is None else look.attempt.streams
    if not streams:
        return
    shown_ones = streams if look.all else foremost(streams, _STREAMS)
    yield ""
    if look.attempt is not None:
        yield f"streams of attempt {look.attempt.number}"
    yield from stream_table(shown_ones, look.width)
    if left_out := len(streams) - len(shown_ones):
        yield f"... {left_out:,} more streams (--all)"


def _evidence(attempt: AttemptHistory | None) -> Iterator[str]:
    if attempt is None or attempt.ended_at is None:
        return
    yield ""
    if attempt.evidence is None or attempt.evidence == Evidence():
        yield f"attempt {attempt.number} left no evidence: its pod did not run, or what it saw is lost"
        return
    yield f"evidence of attempt {attempt.number}"
    yield from (f"  {evidence_line(reading)}" for reading in readings(attempt.evidence))
    if waited := waited_for(attempt):
        yield f"  {waited}"
    if attempt.log_lines_dropped:
        yield f"  {attempt.log_lines_dropped:,} lines of its log were dropped"


def _validation(attempt: AttemptHistory | None, look: Look) -> Iterator[str]:
    """What records were held against a schema, and what of them does not fit."""
    if attempt is None or not attempt.validation:
        return
    yield ""
    yield f"validation of attempt {attempt.number}"
    found = attempt.validation
    shown_ones = found if look.all else record_findings.foremost(found, _STREAMS)
    yield from (f"  {line}" for each in shown_ones for line in record_findings.details(each))
    if left_out := len(found) - len(shown_ones):
        yield f"... {left_out:,} more streams (--all)"


# --- the past ---


def _past(past: Sequence[Happening], look: Look) -> Iterator[str]:
    first, last = _ends(past, _EVENTS, look)
    yield from map(_event, first)
    if left_out := len(past) - len(first) - len(last):
        yield f"... {left_out:,} more events (--all)"
    yield from map(_event, last)


def _event(event: Happening) -> str:
    what = event.event
    if event.attempt is not None:
        attempt = f"attempt {event.attempt + 1}"
        what = what.replace("attempt", attempt, 1) if what.startswith("attempt ") else f"{attempt}: {what}"
    by = f" by {event.by}" if event.by else ""
    reason = f" ({event.reason})" if event.reason else ""
    return f"{local(event.at)}  {what}{by}{reason}"


def _ends(things: Sequence[T], ends: tuple[int, int], look: Look) -> tuple[Sequence[T], Sequence[T]]:
    """The first and the last ones; all are first ones where there are few, or all are asked for."""
    first, last = ends
    if look.all or len(things) <= first + last + 1:
        return things, ()
    return things[:first], things[-last:]
