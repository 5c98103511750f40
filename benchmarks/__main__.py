"""The command: run everything in turns, print the tables, keep the figures."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.history import look_back
from benchmarks.limits import bare_relay, plain_pipe
from benchmarks.product import Product
from benchmarks.relay import our_relay
from benchmarks.report import Moved, Results
from benchmarks.starting import start_up
from benchmarks.workload import Workload

WORKLOADS = (Workload(record_bytes=100, records=3_000_000), Workload(record_bytes=1000, records=1_000_000))
LATEST = Path(__file__).parent / "results" / "latest.json"


def main() -> None:
    """Measure, print, write."""
    arguments = _arguments()
    workloads = [Workload(each.record_bytes, max(1, int(each.records * arguments.scale))) for each in WORKLOADS]
    with tempfile.TemporaryDirectory(prefix="airbyte-workers-bench-") as folder:
        results = measure(workloads, arguments.rounds, Path(folder).resolve())
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results.document(), indent=2) + "\n")
    print(results.markdown())
    print(f"\nevery single run: {arguments.out}", file=sys.stderr)


def measure(workloads: list[Workload], rounds: int, folder: Path) -> Results:
    """All rounds; the paths take turns, so that a slow moment of the machine meets all of them."""
    began = time.perf_counter()
    results = Results(rounds, [Moved(each) for each in workloads])
    product = Product(folder)
    with product.running_stack():
        for number in range(1, rounds + 1):
            for moved in results.moved:
                _say(f"round {number} of {rounds}, records of {moved.workload.name}")
                moved.pipe.append(plain_pipe(moved.workload, folder))
                moved.bare.append(bare_relay(moved.workload, folder))
                moved.ours.append(our_relay(moved.workload, folder))
                moved.whole.append(product.sync(moved.workload))
            results.warm.append(product.first_record())
    for number in range(1, rounds + 1):
        _say(f"round {number} of {rounds}, a sync that starts the stack itself")
        results.cold.append(product.first_record())
    _say("the commands that look at jobs, with and without a past")
    results.past = look_back(rounds, folder)
    _say("programs that show their help")
    results.programs = start_up()
    results.took_s = time.perf_counter() - began
    return results


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of every path (default: 3)")
    parser.add_argument("--scale", type=float, default=1, help="so many times the records (default: 1)")
    parser.add_argument("--out", type=Path, default=LATEST, help="where the figures of every run are kept")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.scale <= 0:
        parser.error("--rounds and --scale must be positive")
    return arguments


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
