"""What is measured, in rounds: in each all paths take turns, so that a slow moment of the machine meets all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from airbyte_workers.client import Client
from benchmarks import containers
from benchmarks.limits import Run, bare_relay, plain_pipe
from benchmarks.peer_runs.environments import PeerUnavailableError
from benchmarks.peer_runs.peer import Peer, PeerRun
from benchmarks.pods import OPTIONS, Place, PodRun, Pods
from benchmarks.records import Records

SIZES = {100: 4_000_000, 500: 1_000_000, 5_000: 120_000, 1_000_000: 600}
"""Bytes of a record's data: how many of them, about half a gigabyte of messages each."""
STREAMS = (1, 50)
_FEWER = {"": 1, "with validation": 8, "with mappers": 8}
MAIN = Records(record_bytes=500, records=2_000_000)
_PEER_RECORDS = 300_000


@dataclass
class Cell:
    """All runs of one workload, path by path; the runs at one place of the lists are of one round."""

    records: Records
    options: str = ""
    runs: dict[str, list[Run]] = field(default_factory=dict)

    def add(self, path: str, run: Run) -> None:
        self.runs.setdefault(path, []).append(run)

    def ratio(self, ours: str, other: str) -> float:
        """How many times as many bytes a second: the median of the rounds."""
        pairs = zip(self.runs[ours], self.runs[other], strict=True)
        return median(a.mb_s / b.mb_s for a, b in pairs)

    def figures(self) -> dict[str, Any]:
        """What is written down."""
        wanted = (
            ("process", "cat"),
            ("process", "bare"),
            ("docker", "process"),
            ("docker", "docker_run"),
            ("docker", "docker_run_quiet"),
        )
        return {
            "data": self.records.name,
            "record_bytes": self.records.record_bytes,
            "streams": self.records.streams,
            "records": self.records.records,
            "options": self.options,
            "paths": {path: _figures(runs) for path, runs in self.runs.items()},
            "ratios": {f"{a}/{b}": round(self.ratio(a, b), 3) for a, b in wanted if a in self.runs and b in self.runs},
        }


def cells(scale: float) -> Iterator[Cell]:
    """The main workload, then the grid."""
    yield Cell(_scaled(MAIN, scale))
    for options in OPTIONS:
        for size, count in SIZES.items():
            for streams in STREAMS:
                if (size, streams, options) != (MAIN.record_bytes, 1, ""):
                    yield Cell(_scaled(Records(size, count // _FEWER[options], streams), scale), options)


@dataclass(frozen=True)
class Bench:
    """A running stack, and whether there are containers."""

    place: Place
    client: Client
    has_engine: bool

    async def measure(self, cell: Cell) -> None:
        """One round of a cell."""
        file, count = cell.records.airbyte_file(self.place.folder), cell.records.records
        cell.add("cat", await asyncio.to_thread(plain_pipe, file, count))
        cell.add("bare", await asyncio.to_thread(bare_relay, file, count))
        cell.add("process", await self._pods("process", cell))

    async def measure_containers(self, cell: Cell) -> None:
        """The same for what needs an engine."""
        if not self.has_engine:
            return
        cell.add("docker", await self._pods("docker", cell))
        folder = self.place.put(cell.records)
        size = cell.records.airbyte_file(self.place.folder).stat().st_size
        for path, options in (("docker_run", ()), ("docker_run_quiet", containers.NO_LOG)):
            run = await asyncio.to_thread(containers.docker_run_pipe, folder, cell.records.records, size, options)
            cell.add(path, run)

    async def _pods(self, launcher: str, cell: Cell) -> PodRun:
        return await Pods(self.place, launcher).run(self.client, cell.records, options=cell.options)


@dataclass
class Beside:
    """A peer's runs, each with ours of the same round."""

    peer: Peer
    runs: list[PeerRun] = field(default_factory=list)
    ours: list[Run] = field(default_factory=list)

    def measure(self, folder: Path, ours: Run, scale: float) -> None:
        """One round."""
        records = _scaled(replace(MAIN, records=_PEER_RECORDS // self.peer.fewer), scale)
        self.runs.append(self.peer.run(records, folder))
        self.ours.append(ours)

    def figures(self) -> dict[str, Any]:
        """What is written down."""
        return {
            "name": self.peer.name,
            "version": self.peer.version,
            "how": self.peer.how,
            **_figures(self.runs),
            "ratio": round(median(a.mb_s / b.mb_s for a, b in zip(self.ours, self.runs, strict=True)), 2),
        }


def available(peers: Sequence[Peer]) -> tuple[list[Beside], list[str]]:
    """Those whose environment could be made, and why others could not."""
    there: list[Beside] = []
    missing: list[str] = []
    for peer in peers:
        try:
            peer.prepare()
        except PeerUnavailableError as error:
            missing.append(str(error))
        else:
            there.append(Beside(peer))
    return there, missing


@contextmanager
def with_image(*, wanted: bool) -> Iterator[None]:
    """The benchmark's image, for as long as the block."""
    if not wanted:
        yield
        return
    containers.make_image()
    try:
        yield
    finally:
        containers.remove_image()


def _scaled(records: Records, scale: float) -> Records:
    return replace(records, records=max(records.streams, int(records.records * scale)))


def _figures(runs: Sequence[Run]) -> dict[str, float]:
    figures = {
        "mb_s": round(median(run.mb_s for run in runs), 1),
        "records_s": round(median(run.records / run.seconds for run in runs)),
    }
    if any(run.cpu_s for run in runs):
        figures["cpu_s_per_gb"] = round(median(run.cpu_s_per_gb for run in runs), 2)
    peaks = [run.peak_bytes for run in runs if isinstance(run, PodRun | PeerRun)]
    if peaks:
        figures["peak_mib"] = round(max(peaks) / 2**20, 1)
    return figures
