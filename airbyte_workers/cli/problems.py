"""What ended a command, as a sentence for whoever typed it."""

from __future__ import annotations

from traceback import walk_tb

import asyncpg
from temporalio.service import RPCError

from airbyte_workers.cli.output import Exit, Problem, bad_input
from airbyte_workers.names import CONNECTION_BUSY
from airbyte_workers.runs import AlreadySyncing, ClientError, InvalidInput, RunCancelled, RunFailed
from airbyte_workers.runtime.database import DatabaseUnusable
from airbyte_workers.runtime.deployments import UnknownVersion, VersionUnclear
from airbyte_workers.runtime.stack import StackError
from airbyte_workers.runtime.temporal import TemporalUnreachable
from airbyte_workers.store.database import MigrationError, is_away
from airbyte_workers.store.objects import StorageError
from airbyte_workers.store.seal_errors import SealError

_TOLD = (
    StackError,
    TemporalUnreachable,
    DatabaseUnusable,
    MigrationError,
    SealError,
    StorageError,
    UnknownVersion,
)


def problem_of(error: Exception) -> Problem | None:
    """The problem, with its type and the exit code that belongs to it; None: a fault of ours, which is not told so."""
    if isinstance(error, ClientError):
        return _of_client(error)
    if isinstance(error, VersionUnclear):
        return bad_input(str(error))
    if isinstance(error, _TOLD):
        return Problem(str(error), type=type(error).__name__)
    if isinstance(error, RPCError):
        return Problem(f"Temporal refused: {error.message}", type="TemporalRefused")
    if is_away(error) and _is_of_postgres(error):
        told = f"PostgreSQL (DATABASE_URL) does not answer: {type(error).__name__}"
        return Problem(told, type=DatabaseUnusable.__name__)
    return None


def _is_of_postgres(error: Exception) -> bool:
    """Whether a statement failed: a lost connection is an OSError like that of any file."""
    frames = walk_tb(error.__traceback__)
    return any(frame.f_globals["__name__"].partition(".")[0] == asyncpg.__name__ for frame, _ in frames)


def _of_client(error: ClientError) -> Problem:
    if isinstance(error, InvalidInput):
        return bad_input(str(error))
    if isinstance(error, AlreadySyncing):
        return Problem(str(error), type=CONNECTION_BUSY, code=Exit.USAGE)
    if isinstance(error, RunCancelled):
        return Problem(str(error), type="Cancelled", code=Exit.CANCELLED)
    if isinstance(error, RunFailed):
        return Problem(str(error), type=error.type or "Failed")
    return Problem(str(error), type=type(error).__name__)
