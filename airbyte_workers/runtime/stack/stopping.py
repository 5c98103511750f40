"""Being told to stop, and stopping within a time limit."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from typing import TypeVar

import structlog

log = structlog.get_logger(__name__)

T = TypeVar("T")

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequest:
    """Ctrl-C, SIGTERM or a closed terminal: breaks off a start, ends a run in good order; the first one counts."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._starting = asyncio.current_task()

    def __call__(self) -> None:
        starting, self._starting = self._starting, None
        if starting and not self._asked.is_set():
            starting.cancel()
        self._asked.set()

    @property
    def asked(self) -> bool:
        """Whether somebody asked."""
        return self._asked.is_set()

    def started(self) -> None:
        """From now on a request is heard by `within`, and breaks nothing off."""
        self._starting = None

    async def within(self, seconds: float) -> bool:
        """Whether somebody asks in the next seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._asked.wait()
        except TimeoutError:
            return False
        return True


@contextmanager
def stop_signals() -> Iterator[StopRequest]:
    """Turn those signals into a request for the length of a block, which ends quietly when it is broken off."""
    loop, request = asyncio.get_running_loop(), StopRequest()
    task = asyncio.current_task()
    heard = [number for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]  # nohup
    for number in heard:
        loop.add_signal_handler(number, request)
    try:
        yield request
    except asyncio.CancelledError:
        if not request.asked or task is None or task.uncancel():
            raise
    finally:
        for number in heard:
            loop.remove_signal_handler(number)


@asynccontextmanager
async def ending_within(context: AbstractAsyncContextManager[T], seconds: float) -> AsyncIterator[T]:
    """The same context, but its end may take only so long; what it did not end is left to the caller."""
    async with AsyncExitStack() as exits:
        value = await exits.enter_async_context(context)
        try:
            yield value
        finally:
            try:
                async with asyncio.timeout(seconds):
                    await exits.aclose()
            except TimeoutError:
                log.exception("the Temporal workers did not end in time", seconds=seconds)
