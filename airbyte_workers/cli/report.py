"""A sync's report as people read it."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from airbyte_workers.cli.output import amount
from airbyte_workers.models import AttemptReport, Failure, JobStatus, SyncReport
from airbyte_workers.quantities import duration


def print_report(report: SyncReport, console: Console) -> None:
    """Status first, then streams, then what went wrong and on what evidence it was judged."""
    console.print(_headline(report), highlight=False)
    if why := why_ended(report):
        console.print(why, highlight=False, markup=False)
    if report.streams:
        console.print(_streams(report))
    if report.streams_omitted:
        console.print(f"and {report.streams_omitted} more streams (airbyte-workers jobs show {report.job_id})")
    if len(report.attempts) > 1 or report.status is not JobStatus.SUCCEEDED:
        for attempt in report.attempts:
            console.print(_attempt(attempt), highlight=False)
    if not report.attempts and report.status is not JobStatus.CANCELLED:
        for failure in report.failures:
            console.print(f"  {_failure(failure)}", highlight=False, markup=False)
    for warning in report.warnings:
        console.print(f"warning: {warning}", highlight=False, markup=False)


def _headline(report: SyncReport) -> str:
    return (
        f"job {report.job_id} {report.status}: {report.records_committed:,} records, "
        f"{amount(report.bytes_committed)} committed in {duration(report.duration_s)}"
    )


def why_ended(report: SyncReport) -> str:
    """Who ended the job and why, or why it was given up; empty where its status or its one failure says it all."""
    if report.status is JobStatus.CANCELLED:
        by = f"cancelled by {report.ended_by}" if report.ended_by else "cancelled"
        return f"{by}: {report.reason}" if report.reason else by
    if report.status is JobStatus.SUCCEEDED and len(report.attempts) == 1:
        return ""
    return report.reason if report.attempts or not report.failures else ""


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
    waited = f", after a wait of {duration(attempt.waited_s)}" if attempt.waited_s else ""
    lines = [f"attempt {attempt.number} {attempt.status}: {attempt.records_committed:,} records committed{waited}"]
    lines.extend(f"  {_failure(failure)}" for failure in attempt.failures)
    return "\n".join(lines).replace("[", r"\[")


def _failure(failure: Failure) -> str:
    return f"{failure.origin}, {failure.type}: {failure.message}"
