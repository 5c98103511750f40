"""One connector as the programs of a pod see it: a folder with its FIFOs, its exit code, a pipe for words to it."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from airbyte_workers.jobs.endings import STOP_WORDS, EndPeriods
from airbyte_workers.models import LegTimes
from airbyte_workers.names import Role
from airbyte_workers.orchestrator.pipes import FifoReader, FifoWriter, open_only, open_reader, try_open_writer
from airbyte_workers.orchestrator.stderr import ShortLines

_POLL_S = 0.02
_WATCH_S = 0.1
_STDERR_BLOCK = 16 * 1024
_MAX_WORD = 64
_NO_LIMIT = 2**62  # cgroup v1 tells a limit near the largest integer where there is none


@dataclass(frozen=True)
class ConnectorExit:
    """How a connector ended: `code` is None when nobody knows; `forced`: it had to be stopped.

    `out_of_memory`: the limit in bytes at which the kernel killed it or a child of it; 0: it has none of its own.
    """

    code: int | None
    forced: bool = False
    out_of_memory: int | None = None


class SourceLeg(Protocol):
    """What a replication needs of its source, whoever that is; the methods are those of `Leg`."""

    role: Role
    out: FifoReader
    err: FifoReader

    async def opened(self, timeout: float) -> bool: ...

    def exit_code_written(self) -> bool: ...

    async def ended(self, periods: EndPeriods) -> ConnectorExit: ...

    async def stopped(self, periods: EndPeriods) -> ConnectorExit: ...

    async def watch(self) -> None: ...

    async def read_stderr(self, log: Callable[[str, str, str], None], *, longest: int) -> None: ...


class Leg:
    """A connector's folder. Read ends are open from the start; the control pipe once its wrapper runs."""

    def __init__(self, role: Role, folder: Path) -> None:
        self.role = role
        self.folder = folder
        self.out = open_reader(folder / "out")
        self.err = open_reader(folder / "err")
        self._control: FifoWriter | None = None
        self._began_at: datetime | None = None
        self._ended_at: datetime | None = None

    @property
    def times(self) -> LegTimes:
        """When it ran, as far as that was seen."""
        return LegTimes(role=self.role, began_at=self._began_at, ended_at=self._ended_at)

    async def opened(self, timeout: float) -> bool:
        """Wait until the connector's wrapper runs, or has ended already. False: it did neither in time."""
        try:
            async with asyncio.timeout(timeout):
                while not (self._open_control() or self.exit_code_written()):
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            return False
        return True

    async def open_input(self, timeout: float) -> FifoWriter | None:
        """The write end of a destination's input; None when it ended or did not open it in time."""
        try:
            async with asyncio.timeout(timeout):
                while not self.exit_code_written():
                    writer = try_open_writer(self.folder / "in")
                    if writer is not None:
                        self._began_at = datetime.now(UTC)
                        return writer
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            pass
        return None

    def say(self, word: str) -> None:
        """Tell the wrapper `release`, `TERM` or `KILL`; one that is gone needs no telling."""
        if self._open_control() and self._control is not None:
            try:
                self._control.write_now(f"{word}\n".encode())
            except OSError:
                self._control.close()
                self._control = None

    def exit_code_written(self) -> bool:
        return self._told("exit_code") is not None

    async def ended(self, periods: EndPeriods, is_over: Callable[[float], bool] | None = None) -> ConnectorExit:
        """Wait for the connector's end: grace, then SIGTERM, then SIGKILL.

        `is_over`: whether its grace is over at a moment of the loop's time, where that is not only a matter of time.
        """
        if await self._ends_before(is_over or _after(periods.grace), periods):
            return self._exit(forced=False)
        return await self.stopped(periods, forced=True)

    async def stopped(self, periods: EndPeriods, *, forced: bool = False) -> ConnectorExit:
        """End the connector now: SIGTERM, then SIGKILL."""
        for word in STOP_WORDS:
            if self.exit_code_written():
                break
            self.say(word)
            await self._ends_before(_after(periods.term), periods)
        return self._exit(forced=forced)

    async def watch(self) -> None:
        """Wait for the exit code, then let reads end even if the connector never opened its pipes."""
        while not self.exit_code_written():
            await asyncio.sleep(_WATCH_S)
        self._ended_at = datetime.now(UTC)
        self.out.writer_gone()
        self.err.writer_gone()

    async def read_stderr(self, log: Callable[[str, str, str], None], *, longest: int) -> None:
        """Bring what the connector says on stderr to the job's log until its end: of a line so many characters."""
        lines = ShortLines(longest)
        while chunk := await self.err.read(_STDERR_BLOCK):
            for line in lines.feed(chunk):
                log(self.role, "INFO", line)
            await asyncio.sleep(0)  # one that never pauses must not starve other tasks
        for line in lines.finish():
            log(self.role, "INFO", line)

    def close(self) -> None:
        """Let go of every pipe."""
        self.out.close()
        self.err.close()
        if self._control is not None:
            self._control.close()

    def _open_control(self) -> bool:
        if self._control is None:
            self._control = try_open_writer(self.folder / "control")
            if self._control is not None and self._began_at is None:
                self._began_at = datetime.now(UTC)
        return self._control is not None

    async def _ends_before(self, is_over: Callable[[float], bool], periods: EndPeriods) -> bool:
        """Whether the connector ended in time: with an exit code, or without one because its wrapper is lost."""
        loop = asyncio.get_running_loop()
        lost_since: float | None = None
        while not self.exit_code_written():
            now = loop.time()
            lost_since = None if self._wrapper_lives() else lost_since or now
            if lost_since is not None and now - lost_since >= periods.exit_code:
                return True
            if is_over(now):
                return False
            await asyncio.sleep(_POLL_S)
        return True

    def _wrapper_lives(self) -> bool:
        """Whether somebody still reads the control pipe."""
        probe = try_open_writer(self.folder / "control")
        if probe is None:
            return False
        probe.close()
        return True

    def _exit(self, *, forced: bool) -> ConnectorExit:
        self._ended_at = self._ended_at or datetime.now(UTC)
        code, limit = self._told("exit_code"), self._told("out_of_memory")
        return ConnectorExit(_number(code), forced, None if limit is None else _memory_limit(limit))

    def _told(self, name: str) -> str | None:
        """What the wrapper or the launcher wrote into this file, once it is whole; a link is not followed."""
        try:
            fd = open_only(self.folder / name, os.O_RDONLY, stat.S_ISREG)
        except OSError:
            return None
        try:
            word = os.read(fd, _MAX_WORD)
        finally:
            os.close(fd)
        return word.decode("ascii", "replace").strip() if word and word.endswith(b"\n") else None


def _after(seconds: float) -> Callable[[float], bool]:
    """So many seconds from now."""
    deadline = asyncio.get_running_loop().time() + seconds
    return lambda now: now >= deadline


def _number(word: str | None) -> int | None:
    return int(word) if word is not None and word.isdecimal() else None


def _memory_limit(word: str) -> int:
    limit = _number(word) or 0
    return 0 if limit >= _NO_LIMIT else limit
