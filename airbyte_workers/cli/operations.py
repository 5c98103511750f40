"""`airbyte-workers spec`, `check`, `discover`: ask one connector one thing."""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click

from airbyte_workers.cli.environment import run
from airbyte_workers.cli.follow import Interrupted, follow, left
from airbyte_workers.cli.options import LAUNCHER, OUTPUT
from airbyte_workers.cli.output import Exit, Shape, bad_input, show, show_json
from airbyte_workers.cli.sync_file import read_object
from airbyte_workers.cli.tables import Column, table, terminal_width
from airbyte_workers.client import Client, Run, checked
from airbyte_workers.models import CheckInput, CheckResult, DiscoverInput, DiscoverResult, SpecInput, Typed
from airbyte_workers.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])
R = TypeVar("R")
T = TypeVar("T", bound=Typed)
_STREAM_COLUMNS = (
    Column("stream", least=12),
    Column("sync modes", least=12),
    Column("cursor", least=8),
    Column("primary key", least=8),
    Column("fields", right=True),
)
_OBJECT_COLUMNS = (Column("object", least=12), Column("sync mode"))
_CONFIG = click.option(
    "--config", type=click.Path(path_type=Path), help="The config, YAML or JSON; - reads standard input."
)


def _connector(command: F) -> F:
    """What every question needs: which connector, what runs it, and in which shape the answer is told."""
    for option in (
        OUTPUT,
        LAUNCHER,
        click.option("--command", "words", metavar="COMMAND", help="A command of this machine instead of an image."),
        click.argument("image", required=False),
    ):
        command = option(command)
    return command


@click.command()
@_connector
@click.pass_context
def spec(context: click.Context, /, output: Shape, **options: Any) -> None:
    """Show what the connector IMAGE can be configured with: its spec, as JSON."""

    async def asked(client: Client, input: SpecInput) -> Exit:
        answer = await _answer(await client.start_spec(input))
        show_json(answer.model_dump(mode="json") if output == "json" else answer.spec)
        return Exit.DONE

    context.exit(run(_asking(options, SpecInput, asked), output))


@click.command()
@_connector
@_CONFIG
@click.pass_context
def check(context: click.Context, /, output: Shape, **options: Any) -> None:
    """Test whether the connector IMAGE can work with a config. Exit codes: 0 it can, 1 it cannot, 2 bad input."""

    async def asked(client: Client, input: CheckInput) -> Exit:
        answer: CheckResult = await _answer(await client.start_check(input))
        if output == "json":
            show_json(answer.model_dump(mode="json"))
        else:
            show(f"check {answer.status}" + (f": {answer.message}" if answer.message else ""))
        return Exit.DONE if answer.status == "succeeded" else Exit.FAILED

    context.exit(run(_asking(options, CheckInput, asked), output))


@click.command()
@_connector
@_CONFIG
@click.pass_context
def discover(context: click.Context, /, output: Shape, **options: Any) -> None:
    """List the streams that the connector IMAGE finds with a config; the catalog is stored."""

    async def asked(client: Client, input: DiscoverInput) -> Exit:
        answer = await client.whole(await _answer(await client.start_discover(input)))
        if output == "json":
            show_json(answer.model_dump(mode="json"))
        else:
            show("\n".join(_table(answer, terminal_width())))
            show(f"the whole catalog: airbyte-workers catalog show {answer.catalog_id}")
        return Exit.DONE

    context.exit(run(_asking(options, DiscoverInput, asked), output))


def _asking(
    options: dict[str, Any], form: type[T], asked: Callable[[Client, T], Awaitable[Exit]]
) -> Callable[[Settings], Awaitable[Exit]]:
    async def command(settings: Settings) -> Exit:
        input = checked(form, _input(options))  # what is wrong as it stands starts no stack
        async with Client.connect(settings) as client:
            return await asked(client, input)

    return command


async def _answer(started: Run[R]) -> R:
    try:
        return await follow(started, started.result)
    except Interrupted:
        raise left() from None


def _input(options: dict[str, Any]) -> dict[str, Any]:
    """What was typed, as the workflow's input. Raises Problem."""
    image, words = options["image"], options["words"]
    if (image is None) == (words is None):
        raise bad_input("give either an image or --command")
    content: dict[str, Any] = {"image": image} if image is not None else {"command": _split(words)}
    if options.get("config") is not None:
        content["config"] = read_object(options["config"])
    if options["launcher"] is not None:
        content["launcher"] = options["launcher"]
    return content


def _split(words: str) -> list[str]:
    try:
        return shlex.split(words)
    except ValueError as error:
        raise bad_input(f"--command: {error}") from None


def _table(answer: DiscoverResult, width: int | None) -> Iterator[str]:
    catalog = answer.catalog or {}
    if "operations" in catalog:
        objects = [(str(each.get("object_name", "")), str(each.get("sync_mode", ""))) for each in catalog["operations"]]
        return table(_OBJECT_COLUMNS, objects, width)
    return table(_STREAM_COLUMNS, [_row(stream) for stream in catalog.get("streams", [])], width)


def _row(stream: dict[str, Any]) -> tuple[str, ...]:
    name = stream.get("name", "")
    namespace = stream.get("namespace")
    key = stream.get("source_defined_primary_key") or []
    fields = (stream.get("json_schema") or {}).get("properties") or {}
    return (
        f"{namespace}.{name}" if namespace else str(name),
        ", ".join(stream.get("supported_sync_modes") or []),
        ".".join(stream.get("default_cursor_field") or []),
        ", ".join(".".join(path) for path in key),
        str(len(fields)),
    )
