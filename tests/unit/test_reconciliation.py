"""The tables of the reconciler: a job that may live is never taken for dead, a pod that may work is never ended."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_workers.jobs.reconciliation import (
    End,
    KnownJob,
    Listed,
    Patience,
    Placed,
    RunHome,
    RunVerdict,
    Seen,
    Sighting,
    TemporalNamespace,
    end_of,
    home_of,
    is_cancel,
    judge,
    reason_to_end,
    reason_to_remove,
)
from airbyte_workers.models import AttemptSummary, Failure, FailureOrigin, FailureType, JobStatus

PATIENCE = Patience(confirm_s=5, silence_s=600, cancelled_silence_s=60)
HERE = TemporalNamespace("cluster", "namespace")
CLOSED = ("completed", "failed", "canceled", "terminated", "continued_as_new", "timed_out")
seconds = st.floats(0, 1e6)
homes = st.sampled_from(RunHome)
knowns = st.builds(KnownJob, job_id=st.just(7), home=homes, silent_s=seconds, missing_s=st.none() | seconds)
sightings = st.builds(
    Sighting,
    seen=st.sampled_from(Seen),
    how=st.sampled_from(("", *CLOSED)),
    successor=st.sampled_from(("", "next")),
    successor_job=st.sampled_from((None, 7, 8)),
)


def known(
    home: RunHome = RunHome.HERE, silent: float = 0, missing: float | None = None, *, cancel: bool = False
) -> KnownJob:
    return KnownJob(job_id=7, home=home, silent_s=silent, missing_s=missing, cancel_requested=cancel)


def verdict(sighting: Sighting, about: KnownJob) -> RunVerdict:
    return judge(sighting, about, PATIENCE).verdict


# --- runs -------------------------------------------------------------------------------------------------------------


@given(knowns)
def test_a_run_that_runs_is_left_alone_whatever_else_is_known(about: KnownJob) -> None:
    assert verdict(Sighting(Seen.RUNS), about) is RunVerdict.RUNS


@given(knowns)
def test_what_cannot_be_looked_at_is_waited_for(about: KnownJob) -> None:
    assert verdict(Sighting(Seen.UNKNOWN), about) is RunVerdict.WAIT


@pytest.mark.parametrize("how", CLOSED)
def test_a_run_that_has_closed_was_cut_off(how: str) -> None:
    assert verdict(Sighting(Seen.CLOSED, how), known()) is RunVerdict.OVER


@pytest.mark.parametrize(
    ("job", "becomes"),
    [(7, RunVerdict.FOLLOW), (8, RunVerdict.OVER), (None, RunVerdict.OVER)],
    ids=["ours", "other", "none"],
)
def test_after_a_reset_a_job_goes_on_under_the_run_that_has_it(job: int | None, becomes: RunVerdict) -> None:
    reset = Sighting(Seen.CLOSED, "terminated", successor="next", successor_job=job)
    assert verdict(reset, known()) is becomes


@pytest.mark.parametrize(
    ("home", "silent", "missing", "becomes"),
    [
        (RunHome.HERE, 0, None, RunVerdict.WAIT),
        (RunHome.HERE, 0, 4, RunVerdict.WAIT),
        (RunHome.HERE, 0, 5, RunVerdict.OVER),
        (RunHome.GONE, 0, None, RunVerdict.WAIT),
        (RunHome.GONE, 0, 5, RunVerdict.OVER),
        (RunHome.ELSEWHERE, 599, 1e6, RunVerdict.WAIT),
        (RunHome.ELSEWHERE, 600, None, RunVerdict.WAIT),
        (RunHome.ELSEWHERE, 600, 5, RunVerdict.OVER),
        (RunHome.NOWHERE, 599, 1e6, RunVerdict.WAIT),
        (RunHome.NOWHERE, 600, 5, RunVerdict.OVER),
    ],
)
def test_a_missing_run_is_over_where_it_was_seen_else_after_a_silence(
    home: RunHome, silent: float, missing: float | None, becomes: RunVerdict
) -> None:
    assert verdict(Sighting(Seen.MISSING), known(home, silent, missing)) is becomes


@given(sightings, knowns)
def test_only_closed_or_missing_runs_are_over_and_only_resets_are_followed(sighting: Sighting, about: KnownJob) -> None:
    becomes = verdict(sighting, about)
    if becomes is RunVerdict.OVER:
        assert sighting.seen in (Seen.CLOSED, Seen.MISSING)
        assert sighting.seen is Seen.CLOSED or (about.missing_s or 0) >= PATIENCE.confirm_s
    if becomes is RunVerdict.FOLLOW:
        assert (sighting.seen, sighting.successor_job) == (Seen.CLOSED, about.job_id)


@given(st.sampled_from((RunHome.ELSEWHERE, RunHome.NOWHERE)), seconds, st.none() | seconds, st.booleans())
def test_what_may_be_anothers_is_left_alone_while_anything_is_heard_of_it(
    home: RunHome, silent: float, missing: float | None, cancel: bool
) -> None:
    needed = PATIENCE.cancelled_silence_s if cancel else PATIENCE.silence_s
    if verdict(Sighting(Seen.MISSING), known(home, silent, missing, cancel=cancel)) is RunVerdict.OVER:
        assert silent >= needed


@given(knowns, seconds)
def test_more_silence_never_brings_a_job_back(about: KnownJob, more: float) -> None:
    later = KnownJob(7, about.home, about.silent_s + more, None if about.missing_s is None else about.missing_s + more)
    if verdict(Sighting(Seen.MISSING), about) is RunVerdict.OVER:
        assert verdict(Sighting(Seen.MISSING), later) is RunVerdict.OVER


def test_who_asks_for_a_missing_jobs_end_need_not_wait_for_the_whole_silence() -> None:
    asked = known(RunHome.ELSEWHERE, 60, 60, cancel=True)
    assert verdict(Sighting(Seen.MISSING), asked) is RunVerdict.OVER
    assert verdict(Sighting(Seen.MISSING), known(RunHome.ELSEWHERE, 60, 60)) is RunVerdict.WAIT


@pytest.mark.parametrize(
    ("seen_in", "gone", "home"),
    [
        (None, False, RunHome.NOWHERE),
        (None, True, RunHome.NOWHERE),
        (HERE, False, RunHome.HERE),
        (TemporalNamespace("cluster", "old"), True, RunHome.GONE),
        (TemporalNamespace("cluster", "another"), False, RunHome.ELSEWHERE),
        (
            TemporalNamespace("other cluster", "namespace"),
            False,
            RunHome.ELSEWHERE,
        ),  # a standby may not have the run yet
        (TemporalNamespace("other cluster", "old"), True, RunHome.ELSEWHERE),
        (TemporalNamespace("", "old"), True, RunHome.ELSEWHERE),
    ],
)
def test_where_a_run_is_at_home(seen_in: TemporalNamespace | None, gone: bool, home: RunHome) -> None:
    assert home_of(seen_in, HERE, namespace_is_gone=gone) is home


def test_clusters_without_a_name_are_not_the_same() -> None:
    assert (
        home_of(TemporalNamespace("", "old"), TemporalNamespace("", "new"), namespace_is_gone=True) is RunHome.ELSEWHERE
    )


@pytest.mark.parametrize(
    ("sighting", "about", "why"),
    [
        (
            Sighting(Seen.CLOSED, "terminated", "ann@laptop", "too slow"),
            known(),
            "was terminated by ann@laptop: too slow",
        ),
        (Sighting(Seen.CLOSED, "terminated"), known(), "was terminated"),
        (
            Sighting(Seen.CLOSED, "terminated", "", "once more", "next", 7),
            known(),
            "was reset: once more",
        ),
        (
            Sighting(Seen.CLOSED, "terminated", "", "once more", "next"),
            known(),
            "was reset to before it opened this job: once more",
        ),
        (Sighting(Seen.CLOSED, "failed", reason="a bug"), known(), "failed without ending the job: a bug"),
        (Sighting(Seen.CLOSED, "new in Temporal"), known(), "has closed (new in Temporal)"),
        (Sighting(Seen.MISSING), known(missing=9), "is not known to Temporal any more: it was deleted"),
        (
            Sighting(Seen.MISSING),
            known(RunHome.GONE, missing=9),
            "was lost with its Temporal namespace, which is no more",
        ),
        (
            Sighting(Seen.MISSING),
            known(RunHome.NOWHERE, 660, 9),
            "is not known to this Temporal, and nothing was heard of the job for 11 m 0 s",
        ),
    ],
)
def test_why_a_run_is_over_is_told_in_words(sighting: Sighting, about: KnownJob, why: str) -> None:
    assert judge(sighting, about, PATIENCE).why == why


def test_what_somebody_typed_as_a_reason_is_cut() -> None:
    told = judge(Sighting(Seen.CLOSED, "terminated", "ann", "x" * 5000), known(), PATIENCE).why
    assert len(told) < 600
    assert told.endswith("[cut]")


# --- ends -------------------------------------------------------------------------------------------------------------

WHY = "was terminated by ann: too slow"
CRASH = Failure(origin=FailureOrigin.SOURCE, type=FailureType.SYSTEM_ERROR, message="it crashed")


def ended(status: str | None, *, cancelled: bool = False, asked_by: str = "") -> End:
    summary = None
    if status is not None:
        summary = AttemptSummary(status=status, failures=(CRASH,) if status == "failed" else ())
    return end_of(WHY, summary, cancelled=cancelled, asked_by=asked_by)


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_sync_that_had_finished_is_not_thrown_away_with_its_run(cancelled: bool) -> None:
    end = ended("succeeded", cancelled=cancelled)
    assert (end.status, end.by, end.failures, end.attempt) == (JobStatus.SUCCEEDED, "reconciler", (), ())
    assert WHY in end.reason


@pytest.mark.parametrize("left", [None, "cancelled"])
def test_d21_the_platform_is_to_blame_for_what_was_cut_off(left: str | None) -> None:
    end = ended(left)
    assert (end.status, end.by, end.reason) == (JobStatus.FAILED, "reconciler", f"the job's run {WHY}")
    (lost,) = end.failures
    assert (lost.origin, lost.type) == (FailureOrigin.PLATFORM, FailureType.TRANSIENT_ERROR)
    assert lost.message == f"the job's run {WHY}"
    assert end.attempt == end.failures


def test_an_attempt_that_failed_before_keeps_its_own_reasons() -> None:
    end = ended("failed")
    assert end.attempt == (CRASH,)
    assert [failure.type for failure in end.failures] == [FailureType.TRANSIENT_ERROR, FailureType.SYSTEM_ERROR]


@pytest.mark.parametrize(("asked_by", "who"), [("ann", "ann"), ("", "somebody, through Temporal")])
@pytest.mark.parametrize("left", [None, "cancelled", "failed"])
def test_a_job_whose_end_was_asked_for_is_cancelled_by_whoever_asked(left: str | None, asked_by: str, who: str) -> None:
    end = ended(left, cancelled=True, asked_by=asked_by)
    assert (end.status, end.by, end.reason) == (JobStatus.CANCELLED, who, f"the job's run {WHY}")
    assert [failure.type for failure in end.attempt] == [FailureType.MANUAL_CANCELLATION]
    assert end.attempt[0].message.startswith(f"cancelled by {who}: ")


@given(st.sampled_from((None, "failed", "cancelled")), st.booleans())
def test_without_proof_there_is_no_success(left: str | None, cancelled: bool) -> None:
    assert ended(left, cancelled=cancelled).status in (JobStatus.FAILED, JobStatus.CANCELLED)


@pytest.mark.parametrize("how", CLOSED)
def test_temporal_itself_says_what_is_a_cancel(how: str) -> None:
    assert is_cancel(Sighting(Seen.CLOSED, how)) == (how == "canceled")


# --- pods -------------------------------------------------------------------------------------------------------------

FLAGS = ("is_replication", "job_ended", "run_over", "attempt_ended", "lease_over", "about_to_start")


def placed(*flags: str) -> Placed:
    return Placed(**{flag: flag in flags for flag in FLAGS})


@pytest.mark.parametrize(
    ("pod", "why"),
    [
        (placed("job_ended"), "its job has ended"),
        (placed("job_ended", "run_over", "attempt_ended", "is_replication"), "its job has ended"),
        (placed("run_over", "about_to_start"), "the run of its job is over"),
        (placed("is_replication", "attempt_ended"), "its attempt has ended"),
        (placed("lease_over"), "nobody has looked after it for longer than its lease"),
        (placed("lease_over", "is_replication"), "its orchestrator has not renewed the pod's lease"),
    ],
)
def test_a_pod_that_nobody_looks_after_is_ended_and_says_why(pod: Placed, why: str) -> None:
    assert reason_to_end(pod, leases_count=True) == why


def test_no_pod_of_an_attempt_that_goes_on_is_touched_while_its_lease_lasts() -> None:
    for *flags, leases_count in itertools.product((False, True), repeat=len(FLAGS) + 1):
        pod = Placed(*flags)
        lives = not (pod.job_ended or pod.run_over or pod.attempt_ended)
        stays = lives and (pod.about_to_start or not pod.lease_over or not leases_count)
        why = reason_to_end(pod, leases_count=leases_count)
        assert bool(why) is not stays, (pod, leases_count)


def test_a_pod_without_a_place_goes_only_if_it_is_ours_and_was_there_before() -> None:
    for *flags, seen_before in itertools.product((False, True), repeat=5):
        pod = Listed(*flags)
        may_go = pod.is_ours and not pod.is_live and pod.is_quiet and seen_before
        why = reason_to_remove(pod, seen_before=seen_before)
        assert bool(why) is may_go, (pod, seen_before)


def test_certainty_is_an_endless_absence() -> None:
    assert verdict(Sighting(Seen.MISSING), known(RunHome.HERE, 0, math.inf)) is RunVerdict.OVER
    assert verdict(Sighting(Seen.MISSING), known(RunHome.NOWHERE, 0, math.inf)) is RunVerdict.WAIT
