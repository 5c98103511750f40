"""Jobs whose runs are over, as a test tells: what Temporal would say, what their pods have left, how they end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import asyncpg
from desk import Desk, operation
from rows import open_attempt, open_job, open_with_catalog

from activities.repairs import Repairs
from activities.run_looks import TemporalAway
from airbyte_workers.jobs.reconciliation import Seen, Sighting, TemporalNamespace
from airbyte_workers.models import AttemptSummary, JobStatus
from airbyte_workers.names import JobKind, pod_name
from airbyte_workers.orchestrator.markers import Marker, Markers
from airbyte_workers.store import jobs, workloads
from airbyte_workers.store.workloads import Workload

HERE = TemporalNamespace("cluster", "namespace")
RUNS, MISSING = Sighting(Seen.RUNS), Sighting(Seen.MISSING)
TERMINATED = Sighting(Seen.CLOSED, "terminated", "ann@laptop", "too slow")
WHY = "the job's run was terminated by ann@laptop: too slow"
QUICK: dict[str, Any] = {"reconcile_interval_s": 1e-6, "reconcile_pod_wait_s": 600}
"""Every look is due; a pod is waited for as long as a test takes."""


@dataclass
class Temporal:
    """Says of each run what it is told to; of any other that it runs. `away`: whom it does not answer."""

    says: dict[str, Sighting] = field(default_factory=dict)
    namespace_: TemporalNamespace = HERE
    namespaces: frozenset[str] = frozenset()
    away: bool = False
    asked: list[str] = field(default_factory=list)

    async def namespace(self) -> TemporalNamespace:
        if self.away:
            raise TemporalAway("connection refused")
        return self.namespace_

    async def has_namespace(self, namespace_id: str) -> bool:
        return namespace_id in self.namespaces

    async def look(self, workflow_id: str, run_id: str) -> Sighting:
        self.asked.append(run_id)
        if self.away:
            raise TemporalAway("connection refused")
        return self.says.get(run_id, RUNS)


@dataclass
class Stand:
    """A desk, what Temporal says, and jobs that are cut off."""

    desk: Desk
    temporal: Temporal = field(default_factory=Temporal)

    @property
    def db(self) -> asyncpg.Pool:
        return self.desk.db

    def repairs(self, **settings: Any) -> Repairs:
        return Repairs(self.desk.means(**(QUICK | settings)), self.temporal)  # type: ignore[arg-type]  # it answers as told

    async def round(self, **settings: Any) -> None:
        """What a Temporal worker does again and again."""
        repairs = self.repairs(**settings)
        await repairs.look()
        await repairs.close()

    # --- jobs ---

    async def job(self, *, running: bool = True, age_s: float = 60) -> int:
        """A sync that was opened a while ago; `running`: with an attempt whose pod was launched."""
        job_id = await open_with_catalog(self.db, self.desk.seal)
        if running:
            await self.launched(job_id)
        await self.aged(job_id, age_s)
        return job_id

    async def other_job(self, connection: str) -> int:
        job_id = await open_job(self.db, self.desk.seal, connection)
        await self.aged(job_id, 60)
        return job_id

    async def question(self, kind: JobKind) -> int:
        """A job that asks one connector one thing."""
        plan = await self.desk.open(operation(kind, {"command": ["source"]}), allow_local_commands=True)
        await self.aged(plan.job_id, 60)
        return plan.job_id

    async def launched(self, job_id: int, number: int = 0) -> str:
        attempt = await open_attempt(self.db, job_id, number)
        connection_id = await self.db.fetchval("select connection_id from jobs where id = $1", job_id)
        place = Workload(attempt.pod, JobKind.SYNC, job_id, number, connection_id, "here", "process", attempt.fence)
        await workloads.claim(self.db, place, limit=9, lease_s=600)
        await workloads.cleared(self.db, attempt.pod)
        await workloads.launched(self.db, attempt.pod)
        await jobs.move(self.db, job_id, jobs.Move(JobStatus.RUNNING, [JobStatus.PENDING], "pod"))
        return attempt.pod

    async def aged(self, job_id: int, seconds: float) -> None:
        """As if everything had happened so long ago."""
        ago = "make_interval(secs => $2)"
        for statement in (
            f"update jobs set created_at = created_at - {ago}, updated_at = updated_at - {ago} where id = $1",
            f"update workloads set created_at = created_at - {ago}, updated_at = updated_at - {ago} where job_id = $1",
            f"update job_runs set seen_at = seen_at - {ago}, missing_at = missing_at - {ago},"
            f" over_at = over_at - {ago} where job_id = $1",
        ):
            await self.db.execute(statement, job_id, seconds)

    async def pod_ended(self, job_id: int, summary: AttemptSummary, *, number: int = 0) -> None:
        """It has written its marker, and nothing is left of it."""
        pod = pod_name(JobKind.SYNC, job_id, number)
        marker = Marker.SUCCESS if summary.status == "succeeded" else Marker.FAILURE
        await Markers(self.desk.objects(), pod).write(marker, summary.model_dump_json().encode())
        await workloads.release(self.db, pod, "success")

    # --- what Temporal says ---

    async def run_of(self, job_id: int) -> str:
        return str(await self.db.fetchval("select run_id from jobs where id = $1", job_id))

    async def say(self, job_id: int, sighting: Sighting) -> None:
        self.temporal.says[await self.run_of(job_id)] = sighting

    # --- what became of them ---

    async def status(self, job_id: int) -> str:
        return str(await self.db.fetchval("select status from jobs where id = $1", job_id))

    async def past(self, job_id: int) -> list[tuple[str, str]]:
        """What the reconciler has said."""
        rows = await self.db.fetch(
            "select event, reason from job_events where job_id = $1 and by = 'reconciler' order by id", job_id
        )
        return [(row["event"], row["reason"]) for row in rows]
