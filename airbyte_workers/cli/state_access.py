"""What every `state` command begins with: the database, the connection, points of the past as people write them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import click

from airbyte_workers.cli.output import Exit, Problem, bad_input
from airbyte_workers.cli.state_points import FORMS, point
from airbyte_workers.names import CONNECTION_BUSY
from airbyte_workers.replication.state_history import Point
from airbyte_workers.runtime.database import DatabaseUnusable, job_database
from airbyte_workers.runtime.stack import stack_settings
from airbyte_workers.settings import Settings
from airbyte_workers.store.connections import ConnectionBusy, Refused
from airbyte_workers.store.database import is_away


def _checked(context: click.Context, parameter: click.Parameter, written: str | None) -> Point | None:
    try:
        return None if written is None else point(written, datetime.now(UTC))
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from None


def point_option(name: str, help: str, *, required: bool = False) -> Callable[[Any], Any]:
    """An option that takes a point of the past, as the argument `<name>_point`."""
    return click.option(
        f"--{name}",
        f"{name}_point",
        callback=_checked,
        required=required,
        metavar="JOB|@ENTRY|TIME",
        help=f"{help}: {FORMS}.",
    )


@asynccontextmanager
async def states_of(settings: Settings, doing: str = "") -> AsyncIterator[asyncpg.Pool]:
    """The job database; what it refuses is told in a sentence. `doing`: what may or may not be done if it goes away."""
    try:
        async with stack_settings(settings) as where, job_database(where) as db:
            yield db
    except ConnectionBusy as error:
        raise Problem(str(error), type=CONNECTION_BUSY, code=Exit.USAGE) from None
    except Refused as error:
        raise bad_input(str(error)) from None
    except BrokenPipeError:
        raise
    except Exception as error:
        if not is_away(error):
            raise
        unknown = f"; whether {doing} is not known: look with `state log`" if doing else ""
        raise DatabaseUnusable(f"PostgreSQL (DATABASE_URL) does not answer: {type(error).__name__}{unknown}") from None
