"""The job database as programs reach it; clients read and hand over, they never migrate."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg

from airbyte_workers.settings import Settings
from airbyte_workers.store.database import MigrationError, connected, pending_migrations

_PLACE = re.compile(r"\('([^']+)', (\d+)")  # as asyncio tells where it tried


class DatabaseUnusable(Exception):
    """The job database cannot be reached, or not be used as it is; the message says what to do."""


@asynccontextmanager
async def reached(settings: Settings, *, size: int) -> AsyncIterator[asyncpg.Pool]:
    """A pool on the job database, whatever its schema. Raises DatabaseUnusable."""
    if settings.database_url is None:
        raise DatabaseUnusable("set DATABASE_URL: TEMPORAL_ADDRESS alone does not say where the jobs are kept")
    async with AsyncExitStack() as stack:
        pool = connected(settings.database_url, size=size, timeout=settings.database_timeout_s)
        try:
            db = await stack.enter_async_context(pool)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError, OverflowError) as error:
            raise DatabaseUnusable(f"cannot reach PostgreSQL (DATABASE_URL): {_said(error)}") from None
        yield db


@asynccontextmanager
async def job_database(settings: Settings) -> AsyncIterator[asyncpg.Pool]:
    """The job database, checked to be one that this version can read. Raises DatabaseUnusable."""
    async with reached(settings, size=2) as db:
        try:
            pending = await pending_migrations(db)
        except MigrationError as error:
            raise DatabaseUnusable(str(error)) from None
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise DatabaseUnusable(f"PostgreSQL (DATABASE_URL) does not answer: {_said(error)}") from None
        if pending:
            raise DatabaseUnusable(
                "the database is not migrated yet: run `airbyte-workers db migrate`, or `airbyte-workers worker`"
            )
        yield db


def _said(error: Exception) -> str:
    """Why, without the address: it may hold a password."""
    if isinstance(error, ValueError | OverflowError):
        return "the address is not one that PostgreSQL's clients understand"
    if isinstance(error, ConnectionRefusedError) and (place := _PLACE.search(str(error))):
        return f"connection refused at {place[1]}:{place[2]}; does it run there?"
    words = error.strerror if isinstance(error, OSError) else None
    return words or str(error) or "no answer in time"
