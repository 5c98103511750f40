"""Stacks of their own for tests, and nothing left of them afterwards."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil

from airbyte_workers.runtime.stack import Stack, connected_stack
from airbyte_workers.settings import Settings

HERE = Path(__file__).parent
STANDIN = str(HERE / "stack_standin.py")
WAIT_S = 30.0


def processes_of(home: Path) -> list[psutil.Process]:
    """Everything that works in this folder, whoever started it; zombies do not work."""
    found = []
    for process in psutil.process_iter(["name", "cmdline", "cwd", "status", "ppid"]):
        cwd, words = process.info["cwd"] or "", process.info["cmdline"] or ()
        mine = cwd == str(home) or cwd.startswith(f"{home}/") or any(str(home) in word for word in words)
        if mine and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


async def eventually(condition: Callable[[], bool], seconds: float = WAIT_S) -> None:
    async with asyncio.timeout(seconds):
        while True:
            if condition():
                return
            await asyncio.sleep(0.02)


async def query(stack: Stack, sql: str) -> object:
    connection = await asyncpg.connect(stack.database_url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


@dataclass(frozen=True)
class Client:
    """A client in a process of its own."""

    process: asyncio.subprocess.Process

    async def said(self) -> str:
        assert self.process.stdout
        async with asyncio.timeout(WAIT_S):
            return (await self.process.stdout.readline()).decode().strip()

    async def leave(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        assert await self.said() == "left"
        assert await self.process.wait() == 0


@dataclass(frozen=True)
class Lab:
    """One folder for a stack."""

    home: Path

    def settings(self, **changes: object) -> Settings:
        return Settings.model_validate({"home": self.home, "stack_start_timeout_s": 60, **changes})

    def connected(self, **changes: object) -> AbstractAsyncContextManager[Stack]:
        return connected_stack(self.settings(**changes), program=[sys.executable, STANDIN])

    def processes(self) -> list[psutil.Process]:
        return processes_of(self.home)

    def servers(self) -> list[psutil.Process]:
        """Temporal servers and postmasters; not their children."""
        everybody = self.processes()
        pids = {process.pid for process in everybody if process.info["name"] == "postgres"}
        return [
            process
            for process in everybody
            if process.info["name"] == "temporal"
            or (process.pid in pids and process.info["ppid"] not in pids and "-D" in process.info["cmdline"])
        ]

    @asynccontextmanager
    async def program(self, script: str, *arguments: str) -> AsyncIterator[Client]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(HERE / script), str(self.home), *arguments,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            yield Client(process)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    def client(self) -> AbstractAsyncContextManager[Client]:
        return self.program("stack_client.py", STANDIN)


def kill_all(home: Path) -> None:
    while left := processes_of(home):
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=5)
