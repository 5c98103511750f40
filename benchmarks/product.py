"""The product as people use it: `airbyte-workers sync -o json` on an embedded stack of the benchmark's own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airbyte_workers.models import SyncReport
from benchmarks.workload import CATALOG, Workload, program

_STOP_S = 90.0
_SYNC_S = 300.0
_TEE = 'tee "$0" | destination-null "$@"'
_OURS = ("TEMPORAL_ADDRESS", "DATABASE_URL", "STORAGE_URL", "AIRBYTE_WORKERS_")


@dataclass(frozen=True)
class Sync:
    """One sync through everything; seconds of the whole command, of its attempt, and to its first record."""

    seconds: float
    attempt_s: float
    records: int
    peak_memory: int
    first_record_s: float = 0


class Product:
    """The command line with a home below `folder`, so that nobody else's stack is touched."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._home = folder / "home"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        self._environment = kept | {"AIRBYTE_WORKERS_HOME": str(self._home)}

    @contextmanager
    def running_stack(self) -> Iterator[None]:
        """`airbyte-workers local` for as long as the block."""
        with (self._folder / "local.log").open("wb") as log:
            local = subprocess.Popen(
                [program("airbyte-workers"), "local"],
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._environment,
                cwd=self._folder,
                text=True,
            )
        try:
            assert local.stdout is not None
            if not any(line.startswith("ready") for line in local.stdout):
                raise RuntimeError(f"the stack did not start:\n{(self._folder / 'local.log').read_text()}")
            yield
        finally:
            local.send_signal(signal.SIGTERM)
            local.wait(_STOP_S)

    def sync(self, workload: Workload) -> Sync:
        """source-synthetic into destination-null."""
        return self._sync(workload, [program("destination-null")])

    def first_record(self) -> Sync:
        """One record; it carries the moment at which the source made it, and a `tee` keeps it for us."""
        seen = self._folder / "seen.jsonl"
        began = time.time()
        done = self._sync(Workload(record_bytes=100, records=1), ["/bin/sh", "-c", _TEE, str(seen)])
        messages = map(json.loads, seen.read_text().splitlines())
        emitted = next(each["record"]["emitted_at"] for each in messages if each["type"] == "RECORD") / 1000
        return Sync(done.seconds, done.attempt_s, done.records, done.peak_memory, emitted - began)

    def _sync(self, workload: Workload, destination: list[str]) -> Sync:
        file = self._folder / "sync.json"
        file.write_text(json.dumps(_sync_file(workload, destination)))
        began = time.perf_counter()
        done = subprocess.run(
            [program("airbyte-workers"), "sync", "-f", str(file), "-o", "json"],
            capture_output=True,
            env=self._environment,
            cwd=self._folder,
            timeout=_SYNC_S,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - began
        if done.returncode:
            raise RuntimeError(f"the sync ended with code {done.returncode}:\n{done.stdout}{done.stderr}")
        report = SyncReport.model_validate_json(done.stdout)
        if report.records_committed != workload.records:
            raise RuntimeError(f"{report.records_committed} records were committed, not {workload.records}")
        attempt = report.attempts[-1]
        assert attempt.ended_at is not None
        attempt_s = (attempt.ended_at - attempt.started_at).total_seconds()
        return Sync(seconds, attempt_s, workload.records, self._peak_memory(report.job_id))

    def _peak_memory(self, job_id: int) -> int:
        """The orchestrator's own figure, from its final marker."""
        marker = self._home / "storage" / "state" / f"replication-job-{job_id}-attempt-0" / "SUCCESS"
        return int(json.loads(marker.read_bytes())["peak_memory_bytes"])


def _sync_file(workload: Workload, destination: list[str]) -> dict[str, Any]:
    """A catalog of its own, so that no connector must be asked first; full refresh, so that each run moves it all."""
    return {
        "connection": f"bench-{workload.record_bytes}-{workload.records}",
        "source": {"command": [program("source-synthetic")], "config": workload.config},
        "destination": {"command": destination},
        "catalog": CATALOG,
        "launcher": "process",
    }
