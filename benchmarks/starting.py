"""What our programs take before they do anything: the command line's own help, and the program of every pod.

`python -m benchmarks.starting` measures nothing else.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks.installed import program

RUNS = 15
_HELP_S = 30.0


@dataclass
class Start:
    """One program that shows its help: its seconds, run by run."""

    words: str
    seconds: list[float] = field(default_factory=list)

    @property
    def median_s(self) -> float:
        """The median of its runs."""
        return median(self.seconds)

    def figures(self) -> dict[str, Any]:
        """What is written down."""
        return {"program": self.words, "median_s": round(self.median_s, 3), "seconds": self.seconds}


def start_up(runs: int = RUNS) -> list[Start]:
    """Every program in turns, each once before it counts: the files of its modules are then in memory."""
    workers, python = program("airbyte-workers"), sys.executable
    programs = {
        (python, "-c", "pass"): Start("Python alone"),
        (workers, "--help"): Start("`airbyte-workers --help`"),
        (workers, "jobs", "list", "--help"): Start("`airbyte-workers jobs list --help`"),
        (workers, "sync", "--help"): Start("`airbyte-workers sync --help`"),
        (python, "-m", "airbyte_workers.orchestrator", "--help"): Start("the program of a pod"),
    }
    for command in programs:
        _seconds(command)
    for _ in range(runs):
        for command, start in programs.items():
            start.seconds.append(_seconds(command))
    return list(programs.values())


def _seconds(command: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, timeout=_HELP_S)
    return round(time.perf_counter() - began, 4)


if __name__ == "__main__":
    for each in start_up():
        print(f"{each.median_s:.2f} s  {each.words}")
