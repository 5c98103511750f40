"""`airbyte-workers example`: an input that works, to begin with."""

from __future__ import annotations

import json
import shlex

import click

from airbyte_workers.cli.inputs import start_line
from airbyte_workers.cli.output import say, show
from airbyte_workers.models import CheckInput, ClearInput, DiscoverInput, RefreshInput, SpecInput, SyncInput, Typed

FAKER = "airbyte/source-faker:7.2.1"
_CONFIG = {"count": 100, "seed": 1}
EXAMPLES: dict[str, Typed] = {
    "sync": SyncInput.model_validate(
        {
            "connection": "example",
            "source": {"image": FAKER, "config": _CONFIG},
            "destination": {"command": ["destination-jsonl"], "config": {"path": "example"}},
            "streams": [{"name": "users", "sync_mode": "full_refresh"}],
        }
    ),
    "check": CheckInput.model_validate({"image": FAKER, "config": _CONFIG}),
    "discover": DiscoverInput.model_validate({"image": FAKER, "config": _CONFIG}),
    "clear": ClearInput(connection="example"),
    "refresh": RefreshInput(connection="example", mode="truncate"),
    "spec": SpecInput.model_validate({"image": FAKER}),
}
"""By the word that names them."""


@click.command()
@click.argument("operation", type=click.Choice(sorted(EXAMPLES)), metavar="OPERATION")
def example(operation: str) -> None:
    """Print a valid input as JSON (standard output) and the command that starts it (standard error)."""
    input = EXAMPLES[operation].model_dump(mode="json", exclude_defaults=True)
    show(json.dumps(input, indent=2))
    say(start_line(operation.capitalize(), f"{operation}/example", f"--input {shlex.quote(json.dumps(input))}"))
