"""Work that goes on while a block runs, and work that blocks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

T = TypeVar("T")


@asynccontextmanager
async def alongside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run it until the block ends. No TaskGroup: it would wrap the block's own error, which others know by its type."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def apart(look: Callable[[], T]) -> T:
    """What `look` returns or raises. A folder on a server that is away blocks its thread for ever; the executor's own
    threads are waited for at the end of the event loop, this one is not."""
    loop = asyncio.get_running_loop()
    seen: asyncio.Future[T] = loop.create_future()

    def tell(act: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(lambda: None if seen.done() else act())

    def run() -> None:
        try:
            found = look()
        except BaseException as error:  # whatever it is, it is the caller's
            failure = error
            tell(lambda: seen.set_exception(failure))
        else:
            tell(lambda: seen.set_result(found))

    threading.Thread(target=run, name="apart", daemon=True).start()
    return await seen
