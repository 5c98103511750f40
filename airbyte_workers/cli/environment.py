"""How a command runs: with the settings of the environment, to its exit code."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable

from temporalio.service import RPCError

from airbyte_workers.cli.output import Exit, Problem, Shape, bad_input, end_with
from airbyte_workers.client import read_settings
from airbyte_workers.names import CONNECTION_BUSY
from airbyte_workers.runs import AlreadySyncing, ClientError, InvalidInput, RunCancelled, RunFailed
from airbyte_workers.runtime.database import DatabaseUnusable
from airbyte_workers.runtime.stack import StackError
from airbyte_workers.runtime.temporal import TemporalUnreachable
from airbyte_workers.settings import Settings
from airbyte_workers.store.database import MigrationError
from airbyte_workers.store.objects import StorageError
from airbyte_workers.store.sealing import SealError
from airbyte_workers.telemetry import logs


def run(command: Callable[[Settings], Awaitable[Exit]], shape: Shape = "text") -> Exit:
    """Run a command to its exit code; whatever a person can mend is told in one sentence."""
    try:
        return asyncio.run(_run(command))
    except Problem as problem:
        end_with(problem, shape)
    except ClientError as error:
        end_with(_told(error), shape)
    except (StackError, TemporalUnreachable, DatabaseUnusable, MigrationError, SealError, StorageError) as error:
        end_with(Problem(str(error), type=type(error).__name__), shape)
    except RPCError as error:
        end_with(Problem(f"Temporal refused: {error.message}", type="TemporalRefused"), shape)
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except KeyboardInterrupt:
        end_with(Problem("interrupted", type="Interrupted", code=Exit.INTERRUPTED), shape)


def _told(error: ClientError) -> Problem:
    """What the client says of a run, with the type of its failure and the exit code that belongs to it."""
    if isinstance(error, InvalidInput):
        return bad_input(str(error))
    if isinstance(error, AlreadySyncing):
        return Problem(str(error), type=CONNECTION_BUSY, code=Exit.USAGE)
    if isinstance(error, RunCancelled):
        return Problem(str(error), type="Cancelled", code=Exit.CANCELLED)
    if isinstance(error, RunFailed):
        return Problem(str(error), type=error.type or "Failed")
    return Problem(str(error), type=type(error).__name__)


async def _run(command: Callable[[Settings], Awaitable[Exit]]) -> Exit:
    settings = read_settings()
    logs.configure("WARNING", settings.log_format)  # the long-running commands say more
    return await command(settings)
