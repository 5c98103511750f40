"""What Ctrl-C does: to a job that is followed (end it, or only leave it), and to a command that works by itself."""

from __future__ import annotations

import asyncio
import getpass
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any

from airbyte_workers.cli.output import Exit, Problem, say
from airbyte_workers.runs import Run

OnCtrlC = Callable[[Run[Any]], AbstractAsyncContextManager[asyncio.Event]]
"""For as long as a run is followed; the event is set when the command shall leave it."""


@asynccontextmanager
async def cancelled_by_ctrl_c(run: Run[Any]) -> AsyncIterator[asyncio.Event]:
    """First: cancel the job. Second: end its pods at once. Third: leave (the event is set)."""
    leave = asyncio.Event()
    presses, cancelling = 0, list[asyncio.Task[None]]()
    async with asyncio.TaskGroup() as tasks:

        def press() -> None:
            nonlocal presses
            presses += 1
            if presses == 1:
                say(f"cancelling the job: {run.ending} (Ctrl-C again: at once)")
            elif presses == 2:
                say("ending the job's pods at once (Ctrl-C again: leave without waiting)")
            else:
                leave.set()
                return
            cancelling.append(tasks.create_task(_cancel(run, now=presses == 2)))

        try:
            with _pressed(press):
                yield leave
        finally:
            for task in cancelling if leave.is_set() else ():
                task.cancel()


@asynccontextmanager
async def left_by_ctrl_c(_: Run[Any]) -> AsyncIterator[asyncio.Event]:
    """Once is enough: the job goes on without whoever looks at it."""
    leave = asyncio.Event()
    with _pressed(leave.set):
        yield leave


def whoever_asks() -> str:
    """The person at this terminal, as the job's past names them."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "somebody"
    return f"{user}@{socket.gethostname()}"


@contextmanager
def every_signal_heard() -> Iterator[None]:
    """What ends a program in order does so as Ctrl-C does: nothing must be left behind."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    heard = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) is not signal.SIG_IGN]
    ended = False

    def end() -> None:
        nonlocal ended
        ended = True
        task.cancel()

    for each in heard:
        loop.add_signal_handler(each, end)
    try:
        yield
    except asyncio.CancelledError:
        if not ended:
            raise
        raise Problem("interrupted", type="Interrupted", code=Exit.INTERRUPTED) from None
    finally:
        for each in heard:
            loop.remove_signal_handler(each)


@contextmanager
def _pressed(press: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, press)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def _cancel(run: Run[Any], *, now: bool) -> None:
    try:
        await run.cancel(by=whoever_asks(), reason="Ctrl-C in the foreground", now=now)
    except Exception as error:  # a person waits: whatever went wrong is told
        say(f"the cancel did not get through ({type(error).__name__}: {error}); press Ctrl-C again")
