"""What this machine can do without us: two programs on one pipe, and the smallest relay Python allows."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from airbyte_workers.settings import Settings


@dataclass(frozen=True)
class Run:
    """One run: `size` are the bytes of whole messages, `cpu_s` is what the relaying process used."""

    seconds: float
    records: int
    size: int = 0
    cpu_s: float = 0

    @property
    def mb_s(self) -> float:
        """10^6 bytes in a second."""
        return self.size / self.seconds / 1e6

    @property
    def cpu_s_per_gb(self) -> float:
        """Processor seconds for 10^9 bytes."""
        return self.cpu_s / self.size * 1e9


def plain_pipe(file: Path, records: int) -> Run:
    """`cat FILE | cat >/dev/null`."""
    began = time.perf_counter()
    with subprocess.Popen(["cat", file], stdout=subprocess.PIPE) as source:
        with subprocess.Popen(["cat"], stdin=source.stdout, stdout=subprocess.DEVNULL) as sink:
            assert source.stdout is not None
            source.stdout.close()
            _expect_success(sink)
        _expect_success(source)
    return Run(time.perf_counter() - began, records, file.stat().st_size)


def bare_relay(file: Path, records: int) -> Run:
    """The same with `os.read` and `os.write` of this process between the two; nothing is looked at.

    Blocks and pipes are as large as ours.
    """
    block, pipe = (Settings.model_fields[name].default for name in ("block_bytes", "pipe_bytes"))
    began, cpu_began, size = time.perf_counter(), time.process_time(), 0
    with (
        subprocess.Popen(["cat", file], stdout=subprocess.PIPE, pipesize=pipe) as source,
        subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pipesize=pipe) as sink,
    ):
        assert source.stdout is not None
        assert sink.stdin is not None
        reading, writing = source.stdout.fileno(), sink.stdin.fileno()
        while chunk := os.read(reading, block):
            size += len(chunk)
            view = memoryview(chunk)
            while view:
                view = view[os.write(writing, view) :]
        sink.stdin.close()
        _expect_success(source)
        _expect_success(sink)
    return Run(time.perf_counter() - began, records, size, time.process_time() - cpu_began)


def _expect_success(process: subprocess.Popen[bytes]) -> None:
    if process.wait() != 0:
        raise RuntimeError(f"a program of the benchmark exited with code {process.returncode}")
