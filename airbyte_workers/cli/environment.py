"""Where a command works: the stack that the environment names, or the embedded one."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

import asyncpg
from pydantic import ValidationError

from airbyte_workers.cli.output import Exit, Problem, Shape, bad_input, end_with
from airbyte_workers.runtime.payloads import problems_of
from airbyte_workers.runtime.stack import StackError, connected_stack
from airbyte_workers.runtime.temporal import TemporalUnreachable
from airbyte_workers.settings import Settings
from airbyte_workers.store.database import MigrationError, connected, pending_migrations
from airbyte_workers.store.objects import StorageError
from airbyte_workers.telemetry import logs

T = TypeVar("T")


def read_settings() -> Settings:
    """The settings of the environment. Raises Problem."""
    try:
        return Settings()
    except ValidationError as error:
        raise bad_input("settings: " + "; ".join(problems_of(error))) from None


def is_embedded(settings: Settings) -> bool:
    """Whether nobody said where a stack is."""
    return settings.temporal_address is None and settings.database_url is None


@asynccontextmanager
async def stack_settings(settings: Settings) -> AsyncIterator[Settings]:
    """The settings with every address filled in; the embedded stack runs for as long as the block."""
    if not is_embedded(settings):
        yield settings
        return
    async with connected_stack(settings) as stack:
        yield stack.applied_to(settings)


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[asyncpg.Pool]:
    """The job database, checked to be one this version can read. Raises Problem."""
    if settings.database_url is None:
        raise bad_input("set DATABASE_URL: TEMPORAL_ADDRESS alone does not say where the jobs are kept")
    async with AsyncExitStack() as stack:
        pool = connected(settings.database_url, size=2, timeout=settings.database_timeout_s)
        try:
            db = await stack.enter_async_context(pool)
            pending = await pending_migrations(db)
        except (OSError, asyncpg.PostgresConnectionError, asyncpg.InvalidPasswordError, TimeoutError) as error:
            raise Problem(f"cannot reach PostgreSQL (DATABASE_URL): {str(error) or 'no answer in time'}") from None
        if pending:
            raise Problem("the database is not migrated yet: run `airbyte-workers db migrate`, or start a worker")
        yield db


def run(command: Callable[[Settings], Awaitable[Exit]], shape: Shape = "text") -> Exit:
    """Run a command to its exit code; whatever a person can mend is told in one sentence."""
    try:
        return asyncio.run(_run(command))
    except Problem as problem:
        end_with(problem, shape)
    except (StackError, TemporalUnreachable, MigrationError, StorageError) as error:
        end_with(Problem(str(error), type=type(error).__name__), shape)
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except KeyboardInterrupt:
        end_with(Problem("interrupted", type="Interrupted", code=Exit.INTERRUPTED), shape)


async def _run(command: Callable[[Settings], Awaitable[Exit]]) -> Exit:
    settings = read_settings()
    logs.configure("WARNING", settings.log_format)  # the long-running commands say more
    return await command(settings)
