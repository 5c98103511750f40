"""What the tests of pods share: a bench to launch on, bounded waiting, the orchestrator's side of the FIFOs."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from airbyte_workers.names import JobKind, Role
from airbyte_workers.pods.pod import ContainerSpec, ContainerStatus, Launcher, PodSpec, Program

LIMIT_S = 60

WAITING = "import signal\nsignal.pause()"
COUNTING = """
import sys
for line in sys.stdin.buffer:
    sys.stdout.buffer.write(line)
    sys.stdout.flush()
print("end of input", flush=True)
"""


async def until(check: Callable[[], Any], what: str = "") -> Any:
    """Wait until the check says something true; give up after a long time."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        seen = check()
        if isinstance(seen, Awaitable):
            seen = await seen
        if seen:
            return seen
        await asyncio.sleep(0.02)
    raise AssertionError(f"waited in vain for {what or check}")


async def stays(check: Callable[[], Any], seconds: float = 1) -> None:
    """What holds now, and still does when whoever could change it had the time to."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert check()
        await asyncio.sleep(0.02)


async def say(fifo: Path, word: str) -> None:
    """A control word, by the writer's rule: open without blocking, try again while nobody has opened yet."""
    descriptor = await until(lambda: opened(fifo), f"somebody at {fifo}")
    os.write(descriptor, f"{word}\n".encode())
    os.close(descriptor)


def opened(fifo: Path) -> int | None:
    """The write end, or None while there is no reader."""
    try:
        return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        raise


class Reading:
    """The read end of a FIFO, opened without blocking as the orchestrator does."""

    def __init__(self, fifo: Path) -> None:
        self.descriptor = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        self.seen = b""

    def more(self) -> bytes:
        while True:
            try:
                chunk = os.read(self.descriptor, 65536)
            except BlockingIOError:
                return self.seen
            if not chunk:
                return self.seen
            self.seen += chunk

    async def line(self, number: int = 1) -> str:
        await until(lambda: self.more().count(b"\n") >= number, f"line {number}; seen {self.seen!r}")
        return self.seen.decode().splitlines()[number - 1]

    def close(self) -> None:
        os.close(self.descriptor)


class Bench(ABC):
    """One launcher under test. What it launches is ended by `clean`."""

    own_files: frozenset[str] = frozenset()
    fifo_mode = 0o600
    connector_uid = os.getuid()

    def __init__(self, folder: Path) -> None:
        self.local_root = folder / "local"
        self.launchers: list[Launcher] = []
        self.names: set[str] = set()
        self.launcher = self.another()

    def another(self) -> Launcher:
        """A launcher as the next Temporal worker on this host would make it."""
        launcher = self.make()
        self.launchers.append(launcher)
        return launcher

    @abstractmethod
    def make(self) -> Launcher: ...

    @abstractmethod
    def python(self, code: str) -> Program:
        """A connector that is this Python program."""

    @abstractmethod
    def folder(self, pod: str, role: Role) -> Path:
        """The container's folder, as this host sees it."""

    @abstractmethod
    async def destroy(self, pod: str, role: Role) -> None:
        """End one container without a warning."""

    def orchestrator_works(self, pod: str) -> bool:
        """Whether the stand-in has begun."""
        return (self.folder(pod, Role.ORCHESTRATOR) / "argv.json").exists()

    def spec(
        self,
        name: str = "replication-job-7-attempt-0",
        *,
        source: str = WAITING,
        destination: str = WAITING,
        arguments: tuple[str, ...] = (),
        files: Mapping[Role, Mapping[str, bytes]] | None = None,
        orchestrator: str = "reading",
    ) -> PodSpec:
        """A replication pod of two Python programs."""
        self.names.add(name)
        programs = {Role.SOURCE: source, Role.DESTINATION: destination}
        return PodSpec(
            name=name,
            kind=JobKind.SYNC,
            containers=tuple(
                ContainerSpec(role, self.python(code), arguments, (files or {}).get(role, {}))
                for role, code in programs.items()
            ),
            orchestrator=Role.ORCHESTRATOR,
            orchestrator_input=json.dumps({"mode": orchestrator}).encode(),
            labels={"job": "7", "fence": "3"},
            local_root=self.local_root,
        )

    def main_spec(self, code: str, name: str = "check-job-8-attempt-0", arguments: tuple[str, ...] = ()) -> PodSpec:
        """A connector pod."""
        self.names.add(name)
        return PodSpec(
            name=name,
            kind=JobKind.CHECK,
            containers=(ContainerSpec(Role.MAIN, self.python(code), arguments, {"config.json": b"{}"}),),
            orchestrator=Role.SIDECAR,
            orchestrator_input=b"{}",
            local_root=self.local_root,
        )

    async def exit_code(self, pod: str, role: Role) -> int | None:
        """The container's exit code, once it has ended."""

        async def ended() -> Any:
            container = (await self.launcher.inspect(pod)).container(role)
            return container if container and not container.running else None

        container: ContainerStatus = await until(ended, f"the end of {role}")
        return container.exit_code

    def noted(self, name: str) -> str:
        """What a connector wrote into its working directory."""
        path = self.local_root / name
        return path.read_text() if path.exists() else ""

    async def clean(self) -> None:
        for name in self.names:
            for launcher in self.launchers:
                await launcher.remove(name)

    @asynccontextmanager
    async def reading(self, pod: str, role: Role, name: str = "out") -> AsyncIterator[Reading]:
        reading = Reading(self.folder(pod, role) / name)
        try:
            yield reading
        finally:
            reading.close()
