"""A server of the stack while it runs, whatever it is."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Collection, Sequence
from typing import Protocol

import psutil

from airbyte_workers.runtime.stack.errors import StackError, tail
from airbyte_workers.runtime.stack.processes import Program, end, spawn

POLL_S = 0.03


class Kind(Protocol):
    """What there is to know about one kind of server."""

    @property
    def name(self) -> str:
        """For people and for the name of the log."""

    @property
    def stop_plan(self) -> Sequence[tuple[signal.Signals, float]]:
        """The signals that end it, and how long each may take, s."""

    def program(self) -> Program:
        """Prepare its files and say how it is started. Blocks."""

    async def clear(self) -> list[int]:
        """End whoever works on its files. Returns who that was."""

    async def answers(self) -> bool:
        """Whether it can be used now; raises StackError if it never will."""

    @property
    def listens_on(self) -> Collection[int]:
        """Its ports: another's server may answer there."""


class Server:
    """Starts, checks and ends one server."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def ended(self) -> bool:
        """Whether it was started and has ended since."""
        return self.process is not None and self.process.poll() is not None

    async def start(self) -> None:
        """Start it and wait until it answers."""
        program = await asyncio.to_thread(self.kind.program)
        self.process = spawn(program)
        while not (await self.kind.answers() and await asyncio.to_thread(self._listens)):
            if self.process.poll() is not None:
                raise StackError(
                    f"{self.kind.name} ended with code {self.process.returncode} while it started. "
                    f"{program.log} ends with:\n{tail(program.log)}"
                )
            await asyncio.sleep(POLL_S)

    def _listens(self) -> bool:
        """Whether it is this process that has its ports, as far as one may know."""
        assert self.process is not None
        try:
            own = psutil.Process(self.process.pid)
            processes = [own, *own.children(recursive=True)]
            held = [each for one in processes for each in one.net_connections("tcp")]
        except psutil.AccessDenied:
            return True
        except psutil.NoSuchProcess:
            return False
        return set(self.kind.listens_on) <= {each.laddr.port for each in held if each.status == psutil.CONN_LISTEN}

    async def restart(self) -> None:
        """Start it again after it ended; parts of it may live a moment longer than the whole."""
        await self.kind.clear()
        await self.start()

    async def stop(self) -> None:
        """End it and wait until it is gone."""
        if self.process is None:
            return
        if self.process.poll() is None:
            await end([psutil.Process(self.process.pid)], self.kind.stop_plan)
        await asyncio.to_thread(self.process.wait)
        self.process = None
