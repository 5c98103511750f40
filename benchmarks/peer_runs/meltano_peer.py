"""Meltano, which runs a Singer tap and a Singer target and relays each line from one to the other.

The tap is a shell script that becomes `cat`; the target drains its input in large blocks, decodes nothing but states
and answers these, so all but a trace of the time is Meltano's. Its start of some seconds is left out: the clock and
the count of its CPU time begin when the tap starts and end when the target has seen the end of its input.
"""

from __future__ import annotations

import json
import os
import sys
import time
from functools import partial
from pathlib import Path

from benchmarks.peer_runs.environments import Environment
from benchmarks.peer_runs.peer import PROGRAMS, Peer, PeerRun, Place
from benchmarks.records import Records

_MELTANO = Environment("meltano", "4.4.1")
_BUFFER_BYTES = 8 * 1024 * 1024
_PROJECT = {
    "default_environment": "dev",
    "project_id": "00000000-0000-0000-0000-000000000000",
    "send_anonymous_usage_stats": False,
    "environments": [{"name": "dev"}],
    "plugins": {
        "extractors": [
            {
                "name": "tap-file",
                "namespace": "tap_file",
                "executable": str(PROGRAMS / "tap_file.sh"),
                "capabilities": ["state"],
            }
        ],
        "loaders": [
            {"name": "target-null", "namespace": "target_null", "executable": str(PROGRAMS / "target_drain.sh")}
        ],
    },
}


def meltano_peers(environments: Path) -> tuple[Peer, ...]:
    """As it is out of the box, and with the one setting that makes it quicker."""
    how = "`meltano run tap-file target-null` with the system database for states"
    small = {"MELTANO_ELT_BUFFER_SIZE": str(_BUFFER_BYTES)}
    return (
        Peer("Meltano", f"{how}, no setting changed", _MELTANO, environments, partial(_moved, variables={})),
        Peer(
            "Meltano, small buffer",
            f"{how}; elt.buffer_size is 8 MiB, for the default of 100 MiB costs it time",
            _MELTANO,
            environments,
            partial(_moved, variables=small),
        ),
    )


def _moved(records: Records, folder: Path, place: Place, variables: dict[str, str]) -> PeerRun:
    messages, tap, drained = records.singer_file(folder), place.folder / "tap", place.folder / "drained.json"
    (place.folder / "meltano.yml").write_text(json.dumps(_PROJECT))  # JSON is YAML
    given = {
        "PEER_RUNS_MESSAGES": str(messages),
        "PEER_RUNS_TAP": str(tap),
        "PEER_RUNS_DRAINED": str(drained),
        "PEER_RUNS_PYTHON": sys.executable,
    }
    began = time.perf_counter()
    place.run([place.program("meltano"), "run", "tap-file", "target-null"], given | variables)
    whole_s = time.perf_counter() - began
    started_at, _, stat = tap.read_text().partition("\n")
    end = json.loads(drained.read_text())
    return PeerRun(
        seconds=end["ended_at"] - float(started_at),
        records=end["records"],
        size=messages.stat().st_size,
        cpu_s=cpu_s(end["parents_stat"]) - cpu_s(stat),
        peak_bytes=peak_bytes(end["parents_status"]),
        whole_s=whole_s,
    )


def cpu_s(stat: str) -> float:
    """CPU seconds of a process, from the text of its /proc/PID/stat; its name may hold spaces and brackets."""
    user, system = stat.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def peak_bytes(status: str) -> int:
    """Most memory a process had, from the text of its /proc/PID/status."""
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
