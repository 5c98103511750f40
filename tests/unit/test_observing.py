"""A job's past as figures and as a trace: pure, and the same however often it is told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from reported_jobs import BROKE, at, attempt, job, stream

from airbyte_workers.jobs.trace_context import parsed
from airbyte_workers.models import JobStatus, LegTimes
from airbyte_workers.names import JobKind, Role
from airbyte_workers.runtime.observing.counting import ends_attempt, ends_job, of_attempt, of_happening, of_job, of_load
from airbyte_workers.runtime.observing.spans import Span, attempt_spans, job_spans, trace_of
from airbyte_workers.settings import Settings
from airbyte_workers.store.observations import AttemptTimes, JobPast, Load, Observed, Places, PodTimes
from airbyte_workers.telemetry.figures import Figure, Figures

GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def pod(number: int, kind: JobKind = JobKind.SYNC, **more: Any) -> PodTimes:
    began = at(60 * number)
    told = {
        "pod": f"{kind}-{number}",
        "kind": kind,
        "attempt": number - 1,
        "status": "success",
        "dataplane": "here",
        "launcher": "docker",
        "created_at": began + timedelta(seconds=2),
        "launched_at": began + timedelta(seconds=5),
        "ended_at": began + timedelta(seconds=45),
    }
    return PodTimes.model_validate(told | more)


def legs(number: int, **more: Any) -> AttemptTimes:
    ran = {"began_at": at(60 * number + 6), "ended_at": at(60 * number + 40)}
    both = [LegTimes.model_validate({"role": role, **ran} | more) for role in (Role.DESTINATION, Role.SOURCE)]
    return AttemptTimes(number=number, legs=tuple(both), began_at=at(60 * number + 3), ran_s=30)


def past(**more: Any) -> JobPast:
    """A job whose first attempt failed and whose second succeeded after a wait."""
    attempts = (attempt(1, BROKE, records_committed=0), attempt(2, waited_s=10, records_committed=3, queued_s=2))
    whole = job(attempts=attempts, streams=(stream("users", 3),), started_at=at(65))
    told: dict[str, Any] = {
        "job": whole,
        "pods": [pod(1, status="failure"), pod(2), pod(1, JobKind.SPEC, attempt=0)],
        "attempts": {1: legs(1), 2: legs(2)},
        "traceparent": None,
    }
    return JobPast(**(told | more))


def whole_trace(past: JobPast) -> Sequence[Span]:
    return [*attempt_spans(past, 1), *attempt_spans(past, 2), *job_spans(past)]


# --- the trace ---


def test_every_part_is_within_its_parent_and_every_parent_is_there() -> None:
    spans = {span.path: span for span in whole_trace(past())}
    assert len(spans) == len(whole_trace(past()))
    for span in spans.values():
        assert span.began_at <= span.ended_at
        if span.parent is not None:
            parent = spans[span.parent]
            assert parent.began_at <= span.began_at, span.path
            assert span.ended_at <= parent.ended_at, span.path


def test_the_parts_of_an_attempt_follow_each_other() -> None:
    told = [(span.name, span.began_at, span.ended_at) for span in attempt_spans(past(), 2)]
    assert told == [
        ("wait", at(110), at(120)),
        ("attempt", at(120), at(170)),
        ("queue", at(120), at(122)),
        ("pod", at(122), at(165)),
        ("launch", at(122), at(125)),
        ("orchestrator", at(123), at(153)),
        ("source", at(126), at(160)),
        ("destination", at(126), at(160)),
    ]


def test_what_failed_says_why() -> None:
    errors = {span.path: span.error for span in whole_trace(past()) if span.error}
    assert errors == {
        "job/attempt-1": BROKE.message,
        "job/attempt-1/sync-1": "the pod ended as failure",
        "job/attempt-1/sync-1/source": "exited with code 1",
    }


def test_a_failed_job_says_why_and_a_cancelled_one_is_no_error() -> None:
    def told(status: JobStatus, **more: Any) -> str | None:
        return next(iter(job_spans(past(job=job(status, **more))))).error

    assert told(JobStatus.FAILED, failures=(BROKE,)) == BROKE.message
    assert told(JobStatus.FAILED, reason="stopped after 3 attempts") == "stopped after 3 attempts"
    assert told(JobStatus.CANCELLED, reason="enough") is None


def test_what_is_asked_before_the_first_attempt_belongs_to_the_job() -> None:
    spec = next(span for span in job_spans(past()) if span.attributes.get("airbyte.pod.kind") == "spec")
    assert spec.parent == "job"


def test_a_pod_that_was_never_launched_says_so_and_has_no_legs() -> None:
    lost = past(pods=[pod(1, launched_at=None, status="failure", failed_launches=3)], attempts={})
    spans = {span.name: span for span in attempt_spans(lost, 1)}
    assert set(spans) == {"attempt", "queue", "pod"}
    assert spans["pod"].error == "its launch failed"


def test_a_pod_that_left_nothing_has_no_legs() -> None:
    assert {span.name for span in attempt_spans(past(attempts={}), 1)} == {"attempt", "queue", "launch", "pod"}


def test_a_leg_of_which_nobody_saw_the_end_lasts_as_long_as_its_attempt() -> None:
    told = past(attempts={1: legs(1, ended_at=None)})
    assert {span.ended_at for span in attempt_spans(told, 1) if span.name == "source"} == {at(110)}


def test_a_check_before_an_attempt_belongs_to_it() -> None:
    told = past(pods=[pod(2), pod(2, JobKind.CHECK)])
    assert [span.name for span in attempt_spans(told, 2) if span.attributes.get("airbyte.pod.kind") == "check"] == [
        "pod",
        "launch",
    ]


def test_nothing_is_told_of_what_has_not_ended() -> None:
    running = past(job=job(attempts=(attempt(1, ended_at=None),), ended_at=None))
    assert [*attempt_spans(running, 1), *job_spans(running)] == []
    assert list(attempt_spans(running, 5)) == []


def test_ids_follow_from_the_job_and_from_nothing_else() -> None:
    first, again, other = trace_of(past()), trace_of(past(pods=[])), trace_of(past(job=job(job_id=8)))
    assert first == again
    assert first.id != other.id
    ids = [first.span_id(span.path) for span in whole_trace(past())]
    assert len(set(ids)) == len(ids)
    assert first.span_id("job") != other.span_id("job")


def test_a_job_that_was_started_in_a_trace_goes_on_in_it() -> None:
    context = parsed(GIVEN)
    assert context is not None
    trace = trace_of(past(traceparent=GIVEN))
    assert (trace.id, trace.parent_id, trace.is_sampled) == (context.trace_id, context.span_id, True)
    assert not trace_of(past(traceparent=f"{GIVEN[:-1]}0")).is_sampled
    assert trace_of(past(traceparent="garbage")) == trace_of(past())


def test_a_long_past_is_told_by_its_end() -> None:
    events = [{"at": at(second), "event": "queued"} for second in range(500)]
    (span,) = job_spans(past(job=job(events=events), pods=[]))
    assert [moment.at for moment in span.moments] == [at(second) for second in range(372, 500)]


# --- figures ---


def counted(figures: Sequence[Figure]) -> dict[tuple[str, ...], float]:
    Figures().tell(figures)  # refuses labels that are none
    return {(each.name, *(each.labels or {}).values()): each.value for each in figures}


@pytest.mark.parametrize(
    ("event", "attempt", "names"),
    [
        ("opened", None, {"job_created"}),
        ("attempt opened", 0, {"attempt_created"}),
        ("attempt failed", 0, {"attempt_completed"}),
        ("attempt cancelled", 0, {"attempt_completed"}),
        ("succeeded", None, {"job_completed", "syncs"}),
        ("cancelled", None, {"job_completed", "syncs"}),
        ("pod removed", None, {"workload_pods_cleaned"}),
        ("queued", None, set()),
        ("incomplete", None, set()),
        ("failed", 3, set()),
    ],
)
def test_what_happens_counts_as_what_it_is(event: str, attempt: int | None, names: set[str]) -> None:
    seen = Observed(job_id=7, kind=JobKind.SYNC, attempt=attempt, event=event)
    assert {each.name for each in of_happening(seen)} == names
    assert ends_job(seen) is ("job_completed" in names)
    assert ends_attempt(seen) is ("attempt_completed" in names)


def test_a_clear_is_a_job_and_no_sync() -> None:
    seen = Observed(job_id=7, kind=JobKind.CLEAR, event="succeeded")
    assert [each.name for each in of_happening(seen)] == ["job_completed"]


def test_a_failed_attempt_counts_by_its_first_reason() -> None:
    figures = counted(list(of_attempt(past(), 1)))
    assert figures["attempt_failed_by_failure_origin", "source", "system_error"] == 1
    assert figures["connector_exit_code", "source", "1"] == 1
    assert figures["attempt_duration", "sync", "failed"] == 50
    assert ("replication_made_progress", "sync") not in figures


def test_an_attempt_counts_what_it_did_and_how_long_it_waited() -> None:
    figures = counted(list(of_attempt(past(), 2)))
    assert figures["workload_time_to_transition_from_create", "sync"] == 2
    assert figures["workload_launch_duration", "sync"] == 3
    assert figures["workload_launch_status", "sync", "launched"] == 1
    assert figures["replication_made_progress", "sync"] == 1
    assert figures["worker_destination_message_sent", "sync"] == 5
    assert list(of_attempt(past(), 9)) == []


@pytest.mark.parametrize(("code", "label"), [(0, "0"), (137, "137"), (255, "other"), (-9, "other"), (None, "unknown")])
def test_exit_codes_are_few(code: int | None, label: str) -> None:
    evidence = attempt(1).evidence
    assert evidence is not None
    ended = attempt(1, evidence=evidence.model_copy(update={"source_exit_code": code}))
    assert ("connector_exit_code", "source", label) in counted(list(of_attempt(past(job=job(attempts=(ended,))), 1)))


@pytest.mark.parametrize(
    ("pod_of_it", "status"),
    [
        ({"status": "failure", "failed_launches": 1, "launched_at": None}, "failed"),
        ({"status": "success", "failed_launches": 1}, "launched"),
        ({"status": "failure", "launched_at": None}, None),  # a check refused it
        ({"status": "cancelled", "failed_launches": 1, "launched_at": None}, None),
        ({"status": "success", "launched_at": None}, None),  # an older release's
    ],
)
def test_only_a_launch_that_failed_counts_as_one(pod_of_it: dict[str, Any], status: str | None) -> None:
    told = [each for each in of_attempt(past(pods=[pod(1, **pod_of_it)]), 1) if each.name == "workload_launch_status"]
    assert [(each.labels or {})["status"] for each in told] == ([] if status is None else [status])


def test_a_job_counts_how_long_it_took_and_its_own_pods() -> None:
    figures = counted(list(of_job(past())))
    assert figures["syncs_duration", "succeeded"] == 115
    assert figures["workload_launch_status", "spec", "launched"] == 1
    assert ("workload_launch_status", "sync", "launched") not in figures


def test_load_is_told_of_every_kind_also_where_there_is_none() -> None:
    load = [
        Load(kind=JobKind.SYNC, status="pending", jobs=2, oldest_s=5),
        Load(kind=JobKind.SYNC, status="queued", jobs=1, oldest_s=50),
        Load(kind=JobKind.SYNC, status="incomplete", jobs=4, oldest_s=7),
    ]
    places = [Places(kind=JobKind.SYNC, live=3, waiting=1)]
    figures = counted(list(of_load(load, places, Settings(max_sync_workers=3))))
    assert figures["num_pending_jobs", "sync"] == 3
    assert figures["oldest_pending_job_age_secs", "sync"] == 50
    assert figures["num_running_jobs", "sync"] == 4
    assert figures["num_running_jobs", "check"] == 0
    assert (figures["dataplane_pods", "sync"], figures["dataplane_pod_slots", "sync"]) == (3, 3)
    assert figures["workload_queue_size", "sync"] == 1
