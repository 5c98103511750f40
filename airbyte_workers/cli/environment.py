"""Where a command works: the stack that the environment names, or the embedded one."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from pydantic import ValidationError
from temporalio.service import RPCError

from airbyte_workers.cli.output import Exit, Problem, Shape, bad_input, end_with
from airbyte_workers.names import CONNECTION_BUSY
from airbyte_workers.runs import AlreadySyncing, ClientError, InvalidInput, RunCancelled, RunFailed
from airbyte_workers.runtime.database import DatabaseUnusable
from airbyte_workers.runtime.payloads import problems_of
from airbyte_workers.runtime.stack import StackError, connected_stack
from airbyte_workers.runtime.temporal import TemporalUnreachable
from airbyte_workers.settings import Settings
from airbyte_workers.store.database import MigrationError
from airbyte_workers.store.objects import StorageError
from airbyte_workers.store.sealing import SealError
from airbyte_workers.telemetry import logs


def read_settings() -> Settings:
    """The settings of the environment. Raises Problem."""
    try:
        return Settings()
    except ValidationError as error:
        raise bad_input("settings: " + "; ".join(problems_of(error))) from None


@asynccontextmanager
async def stack_settings(settings: Settings) -> AsyncIterator[Settings]:
    """The settings with every address filled in; the embedded stack runs for as long as the block."""
    if not settings.is_embedded:
        yield settings
        return
    async with connected_stack(settings) as stack:
        yield stack.applied_to(settings)


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
