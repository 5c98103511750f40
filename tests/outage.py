"""A way to a test's database that can be cut: connections break, new ones are refused, until it is there again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg


class Way:
    """Passes bytes on, both ways, while it is open; its own port stays the same."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._port = 0
        self._passing: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The same database, by this way."""
        parts = self._parts
        address = f"{parts.username}:{parts.password}@127.0.0.1:{self._port}"
        return parts._replace(netloc=address).geturl()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        passing = [*self._passing]
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)
        await self._server.wait_closed()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        for one, other in ((reader, back), (there, writer)):
            task = asyncio.create_task(_copy(one, other))
            self._passing.add(task)
            task.add_done_callback(self._passing.discard)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while some := await reader.read(65536):
            writer.write(some)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.transport.abort()


async def url_of(db: asyncpg.Pool, server_url: str) -> str:
    """How to connect to the database of this pool."""
    name = await db.fetchval("select current_database()")
    return urlsplit(server_url)._replace(path=f"/{name}").geturl()


@asynccontextmanager
async def way_to(db: asyncpg.Pool, server_url: str) -> AsyncIterator[Way]:
    """A way to the database of this pool, open at first."""
    way = Way(await url_of(db, server_url))
    await way.open()
    try:
        yield way
    finally:
        await way.cut()
