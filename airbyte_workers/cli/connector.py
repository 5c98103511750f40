"""`airbyte-workers connector`: commands about connectors themselves."""

from __future__ import annotations

import click

from airbyte_workers.cli.groups import LazyGroup, Place

_PLACES = {
    "test": Place(
        "connector_test", "test", "Try everything that a sync asks of the connector IMAGE, and tell what it stands."
    ),
}


@click.group(cls=LazyGroup, places=_PLACES)
def connector() -> None:
    """Put a connector through its paces: what it will do to your syncs, before it does."""
