"""Runs in the environment of airbyte_serverless. The last line printed has the figures.

Its package is imported by name at run time, so that nobody who checks this file needs it.
"""

from __future__ import annotations

import json
import resource
import time
from importlib import import_module
from pathlib import Path

sources = import_module("airbyte_serverless.sources")


def main() -> None:
    """Read to the end. Its `read` asks for the catalog first: a shell and a `cat`, some milliseconds."""
    source = sources.ExecutableAirbyteSource(str(Path(__file__).parent / "source_file.sh"), {})
    began, used, records = time.perf_counter(), time.process_time(), 0
    for message in source.extract():
        if message["type"] == "RECORD":
            records += 1
    figures = {
        "seconds": time.perf_counter() - began,
        "cpu_s": time.process_time() - used,
        "records": records,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
