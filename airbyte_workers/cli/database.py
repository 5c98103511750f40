"""`airbyte-workers db`: the schema of the job database."""

from __future__ import annotations

from typing import Any

import click

from airbyte_workers.cli.environment import run
from airbyte_workers.cli.output import Exit, show
from airbyte_workers.runtime.database import reached
from airbyte_workers.runtime.stack import stack_settings
from airbyte_workers.settings import Settings
from airbyte_workers.store.database import Migration, migrate, pending_migrations


@click.group()
def db() -> None:
    """Look after the job database."""


@db.command("migrate")
@click.option("--check", is_flag=True, help="Change nothing; exit code 1 when migrations are missing.")
@click.pass_context
def migrate_database(context: click.Context, check: bool) -> None:
    """Bring the database to this version's schema."""

    async def command(settings: Settings) -> Exit:
        async with stack_settings(settings) as where:
            return await _migrate(where, check=check)

    context.exit(run(command))


async def _migrate(settings: Settings, *, check: bool) -> Exit:
    async with reached(settings, size=2) as pool:
        found: Any = await (pending_migrations(pool) if check else migrate(pool))
    for migration in found:
        show(f"{'missing' if check else 'applied'} {migration.version:04d} {migration.name} ({_older(migration)})")
    if not found:
        show("the database is up to date")
    return Exit.FAILED if check and found else Exit.DONE


def _older(migration: Migration) -> str:
    """What it means for Temporal workers of an older release beside this one."""
    if migration.works_with is None:
        return "workers that do not know it cannot start any more"
    return f"workers that know {migration.works_with:04d} go on, and may start"
