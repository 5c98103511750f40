"""The command: run everything in turns, print the tables, keep the figures."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airbyte_workers.client import Client
from benchmarks.containers import engine_answers
from benchmarks.grid import Bench, Beside, Cell, available, cells, with_image
from benchmarks.peer_runs.__main__ import every_peer
from benchmarks.peer_runs.environments import default_folder
from benchmarks.peer_runs.peer import PeerFailedError
from benchmarks.pods import Place, Pods
from benchmarks.publish import markdown
from benchmarks.waiting import AT_ONCE, at_once, growth, questions, starts

LATEST = Path(__file__).parent / "results" / "latest.json"
COUNTS = [10_000, 100_000, 1_000_000, 10_000_000]
LONG = 100_000_000


@dataclass
class Plan:
    """What a call shall do."""

    rounds: int
    scale: float
    long: bool
    main_only: bool
    figures: dict[str, Any] = field(default_factory=dict)

    async def measure(self, place: Place, besides: list[Beside], *, has_engine: bool) -> None:
        """Everything, on a running stack."""
        every = [Pods(place, name) for name in (("process", "docker") if has_engine else ("process",))]
        async with Client.connect() as client:
            bench = Bench(place, client, has_engine)
            if self.long:
                self.figures["growth"] = await growth(client, every[0], [LONG])
                return
            measured = await self._grid(bench, besides)
            self.figures["moved"] = [cell.figures() for cell in measured]
            self.figures["peers"] = [beside.figures() for beside in besides]
            _say("starts and answers")
            self.figures["starts"] = await starts(client, every, self.rounds)
            asked = questions(client, every)
            for _ in range(self.rounds):
                for question in asked:
                    await question.measure()
            self.figures["latency"] = [question.figures() for question in asked]
            _say(f"{AT_ONCE} syncs at once, and ever longer ones")
            self.figures["at_once"] = await at_once(client, every[0])
            counts = [int(count * min(1, self.scale)) for count in COUNTS]
            self.figures["growth"] = await growth(client, every[0], counts)

    async def _grid(self, bench: Bench, besides: list[Beside]) -> list[Cell]:
        measured = list(cells(self.scale))
        measured = measured[:1] if self.main_only else measured
        for cell in measured:
            for number in range(1, self.rounds + 1):
                _say(f"{cell.records.name} {cell.options}, round {number} of {self.rounds}")
                await bench.measure(cell)
                if cell is measured[0]:
                    await bench.measure_containers(cell)
                    for beside in tuple(besides):
                        ours = cell.runs["process"][-1]
                        try:
                            await asyncio.to_thread(beside.measure, bench.place.folder, ours, self.scale)
                        except (PeerFailedError, subprocess.SubprocessError) as error:
                            besides.remove(beside)
                            _say(f"without a peer that failed: {beside.peer.name}: {error}")
            for file in bench.place.folder.glob("airbyte-*.jsonl"):
                file.unlink()
        return measured


def main() -> None:
    """Measure, print, write."""
    arguments = _arguments()
    plan = Plan(arguments.rounds, arguments.scale, arguments.long, arguments.main)
    figures = run(plan)
    kept = _with_longest(arguments.out, figures) if arguments.long else figures
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(kept, indent=2) + "\n")
    print(f"\nfigures: {arguments.out}", file=sys.stderr)
    print(markdown(figures))


def run(plan: Plan) -> dict[str, Any]:
    """All figures as one document."""
    began, has_engine = time.perf_counter(), engine_answers()
    besides, missing = available([] if plan.long else every_peer(default_folder()))
    for why in missing:
        _say(f"without a peer: {why}")
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="airbyte-workers-bench-") as folder:
        place = Place(Path(folder).resolve())
        place.folder.chmod(0o755)
        with with_image(wanted=has_engine), place.running_stack(MAX_SYNC_WORKERS=str(AT_ONCE)):
            asyncio.run(plan.measure(place, besides, has_engine=has_engine))
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": _machine(),
        "rounds": plan.rounds,
        "took_s": round(time.perf_counter() - began, 1),
        "load_before": round(load, 2),
        "moved": [],
        "peers": [],
        "starts": [],
        "latency": [],
        "growth": [],
        **plan.figures,
    }


def _machine() -> str:
    """The class of machine, as far as it may be told."""
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def _with_longest(file: Path, figures: dict[str, Any]) -> dict[str, Any]:
    """The figures that are kept already, with those of the longest sync in their place among the others."""
    if not file.exists():
        return figures
    kept: dict[str, Any] = json.loads(file.read_text())
    shorter = [each for each in kept["growth"] if each["records"] != LONG]
    return {**kept, "growth": [*shorter, *figures["growth"]]}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of every path (default: 5)")
    parser.add_argument("--scale", type=float, default=1, help="so many times the records (default: 1)")
    parser.add_argument("--main", action="store_true", help="only records of 500 bytes in one stream")
    parser.add_argument("--long", action="store_true", help=f"only one sync of {LONG:,} records")
    parser.add_argument("--out", type=Path, default=LATEST, help="where the figures are kept")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.scale <= 0:
        parser.error("--rounds and --scale must be positive")
    return arguments


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
