"""One page about a job, whatever became of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from airbyte_workers.cli.explaining import doing, lines
from airbyte_workers.cli.explanation import Explanation, Known, explain
from airbyte_workers.cli.retrying import refusal
from airbyte_workers.models import (
    TERMINAL_JOB_STATUSES,
    AttemptReport,
    AttemptStatus,
    Evidence,
    Failure,
    FailureOrigin,
    FailureType,
    JobStatus,
    Progress,
    RunPhase,
    SyncReport,
)
from airbyte_workers.names import JobKind
from airbyte_workers.runs import RunProgress
from airbyte_workers.store.history import Happening
from airbyte_workers.store.job_facts import JobFacts

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
MAX_PAGE = 50  # lines
CRASH = Failure(origin=FailureOrigin.SOURCE, type=FailureType.SYSTEM_ERROR, message="the source exited with code 1")
WRONG = Failure(
    origin=FailureOrigin.DESTINATION, type=FailureType.CONFIG_ERROR, message="no such schema", command="check"
)
CANCELLED = Failure(
    origin=FailureOrigin.PLATFORM,
    type=FailureType.MANUAL_CANCELLATION,
    message="cancelled by ann@host: wrong source",
)
GREEN = Evidence(
    source_exit_code=0, destination_exit_code=0, end_of_input=True, completion="reported", states_emitted=2,
    states_committed=2, acknowledgements=2, records_emitted=5, records_forwarded=5,
)  # fmt: skip
RED = GREEN.model_copy(update={"source_exit_code": 1})


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def facts(status: JobStatus, kind: JobKind = JobKind.SYNC, **more: Any) -> JobFacts:
    subject = "people" if kind is JobKind.SYNC else "airbyte/source-faker:7.2.1"
    ended = at(60) if status in TERMINAL_JOB_STATUSES else None
    given = {"subject": subject, "workflow_id": "sync/people", "run_id": "r", "created_at": NOON, "ended_at": ended}
    return JobFacts.model_validate({"job_id": 7, "kind": kind, "status": status} | given | more)


def attempt(number: int, *failures: Failure, **more: Any) -> AttemptReport:
    begun = at(10 * number)
    given = {
        "status": AttemptStatus.FAILED if failures else AttemptStatus.SUCCEEDED,
        "ended_at": begun + (at(4) - NOON),
    }
    return AttemptReport.model_validate({"number": number, "started_at": begun, "failures": failures} | given | more)


def page(job: JobFacts, *past: Happening, now: str = "", **report: Any) -> Explanation:
    whole = {"job_id": 7, "connection": "people", "status": job.status, "duration_s": 60} | report
    opened = Happening(at=NOON, event="opened", reason=f"workflow {job.workflow_id}")
    return explain(Known(job, SyncReport.model_validate(whole), (opened, *past), now))


def happened(of: Explanation) -> list[str]:
    return [moment.text for moment in of.happened]


def steps(of: Explanation) -> list[str]:
    return [step.command for step in of.go_on]


# --- ended syncs ------------------------------------------------------------------------------------------------------


def test_a_failed_sync() -> None:
    reason = "stopped after 2 attempts: 2 synced no data (limit X = 2); last reason: source: it exited"
    told = page(
        facts(JobStatus.FAILED),
        Happening(at=at(14), event="next", reason="attempt 2 starts in 6 s: 1 complete failure in a row"),
        Happening(at=at(60), event="failed", reason=reason),
        attempts=(attempt(1, CRASH), attempt(2, CRASH, waited_s=6)),
        failures=(CRASH,),
        evidence=RED,
        reason=reason,
    )
    crashed = "source, system_error: the source exited with code 1"
    assert told.summary == "job 7: sync of people, failed after 1 m 0 s; 2 attempts, 0 records (0 B) committed"
    assert happened(told) == [
        "opened: workflow sync/people",
        f"attempt 1 failed after 4 s: 0 records committed; {crashed}",
        "attempt 2 (after a wait of 6 s: 1 complete failure in a row) failed after 4 s: 0 records committed; "
        f"{crashed}",
        f"failed: {reason}",
    ]
    assert told.decisive == (crashed, "the evidence against it: source exit code")
    assert told.evidence_of_attempt == 2
    assert told.change == ("source, system_error: Read the log of the attempt; the connector's own words are in it.",)
    assert steps(told) == ["airbyte-workers jobs retry 7"]
    assert told.log == "airbyte-workers jobs logs 7 --attempt 2"


def test_advice_that_is_the_same_for_several_failures_is_given_once() -> None:
    other = CRASH.model_copy(update={"origin": FailureOrigin.DESTINATION})
    told = page(facts(JobStatus.FAILED), attempts=(attempt(1, CRASH, other),), failures=(CRASH, other, CRASH))
    (advice,) = told.change
    assert advice.startswith("source, system_error; destination, system_error: Read the log")


def test_a_failed_check_asks_for_the_file_to_be_changed() -> None:
    told = page(facts(JobStatus.FAILED), attempts=(attempt(1, WRONG),), failures=(WRONG,))
    assert told.decisive == (
        "destination, config_error: no such schema",
        "its last attempt ended before its pod ran: no data was moved",
    )
    (advice,) = told.change
    assert "`destination.config`" in advice
    assert steps(told) == ["airbyte-workers sync -f FILE", "airbyte-workers jobs retry 7"]


def test_a_sync_that_never_got_to_an_attempt() -> None:
    told = page(facts(JobStatus.FAILED), failures=(WRONG,), reason="destination: no such schema")
    assert told.decisive[-1] == "it ended before its first attempt: no data was moved"
    assert (told.evidence, told.evidence_of_attempt) == ((), None)
    assert told.log == "airbyte-workers jobs logs 7"


def test_a_pod_that_was_lost_has_left_no_evidence_and_may_have_moved_data() -> None:
    lost = Failure(origin=FailureOrigin.PLATFORM, type=FailureType.ORCHESTRATOR_LOST, message="it is gone")
    told = page(facts(JobStatus.FAILED), attempts=(attempt(1, lost),), failures=(lost,), evidence=Evidence())
    assert told.decisive == (
        "airbyte_platform, orchestrator_lost: it is gone",
        "its last attempt left no evidence: what its pod saw is lost",
    )
    assert told.evidence == ()


def test_a_succeeded_sync() -> None:
    told = page(
        facts(JobStatus.SUCCEEDED),
        attempts=(attempt(1, CRASH, records_committed=3), attempt(2, records_committed=2)),
        evidence=GREEN,
    )
    assert told.decisive == (
        "nothing is missing: exits, completion, acknowledgements, stored states and counts are all as they must be",
    )
    assert told.change == ()
    assert steps(told) == ["airbyte-workers sync people"]


def test_a_success_that_the_connection_s_owner_accepts_names_the_doubt() -> None:
    unproven = GREEN.model_copy(update={"acknowledgements": 0})
    told = page(
        facts(JobStatus.SUCCEEDED),
        attempts=(attempt(1),),
        evidence=unproven,
        warnings=("unproven: the destination acknowledged nothing",),
    )
    assert told.decisive == (
        "good enough, with doubts or by what the connection accepts: acknowledgements",
        "warning: unproven: the destination acknowledged nothing",
    )


def test_a_cancelled_sync_says_who_and_why_and_that_nothing_is_wrong() -> None:
    told = page(
        facts(JobStatus.CANCELLED),
        Happening(at=at(20), event="cancel requested", by="ann@host", reason="with time to finish"),
        Happening(at=at(60), event="cancelled", by="ann@host", reason="wrong source"),
        attempts=(attempt(1, CANCELLED, records_committed=1200),),
        failures=(CANCELLED,),
        evidence=RED,
        records_committed=1200,
        ended_by="ann@host",
        reason="wrong source",
    )
    assert happened(told)[2:] == [
        "cancel requested by ann@host: with time to finish",
        "cancelled by ann@host: wrong source",
    ]
    assert told.decisive == ("cancelled by ann@host: wrong source; what was committed stays (1,200 records)",)
    assert told.change == ()
    assert steps(told) == ["airbyte-workers jobs retry 7"]


# --- live ones --------------------------------------------------------------------------------------------------------


def test_a_live_sync_says_what_it_waits_for_and_how_to_follow_and_end_it() -> None:
    waits = "attempt 2 starts in 10 s: 1 complete failure in a row (at 12:00:24)"
    told = page(facts(JobStatus.INCOMPLETE), attempts=(attempt(1, CRASH),), evidence=RED, now=waits)
    assert told.waits_for == waits
    assert told.decisive[-1] == "the evidence against it: source exit code"
    assert steps(told) == ["airbyte-workers sync people --join", "airbyte-workers jobs cancel 7"]
    assert told.summary.startswith("job 7: sync of people, incomplete; 1 attempt,")


def test_a_running_attempt_says_what_it_has_committed_so_far() -> None:
    told = page(facts(JobStatus.RUNNING), attempts=(attempt(1, status="running", ended_at=None, records_committed=9),))
    assert happened(told)[1] == "attempt 1 runs: 9 records committed so far"
    assert told.decisive == ()


WAITING = RunPhase(phase="waiting", attempt=1, detail="attempt 2 starts in 10 s: so", next_attempt_at=NOON)
SEEN = {
    "no Temporal worker answers: does one run? (airbyte-workers worker)": RunProgress(),
    "attempt 1: checking the source, before the attempt starts": RunProgress(
        phase=RunPhase(phase="starting", attempt=1), figures=Progress(phase="checking the source")
    ),
    "asking: the source for its streams": RunProgress(
        phase=RunPhase(phase="asking", detail="the source for its streams")
    ),
    "attempt 1: starting; no Temporal worker takes up launch_workload": RunProgress(
        phase=RunPhase(phase="starting", attempt=1), trouble="no Temporal worker takes up launch_workload"
    ),
    f"attempt 2 starts in 10 s: so (at {NOON.astimezone():%H:%M:%S})": RunProgress(phase=WAITING),
}


@pytest.mark.parametrize("words", SEEN)
def test_what_a_live_job_does_in_words(words: str) -> None:
    assert doing(SEEN[words], NOON) == words


# --- questions --------------------------------------------------------------------------------------------------------


AGAIN = {
    (JobKind.SPEC, "airbyte/source-faker:7.2.1", "process"): "spec airbyte/source-faker:7.2.1",
    (JobKind.CHECK, "airbyte/source-faker:7.2.1", "process"): "check airbyte/source-faker:7.2.1 --config FILE",
    (JobKind.CHECK, "postgres", "docker"): "check postgres --config FILE",
    (JobKind.DISCOVER, "source-synthetic", "process"): "discover --command source-synthetic --config FILE",
    (JobKind.CHECK, "/opt/x --fast", "process"): "check --command '/opt/x --fast' --config FILE",
    (JobKind.CHECK, "python3 -m a/b", None): "check --command 'python3 -m a/b' --config FILE",
}


@pytest.mark.parametrize(("asked", "words"), AGAIN.items())
def test_a_question_is_asked_again_by_its_own_command(asked: tuple[JobKind, str, str | None], words: str) -> None:
    kind, subject, launcher = asked
    job = facts(JobStatus.SUCCEEDED, kind, subject=subject, launcher=launcher)
    assert steps(page(job)) == [f"airbyte-workers {words}"]
    assert refusal(job).endswith(f"ask again with: airbyte-workers {words}")


def test_a_failed_check_is_an_answer() -> None:
    told = page(facts(JobStatus.SUCCEEDED, JobKind.CHECK), reason="check failed: no such host", failures=(CRASH,))
    assert told.summary == "job 7: check of airbyte/source-faker:7.2.1, succeeded after 1 m 0 s"
    assert told.decisive == ("check failed: no such host",)


def test_a_discover_that_failed() -> None:
    told = page(facts(JobStatus.FAILED, JobKind.DISCOVER), failures=(CRASH,))
    assert told.decisive == ("source, system_error: the source exited with code 1",)
    assert len(told.change) == 1


# --- the page ---------------------------------------------------------------------------------------------------------


def test_twenty_attempts_with_long_messages_fit_on_one_page() -> None:
    wordy = CRASH.model_copy(update={"message": "Traceback:\n" + "it broke\n" * 1000})
    attempts = tuple(attempt(number, wordy, records_committed=1) for number in range(1, 21))
    places = [Happening(at=at(10 * number), event="waits for a place", reason="5 pods") for number in range(1, 21)]
    told = page(
        facts(JobStatus.FAILED), *places, attempts=attempts, failures=(wordy,) * 10, evidence=RED, reason="x" * 5000
    )
    shown = list(lines(told))
    assert len(shown) <= MAX_PAGE
    assert max(map(len, shown)) < 400
    assert happened(told).count("waits for a place: 5 pods") == 2
    assert "attempts 3 to 16 failed, too: 14 records committed" in happened(told)
    assert [text.split()[1] for text in happened(told) if text.startswith("attempt ")] == [
        "1",
        "2",
        "17",
        "18",
        "19",
        "20",
    ]


def test_the_text_marks_what_made_it_red() -> None:
    told = page(facts(JobStatus.FAILED), attempts=(attempt(1, CRASH),), failures=(CRASH,), evidence=RED)
    shown = list(lines(told))
    assert "  RED source exit code      1" in shown
    assert "  ok  destination exit code 0" in shown
    parts = [line for before, line in pairwise(shown) if not before]
    assert [part.partition(" (")[0] for part in parts] == [
        "What happened", "Why", "Evidence of attempt 1", "What to do", "How to go on", "Log",
    ]  # fmt: skip


# --- retrying ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.CANCELLED])
def test_a_sync_without_success_can_be_retried(status: JobStatus) -> None:
    assert refusal(facts(status)) == ""


REFUSED = {
    JobStatus.SUCCEEDED: "job 7 succeeded, there is nothing to retry; sync again with: airbyte-workers sync people",
    JobStatus.RUNNING: "job 7 has not ended (running); follow it with: airbyte-workers sync people --join, "
    "or end it: airbyte-workers jobs cancel 7",
}


@pytest.mark.parametrize("status", REFUSED)
def test_others_name_the_command_to_use(status: JobStatus) -> None:
    assert refusal(facts(status)) == REFUSED[status]
