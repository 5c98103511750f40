"""A stack that is known by its addresses, as an administrator has it, and Temporal workers for it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from e2e_support import Place, Running

SERVERS = str(Path(__file__).with_name("e2e_servers.py"))


@contextmanager
def addressed(alone: Place) -> Iterator[Place]:
    """Its servers, without any worker."""
    with alone.started(SERVERS, program=sys.executable) as servers:
        servers.until_said("ready")
        told = alone.stack()
        addresses = {"DATABASE_URL": told["database_url"], "TEMPORAL_ADDRESS": told["temporal_address"]}
        yield replace(alone, variables=alone.variables | addresses | {"ALLOW_LOCAL_COMMANDS": "true"})
        servers.process.send_signal(signal.SIGTERM)
        assert servers.ended().code == 0, servers.err


@contextmanager
def working(place: Place, *options: str) -> Iterator[Running]:
    """A worker that is ready, and stops in order with the block."""
    with place.started("worker", *options) as worker:
        worker.until_said("polling ")
        yield worker
        worker.process.send_signal(signal.SIGTERM)
        assert worker.ended().code == 0, worker.err
