"""`airbyte-workers jobs`: the past, and what is going on."""

from __future__ import annotations

import click

from airbyte_workers.cli.groups import LazyGroup, Place

_PLACES = {
    "list": Place("job_list", "list_jobs", "List the newest jobs first."),
    "show": Place(
        "job_show",
        "show_job",
        "Show one job: attempts, streams over all of them, the evidence of the last, every transition with who and"
        " why.",
    ),
    "explain": Place(
        "explaining",
        "explain_job",
        "Explain a job on one page: what happened, the decisive evidence, what to change, how to go on.",
    ),
    "report": Place(
        "job_report",
        "report_job",
        "Write one job as a page of HTML: what came of it and why, its attempts, its speed over time, whom it waited"
        " for, its streams, the evidence, how to go on.",
    ),
    "logs": Place(
        "job_logs",
        "show_logs",
        "Show the log of an attempt, with what its connectors were asked before it; of a spec, check or discover its"
        " own.",
    ),
    "dead-letters": Place(
        "dead_letters",
        "show_dead_letters",
        "Show the records of an attempt that did not fit and the lines that were lost, where they were kept.",
    ),
    "cancel": Place("cancelling", "cancel_job", "End a job of any kind, and follow it to its end."),
    "retry": Place(
        "retrying",
        "retry_job",
        "Do what a failed or cancelled sync, clear or refresh was to do, with its connection as it is stored now.",
    ),
}


@click.group(cls=LazyGroup, places=_PLACES)
def jobs() -> None:
    """List jobs, show or explain one, report on it, read its log, cancel it, retry it."""
