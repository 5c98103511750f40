"""A Docker engine of our own: its socket, its data and its processes belong to the cases alone."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import docker
import psutil

from airbyte_workers.pods.engine import Engine, EngineError
from airbyte_workers.pods.engine_calls import Endpoint, connection
from airbyte_workers.runtime.stack.processes import Program, end, environment, is_gone

_CALL_S = 20.0
_END_S = 15.0
_RUN = Path("/run")
_MOUNTS = Path("/proc/self/mounts")


@dataclass(frozen=True)
class OwnEngine:
    """A dockerd below one folder, as the stack's servers are described: started, asked and ended like them."""

    folder: Path

    name = "dockerd"
    stop_plan = ((signal.SIGTERM, _END_S), (signal.SIGKILL, _END_S))
    listens_on: Sequence[int] = ()

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"unix://{self.run / 'docker.sock'}"

    @property
    def run(self) -> Path:
        """Its sockets, of which some are deep below: the kernel knows no path of more than 108 bytes."""
        return _RUN / f"airbyte-workers-chaos-{sha256(str(self.folder).encode()).hexdigest()[:12]}"

    @property
    def data(self) -> Path:
        """Its images and containers; whoever works on it is one of ours."""
        return self.folder / "data"

    def problem(self) -> str | None:
        """Why there cannot be one here."""
        if sys.platform != "linux" or os.geteuid() != 0:
            return "an engine of our own needs root on Linux"
        for program in ("dockerd", "unshare", "umount"):
            if shutil.which(program) is None:
                return f"the program {program} is not installed"
        return None

    def program(self) -> Program:
        """The engine without networks, and apart from the host's: with `--bridge none` an engine deletes the bridge of
        whichever engine it finds beside it."""
        for folder in (self.folder, self.run):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in (self._pid_file, self.run / "containerd" / "containerd.pid"):
            left.unlink(missing_ok=True)  # of one that was killed: where nobody reaps it, it is taken for alive
        argv = [
            "unshare", "--net", "dockerd", "--host", self.address, "--data-root", str(self.data),
            "--exec-root", str(self.run), "--pidfile", str(self._pid_file), "--bridge", "none",
            "--iptables=false", "--ip-forward=false", "--ip-masq=false",
        ]  # fmt: skip
        return Program(argv, self.folder / "dockerd.log", self.folder, environment())

    async def clear(self) -> list[int]:
        """End the engine on our data, and its containerd; containers it left are ended by the next start."""
        found = await asyncio.to_thread(self._own_processes)
        await end(found, [(signal.SIGTERM, _END_S), (signal.SIGKILL, _END_S)])
        return [each.pid for each in found]

    async def answers(self) -> bool:
        """Whether it can be asked."""
        return await answers(self.address)

    @property
    def has_containers(self) -> bool:
        """Whether some are on its disk, whether it runs or not."""
        folder = self.data / "containers"
        return folder.is_dir() and any(folder.iterdir())

    def unmount(self) -> None:
        """Let go of the mounts that an engine which was killed leaves. It must not run."""
        for line in reversed(_MOUNTS.read_text().splitlines()):
            target = line.split()[1].replace(r"\040", " ")
            if any(Path(target).is_relative_to(folder) for folder in (self.folder, self.run)):
                subprocess.run(["umount", "--lazy", target], capture_output=True, check=False, timeout=_END_S)

    def delete(self) -> None:
        """Remove its folders. It must not run."""
        self.unmount()
        for folder in (self.folder, self.run):
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def _pid_file(self) -> Path:
        return self.folder / "docker.pid"

    def _own_processes(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter(["name", "cmdline"]):
            words = process.info["cmdline"] or ()
            ours = process.info["name"] in ("dockerd", "containerd") and any(str(self.run) in word for word in words)
            if ours and not is_gone(process):
                found.append(process)
        return found


def asked_at(address: str) -> Engine:
    """The engine's calls. End it with `aclose`."""
    return Engine(timeout_s=_CALL_S, calls=4, pulls=1, endpoint=Endpoint("the engine", lambda: {"base_url": address}))


async def answers(address: str) -> bool:
    """Whether an engine answers there."""
    try:
        async with aclosing(asked_at(address)) as engine:
            await engine.version()
    except EngineError:
        return False
    return True


async def emptied(address: str, labels: Sequence[str]) -> None:
    """Remove every container of the engine, or those with these labels. Raises EngineError."""
    async with aclosing(asked_at(address)) as engine:
        for container in await engine.list(labels):
            await engine.remove(str(container["Id"]))


async def left_on(address: str, labels: Sequence[str] = ()) -> tuple[str, ...]:
    """Every container and volume of the engine, or those with these labels, one line each. Raises EngineError."""
    async with aclosing(asked_at(address)) as engine:
        containers = [
            f"container {each['Names'][0].lstrip('/')} ({each['State']})" for each in await engine.list(labels)
        ]
        return (*containers, *(f"volume {name}" for name in await engine.volumes(labels)))


def users_engine() -> str | None:
    """The address of the engine that the environment names; None where it is not reached by a plain one."""
    given = connection()
    return None if given.get("tls") else str(given.get("base_url") or docker.constants.DEFAULT_UNIX_SOCKET)
