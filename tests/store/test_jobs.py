"""Jobs and attempts as rows (conformance cases D, as far as this product has them)."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from rows import (
    FAILED,
    close_attempt,
    close_job,
    open_attempt,
    open_job,
    open_with_catalog,
    request,
    succeed,
    sync_input,
)

from airbyte_workers.jobs.failures import cancellation
from airbyte_workers.models import (
    AttemptOutcome,
    AttemptRef,
    AttemptSummary,
    Failure,
    FailureOrigin,
    FailureType,
    JobStatus,
    RetryTally,
    StreamCounts,
    SyncInput,
)
from airbyte_workers.names import JobKind, Role
from airbyte_workers.store import attempts, connections, generations, history, jobs, opening
from airbyte_workers.store.sealing import Seal

pytestmark = pytest.mark.postgres


async def test_a_new_job_is_pending_and_has_no_attempts(db: asyncpg.Pool, seal: Seal) -> None:
    report = await history.report(db, await open_job(db, seal))
    assert (report.status, report.attempts, report.connection) == (JobStatus.PENDING, (), "demo")


async def test_the_same_run_opens_its_job_once(db: asyncpg.Pool, seal: Seal) -> None:
    """Temporal repeats an activity whose answer was lost."""
    asked = request(sync_input(), "run-x")
    first = await opening.open_sync(db, seal, asked)
    assert await opening.open_sync(db, seal, asked) == first


async def test_a_connection_has_one_live_job(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_job(db, seal)
    await open_attempt(db, job_id, 0)
    with pytest.raises(connections.ConnectionBusy, match=rf"\(job {job_id}, attempt 1\); follow it with: .* --join$"):
        await open_job(db, seal)
    assert await open_job(db, seal, "another") > job_id


async def test_of_many_starts_at_once_one_wins(db: asyncpg.Pool, seal: Seal) -> None:
    results = await asyncio.gather(*(open_job(db, seal) for _ in range(6)), return_exceptions=True)
    assert sum(isinstance(result, int) for result in results) == 1
    assert sum(isinstance(result, connections.ConnectionBusy) for result in results) == 5


async def test_the_lock_holds_even_against_writers_that_do_not_ask(db: asyncpg.Pool, seal: Seal) -> None:
    await open_job(db, seal)
    with pytest.raises(asyncpg.UniqueViolationError):
        await db.execute(
            "insert into jobs (kind, connection_id, input, workflow_id, run_id)"
            " select 'clear', id, '', 'w', 'r' from connections"
        )


async def test_a_connection_is_free_again_after_its_job_ended(db: asyncpg.Pool, seal: Seal) -> None:
    first = await open_job(db, seal)
    await close_job(db, first, JobStatus.FAILED)
    assert await open_job(db, seal) > first


async def test_configs_are_stored_sealed(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_job(db, seal)
    for table, column in (("jobs", "input"), ("connections", "spec")):
        stored: bytes = await db.fetchval(f"select {column} from {table}")
        assert b"hunter2" not in stored
    assert (await jobs.read_job(db, seal, job_id)).sync.source is not None
    with pytest.raises(Exception, match="another key"):
        await jobs.read_job(db, Seal(b"x" * 32), job_id)


async def test_a_stored_connection_is_found_by_name(db: asyncpg.Pool, seal: Seal) -> None:
    await succeed(db, await open_job(db, seal))
    asked = SyncInput(connection="demo", max_retries=0)
    job = await jobs.read_job(db, seal, await opening.open_sync(db, seal, request(asked)))
    assert (job.connectors[Role.SOURCE].config, job.sync.max_retries) == ({"password": "hunter2"}, 0)


@pytest.mark.parametrize(
    ("of", "asked"), [(None, Role.SOURCE), (Role.SOURCE, Role.SOURCE), (Role.DESTINATION, Role.DESTINATION)]
)
async def test_a_question_of_a_sync_is_for_its_source_unless_it_says_for_whom(
    db: asyncpg.Pool, seal: Seal, of: Role | None, asked: Role
) -> None:
    job = await jobs.read_job(db, seal, await open_job(db, seal))
    assert job.asked(AttemptRef(job_id=job.id, attempt=0, kind=JobKind.SPEC, of=of)) is asked
    assert list(job.connectors) == [Role.SOURCE, Role.DESTINATION]


async def test_an_unknown_connection_is_refused_with_a_hint(db: asyncpg.Pool, seal: Seal) -> None:
    await open_job(db, seal, "customers")
    with pytest.raises(connections.UnknownConnection, match="did you mean customers"):
        await opening.open_sync(db, seal, request(SyncInput(connection="custommers")))


@pytest.mark.parametrize(
    ("image", "allowed"),
    [("airbyte/source-faker:8.0.0", True), ("airbyte/source-faker", True), ("airbyte/source-file:7.2.1", False)],
)
async def test_a_new_version_keeps_the_connection_and_another_image_does_not(
    db: asyncpg.Pool, seal: Seal, image: str, allowed: bool
) -> None:
    await succeed(db, await open_job(db, seal))
    asked = request(sync_input(source={"image": image, "config": {}}))
    if allowed:
        assert await opening.open_sync(db, seal, asked)
    else:
        with pytest.raises(connections.Refused, match="use another connection name"):
            await opening.open_sync(db, seal, asked)


async def test_attempts_count_from_zero_and_raise_the_fence(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_with_catalog(db, seal)
    first = await open_attempt(db, job_id, 0)
    assert await open_attempt(db, job_id, 0) == first
    await close_attempt(db, job_id, 0, FAILED)
    second = await open_attempt(db, job_id, 1, waited_s=10)
    assert (first.pod, second.pod) == (f"replication-job-{job_id}-attempt-0", f"replication-job-{job_id}-attempt-1")
    assert second.fence == first.fence + 1
    report = await history.report(db, job_id)
    assert [(each.number, str(each.status), each.waited_s) for each in report.attempts] == [
        (1, "failed", 0),
        (2, "running", 10),
    ]
    assert report.status is JobStatus.INCOMPLETE


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.SUCCEEDED, JobStatus.CANCELLED])
async def test_an_ended_job_gets_no_attempt_and_stays_as_it_ended(
    db: asyncpg.Pool, seal: Seal, status: JobStatus
) -> None:
    job_id = await open_job(db, seal)
    if status is JobStatus.SUCCEEDED:
        await succeed(db, job_id)
    await close_job(db, job_id, status, by="me", reason="because")
    with pytest.raises(attempts.JobEnded):
        await open_attempt(db, job_id, 0)
    await close_job(db, job_id, JobStatus.CANCELLED)
    assert (await history.report(db, job_id)).status is status
    assert [event.event for event in await history.events(db, job_id)][-1] == str(status)


async def test_an_attempt_without_a_marker_is_closed_from_what_the_workflow_knows(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_with_catalog(db, seal)
    await open_attempt(db, job_id, 0)
    await close_attempt(db, job_id, 0, FAILED)
    attempt = (await history.report(db, job_id)).attempts[0]
    assert (str(attempt.status), attempt.failures) == ("failed", FAILED.failures)


async def test_closing_an_attempt_twice_changes_nothing(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_with_catalog(db, seal)
    await open_attempt(db, job_id, 0)
    await close_attempt(db, job_id, 0, AttemptOutcome(status="succeeded"))
    await close_attempt(db, job_id, 0, FAILED)
    assert str((await history.report(db, job_id)).attempts[0].status) == "succeeded"


def timed_out() -> AttemptOutcome:
    """What the watcher of a pod says that it stopped at the time limit."""
    late = Failure(origin=FailureOrigin.PLATFORM, type=FailureType.TIMED_OUT, message="it ran longer than 3 days")
    return AttemptOutcome(status="failed", failures=(late,))


async def test_when_its_watcher_knows_better_than_the_marker_an_attempt_gets_the_watchers_failures(
    db: asyncpg.Pool, seal: Seal
) -> None:
    """Stopped because of the time limit, an orchestrator calls itself cancelled."""
    job_id = await open_with_catalog(db, seal)
    await open_attempt(db, job_id, 0)
    cancelled = Failure(origin=FailureOrigin.PLATFORM, type=FailureType.MANUAL_CANCELLATION, message="cancelled")
    summary = AttemptSummary(
        status="cancelled",
        failures=(cancelled,),
        warnings=("odd",),
        streams=(StreamCounts(name="users", status="incomplete", records_committed=3),),
        peak_memory_bytes=7,
    )
    await close_attempt(db, job_id, 0, timed_out(), summary)
    attempt = (await history.report(db, job_id)).attempts[0]
    assert (str(attempt.status), attempt.failures) == ("failed", timed_out().failures)
    assert (attempt.records_committed, attempt.peak_memory_bytes) == (3, 7)


@pytest.mark.parametrize("status", ["failed", "cancelled", "succeeded"])
async def test_when_both_agree_an_attempt_gets_the_markers_failures_which_are_whole(
    db: asyncpg.Pool, seal: Seal, status: str
) -> None:
    job_id = await open_with_catalog(db, seal)
    await open_attempt(db, job_id, 0)
    told = {"succeeded": (), "failed": FAILED.failures, "cancelled": (cancellation(),)}[status]
    whole = tuple(failure.model_copy(update={"internal_message": "deep down"}) for failure in told)
    outcome = AttemptOutcome(status=status, failures=told)
    await close_attempt(db, job_id, 0, outcome, AttemptSummary(status=status, failures=whole))
    assert (await history.report(db, job_id)).attempts[0].failures == whole


# --- what runs its pods ---


async def test_what_runs_a_jobs_pods_is_kept_and_told_with_its_reason(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_job(db, seal)
    assert (await jobs.read_job(db, seal, job_id)).launcher is None
    await jobs.set_launcher(db, job_id, "docker", "Docker engine 28.5 answers")
    assert (await jobs.read_job(db, seal, job_id)).launcher == "docker"
    told = [(event.event, event.reason) for event in await history.events(db, job_id)]
    assert told[-1] == ("launcher", "docker: Docker engine 28.5 answers")


async def test_the_first_choice_of_a_launcher_stands(db: asyncpg.Pool, seal: Seal) -> None:
    """A try of the opening activity may come late, when the pod runs already."""
    job_id = await open_job(db, seal)
    await jobs.set_launcher(db, job_id, "docker", "first")
    await jobs.set_launcher(db, job_id, "process", "late")
    assert (await jobs.read_job(db, seal, job_id)).launcher == "docker"
    assert [each.reason for each in await history.events(db, job_id) if each.event == "launcher"] == ["docker: first"]


async def test_a_reason_with_what_a_database_cannot_hold_is_kept_without_it(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_job(db, seal)
    await jobs.set_launcher(db, job_id, "process", "the registry said a\0b")
    assert [event.reason for event in await history.events(db, job_id)][-1] == "process: the registry said ab"


async def test_what_runs_one_jobs_pods_says_nothing_of_another(db: asyncpg.Pool, seal: Seal) -> None:
    first, second = await open_job(db, seal, "a"), await open_job(db, seal, "b")
    await jobs.set_launcher(db, first, "docker", "as asked for")
    assert (await jobs.read_job(db, seal, second)).launcher is None


async def test_nul_characters_in_failures_are_taken_out(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_job(db, seal)
    failure = Failure(origin=FailureOrigin.SOURCE, type=FailureType.SYSTEM_ERROR, message="a\0b \ud83d")
    await close_job(db, job_id, JobStatus.FAILED, failures=(failure,), reason="c\0d")
    assert (await history.report(db, job_id)).failures[0].message.startswith("ab")


async def test_a_job_s_streams_are_summed_over_its_attempts(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_with_catalog(db, seal)
    for number, (records, status) in enumerate([(3, "incomplete"), (4, "complete")]):
        await open_attempt(db, job_id, number)
        streams = (
            StreamCounts(name="users", status=status, records_emitted=9, records_committed=records, bytes_committed=10),
            StreamCounts(name="logs", namespace="n", status="complete", records_committed=1),
        )
        ended = "failed" if number == 0 else "succeeded"
        summary = AttemptSummary(status=ended, streams=streams)
        await close_attempt(db, job_id, number, AttemptOutcome(status=ended), summary)
    report = await history.report(db, job_id)
    assert [(each.name, each.namespace, each.status, each.records_committed) for each in report.streams] == [
        ("users", None, "complete", 7),
        ("logs", "n", "complete", 2),
    ]
    assert (report.records_committed, report.bytes_committed) == (9, 20)
    assert await attempts.committed(db, job_id, 1) == (5, 0)
    short = await history.report(db, job_id, max_streams=1)
    assert (len(short.streams), short.streams_omitted, short.records_committed) == (1, 1, 9)


async def test_the_newest_counters_of_a_job_are_kept_with_an_attempts_end(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_with_catalog(db, seal)
    await open_attempt(db, job_id, 0)
    await close_attempt(db, job_id, 0, FAILED, tally=RetryTally(successive_complete=9))
    again = RetryTally(successive_complete=2, total_complete=3, total_partial=1)
    await close_attempt(db, job_id, 0, FAILED, tally=again)
    row = await db.fetchrow("select * from retry_states where job_id = $1", job_id)
    assert row is not None
    assert (row["successive_complete"], row["total_complete"], row["total_partial"]) == (2, 3, 1)


async def test_status_moves_only_from_where_it_is_expected(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_job(db, seal)
    assert await jobs.move(db, job_id, jobs.Move(JobStatus.QUEUED, [JobStatus.PENDING], "full"))
    assert not await jobs.move(db, job_id, jobs.Move(JobStatus.QUEUED, [JobStatus.PENDING], "full"))
    await open_attempt(db, job_id, 0)
    assert await jobs.move(db, job_id, jobs.Move(JobStatus.RUNNING, [JobStatus.QUEUED], "pod"))
    assert await jobs.count_active(db) == 1


async def test_a_full_refresh_stream_starts_a_generation_and_loses_its_state_with_every_attempt(
    db: asyncpg.Pool, seal: Seal
) -> None:
    job_id = await open_with_catalog(db, seal)
    job = await jobs.read_job(db, seal, job_id)
    assert job.connection_id is not None
    for number in range(2):
        await db.execute(
            "insert into states (connection_id, type, stream, namespace, state, fence, seq, job_id, attempt)"
            " values ($1, 'STREAM', 'logs', 'n', '{}', 0, 1, 1, 0), ($1, 'STREAM', 'users', null, '{}', 0, 1, 1, 0)"
            " on conflict do nothing",
            job.connection_id,
        )
        await open_attempt(db, job_id, number)
        await close_attempt(db, job_id, number, FAILED)
        assert await generations.current(db, job.connection_id) == {("logs", "n"): number + 1}
        assert [row["stream"] for row in await db.fetch("select stream from states")] == ["users"]
