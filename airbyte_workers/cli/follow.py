"""A job in the foreground: its progress shown until it ends, or until the person leaves."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from airbyte_workers.cli.interrupts import OnCtrlC, cancelled_by_ctrl_c
from airbyte_workers.cli.output import Exit, Problem
from airbyte_workers.cli.screens import Plain, Terminal
from airbyte_workers.runs import Run

T = TypeVar("T")
_LOOK_EVERY_S = 0.5
_ALONE_S = 8.0
_LAST_LOOK_S = 2.0


class Interrupted(Exception):
    """Somebody will not wait any longer: the command leaves, the cancelled job goes on ending."""


def left() -> Problem:
    """What is told of a run that nobody waits for any more."""
    return Problem("left; the cancelled job goes on ending", type="Interrupted", code=Exit.INTERRUPTED)


async def follow(run: Run[Any], ending: Callable[[], Awaitable[T]], on_ctrl_c: OnCtrlC = cancelled_by_ctrl_c) -> T:
    """What `ending` of the run gives, its progress shown meanwhile. Raises what that raises, and Interrupted."""
    async with _watched(run), on_ctrl_c(run) as interrupted:
        result = asyncio.ensure_future(ending())
        leaving = asyncio.ensure_future(interrupted.wait())
        await asyncio.wait((result, leaving), return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
    if not result.done():  # raised out here: a task group would wrap what is raised inside of it
        result.cancel()
        raise Interrupted
    return result.result()


# --- progress ---------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _watched(run: Run[Any]) -> AsyncIterator[None]:
    """Show progress on stderr: one moving line on a terminal, plain lines elsewhere."""
    screen = Terminal() if sys.stderr.isatty() else Plain()
    with screen:
        watching = asyncio.create_task(_watch(run, screen))
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.wait([watching])
            await _look_once_more(run, screen)


async def _look_once_more(run: Run[Any], screen: Plain) -> None:
    """A run may end between two looks: what a person must know of it is told all the same."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_LAST_LOOK_S):
            if (phase := await run.phase()) is not None:
                screen.update(phase, None)


async def _watch(run: Run[Any], screen: Plain) -> None:
    alone_since = asyncio.get_running_loop().time()
    while True:
        with contextlib.suppress(Exception):  # a look that fails is made up for by the next; the result is what counts
            seen = await run.look()
            if seen.phase is not None:
                screen.update(seen.phase, seen.figures)
                alone_since = asyncio.get_running_loop().time()
            if seen.figures is None or seen.phase is None:
                screen.warn(seen.trouble)
        if asyncio.get_running_loop().time() - alone_since > _ALONE_S:
            screen.tell_alone()
        await asyncio.sleep(_LOOK_EVERY_S)
