"""The store for tests that know no coroutines, and a connection that breaks when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg

from airbyte_workers.store.database import connected, migrate

R = TypeVar("R")
Call = Callable[[Any], Coroutine[Any, Any, R]]  # what is done with a pool
_STATEMENTS = frozenset({"execute", "executemany", "fetch", "fetchrow", "fetchval"})


@dataclass(frozen=True)
class Books:
    """One database, one pool, one event loop."""

    db: asyncpg.Pool
    _runner: asyncio.Runner

    def run(self, call: Call[R]) -> R:
        """Do it, in this database."""
        return self._runner.run(call(self.db))

    def run_twice(self, call: Call[R]) -> list[R | BaseException]:
        """Two who do the same at the same time."""

        async def both() -> list[R | BaseException]:
            return await asyncio.gather(call(self.db), call(self.db), return_exceptions=True)

        return self._runner.run(both())

    def run_broken(self, call: Call[R], statements: int) -> R:
        """Do it over a connection that breaks after so many statements. Raises ConnectionResetError."""
        return self._runner.run(call(_BreakingPool(self.db, statements)))


@contextmanager
def opened_books(url: str) -> Iterator[Books]:
    """Books in an empty database; what they lose when the machine loses its power is not what is tested."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        runner.run(_without_waiting_for_the_disk(url))
        db = runner.run(stack.enter_async_context(connected(url, size=3, timeout=30)))
        try:
            runner.run(migrate(db))
            yield Books(db, runner)
        finally:
            runner.run(stack.aclose())


async def _without_waiting_for_the_disk(url: str) -> None:
    connection = await asyncpg.connect(url)
    name: str = await connection.fetchval("select current_database()")
    await connection.execute(f"alter database {name} set synchronous_commit = off")
    await connection.close()


class _BreakingPool:
    def __init__(self, pool: asyncpg.Pool, statements: int) -> None:
        self._pool = pool
        self._left = statements

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[_BreakingSession]:
        async with self._pool.acquire() as session:
            yield _BreakingSession(session, self)

    def spend(self) -> None:
        if self._left == 0:
            raise ConnectionResetError("the connection is gone")
        self._left -= 1


class _BreakingSession:
    def __init__(self, session: Any, pool: _BreakingPool) -> None:
        self._session = session
        self._pool = pool

    def __getattr__(self, name: str) -> Any:
        if name in _STATEMENTS:
            self._pool.spend()
        return getattr(self._session, name)
