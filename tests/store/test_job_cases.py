"""Conformance cases D: jobs and attempts in the database.

Where this product differs (decisions.md, "Results and ends"): a job is running once its first container has started,
not once its attempt is opened, so the cases say `start` where upstream creates an attempt.

Left out: D10's cancelQueuedJob (a cancel ends the attempt, then the job, whatever its status: tested below); D13 and
D15 as functions (nobody asks for them: a running attempt is what D6 refuses a second beside, and a report lists
attempts in order); D17's additionalStats (not collected); D20 (no notifications). Elsewhere: D21 for a
whole connection (test_repairs.py; its rule for one job is tested here), D23 and D24 (test_clearing.py), D25
(test_gc_rows.py).
"""

from __future__ import annotations

import asyncio
from datetime import datetime

import asyncpg
import pytest
from rows import (
    FAILED,
    SUCCEEDED,
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
from airbyte_workers.jobs.status import IllegalTransition
from airbyte_workers.models import (
    AttemptOutcome,
    AttemptSummary,
    Connector,
    Evidence,
    Failure,
    FailureOrigin,
    FailureType,
    JobStatus,
    OpenOperation,
    Order,
    StreamCounts,
)
from airbyte_workers.names import JobKind
from airbyte_workers.store import attempts, connections, history, jobs, opening
from airbyte_workers.store.job_lists import JobFilter, list_jobs
from airbyte_workers.store.sealing import Seal

pytestmark = pytest.mark.postgres
J = JobStatus
CANCELLED = AttemptOutcome(status="cancelled")
ENDS = [J.FAILED, J.SUCCEEDED, J.CANCELLED]
FROM_QUEUE = [J.PENDING, J.QUEUED, J.INCOMPLETE]
LOST = Failure(origin=FailureOrigin.PLATFORM, type=FailureType.TRANSIENT_ERROR, message="its run is gone")


async def start(db: asyncpg.Pool, job_id: int, number: int = 0) -> None:
    """Open an attempt and start its pod."""
    await open_attempt(db, job_id, number)
    await jobs.move(db, job_id, jobs.Move(J.RUNNING, FROM_QUEUE, "pod"))


async def end(db: asyncpg.Pool, job_id: int, status: JobStatus, *failures: Failure, by: str = "") -> None:
    await close_job(db, job_id, status, failures=failures, by=by, reason="told so")


async def bring_to(db: asyncpg.Pool, job_id: int, status: JobStatus) -> None:
    """Lead a new job to a status on the usual way."""
    if status is J.QUEUED:
        await jobs.move(db, job_id, jobs.Move(J.QUEUED, [J.PENDING], "full"))
    if status in (J.RUNNING, J.INCOMPLETE, J.SUCCEEDED):
        await start(db, job_id)
    if status in (J.INCOMPLETE, J.SUCCEEDED):
        await close_attempt(db, job_id, 0, SUCCEEDED if status is J.SUCCEEDED else FAILED)
    if status in (J.FAILED, J.CANCELLED):
        await end(db, job_id, status)


async def job_in(db: asyncpg.Pool, seal: Seal, status: JobStatus, connection: str = "demo") -> int:
    job_id = await open_job(db, seal, connection)
    await bring_to(db, job_id, status)
    assert await status_of(db, job_id) is status
    return job_id


async def status_of(db: asyncpg.Pool, job_id: int) -> JobStatus:
    return (await history.report(db, job_id)).status


async def attempts_of(db: asyncpg.Pool, job_id: int) -> list[tuple[int, str, bool]]:
    """Number, status, whether it says when it ended."""
    rows = await db.fetch("select number, status, ended_at from attempts where job_id = $1 order by number", job_id)
    return [(row["number"], row["status"], row["ended_at"] is not None) for row in rows]


async def updated_at(db: asyncpg.Pool, job_id: int) -> datetime:
    at: datetime = await db.fetchval("select updated_at from jobs where id = $1", job_id)
    return at


async def past(db: asyncpg.Pool, job_id: int) -> list[str]:
    return [event.event for event in await history.events(db, job_id)]


async def whole(db: asyncpg.Pool, job_id: int) -> list[dict[str, object]]:
    """Every row of a job, for what must not change."""
    tables = {"jobs": "id", "attempts": "job_id", "job_events": "job_id", "stream_stats": "job_id"}
    asked = [await db.fetch(f"select * from {table} where {key} = $1", job_id) for table, key in tables.items()]
    return [dict(row) for rows in asked for row in rows]


# --- enqueue: D1 to D4 ---


async def test_d1_a_new_job_is_pending_without_attempts(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_job(db, seal)
    assert (await status_of(db, job_id), await attempts_of(db, job_id)) == (J.PENDING, [])


@pytest.mark.parametrize("status", [each for each in J if each not in ENDS])
async def test_d2_a_connection_with_a_live_job_gets_no_second_one(
    db: asyncpg.Pool, seal: Seal, status: JobStatus
) -> None:
    await job_in(db, seal, status)
    with pytest.raises(connections.ConnectionBusy):
        await open_job(db, seal)
    assert await db.fetchval("select count(*) from jobs") == 1


@pytest.mark.parametrize("status", ENDS)
async def test_d3_a_connection_whose_job_has_ended_gets_a_new_one(
    db: asyncpg.Pool, seal: Seal, status: JobStatus
) -> None:
    first = await job_in(db, seal, status)
    assert await status_of(db, await open_job(db, seal)) is J.PENDING
    assert await status_of(db, first) is status


async def test_d4_two_connections_have_a_job_each(db: asyncpg.Pool, seal: Seal) -> None:
    ids = [await job_in(db, seal, J.RUNNING, name) for name in ("a", "b")]
    assert [await status_of(db, job_id) for job_id in ids] == [J.RUNNING, J.RUNNING]


# --- attempts: D5 to D8, D13, D15 ---


async def test_d5_attempts_are_counted_and_a_job_is_incomplete_between_them(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_job(db, seal)
    await start(db, job_id)
    assert (await status_of(db, job_id), await attempts_of(db, job_id)) == (J.RUNNING, [(0, "running", False)])
    await close_attempt(db, job_id, 0, FAILED)
    assert (await status_of(db, job_id), await attempts_of(db, job_id)) == (J.INCOMPLETE, [(0, "failed", True)])
    await start(db, job_id, 1)
    assert await status_of(db, job_id) is J.RUNNING
    assert await attempts_of(db, job_id) == [(0, "failed", True), (1, "running", False)]


async def test_a_retry_that_waits_for_a_place_leaves_its_job_incomplete(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await job_in(db, seal, J.INCOMPLETE)
    await open_attempt(db, job_id, 1)
    assert await status_of(db, job_id) is J.INCOMPLETE


@pytest.mark.parametrize(
    ("number", "why"),
    [(1, "attempt 1 of job {} is still running"), (2, "still running"), (-1, "still running")],
)
async def test_d6_while_an_attempt_runs_no_other_is_opened(db: asyncpg.Pool, seal: Seal, number: int, why: str) -> None:
    job_id = await job_in(db, seal, J.RUNNING)
    before = await whole(db, job_id)
    with pytest.raises(attempts.AttemptRefused, match=why.format(job_id)):
        await open_attempt(db, job_id, number)
    assert await whole(db, job_id) == before


@pytest.mark.parametrize("status", ENDS)
async def test_d7_a_job_that_has_ended_gets_no_attempt(db: asyncpg.Pool, seal: Seal, status: JobStatus) -> None:
    job_id = await job_in(db, seal, status)
    before = await whole(db, job_id)
    for number in (0, 1):
        with pytest.raises(attempts.JobEnded, match=rf"^job {job_id} has ended \({status}\)$"):
            await open_attempt(db, job_id, number)
    assert await whole(db, job_id) == before


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (0, "attempt 1 of job {} has ended"),
        (2, r"job {} has had 1 attempt\(s\): its next is 2, not 3"),
        (-1, "its next is 2, not 0"),
    ],
)
async def test_attempts_are_opened_in_order_and_never_again(
    db: asyncpg.Pool, seal: Seal, number: int, why: str
) -> None:
    job_id = await job_in(db, seal, J.INCOMPLETE)
    before = await whole(db, job_id)
    with pytest.raises(attempts.AttemptRefused, match=why.format(job_id)):
        await open_attempt(db, job_id, number)
    assert await whole(db, job_id) == before


async def test_d7_of_an_unknown_job_or_attempt_nothing_is_written(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_job(db, seal)
    before = await whole(db, job_id)
    for call in (
        open_attempt(db, 99, 0),
        close_attempt(db, 99, 0, FAILED),
        jobs.move(db, 99, jobs.Move(J.QUEUED, [J.PENDING], "")),
        end(db, 99, J.FAILED),
        jobs.request_cancel(db, 99, by="", now=False),
    ):
        with pytest.raises(LookupError, match="there is no job 99"):
            await call
    with pytest.raises(LookupError, match=f"job {job_id} has no attempt 1"):
        await close_attempt(db, job_id, 0, FAILED)
    assert await whole(db, job_id) == before


async def test_d8_a_job_succeeds_with_its_attempt(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await job_in(db, seal, J.RUNNING)
    before = await updated_at(db, job_id)
    await close_attempt(db, job_id, 0, SUCCEEDED)
    assert (await status_of(db, job_id), await attempts_of(db, job_id)) == (J.SUCCEEDED, [(0, "succeeded", True)])
    assert await updated_at(db, job_id) > before


async def test_d8_every_transition_advances_the_time_of_its_job(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_job(db, seal)
    times = [await updated_at(db, job_id)]
    for transition in (
        lambda: jobs.move(db, job_id, jobs.Move(J.QUEUED, [J.PENDING], "full")),
        lambda: jobs.move(db, job_id, jobs.Move(J.PENDING, [J.QUEUED], "room")),
        lambda: start(db, job_id),
        lambda: close_attempt(db, job_id, 0, FAILED),
        lambda: jobs.request_cancel(db, job_id, by="me", now=False),
        lambda: end(db, job_id, J.CANCELLED),
    ):
        await transition()
        times.append(await updated_at(db, job_id))
    assert times == sorted(set(times))


async def test_a_transition_that_waited_for_another_is_dated_after_it(db: asyncpg.Pool, seal: Seal) -> None:
    """A transaction's own clock stands still from its first statement."""
    job_id = await job_in(db, seal, J.RUNNING)
    async with db.acquire() as session, session.transaction():
        await session.fetchval("select id from jobs where id = $1 for update", job_id)
        waiting = asyncio.create_task(close_attempt(db, job_id, 0, FAILED))
        while not await db.fetchval("select exists (select from pg_locks where not granted)"):
            await asyncio.sleep(0.01)
        await session.execute("update jobs set updated_at = clock_timestamp() where id = $1", job_id)
        first: datetime = await session.fetchval("select updated_at from jobs where id = $1", job_id)
    await waiting
    assert await updated_at(db, job_id) > first


async def test_d13_only_a_running_attempt_stands_in_the_way_of_the_next(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await job_in(db, seal, J.INCOMPLETE)
    await open_attempt(db, job_id, 1)
    with pytest.raises(attempts.AttemptRefused, match="attempt 2 of job"):
        await open_attempt(db, job_id, 2)


async def test_a_success_before_its_launch_was_written_down_says_that_its_pod_ran(db: asyncpg.Pool, seal: Seal) -> None:
    """A cancel may end the launch between the pod's start and its row, and the pod may be faster than the cancel."""
    job_id = await open_job(db, seal)
    await succeed(db, job_id)
    assert await past(db, job_id) == ["opened", "attempt opened", "attempt succeeded", "running", "succeeded"]


# --- ends: D9, D10 ---


@pytest.mark.parametrize("status", [J.CANCELLED, J.FAILED])
async def test_d9_a_running_job_ends_as_told(db: asyncpg.Pool, seal: Seal, status: JobStatus) -> None:
    job_id = await job_in(db, seal, J.RUNNING)
    await end(db, job_id, status, LOST, by="me")
    report = await history.report(db, job_id)
    assert (report.status, report.failures) == (status, (LOST,))
    last = (await history.events(db, job_id))[-1]
    assert (last.event, last.by, last.reason) == (status, "me", "told so")


@pytest.mark.parametrize("status", ENDS)
@pytest.mark.parametrize("again", ENDS)
async def test_d9_a_job_that_has_ended_stays_as_it_is_without_an_error(
    db: asyncpg.Pool, seal: Seal, status: JobStatus, again: JobStatus
) -> None:
    job_id = await job_in(db, seal, status)
    before = await whole(db, job_id)
    await end(db, job_id, again, LOST)
    await jobs.request_cancel(db, job_id, by="late", now=True)
    assert not await jobs.move(db, job_id, jobs.Move(J.RUNNING, list(J), "late"))
    assert await whole(db, job_id) == before


@pytest.mark.parametrize(("status", "queued"), [(J.PENDING, True), (J.RUNNING, False), (J.INCOMPLETE, False)])
async def test_d10_only_a_pending_job_is_queued(db: asyncpg.Pool, seal: Seal, status: JobStatus, queued: bool) -> None:
    job_id = await job_in(db, seal, status)
    assert await jobs.move(db, job_id, jobs.Move(J.QUEUED, [J.PENDING], "full")) is queued
    assert await status_of(db, job_id) is (J.QUEUED if queued else status)


async def test_d10_a_queued_job_that_is_cancelled_goes_through_pending(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_job(db, seal)
    await open_attempt(db, job_id, 0)
    await bring_to(db, job_id, J.QUEUED)
    await close_attempt(db, job_id, 0, CANCELLED)
    await end(db, job_id, J.CANCELLED, by="me")
    told = ["opened", "attempt opened", "queued", "attempt cancelled", "pending", "incomplete", "cancelled"]
    assert await past(db, job_id) == told
    assert all(event.reason for event in await history.events(db, job_id))


async def test_a_job_leaves_the_queue_when_it_got_its_place(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await job_in(db, seal, J.QUEUED)
    assert await jobs.move(db, job_id, jobs.Move(J.PENDING, [J.QUEUED], "a place is free"))
    assert not await jobs.move(db, job_id, jobs.Move(J.PENDING, [J.QUEUED], "a place is free"))
    assert (await history.events(db, job_id))[-1].reason == "a place is free"


# --- what is refused ---


@pytest.mark.parametrize(
    ("status", "target"),
    [
        (J.RUNNING, J.PENDING),
        (J.RUNNING, J.QUEUED),
        (J.QUEUED, J.INCOMPLETE),
        (J.INCOMPLETE, J.QUEUED),
        (J.PENDING, J.PENDING),
    ],
)
async def test_an_illegal_move_is_an_error_and_changes_nothing(
    db: asyncpg.Pool, seal: Seal, status: JobStatus, target: JobStatus
) -> None:
    job_id = await job_in(db, seal, status)
    before = await whole(db, job_id)
    with pytest.raises(IllegalTransition, match=f"job {job_id} is {status} and cannot become {target}"):
        await jobs.move(db, job_id, jobs.Move(target, list(J), ""))
    assert await whole(db, job_id) == before


@pytest.mark.parametrize("status", [each for each in J if each not in ENDS])
async def test_no_job_of_a_connection_succeeds_without_an_attempt_that_did(
    db: asyncpg.Pool, seal: Seal, status: JobStatus
) -> None:
    job_id = await job_in(db, seal, status)
    before = await whole(db, job_id)
    with pytest.raises(IllegalTransition, match="cannot become succeeded: no attempt of it has"):
        await end(db, job_id, J.SUCCEEDED)
    assert await whole(db, job_id) == before


async def test_a_move_is_no_end_and_an_end_is_no_move(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await job_in(db, seal, J.QUEUED)
    with pytest.raises(ValueError, match="cancelled is the end of a job"):
        await jobs.move(db, job_id, jobs.Move(J.CANCELLED, [J.QUEUED], ""))
    with pytest.raises(ValueError, match="running is not the end of a job"):
        await end(db, job_id, J.RUNNING)
    assert await status_of(db, job_id) is J.QUEUED


async def test_a_launch_that_comes_late_makes_no_job_running(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await job_in(db, seal, J.INCOMPLETE)
    assert not await jobs.move(db, job_id, jobs.Move(J.RUNNING, FROM_QUEUE, "pod"))
    assert await status_of(db, job_id) is J.INCOMPLETE


@pytest.mark.parametrize("status", [J.PENDING, J.QUEUED, J.RUNNING])
async def test_what_asks_one_connector_succeeds_without_attempts(
    db: asyncpg.Pool, seal: Seal, status: JobStatus
) -> None:
    order = Order(connector=Connector(command=("source",), config={}))
    asked = OpenOperation(kind=JobKind.CHECK, order=order, workflow_id="w", run_id="r")
    job_id = await opening.open_operation(db, seal, asked)
    for each in (J.QUEUED, J.RUNNING):
        if status is each:
            assert await jobs.move(db, job_id, jobs.Move(each, [J.PENDING], ""))
    await end(db, job_id, J.SUCCEEDED)
    assert (await past(db, job_id))[-2:] == ["running", "succeeded"]


# --- cancelled, lost: R8, D21 ---


@pytest.mark.parametrize("summary", [None, AttemptSummary(status="cancelled"), AttemptSummary(status="failed")])
@pytest.mark.parametrize("outcome", [CANCELLED, CANCELLED.model_copy(update={"failures": (LOST,)})])
async def test_r8_an_attempt_that_was_cancelled_failed_and_says_so(
    db: asyncpg.Pool, seal: Seal, outcome: AttemptOutcome, summary: AttemptSummary | None
) -> None:
    job_id = await job_in(db, seal, J.RUNNING)
    await close_attempt(db, job_id, 0, outcome, summary)
    assert await attempts_of(db, job_id) == [(0, "failed", True)]
    (attempt,) = (await history.report(db, job_id)).attempts
    assert [failure.type for failure in attempt.failures].count(FailureType.MANUAL_CANCELLATION) == 1


@pytest.mark.parametrize(
    ("status", "told", "event"),
    [
        (J.FAILED, (LOST,), "attempt failed"),
        (J.CANCELLED, (cancellation(), LOST), "attempt cancelled"),
    ],
)
async def test_d21_a_job_that_ends_takes_its_running_attempt_with_it(
    db: asyncpg.Pool, seal: Seal, status: JobStatus, told: tuple[Failure, ...], event: str
) -> None:
    job_id = await job_in(db, seal, J.INCOMPLETE)
    await start(db, job_id, 1)
    await end(db, job_id, status, LOST)
    assert await attempts_of(db, job_id) == [(0, "failed", True), (1, "failed", True)]
    assert [attempt.failures for attempt in (await history.report(db, job_id)).attempts] == [FAILED.failures, told]
    assert (await past(db, job_id))[-2:] == [event, status]


@pytest.mark.parametrize("outcome", [SUCCEEDED, FAILED, CANCELLED])
@pytest.mark.parametrize("again", [SUCCEEDED, FAILED, CANCELLED])
async def test_an_attempt_that_has_ended_stays_as_it_is(
    db: asyncpg.Pool, seal: Seal, outcome: AttemptOutcome, again: AttemptOutcome
) -> None:
    job_id = await job_in(db, seal, J.RUNNING)
    await close_attempt(db, job_id, 0, outcome, follows="attempt 2 follows at once", retried=True)
    before = await whole(db, job_id)
    await close_attempt(
        db, job_id, 0, again, AttemptSummary(status=again.status), follows="something else", retried=True
    )
    assert await whole(db, job_id) == before


async def test_what_follows_an_attempt_is_told_once_with_its_end(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await job_in(db, seal, J.RUNNING)
    await close_attempt(db, job_id, 0, FAILED, follows="attempt 2 starts in 10 s", retried=True)
    told = [(event.event, event.attempt, event.reason) for event in await history.events(db, job_id)]
    assert told[-3:] == [
        ("attempt failed", 0, "broke"),
        ("incomplete", None, "attempt 1 failed"),
        ("next", None, "attempt 2 starts in 10 s"),
    ]
    await start(db, job_id, 1)
    await close_attempt(db, job_id, 1, FAILED, follows="no other attempt: 2 are the most")  # the job's end tells it
    assert (await past(db, job_id)).count("next") == 1


async def test_of_many_who_write_at_once_each_move_is_written_once(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_job(db, seal)
    opened = await asyncio.gather(*(open_attempt(db, job_id, 0) for _ in range(5)))
    assert len(set(opened)) == 1
    await asyncio.gather(*(close_attempt(db, job_id, 0, FAILED) for _ in range(5)))
    await asyncio.gather(*(end(db, job_id, status) for status in (J.FAILED, J.CANCELLED) * 3))
    told = await past(db, job_id)
    assert told[:-1] == ["opened", "attempt opened", "attempt failed", "incomplete"]
    assert await status_of(db, job_id) == told[-1]


# --- what is stored: D16 to D19 ---


async def test_d16_what_a_database_cannot_hold_is_taken_out_and_the_rest_is_read_back(
    db: asyncpg.Pool, seal: Seal
) -> None:
    job_id = await job_in(db, seal, J.RUNNING)
    failure = Failure(origin=FailureOrigin.SOURCE, type=FailureType.SYSTEM_ERROR, message="a\0b", stream="s\0")
    summary = AttemptSummary(
        status="failed",
        failures=(failure.model_copy(update={"internal_message": "at\0line 1 \ud83d"}),),
        warnings=("odd\0",),
        evidence=Evidence(streams_incomplete=("s\0",)),
        streams=(StreamCounts(name="s\0", namespace="n\0", records_committed=3),),
    )
    outcome = AttemptOutcome(status="failed", failures=(failure,))
    await close_attempt(db, job_id, 0, outcome, summary, follows="next\0", retried=True)
    await jobs.request_cancel(db, job_id, by="m\0e", now=False)
    await end(db, job_id, J.FAILED, failure, by="y\0ou")
    report = await history.report(db, job_id)
    told = report.attempts[0].failures[0]
    assert (told.message, told.internal_message, told.stream) == ("ab", "atline 1 ?", "s")
    assert (report.failures[0].message, report.warnings, report.ended_by) == ("ab", ("odd",), "you")
    assert report.evidence == Evidence(streams_incomplete=("s",))
    assert [(each.name, each.namespace, each.records_committed) for each in report.streams] == [("s", "n", 3)]


@pytest.mark.parametrize("namespace", [None, "n"])
async def test_d17_counts_written_again_replace_the_first_ones(
    db: asyncpg.Pool, seal: Seal, namespace: str | None
) -> None:
    job_id = await job_in(db, seal, J.RUNNING)
    stream = StreamCounts(name="s", namespace=namespace, records_committed=1)
    counts = [stream, stream.model_copy(update={"records_committed": 7})]
    summary = AttemptSummary(status="failed", streams=tuple(counts))
    await close_attempt(db, job_id, 0, FAILED, summary)
    assert (await history.report(db, job_id)).streams == (counts[1],)
    assert await attempts.committed(db, job_id, 0) == (7, 0)


async def test_d18_a_list_cut_to_its_newest_jobs_has_the_counts_of_all_their_attempts(
    db: asyncpg.Pool, seal: Seal
) -> None:
    for name in ("a", "b", "c"):
        job_id = await open_job(db, seal, name)
        for number, records in enumerate((1, 10, 100)):
            await start(db, job_id, number)
            streams = (StreamCounts(name="s", records_committed=records), StreamCounts(name="t", records_committed=1))
            summary = AttemptSummary(status="failed", failures=FAILED.failures, streams=streams)
            await close_attempt(db, job_id, number, FAILED, summary)
    found = await list_jobs(db, JobFilter(limit=2))
    assert [(line.connection, line.attempts, line.records_committed) for line in found.lines] == [
        ("c", 3, 114),
        ("b", 3, 114),
    ]


@pytest.mark.parametrize(
    ("ends", "succeeded"),
    [
        ([], False),
        ([J.SUCCEEDED], True),
        ([J.FAILED], False),
        ([J.CANCELLED], False),
        ([J.FAILED, J.SUCCEEDED], True),
        ([J.SUCCEEDED, J.FAILED], False),
    ],
)
async def test_d19_whether_the_last_sync_succeeded(
    db: asyncpg.Pool, seal: Seal, ends: list[JobStatus], succeeded: bool
) -> None:
    await job_in(db, seal, J.RUNNING, "another")
    for status in ends:
        await job_in(db, seal, status)
    job = await jobs.read_job(db, seal, await open_with_catalog(db, seal))
    assert await jobs.previous_succeeded(db, job.connection_id, job.id) is succeeded


async def test_d19_a_clear_does_not_count_as_the_last_sync(db: asyncpg.Pool, seal: Seal) -> None:
    await job_in(db, seal, J.SUCCEEDED)
    cleared = await job_in(db, seal, J.FAILED)
    await db.execute("update jobs set kind = 'clear' where id = $1", cleared)
    job = await jobs.read_job(db, seal, await opening.open_sync(db, seal, request(sync_input())))
    assert await jobs.previous_succeeded(db, job.connection_id, job.id)
