"""Looks that block, each in a thread that nobody waits for longer than its check may take."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


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

    threading.Thread(target=run, name="doctor", daemon=True).start()
    return await seen
