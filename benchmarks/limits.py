"""What this machine can do without us: two programs on one pipe, and the smallest relay Python allows."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from airbyte_workers.settings import Settings
from benchmarks.workload import Workload

_SET_PIPE_SIZE = getattr(fcntl, "F_SETPIPE_SZ", None)  # Linux alone has it


@dataclass(frozen=True)
class Run:
    """One run: `size` are the bytes of whole messages on the pipe, `cpu_s` is what the relaying process used."""

    seconds: float
    records: int
    size: int = 0
    cpu_s: float = 0


def plain_pipe(workload: Workload, folder: Path) -> Run:
    """`source-synthetic read ... | cat >/dev/null`, with a pipe of the size that we ask for, too."""
    began = time.perf_counter()
    with subprocess.Popen(workload.read_command(folder), stdout=subprocess.PIPE) as source:
        assert source.stdout is not None
        _enlarge(source.stdout.fileno(), Settings().pipe_bytes)
        with subprocess.Popen(["cat"], stdin=source.stdout, stdout=subprocess.DEVNULL) as sink:
            source.stdout.close()
            _expect_success(sink)
        _expect_success(source)
    return Run(time.perf_counter() - began, workload.records)


def bare_relay(workload: Workload, folder: Path) -> Run:
    """The same with `os.read` and `os.write` of this process between the two; nothing is looked at."""
    settings = Settings()
    began, cpu_began, size = time.perf_counter(), time.process_time(), 0
    with (
        subprocess.Popen(workload.read_command(folder), stdout=subprocess.PIPE) as source,
        subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as sink,
    ):
        assert source.stdout is not None
        assert sink.stdin is not None
        reading, writing = source.stdout.fileno(), sink.stdin.fileno()
        for pipe in (reading, writing):
            _enlarge(pipe, settings.pipe_bytes)
        while chunk := os.read(reading, settings.block_bytes):
            size += len(chunk)
            view = memoryview(chunk)
            while view:
                view = view[os.write(writing, view) :]
        sink.stdin.close()
        _expect_success(source)
        _expect_success(sink)
    return Run(time.perf_counter() - began, workload.records, size, time.process_time() - cpu_began)


def _enlarge(pipe: int, size: int) -> None:
    if _SET_PIPE_SIZE is not None:
        fcntl.fcntl(pipe, _SET_PIPE_SIZE, size)


def _expect_success(process: subprocess.Popen[bytes]) -> None:
    if process.wait() != 0:
        raise RuntimeError(f"a program of the benchmark exited with code {process.returncode}")
