"""Our data path alone: the orchestrator's own reader, core and writer between two FIFOs; no Temporal, no database."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
import time
from pathlib import Path

from airbyte_workers.orchestrator.pipes import FifoReader, FifoWriter, blocks, open_reader, try_open_writer
from airbyte_workers.protocol.streams import StreamKey
from airbyte_workers.redaction import Redactor
from airbyte_workers.replication.ledger import Ledger
from airbyte_workers.replication.source import SourceSide
from airbyte_workers.settings import Settings
from benchmarks.limits import Run
from benchmarks.workload import STREAM, Workload

_OPENING_S = 10.0
_POLL_S = 0.001


def our_relay(workload: Workload, folder: Path) -> Run:
    """Every record decoded, counted and forwarded, every state stamped and staged."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        out, into = Path(place) / "out", Path(place) / "in"
        for fifo in (out, into):
            os.mkfifo(fifo)
        began, cpu_began = time.perf_counter(), time.process_time()
        reader = open_reader(out)
        source = _shell('exec "$@" >"$0"', out, *workload.read_command(folder))
        sink = _shell('exec cat <"$0" >/dev/null', into)
        try:
            size = asyncio.run(_move(reader, into, workload.records))
            codes = source.wait(), sink.wait()
        finally:
            source.kill()
            sink.kill()
        run = Run(time.perf_counter() - began, workload.records, size, time.process_time() - cpu_began)
    if any(codes):
        raise RuntimeError(f"the programs of the benchmark exited with codes {codes}")
    return run


async def _move(reader: FifoReader, into: Path, expected: int) -> int:
    """What `Replication._move` does, without what surrounds it; returns the bytes that were forwarded."""
    settings = Settings()
    ledger = Ledger([(STREAM, None)], _NoLog(), staged_states_bytes=settings.staged_states_bytes)
    side, size = SourceSide(ledger), 0
    writer = await _opened(into)
    for pipe in (reader, writer):
        pipe.enlarge(settings.pipe_bytes)
    try:
        async for block in blocks(reader, size=settings.block_bytes, max_line_bytes=settings.max_message_bytes):
            if forwarded := b"".join(side.take(block)):
                await writer.write(forwarded)
                size += len(forwarded)
    finally:
        writer.close()
        reader.close()
    if ledger.counters.records_forwarded != expected:
        raise RuntimeError(f"{ledger.counters.records_forwarded} records were forwarded, not {expected}")
    return size


async def _opened(fifo: Path) -> FifoWriter:
    async with asyncio.timeout(_OPENING_S):
        while (writer := try_open_writer(fifo)) is None:
            await asyncio.sleep(_POLL_S)
    return writer


def _shell(script: str, *words: str | Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["/bin/sh", "-c", script, *map(str, words)])


class _NoLog:
    """A benchmark keeps no log; lines of the source would be an error that the counts show."""

    redact = Redactor()

    def __call__(self, leg: str, level: str, text: str, stream: StreamKey | None = None) -> None:
        pass
