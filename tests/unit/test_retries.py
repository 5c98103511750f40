"""May a failed job try again, and when (group A).

Left out: A9 to A11 (production wires one policy, for failures without progress, and no other can be configured), A23 to
A25 (numbers and counters come out of the store, see its tests), A26 and A27 (flags and the legacy mode are not built),
the job's reason of A28 (see the workflow's tests).
A22 is decided in the workflow from an outcome's committed and rejected records; here are its two outcomes.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_workers.jobs.retries import Decision, after_failure, backoff_s, decide, exhausted
from airbyte_workers.models import Failure, FailureOrigin, FailureType, RetryRules, RetryTally

SYSTEM = Failure(origin=FailureOrigin.SOURCE, type=FailureType.SYSTEM_ERROR, message="no")
RULES = RetryRules()


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
        tally = after_failure(tally, progress=each == "P")
    return tally


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
    rules = RetryRules(backoff_min_interval_s=minimum, backoff_max_interval_s=maximum, backoff_base=base)
    assert [backoff_s(RetryTally(successive_complete=n), rules) for n in range(len(expected))] == expected


@pytest.mark.parametrize("base", [3, 3.0, 1.5])
def test_a_very_long_row_of_failures_waits_the_longest_time(base: float) -> None:
    rules = RetryRules(backoff_base=base)
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


@pytest.mark.parametrize("kind", [FailureType.CONFIG_ERROR, FailureType.MANUAL_CANCELLATION])
def test_some_failures_are_never_retried(kind: FailureType) -> None:
    first = SYSTEM.model_copy(update={"type": kind})
    decision = decide(counted(RetryTally(), "P"), RULES, [first, SYSTEM])
    assert (decision.retry, decision.wait_s) == (False, 0)
    assert kind in decision.reason


@pytest.mark.parametrize("kind", sorted(set(FailureType) - {FailureType.CONFIG_ERROR, FailureType.MANUAL_CANCELLATION}))
def test_every_other_failure_is(kind: FailureType) -> None:
    assert decide(counted(RetryTally(), "C"), RULES, [SYSTEM.model_copy(update={"type": kind})]).retry


def test_a_config_error_that_is_not_the_first_decides_nothing() -> None:
    config = SYSTEM.model_copy(update={"type": FailureType.CONFIG_ERROR})
    assert decide(counted(RetryTally(), "C"), RULES, [SYSTEM, config]).retry


def test_a_failure_without_a_reason_is_retried() -> None:
    assert decide(counted(RetryTally(), "C"), RULES, []).retry


@pytest.mark.parametrize(
    ("failures", "reason"),
    [
        ("C", "1 attempt(s) in a row committed no data"),
        ("P", "the last attempt committed data"),
        ("CCCCC", "5 attempts in a row committed no data"),
        ("CP" * 9 + "C", "10 attempts committed no data"),
        ("P" * 20, "20 attempts failed half-way"),
    ],
)
def test_a_decision_says_why(failures: str, reason: str) -> None:
    assert decide(counted(RetryTally(), failures), RULES, [SYSTEM]).reason == reason


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
    assert decide(counted(RetryTally(), "P"), RULES, [SYSTEM]) == Decision(True, 0, "the last attempt committed data")
