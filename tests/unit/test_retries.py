"""May a failed job try again, and when (group A).

Left out: A9 to A11 (production wires one policy, for failures without progress, and no other can be configured), A23 to
A25 (numbers and counters come out of the store, see its tests), A26 and A27 (flags and the legacy mode are not built).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from activities.retry_rules import retry_rules
from airbyte_workers.jobs import retries
from airbyte_workers.jobs.retries import Decision, backoff_s, exhausted, made_progress
from airbyte_workers.models import (
    AttemptOutcome,
    Failure,
    FailureOrigin,
    FailureType,
    RetryLimits,
    RetryRules,
    RetryTally,
    SyncInput,
)
from airbyte_workers.settings import Settings

SYSTEM = Failure(origin=FailureOrigin.SOURCE, type=FailureType.SYSTEM_ERROR, message="no")
RULES = RetryRules()
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def limits(complete: int, partial: int, total_complete: int, total_partial: int) -> RetryRules:
    return RetryRules(
        complete_failures_max_successive=complete,
        partial_failures_max_successive=partial,
        complete_failures_max_total=total_complete,
        partial_failures_max_total=total_partial,
    )


def counted(tally: RetryTally, failures: str) -> RetryTally:
    """C: a failure without progress; P: one with."""
    for each in failures:
        tally = retries.counted(tally, AttemptOutcome(status="failed", records_committed=int(each == "P")))
    return tally


def decide(
    tally: RetryTally, rules: RetryRules, failures: Sequence[Failure], retry_at: datetime | None = None
) -> Decision:
    outcome = AttemptOutcome(
        status="failed", failures=tuple(failures), retry_at=retry_at, records_committed=1 - tally.successive_complete
    )
    return retries.decide(tally, rules, outcome, now=NOW)


def waits(failures: str, rules: RetryRules = RULES) -> list[float | None]:
    """How long the job waits after each failure; None: it gives up."""
    tally, seen = RetryTally(), []
    for each in failures:
        tally = counted(tally, each)
        decision = decide(tally, rules, [SYSTEM])
        seen.append(decision.wait_s if decision.retry else None)
    return seen


@pytest.mark.parametrize(
    ("rules", "answers"),
    [
        (limits(1, 10, 10, 10), "FFFTFT"),
        (limits(3, 10, 10, 10), "TFTTTT"),
        (limits(10, 10, 10, 6), "TTTTTF"),
        (limits(10, 5, 10, 10), "TTTTTT"),
        (limits(10, 10, 10, 5), "TTTFFF"),
        (limits(10, 3, 10, 10), "TTTFTT"),
        (limits(10, 10, 4, 10), "TTFFFF"),
    ],
    ids=["A1", "A2", "A4", "A6", "A8", "partial in a row", "complete in all"],
)
def test_a_job_tries_again_while_all_four_counters_are_below_their_limits(rules: RetryRules, answers: str) -> None:
    tally, seen = RetryTally(), ""
    for more in ("C", "CC", "PPC", "PPP", "C", "P"):
        tally = counted(tally, more)
        seen += "F" if exhausted(tally, rules) else "T"
    assert seen == answers


@pytest.mark.parametrize(
    ("minimum", "maximum", "base", "expected"),
    [
        (10, 3600, 2, [0, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600]),
        (10, 1800, 3, [0, 10, 30, 90, 270, 810, 1800, 1800, 1800]),
        (10, 1800, 1, [0, 10, 10, 10]),
        (10, 5, 3, [0, 5, 5]),
    ],
    ids=["A12", "A14", "steady", "cut from the start"],
)
def test_the_wait_grows_with_failures_in_a_row_up_to_its_limit(
    minimum: float, maximum: float, base: float, expected: list[float]
) -> None:
    rules = RetryRules(
        complete_failures_backoff_min_interval_s=minimum,
        complete_failures_backoff_max_interval_s=maximum,
        complete_failures_backoff_base=base,
    )
    assert [backoff_s(RetryTally(successive_complete=n), rules) for n in range(len(expected))] == expected


@pytest.mark.parametrize("base", [3, 3.0, 1.5])
def test_a_very_long_row_of_failures_waits_the_longest_time(base: float) -> None:
    rules = RetryRules(complete_failures_backoff_base=base)
    assert backoff_s(RetryTally(successive_complete=5000), rules) == 1800


def test_a_negative_count_waits_not_at_all() -> None:
    assert backoff_s(RetryTally(successive_complete=-3), RULES) == 0


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        ("CCPPPC", [10, 30, 0, 0, 0, 10]),
        ("PPPPPPCCCCC", [0, 0, 0, 0, 0, 0, 10, 30, 90, 270, None]),
        ("CCCCC", [10, 30, 90, 270, None]),
        ("P" * 20, [0] * 19 + [None]),
        ("CP" * 10, [10, 0] * 9 + [None, None]),
        ("CCCCP" + "CCCCP" + "CC", [10, 30, 90, 270, 0, 10, 30, 90, 270, 0, 10, None]),
    ],
    ids=["A16", "A17", "A18", "A19", "ten complete in all", "ten complete in rows of four"],
)
def test_waits_of_whole_jobs(failures: str, expected: list[float | None]) -> None:
    assert waits(failures) == expected


@pytest.mark.parametrize(
    ("retries", "expected"), [(0, [None]), (1, [10, None]), (2, [10, 30, None]), (None, [10, 30, 90, 270, None])]
)
def test_fewer_retries_can_be_asked_for(retries: int | None, expected: list[float | None]) -> None:
    rules = RetryRules(max_retries=retries)
    assert waits("C" * len(expected), rules) == expected


def test_more_retries_than_the_limits_allow_cannot_be_asked_for() -> None:
    assert waits("CCCCC", RetryRules(max_retries=100))[-1] is None


def test_progress_counts_as_partial_and_resets_the_row_of_complete_ones() -> None:
    tally = counted(RetryTally(), "CCP")
    assert tally == RetryTally(successive_complete=0, successive_partial=1, total_complete=2, total_partial=1)
    assert counted(tally, "C") == RetryTally(
        successive_complete=1, successive_partial=0, total_complete=3, total_partial=1
    )


# --- what is never retried ---

NEVER = {
    FailureType.CONFIG_ERROR,
    FailureType.MANUAL_CANCELLATION,
    FailureType.INVALID_RECORDS,
    FailureType.TOTAL_TIMEOUT,
}


@pytest.mark.parametrize("kind", sorted(NEVER))
def test_some_failures_are_never_retried(kind: FailureType) -> None:
    first = SYSTEM.model_copy(update={"type": kind})
    decision = decide(counted(RetryTally(), "P"), RULES, [first, SYSTEM])
    assert (decision.retry, decision.wait_s) == (False, 0)
    assert f"a {kind} is not retried" in decision.words


@pytest.mark.parametrize("kind", sorted(set(FailureType) - NEVER))
def test_every_other_failure_is(kind: FailureType) -> None:
    assert decide(counted(RetryTally(), "C"), RULES, [SYSTEM.model_copy(update={"type": kind})]).retry


@pytest.mark.parametrize(
    ("left_s", "retried"),
    [(10.1, True), (10, False), (-5, False)],
)
def test_nothing_is_tried_again_that_would_begin_after_the_jobs_time(left_s: float, *, retried: bool) -> None:
    outcome = AttemptOutcome(status="failed", failures=(SYSTEM,), ends_by=NOW + timedelta(seconds=left_s))
    decision = retries.decide(counted(RetryTally(), "C"), RetryRules(), outcome, now=NOW)
    assert (decision.retry, decision.wait_s) == (retried, 10 if retried else 0)
    assert ("total_minutes" in decision.words) is not retried


def test_a_config_error_that_is_not_the_first_decides_nothing() -> None:
    config = SYSTEM.model_copy(update={"type": FailureType.CONFIG_ERROR})
    assert decide(counted(RetryTally(), "C"), RULES, [SYSTEM, config]).retry


def test_a_failure_without_a_reason_is_retried() -> None:
    assert decide(counted(RetryTally(), "C"), RULES, []).retry


@pytest.mark.parametrize(
    ("failures", "rules", "words"),
    [
        ("C", {}, "attempt 2 starts in 10 s: 1 complete failure in a row"),
        ("CCC", {}, "attempt 4 starts in 1 m 30 s: 3 complete failures in a row"),
        ("CP", {}, "attempt 3 follows at once: the last attempt committed data"),
        (
            "PPPPPPCCCCC",
            {},
            "stopped after 11 attempts: 5 in a row synced no data"
            " (limit SYNC_JOB_RETRIES_COMPLETE_FAILURES_MAX_SUCCESSIVE = 5); last reason: source: no",
        ),
        (
            "CP" * 9 + "C",
            {},
            "stopped after 19 attempts: 10 synced no data"
            " (limit SYNC_JOB_RETRIES_COMPLETE_FAILURES_MAX_TOTAL = 10); last reason: source: no",
        ),
        (
            "P" * 20,
            {},
            "stopped after 20 attempts: 20 failed half-way"
            " (limit SYNC_JOB_RETRIES_PARTIAL_FAILURES_MAX_TOTAL = 20); last reason: source: no",
        ),
        (
            "PP",
            {"partial_failures_max_successive": 2, "own": ("partial_failures_max_successive",)},
            "stopped after 2 attempts: 2 in a row failed half-way"
            " (limit retries.partial_failures_max_successive of the connection = 2); last reason: source: no",
        ),
        (
            "C",
            {"max_retries": 0},
            "stopped after 1 attempt: retries used up (limit max_retries of this run = 0); last reason: source: no",
        ),
        (
            "CC",
            {"max_retries": 1, "own": ("max_retries",)},
            "stopped after 2 attempts: retries used up"
            " (limit retries.max_retries of the connection = 1); last reason: source: no",
        ),
    ],
)
def test_a_decision_says_what_follows_and_why(failures: str, rules: dict[str, Any], words: str) -> None:
    assert decide(counted(RetryTally(), failures), RetryRules(**rules), [SYSTEM]).words == words


def test_an_attempt_with_rejected_records_alone_is_followed_at_once_too() -> None:
    outcome = AttemptOutcome(status="failed", failures=(SYSTEM,), records_rejected=1)
    words = retries.decide(retries.counted(RetryTally(), outcome), RULES, outcome, now=NOW).words
    assert words == "attempt 2 follows at once: the last attempt had records rejected"


def test_a_row_without_a_wait_is_told_as_what_it_is() -> None:
    rules = RetryRules(complete_failures_backoff_min_interval_s=0)
    words = decide(counted(RetryTally(), "CC"), rules, [SYSTEM]).words
    assert words == "attempt 3 follows at once: 2 complete failures in a row"


def test_a_quota_beyond_the_limit_names_the_limit() -> None:
    decision = decide(counted(RetryTally(), "P"), RULES, [SYSTEM], NOW + timedelta(days=9))
    assert decision.words.startswith("attempt 2 starts in 24 h 0 m: ")
    assert decision.words.endswith("for longer than AIRBYTE_WORKERS_RATE_LIMIT_MAX_WAIT_S")


def test_an_end_without_a_reason_says_so() -> None:
    assert decide(counted(RetryTally(), "CCCCC"), RULES, []).words.endswith("; no reason was told")


# --- quotas of the source ---


@pytest.mark.parametrize(
    ("failures", "ahead_s", "wait_s"),
    [
        ("P", 60, 60),
        ("C", 60, 60),
        ("C", 4, 10),
        ("CCC", 60, 90),
        ("P", -60, 0),
        ("C", -60, 10),
        ("P", 10**9, 86_400),
    ],
    ids=["partial", "longer", "shorter than the backoff", "much shorter", "over", "over, backoff", "absurd"],
)
def test_a_source_s_quota_is_waited_for(failures: str, ahead_s: int, wait_s: float) -> None:
    decision = decide(counted(RetryTally(), failures), RULES, [SYSTEM], NOW + timedelta(seconds=ahead_s))
    assert (decision.retry, decision.wait_s) == (True, wait_s)
    assert ("rate limited" in decision.words) is (wait_s in (60, 86_400))


def test_a_quota_makes_no_limit_higher() -> None:
    assert not decide(counted(RetryTally(), "CCCCC"), RULES, [SYSTEM], NOW + timedelta(hours=1)).retry


# --- what counts ---


@pytest.mark.parametrize(
    ("committed", "rejected", "progress"),
    [(0, 0, False), (1, 0, True), (3, 0, True), (3, 2, True), (0, 5, True), (9999, 0, True)],
)
def test_progress_is_a_record_that_was_committed_or_rejected(committed: int, rejected: int, progress: bool) -> None:
    outcome = AttemptOutcome(status="failed", records_committed=committed, records_rejected=rejected)
    assert made_progress(outcome) is progress  # A22


@pytest.mark.parametrize("status", ["succeeded", "cancelled"])
def test_only_failed_attempts_count(status: str) -> None:
    assert retries.counted(RetryTally(), AttemptOutcome(status=status, records_committed=1)) == RetryTally()


def test_the_counters_are_told_in_words() -> None:
    assert retries.in_words(counted(RetryTally(), "PPC")) == (
        "1 attempt(s) synced no data, 1 in a row; 2 failed half-way, 0 in a row"
    )


@given(st.text("CP", max_size=60))
def test_a_job_always_comes_to_an_end_and_its_waits_stay_within_their_limit(failures: str) -> None:
    seen = waits(failures)
    for number, wait in enumerate(seen):
        assert wait is None or 0 <= wait <= 1800
        if failures[number] == "P" and wait is not None:
            assert wait == 0
    if len(failures) >= 29:
        assert None in seen


@given(st.text("CP", max_size=40))
def test_counters_agree_with_what_happened(failures: str) -> None:
    tally = counted(RetryTally(), failures)
    row = failures[len(failures.rstrip(failures[-1])) :] if failures else ""
    assert tally == RetryTally(
        successive_complete=row.count("C"),
        successive_partial=row.count("P"),
        total_complete=failures.count("C"),
        total_partial=failures.count("P"),
    )


def test_a_decision_is_a_value() -> None:
    words = "attempt 2 follows at once: the last attempt committed data"
    assert decide(counted(RetryTally(), "P"), RULES, [SYSTEM]) == Decision(True, 0, words)


# --- where rules come from ---


def test_rules_come_from_the_settings_by_upstream_s_names() -> None:
    names = RetryLimits.model_fields.keys() - {"max_retries"}
    settings = Settings().model_copy(
        update={f"sync_job_retries_{name}": 100 + number for number, name in enumerate(sorted(names))}
    )
    rules = retry_rules(settings, SyncInput(connection="demo"))
    assert [getattr(rules, name) for name in sorted(names)] == [100 + number for number in range(7)]
    assert (rules.max_retries, rules.own, rules.rate_limit_max_wait_s) == (None, (), 86_400)


@pytest.mark.parametrize(
    "typed",
    [
        {"retries": 10**9},
        {"max_retries": 10**9},
        {"retries": {"partial_failures_max_total": 10**9}},
        {"retries": {"complete_failures_max_successive": 0}},
        {"retries": {"complete_failures_backoff_min_interval_s": 1e12}},
        {"retries": {"complete_failures_backoff_base": 0.5}},
    ],
)
def test_limits_that_no_job_could_keep_are_refused(typed: dict[str, Any]) -> None:
    """A run with a million attempts would be ended by Temporal, a wait of a million years is none."""
    with pytest.raises(ValidationError):
        SyncInput.model_validate({"connection": "demo", **typed})


@pytest.mark.parametrize(
    ("typed", "max_retries", "own"),
    [
        ({"retries": 3}, 3, ("max_retries",)),
        ({"retries": {"max_retries": 3}}, 3, ("max_retries",)),
        ({"retries": 3, "max_retries": 0}, 0, ()),
        ({"max_retries": 2}, 2, ()),
        ({"retries": {"partial_failures_max_total": 7}}, None, ("partial_failures_max_total",)),
    ],
)
def test_a_connection_and_a_run_have_limits_of_their_own(
    typed: dict[str, Any], max_retries: int | None, own: tuple[str, ...]
) -> None:
    rules = retry_rules(Settings(), SyncInput.model_validate({"connection": "demo", **typed}))
    assert (rules.max_retries, rules.own) == (max_retries, own)
    assert rules.partial_failures_max_total == (7 if "partial_failures_max_total" in own else 20)
