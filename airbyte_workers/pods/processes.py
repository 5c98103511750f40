"""Which processes belong to a pod, whether they are still the same ones, and their end."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgspec
import psutil

from airbyte_workers.names import FORK_SERVER_MODULE, POD_VARIABLE


class Identity(msgspec.Struct, frozen=True):
    """One process for all time: a number is used again, with its start and the boot it is not.

    On Linux `create_time` is counted in clock ticks from the boot: psutil's seconds since 1970 move with the
    host's clock, and a running pod would be taken for dead after the clock was set.
    """

    pid: int
    create_time: float
    boot_id: str


def identify(pid: int) -> Identity | None:
    """The process that has this number now; None when there is none or only a zombie."""
    seen = _seen(pid)
    return None if seen is None or seen.zombie else Identity(pid, seen.create_time, _boot_id())


def identify_child(pid: int) -> Identity:
    """Our own child, which may have ended already but still has its number."""
    seen = _seen(pid)
    return Identity(pid, seen.create_time if seen else 0.0, _boot_id())


def alive(identity: Identity) -> bool:
    """Whether this very process still runs; a zombie does not."""
    return identify(identity.pid) == identity


def members(label: str) -> Iterator[psutil.Process]:
    """Every process that carries a pod's label in its environment, wherever it has moved to.

    Forks of a fork server have its environment for whoever looks from outside: they are known by their directory.
    """
    for pid in psutil.pids():
        if pid == os.getpid():
            continue
        with suppress(psutil.Error, OSError):
            process = psutil.Process(pid)
            if _belongs(process, label) and process.status() != psutil.STATUS_ZOMBIE:
                yield process


def _belongs(process: psutil.Process, label: str) -> bool:
    if process.environ().get(POD_VARIABLE) == label:
        return True
    return FORK_SERVER_MODULE in process.cmdline() and Path(label) in Path(process.cwd()).parents


def kill(label: str, recorded: Iterable[Identity]) -> int:
    """Send SIGKILL to every process of the pod and to the groups of the recorded ones; returns how many there were."""
    struck = 0
    for identity in recorded:
        if alive(identity):
            struck += 1
            with suppress(ProcessLookupError):
                _kill_group(identity.pid)
    for process in members(label):
        struck += 1
        with suppress(psutil.Error):
            process.kill()
    return struck


def terminate(identity: Identity) -> None:
    """Send SIGTERM to this very process, if it still runs."""
    if alive(identity):
        with suppress(ProcessLookupError):
            os.kill(identity.pid, signal.SIGTERM)


def describe(label: str, recorded: Iterable[Identity]) -> tuple[str, ...]:
    """The pod's processes, one line each; no arguments, they could hold a secret."""
    found = {process.pid: process.name() for process in members(label)}
    found |= {identity.pid: "recorded" for identity in recorded if identity.pid not in found and alive(identity)}
    return tuple(f"process {pid} ({name}) of pod {Path(label).name}" for pid, name in sorted(found.items()))


def _kill_group(pid: int) -> None:
    """The recorded processes lead a group of their own; one that does not is ended alone."""
    if os.getpgid(pid) == pid:
        os.killpg(pid, signal.SIGKILL)
    else:
        os.kill(pid, signal.SIGKILL)


class _Seen(NamedTuple):
    create_time: float
    zombie: bool


def _seen(pid: int) -> _Seen | None:
    if sys.platform != "linux":
        return _seen_elsewhere(pid)
    try:
        status = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = status.rpartition(")")[2].split()
    return _Seen(create_time=float(fields[18]), zombie=state in "ZX")


def _seen_elsewhere(pid: int) -> _Seen | None:
    try:
        process = psutil.Process(pid)
        return _Seen(process.create_time(), process.status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return None


@cache
def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return f"{psutil.boot_time():.0f}"
