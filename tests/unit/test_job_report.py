"""What a job's page says: of each kind of job, whatever became of it, and never more than there is room for."""

from __future__ import annotations

import pytest
from reported_jobs import BROKE, GREEN, NOON, at, attempt, check, job, reported, stream, throughput

from airbyte_workers.cli.job_report_data import ATTEMPTS, CHARTS, MOMENTS, STREAMS, bottleneck, spans
from airbyte_workers.models import (
    AttemptStatus,
    Evidence,
    FailureType,
    JobStatus,
    Mark,
    Progress,
    StreamName,
    StreamRequest,
    Throughput,
    Waits,
)
from airbyte_workers.names import JobKind
from airbyte_workers.quantities import duration
from airbyte_workers.store.history import Happening
from airbyte_workers.store.throughputs import Seen

DOUBTFUL = GREEN.model_copy(update={"values_nulled": 1})


# --- what came of it ---


@pytest.mark.parametrize(
    ("status", "evidence", "colour", "verdict"),
    [
        (JobStatus.SUCCEEDED, GREEN, "good", "Succeeded, with proof"),
        (JobStatus.SUCCEEDED, DOUBTFUL, "doubt", "Succeeded, with doubts"),
        (JobStatus.SUCCEEDED, GREEN.model_copy(update={"malformed": 2}), "doubt", "Succeeded, with doubts"),
        (JobStatus.SUCCEEDED, None, "doubt", "Succeeded; its evidence is not kept"),
        (JobStatus.SUCCEEDED, Evidence(), "doubt", "Succeeded; its evidence is not kept"),
        (JobStatus.FAILED, GREEN, "bad", "Failed"),
        (JobStatus.CANCELLED, GREEN, "stopped", "Cancelled"),
    ],
)
def test_only_a_success_whose_every_proof_is_there_is_green(
    status: JobStatus, evidence: Evidence | None, colour: str, verdict: str
) -> None:
    told = reported(job(status, attempts=(attempt(1, evidence=evidence),)))
    assert (told.colour, told.verdict) == (colour, verdict)


def test_a_failed_job_says_why_what_to_do_and_how_to_go_on() -> None:
    told = reported(job(JobStatus.FAILED, attempts=(attempt(1, BROKE),), failures=(BROKE,)))
    assert told.reasons[0] == "source, system_error: the source exited with code 1"
    assert told.change
    assert [step.command for step in told.go_on] == ["airbyte-workers jobs retry 7"]
    assert told.attempts[0].failures == ("source, system_error: the source exited with code 1",)
    assert told.state.startswith("What was committed stays")


def test_a_cancelled_job_says_by_whom() -> None:
    told = reported(job(JobStatus.CANCELLED, ended_by="ann@host", reason="wrong source", attempts=(attempt(1),)))
    assert {"cancelled by": "ann@host"}.items() <= {each.name: each.value for each in told.facts}.items()
    assert told.reasons[0].startswith("cancelled by ann@host: wrong source")


def test_a_job_that_runs_says_how_far_it_is_and_is_judged_by_nobody_yet() -> None:
    runs = attempt(1, status=AttemptStatus.RUNNING, ended_at=None, evidence=None)
    moves = Progress(phase="running", records_emitted=5_000, moving_s=10, blocked_on_destination_s=8)
    seen = Seen(at=at(100), progress=moves)
    told = reported(job(JobStatus.RUNNING, ended_at=None, attempts=(runs,)), seen=seen)
    assert (told.colour, told.verdict, told.seen_at) == ("open", "Not over: running", at(100))
    assert told.now.startswith("running: 5,000 records")
    assert told.attempts[0].records_emitted == 5_000
    assert told.bottleneck == "destination"
    assert (told.courses, told.courses_missing) == ((), "")
    assert told.evidence_missing == "Attempt 1 runs: it is judged at its end."
    assert [step.command for step in told.go_on] == [
        "airbyte-workers sync people --join",
        "airbyte-workers jobs cancel 7",
    ]


@pytest.mark.parametrize(("status", "colour"), [(JobStatus.SUCCEEDED, "good"), (JobStatus.FAILED, "bad")])
def test_a_question_to_one_connector_has_no_streams_no_state_no_attempts(status: JobStatus, colour: str) -> None:
    told = reported(check(status, failures=(BROKE,) if colour == "bad" else ()))
    assert (told.colour, told.attempts, told.streams, told.evidence, told.state) == (colour, (), (), (), "")
    assert told.evidence_missing == told.courses_missing == ""
    assert [step.command for step in told.look] == [
        "airbyte-workers jobs logs 7",
        "airbyte-workers jobs show 7 --all",
    ]


def test_a_clear_says_of_what_and_has_no_speed() -> None:
    request = StreamRequest(order="clear", streams=tuple(StreamName(name=f"s{n}", namespace="p") for n in range(5)))
    told = reported(job(kind=JobKind.CLEAR, request=request, attempts=(attempt(1),)), throughput())
    assert {each.name: each.value for each in told.facts}["clear"] == "p.s0, p.s1, p.s2 and 2 more"
    assert (told.courses, told.courses_missing, told.bottleneck_text) == ((), "", "")
    assert told.state.startswith("The state of what was cleared is gone")


def test_a_job_that_ended_before_its_first_attempt() -> None:
    told = reported(job(JobStatus.FAILED, failures=(BROKE,)))
    assert (told.attempts, told.courses_missing, told.evidence_missing) == ((), "", "")
    assert told.reasons[1] == "it ended before its first attempt: no data was moved"


