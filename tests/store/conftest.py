"""A PostgreSQL of our own for the whole session, and a fresh migrated database for each test."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from desk import Desk

from airbyte_workers.runtime.stack.home import open_home
from airbyte_workers.runtime.stack.ports import choose_ports
from airbyte_workers.runtime.stack.postgres import Postgres
from airbyte_workers.runtime.stack.server import Server
from airbyte_workers.store.database import connected, migrate
from airbyte_workers.store.sealing import Seal

_numbers = itertools.count()


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = open_home(tmp_path_factory.mktemp("postgres"))
    kind = Postgres(home, choose_ports(home))
    server = Server(kind)
    try:
        asyncio.run(server.start())
        yield kind.url
    finally:
        asyncio.run(server.stop())


@pytest.fixture
async def empty_url(server_url: str) -> str:
    name = f"test_{next(_numbers)}"
    connection = await asyncpg.connect(server_url)
    await connection.execute(f"create database {name}")
    await connection.close()
    return server_url.replace("/airbyte_workers?", f"/{name}?")


@pytest.fixture
async def db(empty_url: str) -> AsyncIterator[asyncpg.Pool]:
    async with connected(empty_url, size=8, timeout=20) as pool:
        await migrate(pool)
        yield pool


@pytest.fixture
def seal() -> Seal:
    return Seal(b"k" * 32)


@pytest.fixture
def desk(db: asyncpg.Pool, seal: Seal, tmp_path: Path) -> Desk:
    return Desk(db, seal, tmp_path)
