"""Both servers of the stack, from the start of the first to the end of the last."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import structlog

from airbyte_workers.runtime.stack.errors import StackError, tail
from airbyte_workers.runtime.stack.home import Home
from airbyte_workers.runtime.stack.leftovers import end_leftovers
from airbyte_workers.runtime.stack.lock import Hold, LockFile
from airbyte_workers.runtime.stack.ports import Ports, choose_ports
from airbyte_workers.runtime.stack.postgres import Postgres
from airbyte_workers.runtime.stack.server import Server
from airbyte_workers.runtime.stack.temporal import Temporal

log = structlog.get_logger(__name__)

PORT_TRIES = 3
MAX_RESTARTS = 5
RESTART_WINDOW_S = 300.0


class Servers:
    """Temporal and PostgreSQL on one set of ports."""

    def __init__(self, home: Home, ports: Ports) -> None:
        self.ports = ports
        self.temporal = Temporal(home, ports)
        self.postgres = Postgres(home, ports)
        self._home = home
        self._running = [Server(self.temporal), Server(self.postgres)]
        self._restarts: list[float] = []

    @property
    def pids(self) -> dict[str, int]:
        """Who they are."""
        return {server.kind.name: server.process.pid for server in self._running if server.process}

    async def start(self, seconds: float) -> None:
        """Start both at once; an error is that of the first that failed."""
        try:
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as tasks:
                for server in self._running:
                    tasks.create_task(server.start())
        except TimeoutError as err:
            logs = "\n".join(tail(self._home.log(server.kind.name)) for server in self._running)
            raise StackError(
                f"Temporal and PostgreSQL were not ready within {seconds:g} s. They said:\n{logs}"
            ) from err
        except ExceptionGroup as group:
            raise group.exceptions[0] from group

    async def mend(self, seconds: float) -> bool:
        """Start again what ended without being told to; whether there was anything to do."""
        ended = [server for server in self._running if server.ended]
        for server in ended:
            self._count_restart(server)
            try:
                async with asyncio.timeout(seconds):
                    await server.restart()
            except TimeoutError as err:
                raise StackError(f"{server.kind.name} ended and did not come back within {seconds:g} s") from err
        return bool(ended)

    def _count_restart(self, server: Server) -> None:
        now = asyncio.get_running_loop().time()
        self._restarts = [*(at for at in self._restarts if at > now - RESTART_WINDOW_S), now]
        said = self._home.log(server.kind.name)
        log.warning("server ended by itself; starting it again", server=server.kind.name, tail=tail(said))
        if len(self._restarts) > MAX_RESTARTS:
            raise StackError(f"{server.kind.name} ends again and again; {said} ends with:\n{tail(said)}")

    async def stop(self) -> None:
        """End Temporal, then PostgreSQL; both are gone when this returns, or it says who is not."""
        temporal, postgres = self._running
        try:
            await temporal.stop()
        finally:
            await postgres.stop()


@asynccontextmanager
async def running_servers(home: Home, preferred: Ports | None, seconds: float) -> AsyncIterator[Servers]:
    """Both servers for the length of a block; on other ports where somebody took one meanwhile."""
    if left := await end_leftovers(home):  # first of all: they hold the ports that we want again
        log.warning("ended the servers that a killed supervisor left", pids=left)
    async with _own_turn(preferred, seconds):
        servers = await _started(home, preferred, seconds)
    try:
        yield servers
    finally:
        await servers.stop()


async def _started(home: Home, preferred: Ports | None, seconds: float) -> Servers:
    tries_left = PORT_TRIES
    while True:
        tries_left -= 1
        servers = Servers(home, choose_ports(home, preferred))
        try:
            await servers.start(seconds)
        except StackError:
            await servers.stop()
            if servers.ports.free or not tries_left:
                raise
        except BaseException:
            await servers.stop()
            raise
        else:
            return servers


@asynccontextmanager
async def _own_turn(preferred: Ports | None, seconds: float) -> AsyncIterator[None]:
    """Stacks of one user that want the same ports start one after another: at once, each may take one of them."""
    with ExitStack() as stack:
        if preferred is not None:
            with suppress(StackError):  # somebody else's file: then it is only less likely to go well
                path = Path(tempfile.gettempdir()) / f"airbyte-workers-ports-{os.getuid()}.lock"
                await stack.enter_context(LockFile(path)).wait(Hold.EXCLUSIVE, seconds)
        yield
