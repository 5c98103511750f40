"""Groups whose commands are imported when they are asked for: a list of commands needs none of their libraries."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click


class Place(NamedTuple):
    """Where this package has a command, and the first sentence of its help; without one it is not listed."""

    module: str
    name: str
    summary: str = ""


class LazyGroup(click.Group):
    """`commands` are stand-ins, for lists and for "did you mean"; `get_command` gives the command itself."""

    def __init__(self, *args: Any, places: Mapping[str, Place], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._places = places
        self.commands = {
            word: click.Command(word, help=place.summary) for word, place in places.items() if place.summary
        }

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = self._places.get(cmd_name)
        if place is None:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(import_module(f"{__package__}.{place.module}"), place.name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        click.Group(commands=self.commands).format_commands(ctx, formatter)
