"""A sync's report as people read it, and the pieces of it that other pages have too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from airbyte_workers.cli.output import amount
from airbyte_workers.cli.tables import Column, table
from airbyte_workers.jobs.readings import Reading, Sign
from airbyte_workers.models import (
    TERMINAL_JOB_STATUSES,
    AttemptReport,
    Failure,
    JobStatus,
    StreamCounts,
    SyncReport,
    Waits,
)
from airbyte_workers.names import REPLICATION_KINDS, JobKind
from airbyte_workers.protocol.streams import shown, stream_key
from airbyte_workers.quantities import duration

_ALWAYS = ("emitted", "committed")
_MARKS = {Sign.GOOD: "ok", Sign.DOUBT: "?", Sign.BAD: "RED"}


def report_lines(report: SyncReport, width: int | None) -> Iterator[str]:
    """Status first, then streams, then what went wrong and on what evidence it was judged."""
    yield _headline(report)
    if why := why_ended(report):
        yield why
    if waited := waited_for(report):
        yield waited
    if report.streams:
        yield from stream_table(report.streams, width)
    if report.streams_omitted:
        yield f"and {report.streams_omitted} more streams (airbyte-workers jobs show {report.job_id})"
    if len(report.attempts) > 1 or report.status is not JobStatus.SUCCEEDED:
        for attempt in report.attempts:
            yield from _attempt(attempt)
    if not report.attempts and report.status is not JobStatus.CANCELLED:
        yield from (f"  {failure_line(failure)}" for failure in report.failures)
    yield from (f"warning: {warning}" for warning in report.warnings)


def summary(report: SyncReport, kind: JobKind, subject: str) -> str:
    """What a job was and came to; `subject` is what it works on."""
    about = f"job {report.job_id}: {kind} of {subject}, {report.status}"
    if report.status in TERMINAL_JOB_STATUSES:
        about += f" after {duration(report.duration_s)}"
    if kind not in REPLICATION_KINDS:
        return about
    tries = f"{len(report.attempts)} attempt" + ("s" if len(report.attempts) != 1 else "")
    if kind is JobKind.CLEAR:
        return f"{about}; {tries}, {_cleared(report)}"
    return f"{about}; {tries}, {report.records_committed:,} records ({amount(report.bytes_committed)}) committed"


def why_ended(report: SyncReport) -> str:
    """Who ended the job and why, or why it was given up; empty where its status or its one failure says it all."""
    if report.status is JobStatus.CANCELLED:
        by = f"cancelled by {report.ended_by}" if report.ended_by else "cancelled"
        return f"{by}: {report.reason}" if report.reason else by
    if report.status is JobStatus.SUCCEEDED and len(report.attempts) == 1:
        return ""
    return report.reason if report.attempts or not report.failures else ""


def stream_table(streams: Sequence[StreamCounts], width: int | None) -> Iterator[str]:
    """Streams with their counts; what no stream has is left out."""
    counts: list[tuple[str, list[int | None]]] = [
        ("estimated", [each.records_estimated for each in streams]),
        ("emitted", [each.records_emitted for each in streams]),
        ("committed", [each.records_committed for each in streams]),
        ("filtered", [each.records_filtered for each in streams]),
        ("rejected", [each.records_rejected for each in streams]),
    ]
    counts = [(title, numbers) for title, numbers in counts if title in _ALWAYS or any(numbers)]
    columns = [Column("stream", least=12), Column("status"), *(Column(title, right=True) for title, _ in counts)]
    rows = [
        (
            shown(stream_key(each.name, each.namespace)),
            each.status,
            *(_number(numbers[place]) for _, numbers in counts),
            amount(each.bytes_committed),
        )
        for place, each in enumerate(streams)
    ]
    return table([*columns, Column("bytes", right=True, spare=1)], rows, width)


def _number(count: int | None) -> str:
    return "" if count is None else f"{count:,}"


def waited_for(waits: Waits) -> str:
    """Whom the data waited for, in shares of the time in which it moved; empty where it did not move."""
    if not waits.moving_s:
        return ""
    source, destination, limit = (
        f"{min(each / waits.moving_s, 1):.0%}"
        for each in (waits.blocked_on_source_s, waits.blocked_on_destination_s, waits.held_by_limit_s)
    )
    held = f", its speed limit held it back for {limit}" if waits.held_by_limit_s else ""
    return f"the source was waited for {source} of the time, the destination {destination}{held}"


def evidence_line(reading: Reading) -> str:
    """A piece of evidence, and whether it is as it must be."""
    return f"{_MARKS[reading.verdict]:<4}{reading.name:<22}{reading.value}"


def failure_line(failure: Failure) -> str:
    """Whose failure, which, and what was said."""
    return f"{failure.origin}, {failure.type}: {failure.message}"


def _headline(report: SyncReport) -> str:
    took = duration(report.duration_s)
    if report.kind is JobKind.CLEAR:
        return f"job {report.job_id} {report.status}: {_cleared(report)} in {took}"
    return (
        f"job {report.job_id} {report.status}: {report.records_committed:,} records, "
        f"{amount(report.bytes_committed)} committed in {took}"
    )


def _cleared(report: SyncReport) -> str:
    streams = len(report.streams) + report.streams_omitted
    done = "cleared" if report.status is JobStatus.SUCCEEDED else "to clear"
    return f"{streams:,} stream{'' if streams == 1 else 's'} {done}"


def _attempt(attempt: AttemptReport) -> Iterator[str]:
    waited = f", after a wait of {duration(attempt.waited_s)}" if attempt.waited_s else ""
    yield f"attempt {attempt.number} {attempt.status}: {attempt.records_committed:,} records committed{waited}"
    yield from (f"  {failure_line(failure)}" for failure in attempt.failures)
