"""`local` and `worker`: the long-running side of the command line."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import click

from airbyte_workers.cli.environment import run
from airbyte_workers.cli.output import Exit, bad_input, say, show
from airbyte_workers.runtime.health import told_by
from airbyte_workers.runtime.pools import serving
from airbyte_workers.runtime.stack import Stack
from airbyte_workers.runtime.stack.foreground import serve_foreground
from airbyte_workers.settings import Settings
from airbyte_workers.telemetry import logs

_ROLES = ("workflows", "spec", "check", "discover", "sync", "watch")


@click.command()
@click.pass_context
def local(context: click.Context) -> None:
    """Run the embedded stack (Temporal, PostgreSQL, Temporal workers) until Ctrl-C."""

    async def command(settings: Settings) -> Exit:
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
        if settings.database_url is None or settings.temporal_address is None:
            raise bad_input(
                "a Temporal worker needs DATABASE_URL and TEMPORAL_ADDRESS; without them: airbyte-workers local"
            )
        logs.configure(settings.log_level, settings.log_format)
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        _clear(health_file)
        async with serving(settings, only or _ROLES) as served:
            say(f"polling {', '.join(served.queues)}")
            async with told_by(health_file, served, settings):
                await stop.wait()
            say("stopping: running pods go on, another Temporal worker watches them")
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
