"""What several commands are given."""

from __future__ import annotations

from typing import get_args

import click

from airbyte_workers.names import LauncherChoice


class Number(click.IntRange):
    """The number of a row; `name` says of what, for who mistypes it."""

    def __init__(self, name: str) -> None:
        super().__init__(1, 2**63 - 1)
        self.name = name


JOB = click.argument("job_id", type=Number("job number"))
LAUNCHER = click.option("--launcher", type=click.Choice(get_args(LauncherChoice)), help="What runs the connectors.")
OUTPUT = click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", help="Shape of the result."
)
