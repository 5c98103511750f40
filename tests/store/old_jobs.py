"""A past that gc can work on: jobs of any age with all rows and objects that are theirs."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from airbyte_workers.jobs.gc_report import Report, Thing
from airbyte_workers.names import REPLICATION_KINDS, JobKind, pod_name
from airbyte_workers.pods.process import ProcessLauncher
from airbyte_workers.runtime.gc.collection import collect
from airbyte_workers.runtime.gc.order import GcOrder, GcTally, Reach
from airbyte_workers.settings import Settings
from airbyte_workers.store.objects import Objects, open_objects

DAY_S = 24 * 3600
TABLES = {
    Thing.JOBS: "jobs",
    Thing.ATTEMPTS: "attempts",
    Thing.STREAM_STATS: "stream_stats",
    Thing.EVENTS: "job_events",
    Thing.RETRY_STATES: "retry_states",
    Thing.WORKLOADS: "workloads",
    Thing.CATALOGS: "catalogs",
    Thing.STATES: "state_log",
    Thing.GENERATIONS: "stream_generations",
    Thing.CONFIGS: "handed_configs",
}
_runs = itertools.count()


@dataclass
class Archive:
    """One database and the folder of its object storage."""

    db: asyncpg.Pool
    folder: Path
    asked: dict[str, Any] = field(default_factory=dict)
    seen_as: Callable[[Objects], Any] = lambda objects: objects  # what gc sees of its storage

    def settings(self, **changed: Any) -> Settings:
        given = {"home": self.folder, "storage_url": self.storage.as_uri(), "jobs_per_connection": 1, "gc_batch": 2}
        return Settings(**(given | self.asked | changed))

    @property
    def storage(self) -> Path:
        return self.folder / "storage"

    async def gc(self, *, dry_run: bool = False, older_than: Any = None, **changed: Any) -> Report:
        """A round."""
        settings = self.settings(**changed)
        objects = self.seen_as(open_objects(settings))
        reach = Reach(self.db, settings, objects, {"process": ProcessLauncher(settings)})
        return await collect(reach, GcOrder("test", dry_run, older_than), GcTally())

    async def connection(self, name: str) -> int:
        query = """
            insert into connections (name, spec, source_name, destination_name) values ($1, 'x', 's', 'd')
            on conflict (name) do update set name = excluded.name returning id
        """
        return int(await self.db.fetchval(query, name))

    async def job(
        self,
        connection: str | None = "demo",
        *,
        days: float,
        kind: str = "sync",
        status: str = "failed",
        logs: int = 10,
    ) -> int:
        """A job that ended so many days ago (or was opened then, and lives), with one of everything."""
        owner = await self.connection(connection) if connection is not None else None
        ended = status in ("failed", "succeeded", "cancelled")
        job_id: int = await self.db.fetchval(
            """
            insert into jobs (kind, connection_id, connection, status, input, workflow_id, run_id, created_at, ended_at)
            values ($1, $2, $3, $4, 'sealed', 'w', $5, now() - make_interval(secs => $6),
                case when $7 then now() - make_interval(secs => $6) end) returning id
            """,
            kind,
            owner,
            connection,
            status,
            f"gc-{next(_runs)}",
            days * DAY_S,
            ended,
        )
        await self._rows(job_id, JobKind(kind), owner, ended=ended)
        await self.objects(job_id, JobKind(kind), days=days, logs=logs)
        return job_id

    async def _rows(self, job_id: int, kind: JobKind, owner: int | None, *, ended: bool) -> None:
        pod = pod_name(kind, job_id, 0)
        if kind in REPLICATION_KINDS:
            await self.db.execute(
                "insert into attempts (job_id, number, fence, pod) values ($1, 0, 1, $2)", job_id, pod
            )
            await self.db.execute(
                "insert into stream_stats (job_id, attempt, stream) values ($1, 0, 'users'), ($1, 0, 'logs')", job_id
            )
            await self.db.execute("insert into retry_states (job_id, connection_id) values ($1, $2)", job_id, owner)
        await self.db.execute("insert into job_events (job_id, event) values ($1, 'opened'), ($1, 'failed')", job_id)
        await self.db.execute(
            """
            insert into workloads (pod, kind, job_id, attempt, connection_id, dataplane, launcher, fence, status,
                lease_until) values ($1, $2, $3, 0, $4, 'here', 'process', 1, $5, now())
            """,
            pod,
            kind,
            job_id,
            owner,
            "failure" if ended else "running",
        )

    async def objects(self, job_id: int, kind: JobKind = JobKind.SYNC, *, days: float, logs: int = 10) -> None:
        """The log, so many bytes, and the markers of a job's pod, written so many days ago."""
        self.write(f"logs/{job_id}/0/000000.jsonl", b"x" * logs, days=days)
        for marker in ("RUNNING", "FAILURE"):
            self.write(f"state/{pod_name(kind, job_id, 0)}/{marker}", b"{}", days=days)

    def write(self, key: str, body: bytes, *, days: float) -> None:
        path = self.storage / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        then = time.time() - days * DAY_S
        os.utime(path, (then, then))

    def stored(self) -> list[str]:
        """Every object."""
        files = (each for each in self.storage.rglob("*") if each.is_file())
        return sorted(str(each.relative_to(self.storage)) for each in files)

    async def jobs(self) -> list[int]:
        return [row["id"] for row in await self.db.fetch("select id from jobs order by id")]

    async def counts(self) -> Mapping[Thing, int]:
        """How many there are of everything that gc removes, on this host's environments apart."""
        rows = {thing: await self.db.fetchval(f"select count(*) from {table}") for thing, table in TABLES.items()}
        keys = self.stored()
        logs = sum(key.startswith("logs/") for key in keys)
        return {**rows, Thing.LOGS: logs, Thing.MARKERS: len(keys) - logs}


def removed(report: Report) -> dict[Thing, int]:
    """What a report says is gone, without what is none."""
    return {thing: amount.count for thing, amount in report.removed.items() if amount.count}
