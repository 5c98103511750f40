"""`local`, `worker` and `db`: the long-running side of the command line."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import click

from airbyte_workers.cli.environment import run
from airbyte_workers.cli.output import Exit, bad_input, say, show
from airbyte_workers.runtime.database import reached
from airbyte_workers.runtime.stack import Stack, stack_settings
from airbyte_workers.settings import Settings
from airbyte_workers.store.database import migrate, pending_migrations
from airbyte_workers.telemetry import logs

_ROLES = ("workflows", "spec", "check", "discover", "sync", "watch")


@click.command()
@click.pass_context
def local(context: click.Context) -> None:
    """Run the embedded stack (Temporal, PostgreSQL, workers) until Ctrl-C."""

    async def command(settings: Settings) -> Exit:
        from airbyte_workers.runtime.pools import serving  # noqa: PLC0415  # half a second that other commands save
        from airbyte_workers.runtime.stack.foreground import serve_foreground  # noqa: PLC0415

        logs.configure(settings.log_level, settings.log_format)
        await serve_foreground(settings, serving, on_ready=_announce)
        return Exit.DONE

    context.exit(run(command))


def _announce(stack: Stack) -> None:
    show(f"Temporal  {stack.temporal_address}   (TEMPORAL_ADDRESS)")
    show(f"Temporal UI  {stack.ui_address}")
    show(f"folder    {stack.home}")
    show("ready; Ctrl-C stops it")


@click.command()
@click.option("--only", multiple=True, type=click.Choice(_ROLES), help="Poll only these queues; may be repeated.")
@click.option(
    "--health-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Touch this file every 5 s while all is well, and remove it when it is not.",
)
@click.pass_context
def worker(context: click.Context, only: tuple[str, ...], health_file: Path | None) -> None:
    """Run Temporal workers against TEMPORAL_ADDRESS and DATABASE_URL until SIGTERM; pods go on without them."""

    async def command(settings: Settings) -> Exit:
        from airbyte_workers.runtime.health import told_by  # noqa: PLC0415
        from airbyte_workers.runtime.pools import serving  # noqa: PLC0415

        if settings.database_url is None or settings.temporal_address is None:
            raise bad_input("a worker needs DATABASE_URL and TEMPORAL_ADDRESS (for a stack of its own: `local`)")
        logs.configure(settings.log_level, settings.log_format)
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        _clear(health_file)
        async with serving(settings, only or _ROLES) as served:
            say(f"polling {', '.join(served.queues)}")
            async with told_by(health_file, served, settings):
                await stop.wait()
            say("stopping: running pods go on, another worker watches them")
        return Exit.DONE

    context.exit(run(command))


def _clear(health_file: Path | None) -> None:
    """Nothing of an earlier process says that this one is well. Raises Problem."""
    if health_file is None:
        return
    try:
        health_file.touch()
        health_file.unlink()
    except OSError as error:
        raise bad_input(f"--health-file: cannot write {health_file}: {error.strerror}") from None


@click.group()
def db() -> None:
    """The job database."""


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
        show(f"{'missing' if check else 'applied'} {migration.version:04d} {migration.name}")
    if not found:
        show("the database is up to date")
    return Exit.FAILED if check and found else Exit.DONE
