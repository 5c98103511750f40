"""A stack that is known by its addresses, as an administrator has it, and Temporal workers for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

from e2e_support import Place, Running

SERVERS = str(Path(__file__).with_name("e2e_servers.py"))


@contextmanager
def addressed(alone: Place) -> Iterator[Place]:
    """Its servers, without any worker."""
    with alone.serving(SERVERS, program=sys.executable, ready="ready"):
        told = alone.stack()
        addresses = {"DATABASE_URL": told["database_url"], "TEMPORAL_ADDRESS": told["temporal_address"]}
        yield replace(alone, variables=alone.variables | addresses | {"ALLOW_LOCAL_COMMANDS": "true"})


def working(place: Place, *options: str) -> AbstractContextManager[Running]:
    """A worker that is ready, and stops in order with the block."""
    return place.serving("worker", *options, ready="polling ")
