"""PyAirbyte and airbyte_serverless, which run an Airbyte source as a program and read its pipe.

The source is a shell script that becomes `cat`, so all but a trace of the time is theirs. The clock runs inside their
process, from the moment the first message is asked for: their start, imports, spec and discover are left out.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from benchmarks.peer_runs.environments import Environment
from benchmarks.peer_runs.peer import PROGRAMS, Peer, PeerFailedError, PeerRun, Place
from benchmarks.records import Records

_PYAIRBYTE = Environment("airbyte", "0.71.3")
_SERVERLESS = Environment("airbyte-serverless", "0.37")


def airbyte_peers(environments: Path) -> tuple[Peer, ...]:
    """The ways to use them, the most favourable of each first."""
    return (
        Peer(
            "PyAirbyte",
            "destination.write(source, cache=False, state_cache=False) into a destination that only drains its input: "
            "the quickest way of its public interface, without a database and without a record made of each message",
            _PYAIRBYTE,
            environments,
            _pyairbyte_write,
        ),
        Peer(
            "PyAirbyte, records in Python",
            "for record in source.get_records(stream, prune_undeclared_fields=False), each dropped at once",
            _PYAIRBYTE,
            environments,
            _pyairbyte_records,
        ),
        Peer(
            "PyAirbyte, DuckDB cache",
            "source.read(cache=new_local_cache()), the documented first use",
            _PYAIRBYTE,
            environments,
            _pyairbyte_cache,
            fewer=3,
        ),
        Peer(
            "airbyte_serverless",
            "for message in ExecutableAirbyteSource(...).extract(), each dropped at once: it extracts and no more",
            _SERVERLESS,
            environments,
            _serverless,
        ),
    )


def _pyairbyte_write(records: Records, folder: Path, place: Place) -> PeerRun:
    return _moved(records, folder, place, ["pyairbyte.py", "write"])


def _pyairbyte_records(records: Records, folder: Path, place: Place) -> PeerRun:
    return _moved(records, folder, place, ["pyairbyte.py", "records"])


def _pyairbyte_cache(records: Records, folder: Path, place: Place) -> PeerRun:
    return _moved(records, folder, place, ["pyairbyte.py", "cache"])


def _serverless(records: Records, folder: Path, place: Place) -> PeerRun:
    return _moved(records, folder, place, ["serverless.py"])


def _moved(records: Records, folder: Path, place: Place, arguments: list[str]) -> PeerRun:
    """One of our programs in the peer's environment; the last line it prints has its figures."""
    messages, discovered = records.airbyte_file(folder), place.folder / "discovered.json"
    streams = [each["stream"] for each in records.catalog["streams"]]
    discovered.write_text(json.dumps({"type": "CATALOG", "catalog": {"streams": streams}}) + "\n")
    program, *way = arguments
    began = time.perf_counter()
    said = place.run(
        [place.program("python"), "-W", "ignore", str(PROGRAMS / program), *way, records.stream_names[0]],
        {
            "PEER_RUNS_MESSAGES": str(messages),
            "PEER_RUNS_DISCOVERED": str(discovered),
            "PEER_RUNS_DRAINED": str(place.folder / "drained.json"),
            "PEER_RUNS_PYTHON": sys.executable,
        },
    )
    whole_s = time.perf_counter() - began
    if not said.strip():
        raise PeerFailedError(f"{program} printed no figures")
    return PeerRun(**json.loads(said.splitlines()[-1]), size=messages.stat().st_size, whole_s=whole_s)
