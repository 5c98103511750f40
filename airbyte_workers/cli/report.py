"""A sync's report as people read it."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from airbyte_workers.cli.output import amount, duration
from airbyte_workers.models import AttemptReport, Failure, JobStatus, SyncReport


def print_report(report: SyncReport, console: Console) -> None:
    """Status first, then streams, then what went wrong and on what evidence it was judged."""
    console.print(_headline(report), highlight=False)
    if report.streams:
        console.print(_streams(report))
    if report.streams_omitted:
        console.print(f"and {report.streams_omitted} more streams (airbyte-workers jobs show {report.job_id})")
    if len(report.attempts) > 1 or report.status is not JobStatus.SUCCEEDED:
        for attempt in report.attempts:
            console.print(_attempt(attempt), highlight=False)
    if not report.attempts:
        for failure in report.failures:
            console.print(f"  {_failure(failure)}", highlight=False, markup=False)
    for warning in report.warnings:
        console.print(f"warning: {warning}", highlight=False, markup=False)


def _headline(report: SyncReport) -> str:
    return (
        f"job {report.job_id} {report.status}: {report.records_committed:,} records, "
        f"{amount(report.bytes_committed)} committed in {duration(report.duration_s)}"
    )


def _streams(report: SyncReport) -> Table:
    table = Table("stream", "status", box=None, pad_edge=False)
    table.add_column("emitted", justify="right")
    table.add_column("committed", justify="right")
    table.add_column("bytes", justify="right")
    for stream in report.streams:
        name = f"{stream.namespace}.{stream.name}" if stream.namespace else stream.name
        table.add_row(
            name,
            stream.status,
            f"{stream.records_emitted:,}",
            f"{stream.records_committed:,}",
            amount(stream.bytes_committed),
        )
    return table


def _attempt(attempt: AttemptReport) -> str:
    lines = [f"attempt {attempt.number} {attempt.status}: {attempt.records_committed:,} records committed"]
    lines.extend(f"  {_failure(failure)}" for failure in attempt.failures)
    return "\n".join(lines).replace("[", r"\[")


def _failure(failure: Failure) -> str:
    return f"{failure.origin}, {failure.type}: {failure.message}"
