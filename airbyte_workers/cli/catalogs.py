"""`airbyte-workers catalog`: what sources were found to have."""

from __future__ import annotations

import json

import click

from airbyte_workers.cli.environment import run
from airbyte_workers.cli.options import Number
from airbyte_workers.cli.output import Exit, bad_input, show_json
from airbyte_workers.runtime.database import job_database
from airbyte_workers.runtime.stack import stack_settings
from airbyte_workers.settings import Settings
from airbyte_workers.store import catalogs


@click.group()
def catalog() -> None:
    """Show stored catalogs."""


@catalog.command("show")
@click.argument("catalog_id", type=Number("catalog number"))
@click.pass_context
def show_catalog(context: click.Context, catalog_id: int) -> None:
    """Show a catalog as JSON: the one that a discover found, or the one that a sync was configured with."""

    async def command(settings: Settings) -> Exit:
        async with stack_settings(settings) as where, job_database(where) as db:
            try:
                stored = await catalogs.read(db, catalog_id)
            except LookupError as error:
                raise bad_input(str(error)) from None
        show_json(json.loads(stored))
        return Exit.DONE

    context.exit(run(command))
