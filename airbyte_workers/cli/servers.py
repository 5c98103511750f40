"""`local` and `worker`: the long-running side of the command line."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

import click

from airbyte_workers.cli.logging_commands import Tell, run_logging
from airbyte_workers.cli.output import Exit, bad_input, show
from airbyte_workers.names import WORKFLOW_QUEUE
from airbyte_workers.runtime.deployments import standing_told, version_of
from airbyte_workers.runtime.farewell import AFTER_LOCAL, AFTER_WORKER, Farewell
from airbyte_workers.runtime.health import told_by
from airbyte_workers.runtime.pools import Served, serving
from airbyte_workers.runtime.stack import Stack
from airbyte_workers.runtime.stack.foreground import serve_foreground
from airbyte_workers.runtime.stack.stopping import EndLimits, StopRequest, ending_within, stop_signals
from airbyte_workers.settings import Settings
from airbyte_workers.store.objects import open_objects

_ROLES = ("workflows", "spec", "check", "discover", "sync", "watch")


@click.command()
@click.pass_context
def local(context: click.Context) -> None:
    """Run the embedded stack (Temporal, PostgreSQL, Temporal workers) until Ctrl-C.

    Pods that run go on without it. A second Ctrl-C stops them, too, in order; a third one waits for nothing any more.
    """

    async def command(settings: Settings, tell: Tell) -> Exit:
        def embedded(settings: Settings, stop: StopRequest) -> AbstractAsyncContextManager[Served]:
            return serving(settings, Farewell(stop, tell, AFTER_LOCAL))

        await serve_foreground(settings, embedded, on_ready=_announce)
        return Exit.DONE

    context.exit(run_logging(command))


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
    """Run Temporal workers against TEMPORAL_ADDRESS and DATABASE_URL until SIGTERM; pods go on without them.

    A second signal stops the pods of this host, too, in order; a third one waits for nothing any more.
    """

    async def command(settings: Settings, tell: Tell) -> Exit:
        if settings.database_url is None or settings.temporal_address is None:
            raise bad_input(
                "a Temporal worker needs DATABASE_URL and TEMPORAL_ADDRESS; without them: airbyte-workers local"
            )
        version = version_of(settings)
        with stop_signals() as stop:
            _clear(health_file)
            await open_objects(settings).check()
            workers = serving(settings, Farewell(stop, tell, AFTER_WORKER), only or _ROLES)
            async with ending_within(workers, EndLimits.of(settings), stop) as served:
                stop.started()
                tell(f"polling {', '.join(served.queues)}")
                decides = version if WORKFLOW_QUEUE in served.queues else None
                async with told_by(health_file, served, settings), standing_told(served.client, decides, tell):
                    await stop.wait()
        return Exit.DONE

    context.exit(run_logging(command))


def _clear(health_file: Path | None) -> None:
    """Nothing of an earlier process says that this one is well. Raises Problem."""
    if health_file is None:
        return
    try:
        health_file.touch()
        health_file.unlink()
    except OSError as error:
        raise bad_input(f"--health-file: cannot write {health_file}: {error.strerror}") from None
