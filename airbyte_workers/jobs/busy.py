"""What is told where a connection has a job already: by the client, by the workflow and by the database."""

from __future__ import annotations

from airbyte_workers.names import JobKind


def already_syncing(connection: str, live: str, kind: JobKind = JobKind.SYNC) -> str:
    """`live` names what has the connection's lock; only a sync that is asked for (`kind`) can be joined to it."""
    join = f"follow it with: airbyte-workers sync {connection} --join"
    way_out = join if kind is JobKind.SYNC else "wait for its end, or cancel it with: airbyte-workers jobs cancel"
    return f"connection {connection} is already syncing ({live}); {way_out}"
