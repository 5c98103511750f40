"""Whole syncs through a stack of the benchmark's own: what the orchestrator of each pod says of itself."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airbyte_workers.client import Client
from airbyte_workers.models import SyncReport
from airbyte_workers.pods.host import allowed_variables
from benchmarks.installed import program
from benchmarks.limits import Run
from benchmarks.records import Records

CONNECTOR = Path(__file__).parent / "connectors" / "file_connector.sh"
IMAGE = "airbyte-workers-bench/file:1"
_STOP_S = 90.0
_KEPT = frozenset({"PATH", "DOCKER_HOST", "DOCKER_CONFIG", "XDG_DATA_HOME", "XDG_CACHE_HOME"})
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "": {},
    "with validation": {"validation": {"mode": "full"}},
    "with mappers": {"mappers": [{"name": "hashing", "config": {"targetField": "email", "method": "SHA-256"}}]},
}


@dataclass(frozen=True)
class PodRun(Run):
    """`seconds` from the moment both connectors were there to the source's end; `cpu_s` of the whole orchestrator."""

    peak_bytes: int = 0


@dataclass(frozen=True)
class Place:
    """Where a stack of the benchmark lives, and the folder that its connectors see as /local."""

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def local(self) -> Path:
        return self.folder / "local"

    @contextmanager
    def running_stack(self, **settings: str) -> Iterator[None]:
        """`airbyte-workers local` for as long as the block; this process's own client finds it."""
        self.local.mkdir(parents=True, exist_ok=True)
        self.local.chmod(0o1777)
        ours = {"AIRBYTE_WORKERS_HOME": str(self.home), "LOCAL_ROOT": str(self.local)}
        before = dict(os.environ)
        kept = {name: value for name, value in before.items() if name in _KEPT} | allowed_variables()
        os.environ.clear()  # no setting of whoever runs this leads to another stack, or makes ours another one
        os.environ.update(kept | ours)
        with (self.folder / "local.log").open("wb") as log:
            local = subprocess.Popen(
                [program("airbyte-workers"), "local"],
                stdout=subprocess.PIPE,
                stderr=log,
                env=kept | ours | settings,
                cwd=self.folder,
                text=True,
            )
        try:
            assert local.stdout is not None
            if not any(line.startswith("ready") for line in local.stdout):
                raise RuntimeError(f"the stack did not start:\n{(self.folder / 'local.log').read_text()}")
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)
            local.send_signal(signal.SIGTERM)
            local.wait(_STOP_S)

    def put(self, records: Records, *, repeat: int = 1, timed: bool = False, name: str = "bench") -> Path:
        """A connector's folder with these messages: hard links, so that nothing is copied."""
        folder = self.local / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        folder.chmod(0o1777)
        os.link(records.airbyte_file(self.folder), folder / "messages.jsonl")
        streams = {"streams": [each["stream"] for each in records.catalog["streams"]]}
        (folder / "catalog.json").write_text(json.dumps({"type": "CATALOG", "catalog": streams}) + "\n")
        if repeat > 1:
            (folder / "repeat").write_text(f"{repeat}\n")
        if timed:
            (folder / "timed").touch()
        return folder

    def marker(self, job_id: int) -> dict[str, Any]:
        """What the orchestrator of the job's only attempt wrote at its end."""
        file = self.home / "storage" / "state" / f"replication-job-{job_id}-attempt-0" / "SUCCESS"
        found: dict[str, Any] = json.loads(file.read_bytes())
        return found


@dataclass(frozen=True)
class Pods:
    """Pods of one launcher on a running stack."""

    place: Place
    launcher: str

    @property
    def name(self) -> str:
        return self.launcher

    def connector(self, folder: Path) -> dict[str, Any]:
        """How a sync file names the benchmark's connector."""
        if self.launcher == "docker":
            return {"image": IMAGE}
        return {"command": ["/bin/sh", str(CONNECTOR), str(folder)]}

    def asked(self, records: Records, folder: Path, options: str = "") -> dict[str, Any]:
        """The sync as a person would write it."""
        more = dict(OPTIONS[options])
        catalog = records.catalog
        mappers = more.pop("mappers", None)
        if mappers is not None:
            for stream in catalog["streams"]:
                stream["mappers"] = mappers
        return {
            "connection": f"{folder.name}-{self.launcher}",
            "source": self.connector(folder),
            "destination": self.connector(folder),
            "catalog": catalog,
            "launcher": self.launcher,
            **more,
        }

    async def run(self, client: Client, records: Records, *, options: str = "", repeat: int = 1) -> PodRun:
        """One sync of all the records, which must all be committed."""
        folder = self.place.put(records, repeat=repeat)
        report = await client.sync(self.asked(records, folder, options))
        return self.told(report, records, repeat)

    def told(self, report: SyncReport, records: Records, repeat: int = 1) -> PodRun:
        """What a sync cost, from its marker."""
        expected = records.records * repeat
        if report.records_committed != expected:
            raise RuntimeError(f"{report.records_committed} records were committed, not {expected}")
        said = self.place.marker(report.job_id)
        size = records.airbyte_file(self.place.folder).stat().st_size * repeat
        return PodRun(said["moving_s"], expected, size, said["processor_s"], said["peak_memory_bytes"])


@dataclass(frozen=True)
class Started:
    """Seconds from a run's start to the destination's first line, and to its end."""

    first_record_s: float
    whole_s: float


async def first_record(client: Client, pods: Pods, records: Records) -> Started:
    """A sync of few records; its own connectors need a millisecond to start."""
    folder = pods.place.put(records, timed=True)
    asked = {**pods.asked(records, folder), "connection": f"started-{pods.launcher}"}
    began = time.time()
    await client.sync(asked)
    whole = time.time() - began
    return Started(float((folder / "came").read_text()) - began, whole)
