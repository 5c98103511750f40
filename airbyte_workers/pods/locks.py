"""One at a time, among all processes of this host: locks that end with their holder, however it ends."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

LOCK_POLL_S = 0.05

P = ParamSpec("P")
T = TypeVar("T")


async def to_its_end(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Blocking work in a thread, waited for even when the caller is cancelled: what it did is known afterwards."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


@asynccontextmanager
async def exclusive(path: Path) -> AsyncIterator[int]:
    """Hold the lock file alone; waits without a limit of its own.

    Yields the file's descriptor: a child that inherits it keeps the lock when its parent is killed.
    """
    held: list[int] = []
    try:
        while not held:
            await to_its_end(_try, path, held)
            if not held:
                await asyncio.sleep(LOCK_POLL_S)
        yield held[0]
    finally:
        for descriptor in held:
            os.close(descriptor)


def _try(path: Path, held: list[int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), path.stat()):  # its last holder may have deleted it
            held.append(descriptor)
    except (BlockingIOError, FileNotFoundError):
        pass
    finally:
        if descriptor not in held:
            os.close(descriptor)
