"""May a failed job try again, and when (airbyte-behaviour.md section 2): four counters, four limits, one backoff."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airbyte_workers.models import Failure, FailureType, RetryRules, RetryTally

_NEVER_RETRIED = frozenset({FailureType.CONFIG_ERROR, FailureType.MANUAL_CANCELLATION})


@dataclass(frozen=True)
class Decision:
    """What follows a failed attempt; `reason` is for people."""

    retry: bool
    wait_s: float
    reason: str


def after_failure(tally: RetryTally, *, progress: bool) -> RetryTally:
    """The counters after one more failed attempt; `progress`: it committed or rejected at least one record."""
    if progress:
        return RetryTally(
            successive_complete=0,
            successive_partial=tally.successive_partial + 1,
            total_complete=tally.total_complete,
            total_partial=tally.total_partial + 1,
        )
    return RetryTally(
        successive_complete=tally.successive_complete + 1,
        successive_partial=0,
        total_complete=tally.total_complete + 1,
        total_partial=tally.total_partial,
    )


def backoff_s(tally: RetryTally, rules: RetryRules) -> float:
    """Seconds until the next attempt: only failures without progress wait, longer each time in a row."""
    ordinal = tally.successive_complete
    if ordinal < 1:
        return 0
    try:
        wait = rules.backoff_min_interval_s * rules.backoff_base ** (ordinal - 1)
    except OverflowError:
        return float(rules.backoff_max_interval_s)
    return float(min(rules.backoff_max_interval_s, wait))


def exhausted(tally: RetryTally, rules: RetryRules) -> str | None:
    """Which limit is reached, in words; None while all four are below theirs."""
    reached = (
        (tally.successive_complete, rules.complete_failures_max_successive, "attempts in a row committed no data"),
        (tally.total_complete, rules.complete_failures_max_total, "attempts committed no data"),
        (tally.successive_partial, rules.partial_failures_max_successive, "attempts in a row failed half-way"),
        (tally.total_partial, rules.partial_failures_max_total, "attempts failed half-way"),
    )
    for count, limit, words in reached:
        if count >= limit:
            return f"{count} {words}"
    failed = tally.total_complete + tally.total_partial
    if rules.max_retries is not None and failed > rules.max_retries:
        return f"{failed} attempt(s) failed and {rules.max_retries} retries were allowed"
    return None


def decide(tally: RetryTally, rules: RetryRules, failures: Sequence[Failure]) -> Decision:
    """Retry or give up; `tally` already counts the failure, `failures` are in their order of weight."""
    if failures and failures[0].type in _NEVER_RETRIED:
        return Decision(False, 0, f"a {failures[0].type} is not retried")
    if reason := exhausted(tally, rules):
        return Decision(False, 0, reason)
    wait = backoff_s(tally, rules)
    if not wait:
        return Decision(True, 0, "the last attempt committed data")
    return Decision(True, wait, f"{tally.successive_complete} attempt(s) in a row committed no data")
