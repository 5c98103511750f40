"""A PostgreSQL of our own for the whole session, and a fresh migrated database for each test."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from books import Books, opened_books
from desk import Desk
from old_jobs import Archive
from state_pasts import Past

from airbyte_workers.runtime.stack.home import open_home
from airbyte_workers.runtime.stack.ports import choose_ports
from airbyte_workers.runtime.stack.postgres import Postgres
from airbyte_workers.runtime.stack.server import Server
from airbyte_workers.store.database import connected, migrate
from airbyte_workers.store.sealing import Seal

MIGRATED = "migrated"
_numbers = itertools.count()


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = open_home(tmp_path_factory.mktemp("postgres"))
    kind = Postgres(home, choose_ports(home))
    server = Server(kind)
    try:
        asyncio.run(server.start())
        asyncio.run(_make_ready(kind.url))
        yield kind.url
    finally:
        asyncio.run(server.stop())


async def _make_ready(server: str) -> None:
    """Nothing outlives the session, so nothing waits for the disk; a migrated database is copied, not made again."""
    connection = await asyncpg.connect(server)
    for setting in ("fsync", "full_page_writes", "synchronous_commit"):
        await connection.execute(f"alter system set {setting} = off")
    await connection.execute("select pg_reload_conf()")
    await connection.execute(f"create database {MIGRATED}")
    await connection.close()
    async with connected(_url(server, MIGRATED), size=1, timeout=20) as pool:
        await migrate(pool)


def _url(server: str, database: str) -> str:
    return server.replace("/airbyte_workers?", f"/{database}?")


async def _made(server: str, template: str) -> str:
    name = f"test_{next(_numbers)}"
    connection = await asyncpg.connect(server)
    await connection.execute(f"create database {name} template {template} strategy file_copy")
    await connection.close()
    return _url(server, name)


@pytest.fixture
async def empty_url(server_url: str) -> str:
    return await _made(server_url, "template1")


@pytest.fixture
async def url(server_url: str) -> str:
    """Where `db` is."""
    return await _made(server_url, MIGRATED)


@pytest.fixture
async def db(url: str) -> AsyncIterator[asyncpg.Pool]:
    async with connected(url, size=8, timeout=20) as pool:
        yield pool


@pytest.fixture
def seal() -> Seal:
    return Seal(b"k" * 32)


@pytest.fixture
def desk(db: asyncpg.Pool, seal: Seal, tmp_path: Path) -> Desk:
    return Desk(db, seal, tmp_path)


@pytest.fixture
def past(db: asyncpg.Pool, seal: Seal) -> Past:
    return Past(db, seal)


@pytest.fixture
def archive(db: asyncpg.Pool, tmp_path: Path) -> Archive:
    return Archive(db, tmp_path)


@pytest.fixture
def books(empty_url: str) -> Iterator[Books]:
    with opened_books(empty_url) as opened:
        yield opened
