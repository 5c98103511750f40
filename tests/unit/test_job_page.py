"""`jobs show` as text: everything of a job on one page, cut where there is too much of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airbyte_workers.cli.job_page import Look, page
from airbyte_workers.models import (
    AttemptStatus,
    Evidence,
    Failure,
    FailureOrigin,
    FailureType,
    JobStatus,
    StreamCounts,
    StreamName,
    StreamRequest,
    StreamValidation,
)
from airbyte_workers.names import JobKind
from airbyte_workers.store.history import AttemptHistory, Happening, JobHistory

BEGAN = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
BROKE = Failure(origin=FailureOrigin.SOURCE, type=FailureType.SYSTEM_ERROR, message="it broke\noff")
GREEN = Evidence(
    source_exit_code=0, destination_exit_code=0, end_of_input=True, completion="reported", states_emitted=2,
    states_committed=2, acknowledgements=2, records_emitted=7, records_forwarded=7,
)  # fmt: skip


def job(**more: Any) -> JobHistory:
    told = {"job_id": 7, "connection": "people", "subject": "people", "status": JobStatus.SUCCEEDED, "duration_s": 90}
    return JobHistory(**{"workflow_id": "sync/people", "run_id": "r", "created_at": BEGAN, **told, **more})


def attempt(number: int, **more: Any) -> AttemptHistory:
    began = BEGAN + timedelta(minutes=number)
    told = {"status": AttemptStatus.FAILED, "started_at": began, "ended_at": began + timedelta(seconds=5)}
    return AttemptHistory(**{"number": number, **told, **more})


def stream(number: int, **more: Any) -> StreamCounts:
    return StreamCounts(**{"name": f"s{number:02}", "status": "complete", "records_emitted": 1000, **more})


def lines(job: JobHistory, look: Look | None = None) -> list[str]:
    return list(page(job, look or Look()))


def test_the_head_says_what_came_of_it_and_how() -> None:
    failed = job(status=JobStatus.FAILED, launcher="docker", reason="stopped after 2 attempts", catalog_id=3,
                 attempts=(attempt(1), attempt(2)), records_committed=1200, bytes_committed=5000)  # fmt: skip
    first, why, how, catalog, *_ = lines(failed)
    assert first == "job 7: sync of people, failed after 1 m 30 s; 2 attempts, 1,200 records (5.0 kB) committed"
    assert why == "stopped after 2 attempts"
    assert how.startswith("launcher docker; opened 2026-11-2")
    assert how.endswith("; workflow sync/people, run r")
    assert catalog == "catalog: airbyte-workers catalog show 3"


def test_every_attempt_is_a_row_with_its_waits_and_its_reason() -> None:
    waited = attempt(2, waited_s=10, queued_s=0.4, records_committed=1200, failures=(BROKE, BROKE))
    shown = lines(job(attempts=(attempt(1), waited)))
    head, first, second = shown[shown.index("") + 1 :][:3]
    assert head.split() == ["attempt", "status", "started", "took", "waited", "queued", "committed", "why"]
    assert first.split()[:2] == ["1", "failed"]
    assert second.endswith("5 s    10 s   0.4 s      1,200  source, system_error: it broke off (and 1 more)")


def test_of_many_attempts_the_first_and_the_last_are_shown_unless_all_are_asked_for() -> None:
    many = job(attempts=tuple(attempt(number) for number in range(1, 31)))
    shown = lines(many)
    numbers = [line.split()[0] for line in shown if " failed " in line]
    assert numbers == ["1", "2", *(str(number) for number in range(21, 31))]
    assert shown[shown.index("... 18 more attempts (--all)") - 1].split()[0] == "2"
    assert len([line for line in lines(many, Look(all=True)) if " failed " in line]) == 30


def test_streams_are_cut_to_those_that_are_not_complete_first() -> None:
    streams = [stream(number) for number in range(60)]
    streams[55] = stream(55, status="incomplete", records_rejected=3)
    shown = lines(job(streams=tuple(streams), attempts=(attempt(1),)))
    assert "... 20 more streams (--all)" in shown
    (odd,) = [line for line in shown if line.startswith("s55")]
    assert odd.split() == ["s55", "incomplete", "1,000", "0", "3", "0", "B"]
    everything = lines(job(streams=tuple(streams)), Look(all=True))
    assert len([line for line in everything if line.startswith("s")]) == 61


def test_counts_that_no_stream_has_are_no_column() -> None:
    (head,) = [line for line in lines(job(streams=(stream(1),))) if line.startswith("stream")]
    assert head.split() == ["stream", "status", "emitted", "committed", "bytes"]


def test_the_evidence_is_that_of_the_last_attempt_in_words() -> None:
    shown = lines(job(attempts=(attempt(1), attempt(2, evidence=GREEN, log_lines_dropped=1200))))
    at = shown.index("evidence of attempt 2")
    assert "  ok  source exit code      0" in shown[at:]
    assert "  ok  states                2 emitted, 2 committed" in shown[at:]
    assert "  1,200 lines of its log were dropped" in shown[at:]


def test_an_attempt_without_evidence_says_so_and_one_that_runs_has_none_yet() -> None:
    told = "attempt 1 left no evidence: its pod did not run, or what it saw is lost"
    assert told in lines(job(attempts=(attempt(1),)))
    assert told in lines(job(attempts=(attempt(1, evidence=Evidence()),)))
    live = attempt(1, status=AttemptStatus.RUNNING, ended_at=None)
    assert told not in lines(job(status=JobStatus.RUNNING, attempts=(live,)))


def test_one_attempt_can_be_looked_at_alone() -> None:
    first = attempt(1, evidence=GREEN, streams=(stream(1),), warnings=("odd",))
    whole = job(attempts=(first, attempt(2)), streams=(stream(1), stream(2)), warnings=("of the last",))
    shown = lines(whole, Look(attempt=first))
    assert "streams of attempt 1" in shown
    assert [line for line in shown if line.startswith("s0")] == ["s01     complete    1,000          0    0 B"]
    assert "evidence of attempt 1" in shown
    assert "warning: odd" in shown
    assert "warning: of the last" not in shown


def test_the_past_says_who_and_why_and_is_cut_in_its_middle() -> None:
    events = tuple(
        Happening(at=BEGAN, attempt=number, event=f"event {number}", by="me", reason="why") for number in range(80)
    )
    shown = lines(job(events=events))
    assert "attempt 1: event 0 by me (why)" in shown[-51]
    assert shown[-41] == "... 30 more events (--all)"
    assert "attempt 80: event 79" in shown[-1]
    assert len(lines(job(events=events), Look(all=True))) == len(shown) + 29


def test_a_check_is_shown_without_attempts_and_records() -> None:
    check = job(
        kind=JobKind.CHECK, connection="", subject="airbyte/source-x:1", status=JobStatus.FAILED, failures=(BROKE,)
    )
    first, *rest = lines(check)
    assert first == "job 7: check of airbyte/source-x:1, failed after 1 m 30 s"
    assert "  source, system_error: it broke\noff" in rest
    assert not any(line.startswith(("attempt", "stream", "evidence")) for line in rest)


def test_a_clear_says_of_which_streams() -> None:
    named = StreamRequest(order="clear", streams=tuple(StreamName(name=f"s{n}", namespace="p") for n in range(12)))
    cleared = job(kind=JobKind.CLEAR, request=named)
    assert "clear: " + ", ".join(f"p.s{n}" for n in range(10)) + " and 2 more" in lines(cleared)
    assert "truncate: every stream" in lines(job(kind=JobKind.REFRESH, request=StreamRequest(order="truncate")))


def test_what_was_found_of_records_is_told_stream_by_stream() -> None:
    found = StreamValidation(name="s01", validated=9, invalid=2, errors=(("id: lacks x", 2),))
    good = [StreamValidation(name=f"g{number}", validated=5) for number in range(45)]
    told = lines(job(attempts=(attempt(1, evidence=GREEN, validation=(*good, found)),)))
    begin = told.index("validation of attempt 1")
    assert told[begin + 1] == "  5 checked records of g0: all fit its schema"
    assert told[begin + 40 : begin + 43] == [
        "  2 of 9 checked records of s01 do not fit its schema",
        "    id: lacks x (2)",
        "... 6 more streams (--all)",
    ]
    assert not any("validation of" in line for line in lines(job(attempts=(attempt(1, evidence=GREEN),))))