def test_a_job_says_what_it_ran_with_and_an_old_one_that_nobody_knows() -> None:
    facts = {each.name: each.value for each in reported(job(is_scheduled=True)).facts}
    assert facts["source"] == "airbyte/source-faker:7.2.1"
    assert (facts["started"], facts["launcher"], facts["workflow"]) == ("by its schedule", "docker", "sync/people")
    old = {each.name: each.value for each in reported(job(connectors=None)).facts}
    assert old["connectors"] == "not kept: the job is of an older release"


# --- whom it waited for ---


@pytest.mark.parametrize(
    ("waits", "sentence"),
    [
        (
            Waits(moving_s=100, blocked_on_destination_s=83),
            "The destination was the bottleneck: it was waited for 83% of the 1 m 40 s in which data moved.",
        ),
        (
            Waits(moving_s=10, held_by_limit_s=6),
            "The connection's own speed limit was the bottleneck: it held data back for 60% of the 10 s in which data"
            " moved.",
        ),
        (
            Waits(moving_s=10, blocked_on_source_s=3, blocked_on_destination_s=2),
            "Nobody was the bottleneck for most of the 10 s in which data moved: the source was waited for 30% of the"
            " time, the destination 20%; the rest is work on the way.",
        ),
        (Waits(), ""),
    ],
)
def test_the_bottleneck_is_one_sentence_with_its_share(waits: Waits, sentence: str) -> None:
    assert bottleneck(waits) == sentence


def test_between_two_marks_is_what_came_meanwhile_and_never_less_than_nothing() -> None:
    marks = (
        Mark(at_s=2, records_emitted=10, records_committed=5, moving_s=1),
        Mark(at_s=4, records_emitted=30, records_committed=3, moving_s=3),
    )
    first, second = spans(Throughput(began_at=NOON, marks=marks))
    assert (first.from_s, first.to_s, first.records_emitted, first.records_per_second) == (0, 2, 10, 5)
    assert (second.from_s, second.records_emitted, second.records_committed, second.moving_s) == (2, 20, 0, 2)


@pytest.mark.parametrize(
    ("until_s", "is_told"), [(12, True), (10.5, False), (100, True)], ids=["a fifth", "too short to matter", "most"]
)
def test_an_end_in_which_no_data_moved_any_more_is_told(until_s: float, *, is_told: bool) -> None:
    moved = {"records_emitted": 10, "moving_s": 10, "blocked_on_source_s": 8}
    marks = (Mark(at_s=10, **moved), Mark(at_s=until_s, **moved))
    waits = {"moving_s": 10, "blocked_on_source_s": 8}
    told = reported(job(attempts=(attempt(1, **waits),)), Throughput(began_at=NOON, marks=marks))
    more = f" When all data had moved, it took {duration(until_s - 10)} more until the destination was done."
    (course,) = told.courses
    assert course.bottleneck == (
        "The source was the bottleneck: it was waited for 80% of the 10 s in which data moved." + more * is_told
    )


def test_an_attempt_that_failed_had_no_orderly_end_to_tell_of() -> None:
    moved = {"records_emitted": 10, "moving_s": 10}
    marks = (Mark(at_s=10, **moved), Mark(at_s=70, **moved))
    told = reported(
        job(JobStatus.FAILED, attempts=(attempt(1, BROKE, moving_s=10),)), Throughput(began_at=NOON, marks=marks)
    )
    (course,) = told.courses
    assert "until the destination was done" not in course.bottleneck


def test_attempts_that_left_no_figures_are_named() -> None:
    lost = attempt(1, BROKE.model_copy(update={"type": FailureType.ORCHESTRATOR_LOST}), evidence=None)
    told = reported(job(JobStatus.FAILED, attempts=(lost,), failures=lost.failures))
    assert told.courses_missing.startswith("Attempt 1 left no figures over time: ")
    assert told.evidence_missing.startswith("Attempt 1 left no evidence")


# --- how much of it ---


def test_of_many_streams_the_largest_are_shown_and_the_rest_is_summed_up() -> None:
    told = reported(job(attempts=(attempt(1),), streams=tuple(stream(f"s{n}", n) for n in range(10_000))))
    assert [each.name for each in told.streams] == [f"s{n}" for n in range(9_999, 9_999 - STREAMS, -1)]
    assert told.streams_rest is not None
    assert told.streams_total is not None
    assert told.streams_omitted == 10_000 - STREAMS
    assert told.streams_rest.emitted + sum(each.emitted for each in told.streams) == told.streams_total.emitted
    assert told.streams_total.committed == sum(range(10_000))


def test_of_many_attempts_the_first_and_the_last_are_shown() -> None:
    many = tuple(attempt(number, BROKE) for number in range(1, 201))
    told = reported(job(JobStatus.FAILED, attempts=many, failures=(BROKE,)), throughput())
    assert [each.number for each in told.attempts] == [*range(1, ATTEMPTS[0] + 1), *range(201 - ATTEMPTS[1], 201)]
    assert told.attempts_omitted == 200 - sum(ATTEMPTS)
    assert [each.number for each in told.courses] == [1, *range(201 - CHARTS[1], 201)]
    assert told.courses_omitted == 200 - sum(CHARTS)


def test_of_a_long_past_the_middle_is_left_out() -> None:
    past = tuple(Happening(at=at(n), event="queued", reason=str(n)) for n in range(500))
    told = reported(job(events=past))
    assert (len(told.happened), told.happened_omitted) == (sum(MOMENTS), 500 - sum(MOMENTS))


def test_of_many_warnings_the_rest_is_counted() -> None:
    told = reported(job(attempts=(attempt(1),), warnings=tuple(f"w{n}" for n in range(60))))
    assert (len(told.warnings), told.warnings_omitted) == (50, 10)
