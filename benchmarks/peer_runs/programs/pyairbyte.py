"""Runs in PyAirbyte's environment: `write`, `records` or `cache`, and a stream. The last line printed has the figures.

Its package is imported by name at run time, so that nobody who checks this file needs it.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

airbyte = import_module("airbyte")
HERE = Path(__file__).parent


def main() -> None:
    """Everything that can be asked before is asked before the clock starts."""
    way, stream = sys.argv[1:]
    source = airbyte.get_source("source-file", config={}, local_executable=HERE / "source_file.sh")
    source.select_all_streams()
    begin = {"write": _write, "records": _records, "cache": _cache}[way](source, stream)
    began, used = time.perf_counter(), time.process_time()
    records = begin()
    figures = {
        "seconds": time.perf_counter() - began,
        "cpu_s": time.process_time() - used,
        "records": records,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    print("\n" + json.dumps(figures))


def _write(source: Any, _: str) -> Any:
    program = HERE / "destination_drain.sh"
    destination = airbyte.get_destination("destination-drain", config={}, local_executable=program)

    def begin() -> int:
        destination.write(source, cache=False, state_cache=False)
        return int(json.loads(Path(os.environ["PEER_RUNS_DRAINED"]).read_text())["records"])

    return begin


def _records(source: Any, stream: str) -> Any:
    records = source.get_records(stream, prune_undeclared_fields=False)
    return lambda: sum(1 for _ in records)


def _cache(source: Any, stream: str) -> Any:
    cache = airbyte.new_local_cache("benchmark")

    def begin() -> int:
        return len(source.read(cache=cache)[stream])

    return begin


if __name__ == "__main__":
    main()
