"""FIFOs on an event loop: read ends that can be interrupted, a write end that feels back-pressure and death.

Read ends are opened before any writer exists. On Linux a poll reports nothing until a first writer came, and a
hang-up once the last one left: so every read waits for the poll first, and no data then means the end (decisions.md,
"The pod").
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

from airbyte_workers.orchestrator.stopwatch import Stopwatch
from airbyte_workers.replication.lines import LineCutter

_LEFTOVER_S = 1.0
_TURN_S = 0.005
_DRAINED_AT_ONCE = 1024 * 1024
_O_PATH: int | None = getattr(os, "O_PATH", None)
_SET_PIPE_SIZE = getattr(fcntl, "F_SETPIPE_SZ", None)


class Turn:
    """For tasks that might never wait: lets the others run once it has had the loop for long enough."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()

    async def pause(self) -> None:
        """Now, if it is time."""
        if self._loop.time() - self._began >= _TURN_S:
            await asyncio.sleep(0)
            self._began = self._loop.time()


class FifoReader:
    """The read end of a FIFO, or of a pipe."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._waiter: asyncio.Future[None] | None = None
        self._writer_gone = False
        self._writer_came = False
        self.interrupted = False
        self.waited = Stopwatch()
        self.bytes_read = 0

    async def read(self, size: int) -> bytes:
        """Up to `size` bytes; empty at the end and after `interrupt`."""
        while not self.interrupted:
            if not (self._writer_came or self._writer_gone):
                await self._readable()
            if self.interrupted:
                break
            try:
                data = os.read(self._fd, size)
            except BlockingIOError:
                if not self._writer_gone:
                    await self._readable()
                elif not await self._more_within(_LEFTOVER_S):
                    break
            else:
                self.bytes_read += len(data)
                return data
        return b""

    def writer_gone(self) -> None:
        """The connector has ended, perhaps without ever opening the pipe: what is in it is all there will be."""
        self._writer_gone = True
        if self._waiter is not None:
            _wake(self._waiter)

    def interrupt(self) -> None:
        """End the read that waits, and every later one until `resume`."""
        self.interrupted = True
        if self._waiter is not None:
            _wake(self._waiter)

    def resume(self) -> None:
        """Let reads wait again, to drain what an interrupted connector still says."""
        self.interrupted = False

    def enlarge(self, size: int) -> bool:
        """Ask for a bigger pipe; False where the kernel's limit for this user says no."""
        return _enlarge(self._fd, size)

    def close(self) -> None:
        os.close(self._fd)

    async def _more_within(self, seconds: float) -> bool:
        """Whether a leftover process that still holds the pipe open says something more."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._readable()
                return True
        return False

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        loop.add_reader(self._fd, _wake, self._waiter)
        try:
            with self.waited:
                await self._waiter
            self._writer_came |= not (self.interrupted or self._writer_gone)
        finally:
            loop.remove_reader(self._fd)
            self._waiter = None


class FifoWriter:
    """A write end that some process already reads from."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._closed = False
        self._given_up = False
        self._waiter: asyncio.Future[None] | None = None
        self.blocked = Stopwatch()
        self.bytes_written = 0

    async def write(self, data: bytes) -> None:
        """Write all of `data`, as slowly as the reader takes it.

        Raises BrokenPipeError when the reader is gone, or was given up.
        """
        view = memoryview(data)
        while view:
            if self._given_up:
                raise BrokenPipeError
            try:
                written = os.write(self._fd, view)
            except BlockingIOError:
                await self._writable()
            else:
                self.bytes_written += written
                view = view[written:]

    def give_up(self) -> None:
        """End the write that waits, and every later one: the reader does not read any more."""
        self._given_up = True
        if self._waiter is not None:
            _wake(self._waiter)

    def write_now(self, data: bytes) -> None:
        """Write a few bytes that surely fit into the pipe. Raises OSError."""
        os.write(self._fd, data)

    def enlarge(self, size: int) -> bool:
        """Ask for a bigger pipe; False where the kernel's limit for this user says no."""
        return _enlarge(self._fd, size)

    def close(self) -> None:
        """Let go of the pipe; again is no error."""
        if not self._closed:
            self._closed = True
            os.close(self._fd)

    async def _writable(self) -> None:
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        loop.add_writer(self._fd, _wake, self._waiter)
        try:
            with self.blocked:
                await self._waiter
        finally:
            loop.remove_writer(self._fd)
            self._waiter = None


def open_reader(path: Path) -> FifoReader:
    """The FIFO's read end, whether or not anybody has its write end open. Raises OSError."""
    return FifoReader(_open_fifo(path, os.O_RDONLY))


def own_pipe() -> tuple[FifoReader, FifoWriter]:
    """Both ends of a pipe inside of this process."""
    ends = os.pipe()
    for fd in ends:
        os.set_blocking(fd, False)
    return FifoReader(ends[0]), FifoWriter(ends[1])


def try_open_writer(path: Path) -> FifoWriter | None:
    """The FIFO's write end if somebody has its read end open; else None (the kernel says ENXIO)."""
    try:
        return FifoWriter(_open_fifo(path, os.O_WRONLY))
    except OSError:
        return None


def _open_fifo(path: Path, flags: int) -> int:
    return open_only(path, flags, stat.S_ISFIFO)


def open_only(path: Path, flags: int, is_wanted: Callable[[int], bool]) -> int:
    """A file of the wanted kind (by its mode) and nothing else, without blocking: its folder is the connector's too,
    who must not lead us to a file of the host. Raises OSError."""
    if _O_PATH is None:
        return _checked(os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW), path, is_wanted)
    seen = _checked(os.open(path, _O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW), path, is_wanted)
    try:  # only now is it opened: to open a device can be an act in itself
        return os.open(f"/proc/self/fd/{seen}", flags | os.O_NONBLOCK | os.O_CLOEXEC)
    finally:
        os.close(seen)


def _checked(fd: int, path: Path, is_wanted: Callable[[int], bool]) -> int:
    if is_wanted(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OSError(errno.EINVAL, "not what should be there", str(path))


async def blocks(reader: FifoReader, *, size: int, max_line_bytes: int) -> AsyncGenerator[bytes]:
    """Blocks of whole lines until the end or an interruption. Raises LineTooLong.

    Lets other tasks run now and then: a source that never pauses must not starve them.
    """
    cutter, turn = LineCutter(max_line_bytes), Turn()
    while chunk := await reader.read(size):
        if block := cutter.feed(chunk):
            yield block
        await turn.pause()
    if not reader.interrupted and (rest := cutter.finish()):
        yield rest


async def drain(reader: FifoReader) -> None:
    """Read on to the end, and throw it away."""
    turn = Turn()
    while await reader.read(_DRAINED_AT_ONCE):
        await turn.pause()


def _enlarge(fd: int, size: int) -> bool:
    if _SET_PIPE_SIZE is None:
        return False
    try:
        fcntl.fcntl(fd, _SET_PIPE_SIZE, size)
    except OSError:
        return False
    return True


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
