"""What a connector did that no sync can go on with, as failures."""

from __future__ import annotations

from airbyte_workers.jobs.failures import of_sync
from airbyte_workers.models import Failure, FailureOrigin, FailureType
from airbyte_workers.names import Role
from airbyte_workers.replication.lines import LineTooLong
from airbyte_workers.replication.words import stream_hint


def too_long(origin: FailureOrigin, error: LineTooLong) -> Failure:
    """One message is longer than may be held."""
    hint = stream_hint(error.head)
    return of_sync(
        origin,
        FailureType.MESSAGE_TOO_LONG,
        f"the {origin} sent a message of more than {error.size:,} bytes{hint}; MAX_MESSAGE_BYTES is the limit",
    )


def never_opened(role: Role, timeout: float) -> Failure:
    """The connector took too long to start, in seconds."""
    message = f"the {role} did not start within {timeout:g} s"
    return of_sync(FailureOrigin(role), FailureType.NEVER_OPENED, message)
