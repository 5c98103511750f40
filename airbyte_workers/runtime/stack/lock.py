"""File locks that the kernel releases when their holder dies, however it dies."""

from __future__ import annotations

import asyncio
import fcntl
import os
from enum import IntEnum
from pathlib import Path
from types import TracebackType

from airbyte_workers.runtime.stack.errors import StackError

POLL_S = 0.02


class Hold(IntEnum):
    """How a lock is held."""

    SHARED = fcntl.LOCK_SH
    EXCLUSIVE = fcntl.LOCK_EX


class LockFile:
    """One file to lock; a context manager, so that the lock ends with the block."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as err:
            raise StackError(f"{path} cannot be opened: {err.strerror}") from err

    def __enter__(self) -> LockFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def take(self, hold: Hold) -> bool:
        """Take the lock if it can be had at once. A refusal also gives up what was held of it before."""
        try:
            fcntl.flock(self._descriptor, hold | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as err:
            raise StackError(
                f"{self.path} cannot be locked: {err.strerror}. The embedded stack needs a local file system; "
                "set AIRBYTE_WORKERS_HOME to a folder on one."
            ) from err
        return True

    async def wait(self, hold: Hold, seconds: float) -> bool:
        """Take the lock as soon as it can be had; false when that takes too long."""
        end = asyncio.get_running_loop().time() + seconds
        while not self.take(hold):
            if asyncio.get_running_loop().time() > end:
                return False
            await asyncio.sleep(POLL_S)
        return True

    def drop(self) -> None:
        """Let go of the lock."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    @property
    def detached(self) -> bool:
        """Whether the file was deleted: then nobody else can see this lock any more."""
        try:
            return os.fstat(self._descriptor).st_ino != self.path.stat().st_ino
        except FileNotFoundError:
            return True


def is_owned(path: Path) -> bool:
    """Whether somebody holds the lock exclusively right now."""
    with LockFile(path) as probe:
        return not probe.take(Hold.SHARED)
