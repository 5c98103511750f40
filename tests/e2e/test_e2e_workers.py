"""Temporal workers started by themselves: one that stops leaves its pods alone, the other goes on watching them."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from dataclasses import replace

import pytest
from e2e_support import Place, Running, catalog, until

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(180)]
SETTINGS = {
    "ALLOW_LOCAL_COMMANDS": "true",
    "AIRBYTE_WORKERS_HEARTBEAT_TIMEOUT_S": "60",
    "AIRBYTE_WORKERS_WORKER_SHUTDOWN_TIMEOUT_S": "5",
}


def shared(place: Place) -> Place:
    """The embedded servers as a shared stack: a database of its own on them, and a namespace of its own."""
    told = place.stack()
    return replace(
        place,
        variables=place.variables
        | SETTINGS
        | {
            "DATABASE_URL": told["database_url"].replace("/airbyte_workers?", "/postgres?"),
            "TEMPORAL_ADDRESS": told["temporal_address"],
            "TEMPORAL_NAMESPACE": "shared",
        },
    )


@pytest.fixture
def workers(alone: Place) -> object:
    with ExitStack() as running:
        local = running.enter_context(alone.started("local"))
        local.until_said("ready; Ctrl-C stops it")
        yield alone, running
        local.process.send_signal(signal.SIGTERM)
        assert local.ended().code == 0
