"""The programs of the one replication pod that runs, as processes of this host; those in containers are, too."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from airbyte_workers.names import Role
from airbyte_workers.pods.folders import PodFolders
from airbyte_workers.pods.processes import alive

_WRAPPER = "connector_wrapper.sh"
_INIT = "docker-init"
_ACCESS = 0o3


@dataclass(frozen=True)
class PodProcesses:
    """Looks for processes of one pod; each may not be there yet."""

    folders: PodFolders
    pod: str

    def program(self, role: Role) -> psutil.Process | None:
        """The program itself: not its wrapper, not the process that keeps it."""
        record = self.folders.read(self.pod)
        identity = record.processes.get(role) if record is not None else None
        if identity is None or not alive(identity):
            return None
        return program_below(identity.pid)

    def holder(self) -> psutil.Process | None:
        """The process that keeps the write end of the destination's input without ever writing.

        It counts once somebody else can write: until then its death would itself be the end of input.
        """
        fifo = self.folders.path(self.pod, Role.DESTINATION) / "in"
        writers = list(_writers(fifo))
        holders = [each for each in writers if _is_wrapper(each)]
        return holders[0] if holders and len(writers) > len(holders) else None


def program_below(pid: int) -> psutil.Process | None:
    """The first program below a wrapper or a container's first process that is neither."""
    with suppress(psutil.Error):
        below = psutil.Process(pid).children(recursive=True)
        return next((each for each in below if not _is_wrapper(each)), None)
    return None


def _is_wrapper(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        words = process.cmdline()
        return not words or any(_WRAPPER in word or Path(word).name == _INIT for word in words)
    return True  # it is gone, or about to be


def _writers(fifo: Path) -> Iterator[psutil.Process]:
    """Whoever can write to a FIFO and cannot read from it, in whatever container it is."""
    try:
        wanted = fifo.stat()
    except FileNotFoundError:
        return
    for pid in psutil.pids():
        with suppress(OSError, psutil.Error):
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                if _is_writing(descriptor, wanted):
                    yield psutil.Process(pid)
                    break


def _is_writing(descriptor: Path, wanted: os.stat_result) -> bool:
    with suppress(OSError):
        if not os.path.samestat(descriptor.stat(), wanted):
            return False
        told = (descriptor.parent.parent / "fdinfo" / descriptor.name).read_text()
        flags = next(line.split()[1] for line in told.splitlines() if line.startswith("flags:"))
        return int(flags, 8) & _ACCESS == os.O_WRONLY
    return False
