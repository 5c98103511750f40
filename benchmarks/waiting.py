"""What people wait for: the start of a sync, the answer of a check or spec; and many syncs, and ever longer ones."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from airbyte_workers.client import Client
from benchmarks.containers import bare_container_s
from benchmarks.installed import program
from benchmarks.pods import Pods, first_record
from benchmarks.records import Records

FEW = Records(record_bytes=500, records=10)
AT_ONCE = 10
_AT_ONCE_RECORDS = Records(record_bytes=500, records=200_000)
_GROWTH_FILE = 1_000_000
_CALL_S = 120


@dataclass
class Latency:
    """One question, asked through us and of the bare program, in turns."""

    what: str
    ask: Callable[[], Awaitable[Any]]
    bare: Callable[[], float]
    ours_s: list[float] = field(default_factory=list)
    bare_s: list[float] = field(default_factory=list)

    async def measure(self) -> None:
        """One round."""
        began = time.perf_counter()
        await self.ask()
        self.ours_s.append(time.perf_counter() - began)
        self.bare_s.append(await asyncio.to_thread(self.bare))

    def figures(self) -> dict[str, Any]:
        """What is written down."""
        return {"what": self.what, "ours_s": round(median(self.ours_s), 3), "bare_s": round(median(self.bare_s), 3)}


def questions(client: Client, every: list[Pods]) -> list[Latency]:
    """Check and spec of the smallest connector, and of a Python one where it need not be in an image."""
    asked: list[Latency] = []
    for pods in every:
        folder = pods.place.put(FEW)
        smallest = pods.connector(folder)
        for word in ("spec", "check"):
            asked.append(_latency(client, f"{word}, {pods.name} pod", word, {**smallest, "launcher": pods.launcher}))
            command = smallest.get("command")
            asked[-1].bare = _bare(folder, word, command)
    python = [program("source-synthetic")]
    for word in ("spec", "check"):
        what = f"{word} of a Python connector, process pod"
        asked.append(_latency(client, what, word, {"command": python, "launcher": "process"}))
        asked[-1].bare = _bare(every[0].place.folder, word, python)
    return asked


def _latency(client: Client, what: str, word: str, connector: dict[str, Any]) -> Latency:
    given = connector if word == "spec" else {**connector, "config": {}}
    ask = client.spec if word == "spec" else client.check
    return Latency(what, lambda: ask(given), lambda: 0.0)


def _bare(folder: Path, word: str, command: list[str] | None) -> Callable[[], float]:
    if command is None:
        return lambda: bare_container_s(folder, word)
    config = folder / "config.json"
    config.write_text("{}")
    options = ["--config", str(config)] if word == "check" else []

    def run() -> float:
        began = time.perf_counter()
        subprocess.run([*command, word, *options], stdout=subprocess.DEVNULL, timeout=_CALL_S, check=True)
        return time.perf_counter() - began

    return run


async def starts(client: Client, every: list[Pods], rounds: int) -> list[dict[str, Any]]:
    """From the workflow's start to the first record; the connectors themselves start in a millisecond.

    Each pod's connection is new to the stack, which has run pods before.
    """
    seconds: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        for pods in every:
            started = await first_record(client, pods, FEW)
            which = "a later" if number else "the first"  # which checks both connectors before
            of = f"{pods.name} pod, {which} sync of a connection:"
            seconds.setdefault(f"{of} to the first record", []).append(started.first_record_s)
            seconds.setdefault(f"{of} to its end", []).append(started.whole_s)
    return [{"what": what, "s": round(median(each), 3)} for what, each in seconds.items()]


async def at_once(client: Client, pods: Pods) -> dict[str, Any]:
    """Syncs of ten connections, started in the same moment."""
    folders = [pods.place.put(_AT_ONCE_RECORDS, name=f"bench-{number}") for number in range(AT_ONCE)]
    for folder in folders:  # the first sync of a connection checks first
        await client.sync(pods.asked(_AT_ONCE_RECORDS, folder))
    began = time.perf_counter()
    reports = await asyncio.gather(*(client.sync(pods.asked(_AT_ONCE_RECORDS, folder)) for folder in folders))
    seconds = time.perf_counter() - began
    runs = [pods.told(report, _AT_ONCE_RECORDS) for report in reports]
    for folder in folders:
        shutil.rmtree(folder)
    return {
        "syncs": AT_ONCE,
        "mb_s": round(sum(run.size for run in runs) / seconds / 1e6, 1),
        "peak_mib": round(sum(run.peak_bytes for run in runs) / 2**20, 1),
        "s": round(seconds, 2),
    }


async def growth(client: Client, pods: Pods, counts: list[int]) -> list[dict[str, Any]]:
    """Ever longer syncs: memory and processor time shall not know."""
    figures: list[dict[str, Any]] = []
    for count in counts:
        file = Records(record_bytes=500, records=min(count, _GROWTH_FILE))
        run = await pods.run(client, file, repeat=count // file.records)
        figures.append(
            {
                "records": run.records,
                "peak_mib": round(run.peak_bytes / 2**20, 1),
                "cpu_s_per_gb": round(run.cpu_s_per_gb, 2),
                "mb_s": round(run.mb_s, 1),
            }
        )
    return figures
