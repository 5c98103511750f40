"""Processes of the stack: starting them so that they survive us, knowing them again, ending them for sure."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import psutil

from airbyte_workers.runtime.stack.errors import StackError
from airbyte_workers.runtime.stack.home import rotate

POLL_S = 0.02


class Identity(msgspec.Struct, frozen=True):
    """One process, never confused with a later one of the same number."""

    pid: int
    started: float
    boot: str

    @property
    def alive(self) -> bool:
        """Whether that very process still runs; a zombie does not."""
        return identify(self.pid) == self


def identify(pid: int) -> Identity | None:
    """Who runs under this number now."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return Identity(pid, _started(process), _boot())
    except (psutil.NoSuchProcess, ValueError):
        return None


def _started(process: psutil.Process) -> float:
    """When it started, in a unit that a change of the wall clock does not move where there is one."""
    if not sys.platform.startswith("linux"):
        return process.create_time()
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError) as err:
        raise psutil.NoSuchProcess(process.pid) from err
    return float(fields.rpartition(")")[2].split()[19])


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


@dataclass(frozen=True, slots=True)
class User:
    """The system user a program runs as, when that is not ours."""

    uid: int
    gid: int

    def arguments(self) -> dict[str, Any]:
        """For subprocess: it changes folder first and user second, so the folder may be one only root can reach."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


@dataclass(frozen=True, slots=True)
class Program:
    """A server as it is started."""

    argv: Sequence[str | Path]
    log: Path
    folder: Path
    environment: Mapping[str, str]
    user: User | None = None


def spawn(program: Program) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, with nothing of ours but its log: it survives our death."""
    try:
        rotate(program.log)
        with program.log.open("ab") as log:
            return subprocess.Popen(
                program.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=program.folder,
                env=dict(program.environment), start_new_session=True, umask=0o077, **as_user(program.user),
            )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as err:
        raise StackError(f"{program.argv[0]} cannot be started: {err}") from err


def as_user(user: User | None) -> dict[str, Any]:
    """Arguments for subprocess that make a program run as this user."""
    return user.arguments() if user else {}


def environment() -> dict[str, str]:
    """What a server gets of our environment: nothing that could change what it does."""
    return {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ} | {
        "LC_ALL": "C",
        "TZ": "UTC",
    }


async def until(condition: Callable[[], bool], seconds: float, poll: float = POLL_S) -> bool:
    """Wait for a condition; false when it did not come true in time."""
    end = asyncio.get_running_loop().time() + seconds
    while not condition():
        if asyncio.get_running_loop().time() > end:
            return False
        await asyncio.sleep(poll)
    return True


def is_gone(process: psutil.Process) -> bool:
    """Whether it ended; one that only waits for its parent to notice has ended."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _all_gone(processes: Sequence[psutil.Process]) -> bool:
    return all(map(is_gone, processes))


async def end(processes: Iterable[psutil.Process], plan: Sequence[tuple[signal.Signals, float]]) -> None:
    """End processes with ever stronger signals, and wait until they are really gone."""
    left = list(processes)
    for number, patience in plan:
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        await until(partial(_all_gone, left), patience)
        left = [process for process in left if not is_gone(process)]
        if not left:
            return
    pids = ", ".join(str(process.pid) for process in left)
    raise StackError(f"processes {pids} did not end, not even by SIGKILL; end them by hand before the next start")
