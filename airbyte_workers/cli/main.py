"""The command line."""

from __future__ import annotations

from copy import copy

import click

import airbyte_workers
from airbyte_workers.cli.catalogs import catalog
from airbyte_workers.cli.clearing import clear, refresh
from airbyte_workers.cli.demo import demo
from airbyte_workers.cli.examples import example
from airbyte_workers.cli.gc import gc
from airbyte_workers.cli.jobs import jobs
from airbyte_workers.cli.operations import check, discover, spec
from airbyte_workers.cli.servers import db, local, worker
from airbyte_workers.cli.state import state
from airbyte_workers.cli.sync import sync


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(airbyte_workers.__version__, prog_name="airbyte-workers")
def main() -> None:
    """Run Airbyte connectors as durable Temporal jobs.

    Without TEMPORAL_ADDRESS and DATABASE_URL every command uses an embedded stack of its own.
    """


for command in (
    demo,
    sync,
    clear,
    refresh,
    spec,
    check,
    discover,
    catalog,
    jobs,
    state,
    example,
    gc,
    local,
    worker,
    db,
):
    main.add_command(command)
_reset = copy(clear)
_reset.hidden = True
main.add_command(_reset, "reset")  # upstream's word for it
