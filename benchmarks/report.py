"""Medians of all runs, as a Markdown table and as JSON."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import Any

from benchmarks.history import JOBS, Look
from benchmarks.limits import Run
from benchmarks.peers import NOTE, PEERS
from benchmarks.product import Sync
from benchmarks.starting import RUNS, Start
from benchmarks.workload import Workload


@dataclass
class Moved:
    """All runs of one workload."""

    workload: Workload
    pipe: list[Run] = field(default_factory=list)
    bare: list[Run] = field(default_factory=list)
    ours: list[Run] = field(default_factory=list)
    whole: list[Sync] = field(default_factory=list)

    @property
    def message_bytes(self) -> float:
        """Bytes of one message on the pipe: the record's data and its envelope."""
        return self.bare[0].size / self.workload.records

    def rate(self, runs: Sequence[Run]) -> float:
        """Records per second."""
        return self.workload.records / median(run.seconds for run in runs)

    @property
    def whole_rate(self) -> float:
        """Records per second of whole attempts: from the row's opening to its close, everything included."""
        return self.workload.records / median(run.attempt_s for run in self.whole)

    @property
    def ratios(self) -> dict[str, float]:
        """Our paths to the limits, each against its neighbour of the same round: 1 would be as fast as the limit."""
        return {
            "relay_to_plain_pipe": median(a.seconds / b.seconds for a, b in zip(self.pipe, self.ours, strict=True)),
            "relay_to_bare_relay": median(a.seconds / b.seconds for a, b in zip(self.bare, self.ours, strict=True)),
            "whole_to_plain_pipe": median(a.seconds / b.attempt_s for a, b in zip(self.pipe, self.whole, strict=True)),
        }

    @property
    def cpu_per_gb(self) -> float:
        """CPU seconds that our relay uses for 10^9 bytes of messages."""
        return median(run.cpu_s / run.size for run in self.ours) * 1e9

    def figures(self) -> dict[str, Any]:
        """What is written down."""
        pipe, bare, ours = self.rate(self.pipe), self.rate(self.bare), self.rate(self.ours)
        return {
            "record_bytes": self.workload.record_bytes,
            "records": self.workload.records,
            "message_bytes": round(self.message_bytes, 1),
            **{name: round(ratio, 3) for name, ratio in self.ratios.items()},
            "records_per_second": {
                "plain_pipe": round(pipe),
                "bare_relay": round(bare),
                "relay": round(ours),
                "whole_attempt": round(self.whole_rate),
            },
            "relay_cpu_s_per_gb": round(self.cpu_per_gb, 2),
            "orchestrator_peak_memory_bytes": max(run.peak_memory for run in self.whole),
            "runs": {
                "plain_pipe": [asdict(run) for run in self.pipe],
                "bare_relay": [asdict(run) for run in self.bare],
                "relay": [asdict(run) for run in self.ours],
                "whole": [asdict(run) for run in self.whole],
            },
        }


@dataclass
class Results:
    """Everything one call measured."""

    rounds: int
    moved: list[Moved]
    warm: list[Sync] = field(default_factory=list)
    cold: list[Sync] = field(default_factory=list)
    past: list[Look] = field(default_factory=list)
    programs: list[Start] = field(default_factory=list)
    took_s: float = 0
    load: float = field(default_factory=lambda: os.getloadavg()[0])

    def document(self) -> dict[str, Any]:
        """The content of latest.json."""
        return {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine(),
            "rounds": self.rounds,
            "took_s": round(self.took_s, 1),
            "load_before": round(self.load, 2),
            "moved": [each.figures() for each in self.moved],
            "start": {
                "running_stack": [asdict(run) for run in self.warm],
                "no_stack": [asdict(run) for run in self.cold],
            },
            "past": {"jobs": JOBS, "commands": [each.figures() for each in self.past]},
            "programs": [each.figures() for each in self.programs],
            "peers": {"note": NOTE, "published": [peer._asdict() for peer in PEERS]},
        }

    def markdown(self) -> str:
        """The tables for people."""
        tables = (self._ratios(), self._rates(), self._starts(), self._past(), self._programs())
        return "\n\n".join((self._head(), *tables, _peers()))

    def _head(self) -> str:
        day = datetime.now(UTC).date().isoformat()
        how = f"medians of {self.rounds} alternated round{'s' if self.rounds > 1 else ''}"
        return f"{day}, {machine()}; {how}, {self.took_s:.0f} s in all, load average {self.load:.1f} before."

    def _ratios(self) -> str:
        rows = [
            (
                each.workload.name,
                *(f"{ratio:.2f}" for ratio in each.ratios.values()),
                f"{each.cpu_per_gb:.1f}",
                f"{max(run.peak_memory for run in each.whole) / 2**20:.0f} MiB",
            )
            for each in self.moved
        ]
        head = (
            "data of a record",
            "our relay / plain pipe",
            "our relay / bare relay",
            "whole attempt / plain pipe",
            "relay CPU s per GB",
            "orchestrator's peak memory",
        )
        return _table(head, rows)

    def _rates(self) -> str:
        rows: list[tuple[str, ...]] = []
        for each in self.moved:
            paths = (
                ("plain pipe: source, cat", each.rate(each.pipe)),
                ("bare relay: os.read, os.write", each.rate(each.bare)),
                ("our relay: decode, count, stamp, forward", each.rate(each.ours)),
                ("whole attempt: launched, moved, committed, closed", each.whole_rate),
            )
            rows.extend(
                (each.workload.name, path, f"{rate:,.0f}", f"{rate * each.message_bytes / 1e6:,.0f}")
                for path, rate in paths
            )
        return _table(("data of a record", "path", "records/s", "MB/s of messages"), rows)

    def _starts(self) -> str:
        rows = [
            (
                name,
                f"{median(run.first_record_s for run in runs):.1f} s",
                f"{median(run.seconds for run in runs):.1f} s",
            )
            for name, runs in (("stack running", self.warm), ("no stack running", self.cold))
            if runs
        ]
        return _table(("a sync of one record", "command to first record", "whole command"), rows)

    def _past(self) -> str:
        rows = [
            (
                f"`{each.words}`" if "," not in each.words else each.words,
                f"{median(each.one):.2f} s",
                f"{median(each.many):.2f} s",
                f"{each.more_s * 1000:+.0f} ms",
            )
            for each in self.past
        ]
        return _table(("whole command", "database of one job", f"of {JOBS:,} jobs", "more"), rows)

    def _programs(self) -> str:
        rows = [(each.words, f"{each.median_s:.2f} s") for each in self.programs]
        return _table((f"a program that shows its help, median of {RUNS}", "takes"), rows)


def machine() -> str:
    """The class of machine, as far as it may be told."""
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def _peers() -> str:
    return f"{NOTE}\n\n" + _table(("peer", "published", "source"), list(PEERS))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
