"""What has happened to jobs is taken once; what is told of them is what their rows say."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg
import pytest
from rows import FAILED, SUCCEEDED, close_attempt, close_job, next_attempt, open_attempt, open_job, request, sync_input

from airbyte_workers.models import AttemptSummary, JobStatus, LegTimes, Mark, Progress, Throughput
from airbyte_workers.names import JobKind, Role
from airbyte_workers.runtime.observing.rounds import Observer
from airbyte_workers.runtime.observing.spans import Span, Trace
from airbyte_workers.settings import Settings
from airbyte_workers.store import observations, opening, workloads
from airbyte_workers.store.observations import JobPast, Observed, Unusual
from airbyte_workers.store.sealing import Seal
from airbyte_workers.store.workloads import Lease, Workload
from airbyte_workers.telemetry.figures import Figure, Figures

pytestmark = pytest.mark.postgres
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
LEGS = (LegTimes(role=Role.SOURCE, began_at=NOON, ended_at=NOON), LegTimes(role=Role.DESTINATION, began_at=NOON))
WENT = Throughput(began_at=NOON, marks=(Mark(at_s=1), Mark(at_s=2.5)))


async def taken(db: asyncpg.Pool, limit: int = 500, young_s: float = 900) -> Sequence[Observed]:
    async with observations.taking(db, young_s=young_s, limit=limit) as seen:
        return seen


def workload(job_id: int, number: int = 0, pod: str = "") -> Workload:
    name = pod or f"replication-job-{job_id}-attempt-{number}"
    return Workload(name, JobKind.SYNC, job_id, number, None, "here", "docker", number + 1)


async def test_each_happening_is_taken_once_and_in_order(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_job(db, seal)
    await open_attempt(db, job_id, 0)
    assert [(each.job_id, each.kind, each.attempt, each.event) for each in await taken(db)] == [
        (job_id, JobKind.SYNC, None, "opened"),
        (job_id, JobKind.SYNC, 0, "attempt opened"),
    ]
    assert await taken(db) == []
    await close_attempt(db, job_id, 0, FAILED)
    assert "attempt failed" in [each.event for each in await taken(db)]


async def test_several_processes_share_what_there_is(db: asyncpg.Pool, seal: Seal) -> None:
    jobs = [await open_job(db, seal, f"c{number}") for number in range(12)]
    shares = await asyncio.gather(*(taken(db, limit=5) for _ in range(4)))
    assert max(len(share) for share in shares) <= 5
    told = [each.job_id for share in [*shares, await taken(db)] for each in share]
    assert sorted(told) == jobs


async def test_what_is_old_is_not_told_any_more(db: asyncpg.Pool, seal: Seal) -> None:
    """Whoever begins to count counts no year of jobs at once."""
    await open_job(db, seal)
    await db.execute("update job_events set at = now() - interval '1 hour'")
    assert await taken(db) == []
    assert len(await taken(db, young_s=7200)) == 1


async def test_a_pods_times_and_its_legs_are_kept(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_job(db, seal)
    attempt = await open_attempt(db, job_id, 0)
    pod = workload(job_id, pod=attempt.pod)
    assert await workloads.claim(db, pod, limit=1, lease_s=60)
    await workloads.launched(db, pod.pod)
    await workloads.renew(db, Lease(pod.pod, pod.fence, 60), Progress())
    await workloads.release(db, pod.pod, "success")
    await close_attempt(db, job_id, 0, SUCCEEDED, AttemptSummary(status="succeeded", legs=LEGS, throughput=WENT))
    past = await observations.past(db, job_id)
    (times,) = past.pods
    assert times.launched_at is not None
    assert times.ended_at is not None
    assert times.created_at <= times.launched_at <= times.ended_at
    assert past.attempts[1].legs == LEGS
    assert (past.attempts[1].began_at, past.attempts[1].ran_s) == (NOON, 2.5)


async def test_a_pod_that_said_that_it_runs_before_its_launcher_did_was_launched_then(
    db: asyncpg.Pool, seal: Seal
) -> None:
    job_id = await open_job(db, seal)
    pod = workload(job_id)
    await workloads.claim(db, pod, limit=1, lease_s=60)
    await workloads.renew(db, Lease(pod.pod, pod.fence, 60), Progress())
    (first,) = (await observations.past(db, job_id)).pods
    await workloads.launched(db, pod.pod)
    (then,) = (await observations.past(db, job_id)).pods
    assert first.launched_at == then.launched_at
    assert then.status == "running"


async def test_a_place_that_is_taken_again_has_times_of_its_own(db: asyncpg.Pool, seal: Seal) -> None:
    pod = workload(await open_job(db, seal))
    for _ in range(2):
        await workloads.claim(db, pod, limit=1, lease_s=60)
        (claimed,) = (await observations.past(db, pod.job_id)).pods
        assert (claimed.launched_at, claimed.ended_at) == (None, None)
        await workloads.launched(db, pod.pod)
        await workloads.release(db, pod.pod, "failure")


async def test_an_older_releases_pod_ended_when_its_row_last_changed(db: asyncpg.Pool, seal: Seal) -> None:
    pod = workload(await open_job(db, seal))
    await workloads.claim(db, pod, limit=1, lease_s=60)
    await workloads.release(db, pod.pod, "success")
    updated = await db.fetchval("update workloads set gone_at = null, launched_at = null returning updated_at")
    (times,) = (await observations.past(db, pod.job_id)).pods
    assert (times.launched_at, times.ended_at) == (None, updated)


async def test_the_trace_context_that_a_run_was_started_with_is_kept(db: asyncpg.Pool, seal: Seal) -> None:
    given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    opened = request(sync_input()).model_copy(update={"traceparent": given})
    past = await observations.past(db, await opening.open_sync(db, seal, opened))
    assert past.traceparent == given
    assert (await observations.past(db, await open_job(db, seal, "other"))).traceparent is None


async def test_load_counts_what_has_not_ended(db: asyncpg.Pool, seal: Seal) -> None:
    for name in ("a", "b", "c"):
        job_id = await open_job(db, seal, name)
    await close_job(db, job_id, JobStatus.CANCELLED)
    (load,) = await observations.load(db)
    assert (load.kind, load.status, load.jobs) == (JobKind.SYNC, "pending", 2)
    assert load.oldest_s >= 0


async def test_who_waits_for_a_place_is_counted_at_its_first_attempt_and_at_later_ones(
    db: asyncpg.Pool, seal: Seal
) -> None:
    async def sync() -> tuple[int, int]:
        (found,) = [each for each in await observations.places(db, "here") if each.kind is JobKind.SYNC]
        return found.live, found.waiting

    job_id = await open_job(db, seal)
    assert await sync() == (0, 0)
    first = await open_attempt(db, job_id, 0)
    assert await sync() == (0, 1)
    await workloads.claim(db, workload(job_id, pod=first.pod), limit=1, lease_s=60)
    assert await sync() == (1, 0)
    await workloads.release(db, first.pod, "failure")
    second = await next_attempt(db, job_id, 1)
    assert await sync() == (0, 1)
    await workloads.claim(db, workload(job_id, 1, pod=second.pod), limit=1, lease_s=60)
    assert await sync() == (1, 0)


@pytest.mark.parametrize(
    ("earlier_s", "runs_s", "unusual"), [(100, 150, 0), (100, 250, 1), (10, 50, 0), (None, 9999, 0)]
)
async def test_a_sync_is_unusually_long_beside_the_connections_own_past(
    db: asyncpg.Pool, seal: Seal, earlier_s: float | None, runs_s: float, unusual: int
) -> None:
    async def ran(job_id: int, seconds: float) -> None:
        await db.execute(
            "update jobs set started_at = coalesce(ended_at, now()) - make_interval(secs => $2) where id = $1",
            job_id,
            seconds,
        )

    if earlier_s is not None:
        for seconds in (earlier_s, earlier_s / 2):
            job_id = await open_job(db, seal)
            await open_attempt(db, job_id, 0)
            await close_attempt(db, job_id, 0, SUCCEEDED)
            await ran(job_id, seconds)
    job_id = await open_job(db, seal)
    await db.execute("update jobs set status = 'running' where id = $1", job_id)
    await ran(job_id, runs_s)
    assert await observations.unusually_long(db, Unusual(factor=2, least_s=60, beside=10)) == unusual


async def test_a_job_whose_run_is_over_is_an_orphan_until_it_is_closed(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_job(db, seal)
    await db.execute("insert into job_runs (job_id, over_at) values ($1, now())", job_id)
    assert await observations.orphans(db) == 1
    await close_job(db, job_id, JobStatus.FAILED)
    assert await observations.orphans(db) == 0


class Told(Figures):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.figures: list[str] = []

    def tell(self, figures: Sequence[Figure]) -> None:
        super().tell(figures)
        self.figures += [each.name for each in figures]


class Spans:
    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, trace: Trace, spans: Sequence[Span]) -> None:
        self.told += [span.path for span in spans]


async def test_a_round_tells_every_end_once_whoever_brought_it_about(db: asyncpg.Pool, seal: Seal) -> None:
    figures, spans = Told(), Spans()
    observer = Observer(db, Settings(), figures, spans)
    job_id = await open_job(db, seal)
    await open_attempt(db, job_id, 0)
    await observer.look()
    assert spans.told == []
    await next_attempt(db, job_id, 1)
    await close_job(db, job_id, JobStatus.FAILED)  # the running attempt ends with it, as the reconciler has it
    for _ in range(2):
        await observer.look()
    assert spans.told == ["job/attempt-1", "job/attempt-2", "job"]
    assert figures.figures.count("attempt_completed") == 2
    assert figures.figures.count("job_completed") == 1
    assert figures.figures.count("attempt_failed_by_failure_origin") >= 1


async def test_a_round_that_fails_or_is_broken_off_has_taken_nothing(
    db: asyncpg.Pool, seal: Seal, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures, spans = Told(), Spans()
    observer = Observer(db, Settings(), figures, spans)
    await close_job(db, await open_job(db, seal), JobStatus.FAILED)
    reached = asyncio.Event()

    async def away(*_: object) -> JobPast:
        raise asyncpg.ConnectionDoesNotExistError("gone")

    async def slow(*_: object) -> JobPast:
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError

    with monkeypatch.context() as patch:
        patch.setattr(observations, "past", away)
        with pytest.raises(asyncpg.PostgresError):
            await observer.look()
        patch.setattr(observations, "past", slow)
        running = asyncio.create_task(observer.look())
        await reached.wait()
        running.cancel()
        await asyncio.wait([running])
    assert figures.figures == []
    await observer.end()
    assert figures.figures.count("job_completed") == 1
    assert spans.told == ["job"]


async def test_a_job_that_nobody_can_read_is_in_nobodys_way(db: asyncpg.Pool, seal: Seal) -> None:
    figures, spans = Told(), Spans()
    for name in ("good", "bad"):
        await close_job(db, await open_job(db, seal, name), JobStatus.FAILED)
    await db.execute("update jobs set failures = '[{}]' where connection = 'bad'")
    await Observer(db, Settings(), figures, spans).look()
    assert figures.figures.count("job_completed") == 2
    assert spans.told == ["job"]
    assert await taken(db) == []


async def test_a_job_that_is_removed_meanwhile_stops_no_round(db: asyncpg.Pool, seal: Seal) -> None:
    figures, spans = Told(), Spans()
    job_id = await open_job(db, seal)
    await close_job(db, job_id, JobStatus.FAILED)
    seen = await taken(db)
    await db.execute("delete from jobs")
    assert await Observer(db, Settings(), figures, spans)._pasts(seen) == {}
