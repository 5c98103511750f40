"""The command line."""

from __future__ import annotations

from typing import NoReturn

import click

import airbyte_workers
from airbyte_workers import programs
from airbyte_workers.cli.groups import LazyGroup, Place

_PLACES = {
    "demo": Place(
        "demo",
        "demo",
        "Sync made-up data of airbyte-source-faker into files, and compare what was committed with what is there.",
    ),
    "sync": Place("sync", "sync", "Sync a CONNECTION that is stored, or the one that a file describes."),
    "clear": Place(
        "clearing", "clear", "Remove what the destination holds of a CONNECTION's streams, and forget their state."
    ),
    "reset": Place("clearing", "clear"),  # upstream's word for it
    "refresh": Place(
        "clearing", "refresh", "Read a CONNECTION's streams again from their beginning, and sync its others as ever."
    ),
    "spec": Place("operations", "spec", "Show what the connector IMAGE can be configured with: its spec, as JSON."),
    "check": Place("operations", "check", "Test whether the connector IMAGE can work with a config."),
    "discover": Place(
        "operations",
        "discover",
        "List the streams that the connector IMAGE finds with a config; the catalog is stored.",
    ),
    "catalog": Place("catalogs", "catalog", "Show stored catalogs."),
    "jobs": Place("jobs", "jobs", "List jobs, show or explain one, report on it, read its log, cancel it, retry it."),
    "state": Place(
        "state", "state", "Show a connection's state and its past, compare two points of it, go back to one."
    ),
    "schedule": Place(
        "schedule", "schedule", "Sync connections by themselves: at an interval or by cron, paused, resumed, looked at."
    ),
    "example": Place(
        "examples",
        "example",
        "Print a valid input as JSON (standard output) and the command that starts it (standard error).",
    ),
    "gc": Place(
        "gc", "gc", "Remove old jobs with their logs, old states and catalogs, and what belongs to nobody any more."
    ),
    "reap": Place("reap", "reap", "End and remove pods of this host that nobody looks after any more."),
    "local": Place("servers", "local", "Run the embedded stack (Temporal, PostgreSQL, Temporal workers) until Ctrl-C."),
    "worker": Place(
        "servers",
        "worker",
        "Run Temporal workers against TEMPORAL_ADDRESS and DATABASE_URL until SIGTERM; pods go on without them.",
    ),
    "versions": Place(
        "versions",
        "versions",
        "Show the versions of the Temporal workers of WORKER_DEPLOYMENT_NAME; choose the one that gets new jobs.",
    ),
    "doctor": Place("doctor", "doctor", "Look for what keeps this host, or the stack that is set, from running syncs."),
    "connector": Place(
        "connector", "connector", "Put a connector through its paces: what it will do to your syncs, before it does."
    ),
    "chaos": Place(
        "chaos", "chaos", "Strike a program at an exact moment of a real sync, and prove that nothing was lost."
    ),
    "db": Place("database", "db", "Look after the job database."),
}


@click.group(cls=LazyGroup, places=_PLACES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(airbyte_workers.__version__, prog_name="airbyte-workers")
def main() -> None:
    """Run Airbyte connectors as durable Temporal jobs.

    Without TEMPORAL_ADDRESS and DATABASE_URL every command uses an embedded stack of its own.
    """


def run() -> NoReturn:
    """What the command `airbyte-workers` does."""
    programs.run(main)
