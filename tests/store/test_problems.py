"""A database that goes away in the middle of a command is a sentence for whoever typed it; what else fails is not."""

from __future__ import annotations

from collections.abc import Awaitable

import asyncpg
import pytest

from airbyte_workers.cli.problems import problem_of
from airbyte_workers.store.database import connected
from airbyte_workers.store.objects import StorageError


async def error_of(asked: Awaitable[object]) -> Exception:
    try:
        await asked
    except Exception as error:
        return error
    pytest.fail("nothing went wrong")


async def test_a_session_that_is_ended_in_mid_query_is_told(db: asyncpg.Pool) -> None:
    problem = problem_of(await error_of(db.execute("select pg_terminate_backend(pg_backend_pid())")))
    assert problem is not None
    assert str(problem).startswith("PostgreSQL (DATABASE_URL) does not answer: ")
    assert problem.type == "DatabaseUnusable"


async def test_a_query_that_gets_no_answer_in_time_is_told(empty_url: str) -> None:
    async with connected(empty_url, size=1, timeout=5) as db:
        problem = problem_of(await error_of(db.execute("select pg_sleep(60)", timeout=0.01)))
    assert str(problem) == "PostgreSQL (DATABASE_URL) does not answer: TimeoutError"


async def test_a_server_that_is_gone_is_told() -> None:
    problem = problem_of(await error_of(asyncpg.connect("postgresql://127.0.0.1:9/jobs")))
    assert str(problem) == "PostgreSQL (DATABASE_URL) does not answer: ConnectionRefusedError"


async def test_a_statement_that_is_wrong_is_a_fault_of_ours(db: asyncpg.Pool) -> None:
    assert problem_of(await error_of(db.execute("select nothing from nowhere"))) is None


def test_what_fails_elsewhere_is_no_matter_of_the_database() -> None:
    assert problem_of(ConnectionResetError("by a peer")) is None
    assert str(problem_of(StorageError("no bucket"))) == "no bucket"
