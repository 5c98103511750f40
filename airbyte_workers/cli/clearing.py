"""`airbyte-workers clear` and `refresh`: streams of a connection begin anew, without or with their data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import click

from airbyte_workers.cli.environment import run
from airbyte_workers.cli.options import LAUNCHER, OUTPUT
from airbyte_workers.cli.output import Exit, Shape
from airbyte_workers.cli.sync import accompany
from airbyte_workers.client import Client, checked
from airbyte_workers.models import ClearInput, RefreshInput
from airbyte_workers.settings import Settings


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """What both take beside the connection."""
    for option in reversed(
        (
            click.argument("connection"),
            click.option(
                "--stream", "streams", multiple=True, metavar="STREAM", help="Only this stream; again for more of them."
            ),
            LAUNCHER,
            click.option(
                "--retries",
                "max_retries",
                type=click.IntRange(min=0),
                help="Retries after a failed attempt; default: the stack's limits.",
            ),
            click.option("--detach", is_flag=True, help="Start it and leave."),
            OUTPUT,
        )
    ):
        command = option(command)
    return command


@click.command("clear")
@_options
@click.pass_context
def clear(context: click.Context, /, output: Shape, *, detach: bool, **typed: Any) -> None:
    """Remove what the destination holds of a CONNECTION's streams, and forget their state.

    The source is not asked; the next sync reads these streams from their beginning. Other streams are left as they
    are. `reset` is another word for it. Ctrl-C and exit codes are those of `sync`.
    """

    async def command(settings: Settings) -> Exit:
        asked = checked(ClearInput, _input(typed))
        async with Client.connect(settings) as client:
            return await accompany(await client.start_clear(asked), output, detach=detach)

    context.exit(run(command, output))


@click.command("refresh")
@_options
@click.option(
    "--merge", "mode", flag_value="merge", default=True, help="Keep what the destination has beside it (the default)."
)
@click.option(
    "--truncate", "mode", flag_value="truncate", help="Replace what the destination has, once all has been read."
)
@click.pass_context
def refresh(
    context: click.Context, /, output: Shape, mode: Literal["merge", "truncate"], *, detach: bool, **typed: Any
) -> None:
    """Read a CONNECTION's streams again from their beginning, and sync its others as ever.

    The destination must know generations (destination.supports_refreshes). Ctrl-C and exit codes are those of `sync`.
    """

    async def command(settings: Settings) -> Exit:
        asked = checked(RefreshInput, _input(typed) | {"mode": mode})
        async with Client.connect(settings) as client:
            return await accompany(await client.start_refresh(asked), output, detach=detach)

    context.exit(run(command, output))


def _input(typed: dict[str, Any]) -> dict[str, Any]:
    return typed | {"streams": typed["streams"] or None}
