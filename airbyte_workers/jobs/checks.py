"""Which connectors must pass their check before an attempt (decisions.md, "Connections and safety")."""

from __future__ import annotations

from airbyte_workers.names import JobKind, Role

ORDER = (Role.SOURCE, Role.DESTINATION)


def checks_before(kind: JobKind, attempt: int, *, previous_succeeded: bool) -> tuple[Role, ...]:
    """In their order; `attempt` counts from 0. After a success nothing is checked; a clear reads no source."""
    if attempt == 0 and previous_succeeded:
        return ()
    return (Role.DESTINATION,) if kind is JobKind.CLEAR else ORDER
