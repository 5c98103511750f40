"""What people are told of a job that the reconciler has ended, and of one that it will end."""

from __future__ import annotations

from pathlib import Path

from test_explanation import CRASH, GREEN, at, attempt, facts, happened, page, steps

from airbyte_workers.cli.cancelling import cut_off, reconciled_within_s
from airbyte_workers.jobs.reconciliation import RECONCILER
from airbyte_workers.models import Failure, FailureOrigin, FailureType, JobStatus
from airbyte_workers.settings import Settings
from airbyte_workers.store.history import Happening

WHY = "the job's run was terminated by ann@laptop: too slow"
LOST = Failure(origin=FailureOrigin.PLATFORM, type=FailureType.TRANSIENT_ERROR, message=WHY)
STOPPED = GREEN.model_copy(update={"destination_exit_code": 1, "source_stopped": True})
ENDED = Happening(at=at(60), event="failed", by=RECONCILER, reason=WHY)
AGAIN = (
    "airbyte_platform, transient_error: Sync again: it goes on from what is committed. To end a job, cancel it (`jobs"
    " cancel`): a run that is terminated takes its retries with it."
)


def test_the_page_of_a_job_whose_run_was_terminated() -> None:
    told = page(
        facts(JobStatus.FAILED),
        Happening(at=at(5), event="run replaced", by=RECONCILER, reason="the job's run was reset; run 2 goes on"),
        Happening(at=at(50), event="run over", by=RECONCILER, reason=WHY),
        ENDED,
        attempts=(attempt(1, LOST),),
        failures=(LOST,),
        evidence=STOPPED,
        ended_by=RECONCILER,
        reason=WHY,
    )
    assert happened(told) == [
        "opened: workflow sync/people",
        "run replaced by reconciler: the job's run was reset; run 2 goes on",
        f"attempt 1 failed after 4 s: 0 records committed; airbyte_platform, transient_error: {WHY}",
        f"failed by reconciler: {WHY}",
    ]
    assert told.decisive == (
        f"airbyte_platform, transient_error: {WHY}",
        "its pod was ended with its run: what the evidence lacks follows from that",
    )
    assert told.change == (AGAIN,)
    assert steps(told) == ["airbyte-workers jobs retry 7"]


def test_an_attempt_that_had_failed_before_is_judged_by_its_own_evidence() -> None:
    told = page(
        facts(JobStatus.FAILED),
        ENDED,
        attempts=(attempt(1, CRASH),),
        failures=(LOST, CRASH),
        evidence=GREEN.model_copy(update={"source_exit_code": 1}),
        ended_by=RECONCILER,
    )
    assert told.decisive[-1] == "the evidence against it: source exit code"


def test_a_job_that_was_cut_off_before_its_first_attempt() -> None:
    told = page(facts(JobStatus.FAILED), ENDED, failures=(LOST,), ended_by=RECONCILER)
    assert told.decisive[-1] == "it ended before its first attempt: no data was moved"


def test_until_it_is_repaired_a_job_says_who_will_do_it_and_when(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert reconciled_within_s(settings) <= 60
    assert cut_off(settings).endswith("a Temporal worker ends the job within 1 m 0 s")
