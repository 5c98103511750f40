"""What people read of jobs: what each is, who ended it and why, and its past."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest
from rows import FAILED, SUCCEEDED, close_attempt, close_job, open_attempt, open_job

from airbyte_workers.models import (
    AttemptSummary,
    Connector,
    Evidence,
    JobStatus,
    OpenOperation,
    Order,
    StreamCounts,
    StreamName,
    StreamRequest,
)
from airbyte_workers.names import JobKind
from airbyte_workers.store import attempts, history, job_facts, jobs, opening
from airbyte_workers.store.sealing import Seal
from airbyte_workers.store.stream_counts import TOTALS

ENDED = [JobStatus.FAILED, JobStatus.CANCELLED]


async def test_what_a_sync_is(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_job(db, seal, "people")
    facts = await job_facts.facts(db, job_id)
    assert (facts.kind, facts.subject, facts.status) == (JobKind.SYNC, "people", JobStatus.PENDING)
    assert facts.workflow_id == "sync/people"
    assert (facts.has_ended, facts.ended_at) == (False, None)


async def test_what_a_check_is_about_is_its_connector(db: asyncpg.Pool, seal: Seal) -> None:
    order = Order(connector=Connector(command=("my-source", "--fast")))
    asked = OpenOperation(kind=JobKind.CHECK, order=order, workflow_id="check/1", run_id="r")
    job_id = await opening.open_operation(db, seal, asked)
    await jobs.set_launcher(db, job_id, "process", "it is a command")
    facts = await job_facts.facts(db, job_id)
    assert (facts.kind, facts.subject, facts.launcher) == (JobKind.CHECK, "my-source --fast", "process")


@pytest.mark.parametrize("job_id", [-1, 0, 999, 2**63])
async def test_a_job_that_is_not_there(db: asyncpg.Pool, job_id: int) -> None:
    with pytest.raises(LookupError, match=f"there is no job {job_id}"):
        await job_facts.facts(db, job_id)


@pytest.mark.parametrize("status", ENDED)
async def test_a_report_says_who_ended_the_job_and_why(db: asyncpg.Pool, seal: Seal, status: JobStatus) -> None:
    job_id = await open_job(db, seal)
    await close_job(db, job_id, status, by="ann@host", reason="wrong source")
    report = await history.report(db, job_id)
    assert (report.status, report.ended_by, report.reason) == (status, "ann@host", "wrong source")
    assert (await job_facts.facts(db, job_id)).has_ended


async def test_before_its_end_nobody_has_ended_a_job(db: asyncpg.Pool, seal: Seal) -> None:
    """Whoever asked for its end has not brought it about yet."""
    job_id = await open_job(db, seal)
    await jobs.request_cancel(db, job_id, by="ann@host", now=False)
    report = await history.report(db, job_id)
    assert (report.ended_by, report.reason) == ("", "")


async def test_the_end_of_another_job_is_not_this_one_s(db: asyncpg.Pool, seal: Seal) -> None:
    first, second = await open_job(db, seal, "a"), await open_job(db, seal, "b")
    await close_job(db, second, JobStatus.FAILED, reason="of the second")
    await close_job(db, first, JobStatus.FAILED, reason="of the first")
    assert (await history.report(db, second)).reason == "of the second"


async def test_a_job_s_past_is_in_order(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_job(db, seal)
    await jobs.set_launcher(db, job_id, "process", "because")
    await close_job(db, job_id, JobStatus.CANCELLED, by="me", reason="why not")
    past = await history.events(db, job_id)
    assert [(each.event, each.by, each.reason) for each in past] == [
        ("opened", "", "workflow sync/demo"),
        ("launcher", "", "process: because"),
        ("cancelled", "me", "why not"),
    ]
    assert [each.at for each in past] == sorted(each.at for each in past)


# --- one job whole ---


async def test_a_job_whole_has_its_attempts_with_their_evidence_and_what_each_waited_for(
    db: asyncpg.Pool, seal: Seal
) -> None:
    job_id = await open_job(db, seal)
    for number, exit_code in enumerate((7, 0)):
        attempt = await open_attempt(db, job_id, number, waited_s=10.0 * number)
        await _took_its_place(db, attempt, after_s=4)
        evidence = Evidence(source_exit_code=exit_code)
        status = "failed" if exit_code else "succeeded"
        summary = AttemptSummary(
            status=status, evidence=evidence, streams=(counts("users", 5),), warnings=("odd",), log_lines_dropped=3
        )
        await close_attempt(db, job_id, number, FAILED if exit_code else SUCCEEDED, summary)
    whole = await history.whole(db, job_id)
    told = [(each.number, each.waited_s, round(each.queued_s), each.evidence) for each in whole.attempts]
    assert told == [(1, 0, 4, Evidence(source_exit_code=7)), (2, 10, 4, Evidence(source_exit_code=0))]
    assert [(each.log_lines_dropped, each.warnings, each.records_committed) for each in whole.attempts] == [
        (3, ("odd",), 5)
    ] * 2
    assert (whole.subject, whole.workflow_id, whole.launcher) == ("demo", "sync/demo", None)
    assert [event.event for event in whole.events][:2] == ["opened", "attempt opened"]


async def test_a_job_whole_says_what_its_report_says(db: asyncpg.Pool, seal: Seal) -> None:
    """Programs that read the report of `sync -o json` read that of `jobs show -o json` as well."""
    job_id = await open_job(db, seal)
    await open_attempt(db, job_id, 0)
    summary = AttemptSummary(status="failed", streams=(counts("users", 5),), failures=FAILED.failures)
    await close_attempt(db, job_id, 0, FAILED, summary)
    await close_job(db, job_id, JobStatus.FAILED, failures=FAILED.failures, by="me", reason="enough")
    report = (await history.report(db, job_id)).model_dump()
    whole = (await history.whole(db, job_id)).model_dump()
    assert set(report) <= set(whole)
    (attempt,) = report.pop("attempts")
    assert attempt == {name: value for name, value in whole.pop("attempts")[0].items() if name in attempt}
    assert report == {name: whole[name] for name in report}


async def test_the_streams_of_each_attempt_are_told_apart(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_job(db, seal)
    for number, records in enumerate((3, 4)):
        await open_attempt(db, job_id, number)
        summary = AttemptSummary(status="failed", streams=(counts("users", records), counts("logs", 1, namespace="n")))
        await close_attempt(db, job_id, number, FAILED, summary)
    both = await history.streams_of_attempts(db, job_id)
    assert {number: [each.records_committed for each in streams] for number, streams in both.items()} == {
        1: [3, 1],
        2: [4, 1],
    }
    assert await history.streams_of_attempts(db, job_id, 2) == {2: both[2]}
    assert [each.records_committed for each in (await history.whole(db, job_id)).streams] == [7, 2]


async def test_of_too_many_streams_the_complete_ones_are_left_out_first(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_job(db, seal)
    await open_attempt(db, job_id, 0)
    streams = [counts(f"s{number}", 1) for number in range(6)]
    streams[4] = streams[4].model_copy(update={"status": "incomplete"})
    await close_attempt(db, job_id, 0, FAILED, AttemptSummary(status="failed", streams=tuple(streams)))
    report = await history.report(db, job_id, max_streams=3)
    assert [each.name for each in report.streams] == ["s0", "s1", "s4"]
    assert (report.streams_omitted, report.records_committed) == (3, 6)


async def test_an_attempt_has_the_sums_of_what_is_counted_of_its_streams(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_job(db, seal)
    await open_attempt(db, job_id, 0)
    counts = {count: 10**place for place, count in enumerate(TOTALS)}
    streams = (StreamCounts(name="users", **counts), StreamCounts(name="logs", **counts))
    await close_attempt(db, job_id, 0, FAILED, AttemptSummary(status="failed", streams=streams))
    whole = await history.whole(db, job_id)
    sums = whole.attempts[0].model_dump(include=set(TOTALS))
    assert sums == {count: 2 * counts[count] for count in TOTALS}
    assert {stream.name: stream.model_dump(include=set(TOTALS)) for stream in whole.streams} == {
        "users": counts,
        "logs": counts,
    }


async def test_of_two_attempts_a_job_has_the_sums_the_largest_the_mean_and_the_last_of_what_each_counted(
    db: asyncpg.Pool, seal: Seal
) -> None:
    job_id = await open_job(db, seal)
    first = StreamCounts(
        name="users",
        states_emitted=3,
        states_acknowledged=1,
        states_committed=1,
        source_stats_mismatches=1,
        destination_stats_mismatches=2,
        records_estimated=100,
        bytes_estimated=1000,
        state_mean_s=1.0,
        state_max_s=9.0,
        commit_mean_s=2.0,
        commit_max_s=2.0,
        additional_stats={"a": 1, "b": 0.5},
    )
    later: dict[str, Any] = {
        "states_emitted": 1,
        "state_mean_s": 5.0,
        "state_max_s": 5.0,
        "states_committed": 3,
        "commit_mean_s": 6.0,
        "commit_max_s": 7.5,
        "records_estimated": None,
        "additional_stats": {"a": 2**40},
    }
    second = first.model_copy(update=later)
    for number, counted in enumerate((first, second)):
        await open_attempt(db, job_id, number)
        await close_attempt(db, job_id, number, FAILED, AttemptSummary(status="failed", streams=(counted,)))
    (stream,) = (await history.whole(db, job_id)).streams
    assert stream.model_dump(exclude_defaults=True) == {
        "name": "users",
        "states_emitted": 4,
        "states_acknowledged": 2,
        "states_committed": 4,
        "source_stats_mismatches": 2,
        "destination_stats_mismatches": 4,
        "bytes_estimated": 1000,
        "state_mean_s": 2.0,
        "state_max_s": 9.0,
        "commit_mean_s": 5.0,
        "commit_max_s": 7.5,
        "additional_stats": {"a": 2**40 + 1, "b": 0.5},
    }
    assert await history.streams_of_attempts(db, job_id) == {1: [first], 2: [second]}


async def test_what_is_not_known_of_any_attempt_is_not_known_of_its_job(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_job(db, seal)
    await open_attempt(db, job_id, 0)
    await close_attempt(db, job_id, 0, FAILED, AttemptSummary(status="failed", streams=(StreamCounts(name="users"),)))
    assert (await history.whole(db, job_id)).streams == (StreamCounts(name="users"),)


@pytest.mark.parametrize("job_id", [-1, 0, 999, 2**63])
async def test_neither_report_nor_standing_of_a_job_that_is_not_there(db: asyncpg.Pool, job_id: int) -> None:
    for read in (history.report, history.whole, job_facts.standing):
        with pytest.raises(LookupError, match=f"there is no job {job_id}"):
            await read(db, job_id)


async def test_what_a_clear_is_about_is_told(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_job(db, seal)
    request = StreamRequest(order="clear", streams=(StreamName(name="users"), StreamName(name="logs", namespace="n")))
    await db.execute("update jobs set kind = 'clear', request = $2 where id = $1", job_id, request.model_dump())
    whole = await history.whole(db, job_id)
    assert (whole.kind, whole.request) == (JobKind.CLEAR, request)


async def _took_its_place(db: asyncpg.Pool, attempt: attempts.Attempt, *, after_s: float) -> None:
    await db.execute(
        """
        insert into workloads (pod, kind, job_id, attempt, dataplane, launcher, fence, lease_until, created_at)
        select pod, 'sync', job_id, number, 'here', 'process', fence, now(), started_at + make_interval(secs => $2)
        from attempts where pod = $1
        """,
        attempt.pod,
        after_s,
    )


def counts(name: str, records: int, namespace: str | None = None) -> StreamCounts:
    return StreamCounts(name=name, namespace=namespace, status="complete", records_committed=records)
