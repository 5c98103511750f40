"""What may go of the past: the rule about jobs as a table and as laws, objects, logs over a limit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from airbyte_workers.jobs.gc_report import Amount
from airbyte_workers.jobs.gc_rules import (
    Kept,
    Landmarks,
    ObjectFate,
    OwningJob,
    Past,
    Rules,
    fate_of_object,
    job_of_log,
    job_of_marker,
    job_of_pod,
    over_limit,
    reason_to_keep,
    rules_of,
)
from airbyte_workers.models import TERMINAL_JOB_STATUSES, JobStatus
from airbyte_workers.names import REPLICATION_KINDS, JobKind, Role, pod_name
from airbyte_workers.settings import Settings

NOW = datetime(2026, 6, 1, tzinfo=UTC)
RULES = Rules(timedelta(days=183), timedelta(days=30), timedelta(hours=1), per_connection=3)
MANY = Landmarks(last=90, first_recent=70, successes=frozenset({40, 60}))


def past(**changes: Any) -> Past:
    days = changes.pop("days", 200)
    ended = NOW - timedelta(days=days) if days is not None else None
    given: dict[str, Any] = {"id": 10, "kind": JobKind.SYNC, "status": JobStatus.FAILED, "connection_id": 1}
    return Past(**(given | {"ended_at": ended} | changes))


# --- jobs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("job", "marks", "why"),
    [
        (past(), MANY, None),
        (past(status=JobStatus.SUCCEEDED), MANY, None),
        (past(status=JobStatus.CANCELLED), MANY, None),
        (past(id=69), MANY, None),
        (past(status=JobStatus.RUNNING), MANY, Kept.LIVE),
        (past(status=JobStatus.INCOMPLETE), MANY, Kept.LIVE),
        (past(days=None), MANY, Kept.LIVE),
        (past(has_live_pod=True), MANY, Kept.POD),
        (past(days=182), MANY, Kept.YOUNG),
        (past(days=-5), MANY, Kept.YOUNG),
        (past(id=90), MANY, Kept.LAST),
        (past(id=90), Landmarks(90, None, frozenset({90})), Kept.LAST),
        (past(id=60), MANY, Kept.SUCCESS),
        (past(id=40), MANY, Kept.SUCCESS),
        (past(id=70), MANY, Kept.RECENT),
        (past(id=89), MANY, Kept.RECENT),
        (past(id=1), Landmarks(2, None), Kept.RECENT),
        (past(kind=JobKind.CHECK, connection_id=None, days=29), None, Kept.YOUNG),
        (past(kind=JobKind.CHECK, connection_id=None, days=31), None, None),
        (past(kind=JobKind.CLEAR, days=182), MANY, Kept.YOUNG),
        (past(kind=JobKind.REFRESH, days=184), MANY, None),
    ],
)
def test_why_a_job_stays(job: Past, marks: Landmarks | None, why: Kept | None) -> None:
    assert reason_to_keep(job, marks, RULES, NOW) is why


def test_however_short_the_ages_a_job_that_has_just_ended_stays() -> None:
    impatient = Rules(timedelta(0), timedelta(0), timedelta(hours=1), per_connection=1)
    just = past(days=0.5 / 24)
    assert reason_to_keep(just, Landmarks(99, 99), impatient, NOW) is Kept.YOUNG
    assert reason_to_keep(past(days=1.5 / 24), Landmarks(99, 99), impatient, NOW) is None


JOBS = st.lists(
    st.tuples(
        st.sampled_from(sorted(REPLICATION_KINDS)),
        st.sampled_from(list(JobStatus)),
        st.floats(0, 400),
        st.booleans(),
    ),
    max_size=25,
)


def connection_of(drawn: list[tuple[JobKind, JobStatus, float, bool]]) -> list[Past]:
    """Jobs of one connection, numbered in the order of their ends; of a live one nothing has ended."""
    days = sorted((each[2] for each in drawn), reverse=True)
    return [
        past(
            id=number, kind=kind, status=status, days=age if status in TERMINAL_JOB_STATUSES else None, has_live_pod=pod
        )
        for number, ((kind, status, _, pod), age) in enumerate(zip(drawn, days, strict=True), start=1)
    ]


def landmarks_of(jobs: list[Past], per_connection: int) -> Landmarks:
    """What the database tells of them."""
    newest = sorted((job.id for job in jobs), reverse=True)
    successes = {job.kind: job.id for job in jobs if job.status is JobStatus.SUCCEEDED}
    first = newest[per_connection - 1] if len(newest) >= per_connection else None
    return Landmarks(newest[0], first, frozenset(successes.values()))


@given(JOBS, st.integers(1, 5))
def test_whatever_goes_the_last_job_the_last_successes_and_the_last_few_stay(drawn: Any, per_connection: int) -> None:
    jobs = connection_of(drawn)
    if not jobs:
        return
    rules = Rules(timedelta(days=100), timedelta(days=1), timedelta(hours=1), per_connection)
    marks = landmarks_of(jobs, per_connection)
    gone = [job for job in jobs if reason_to_keep(job, marks, rules, NOW) is None]
    left = [job for job in jobs if job not in gone]
    assert landmarks_of(left, per_connection) == marks
    assert jobs[-1] in left
    assert jobs[-per_connection:] == left[-per_connection:]
    for kind in REPLICATION_KINDS:
        good = [job for job in jobs if job.kind is kind and job.status is JobStatus.SUCCEEDED]
        assert good[-1:] == [job for job in left if job in good][-1:]
    for job in gone:
        assert job.status in TERMINAL_JOB_STATUSES
        assert not job.has_live_pod
        assert job.ended_at is not None
        assert NOW - job.ended_at >= timedelta(days=100)


@given(JOBS, st.integers(1, 5))
def test_after_what_may_go_has_gone_nothing_more_may(drawn: Any, per_connection: int) -> None:
    """In whatever order and batches jobs go, the end is the same: nothing that stays depends on what goes."""
    jobs = connection_of(drawn)
    if not jobs:
        return
    rules = Rules(timedelta(days=100), timedelta(days=1), timedelta(hours=1), per_connection)
    marks = landmarks_of(jobs, per_connection)
    left = [job for job in jobs if reason_to_keep(job, marks, rules, NOW) is not None]
    again = landmarks_of(left, per_connection)
    assert [job for job in left if reason_to_keep(job, again, rules, NOW) is None] == []


@given(JOBS)
def test_older_limits_never_remove_more(drawn: Any) -> None:
    jobs = connection_of(drawn)
    if not jobs:
        return
    marks = landmarks_of(jobs, 1)
    gone = []
    for days in (10, 100, 300):
        rules = Rules(timedelta(days=days), timedelta(days=1), timedelta(hours=1), 1)
        gone.append({job.id for job in jobs if reason_to_keep(job, marks, rules, NOW) is None})
    assert gone[2] <= gone[1] <= gone[0]


def test_the_settings_are_upstreams_where_it_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = rules_of(Settings())
    assert rules == Rules(timedelta(days=183), timedelta(days=30), timedelta(minutes=60), per_connection=10)
    asked = rules_of(Settings(), timedelta(days=2))
    assert (asked.replications, asked.operations, asked.rest) == (timedelta(days=2), timedelta(days=2), rules.rest)
    assert Settings().db_prune_cron_enabled
    monkeypatch.setenv("DB_PRUNE_CRON_ENABLED", "false")
    assert not Settings().db_prune_cron_enabled


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("job_days", -1),
        ("job_days", float("inf")),
        ("state_log_days", 1e9),
        ("jobs_per_connection", 0),
        ("gc_batch", 0),
    ],
)
def test_ages_that_are_none_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValidationError):
        Settings(**{name: value})


# --- objects ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", JobKind)
@pytest.mark.parametrize("of", [None, Role.SOURCE, Role.DESTINATION])
def test_the_job_of_every_pod_is_in_its_name(kind: JobKind, of: Role | None) -> None:
    pod = pod_name(kind, 1234, 5, of)
    assert job_of_pod(pod) == 1234
    assert job_of_marker(f"state/{pod}/SUCCESS") == 1234


@pytest.mark.parametrize(
    "pod",
    [
        "",
        "sync-job-1-attempt-0",
        "check-job-01-attempt-0",
        "check-job--attempt-0",
        "check-job-1",
        "x check-job-1-attempt-0",
    ],
)
def test_other_names_are_none_of_ours(pod: str) -> None:
    assert job_of_pod(pod) is None
    assert job_of_marker(f"state/{pod}/SUCCESS") is None


@pytest.mark.parametrize(
    ("key", "job"),
    [
        ("logs/7/0/000000.jsonl", 7),
        ("logs/7/discover-source/last.jsonl", 7),
        ("logs/7", None),
        ("logs/notes.txt", None),
        ("logs/x/0", None),
        ("logs/-7/0", None),
        ("logs/0/0", None),
        ("logs/99999999999999999999999/0", None),
    ],
)
def test_the_job_of_a_log(key: str, job: int | None) -> None:
    assert job_of_log(key) == job


HERE, GONE = OwningJob(exists=True), OwningJob(exists=False)


@pytest.mark.parametrize(
    ("job", "owner", "changes", "fate"),
    [
        (7, HERE, {}, ObjectFate.KEPT),
        (7, GONE, {}, ObjectFate.LEFTOVER),
        (7, GONE, {"is_fresh": True}, ObjectFate.KEPT),
        (9, GONE, {}, ObjectFate.LEFTOVER),
        (10, GONE, {}, ObjectFate.FOREIGN),
        (10, HERE, {}, ObjectFate.KEPT),
        (None, None, {}, ObjectFate.FOREIGN),
        (7, OwningJob(exists=True, doomed=True), {}, ObjectFate.COUNTED),
        (7, OwningJob(exists=True, log_removed=True), {"is_log": True, "is_fresh": True}, ObjectFate.LEFTOVER),
        (7, OwningJob(exists=True, log_removed=True), {"is_log": False}, ObjectFate.KEPT),
    ],
)
def test_what_becomes_of_an_object(
    job: int | None, owner: OwningJob | None, changes: dict[str, bool], fate: ObjectFate
) -> None:
    asked = {"is_fresh": False, "is_log": True} | changes
    assert fate_of_object(job, owner, highest_job=9, **asked) is fate


@given(st.lists(st.integers(0, 100)), st.integers(1, 500))
def test_over_the_limit_the_oldest_logs_go_and_no_more_than_needed(sizes: list[int], excess: int) -> None:
    jobs = list(enumerate(sizes, start=1))
    gone = over_limit(jobs, excess)
    freed = sum(sizes[job - 1] for job in gone)
    assert gone == [job for job, size in jobs if size][: len(gone)]
    assert freed >= min(excess, sum(sizes))
    assert not gone or freed - sizes[gone[-1] - 1] < excess


# --- what is told -----------------------------------------------------------------------------------------------------


def test_amounts_add_up() -> None:
    assert Amount(count=1, bytes=10) + Amount(count=2, bytes=5) == Amount(count=3, bytes=15)
