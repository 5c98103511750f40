"""May a failed job try again, and when (airbyte-behaviour.md section 2): four counters, four limits, one backoff."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from airbyte_workers.models import NEVER_RETRIED, AttemptOutcome, Failure, RetryRules, RetryTally
from airbyte_workers.quantities import duration

SETTING_PREFIX = "SYNC_JOB_RETRIES_"


@dataclass(frozen=True)
class Decision:
    """What follows a failed attempt, and in words for people what and why."""

    retry: bool
    wait_s: float
    words: str


def counted(tally: RetryTally, outcome: AttemptOutcome) -> RetryTally:
    """The counters after one more attempt: only failed ones count, as partial if data went on (`made_progress`)."""
    if outcome.status != "failed":
        return tally
    if made_progress(outcome):
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


def made_progress(outcome: AttemptOutcome) -> bool:
    """Whether the attempt committed or rejected at least one record (airbyte-behaviour.md 2.3).

    It decides which of the two kinds of failure is counted; that the other row begins anew is `counted`'s.
    """
    return outcome.records_committed + outcome.records_rejected >= 1


def backoff_s(tally: RetryTally, rules: RetryRules) -> float:
    """Seconds until the next attempt: only failures without progress wait, longer each time in a row."""
    ordinal = tally.successive_complete
    if ordinal < 1:
        return 0
    try:
        wait = rules.complete_failures_backoff_min_interval_s * rules.complete_failures_backoff_base ** (ordinal - 1)
    except OverflowError:
        return float(rules.complete_failures_backoff_max_interval_s)
    return float(min(rules.complete_failures_backoff_max_interval_s, wait))


def exhausted(tally: RetryTally, rules: RetryRules) -> str | None:
    """Which limit is reached, in words; None while all four are below theirs."""
    reached = (
        ("complete_failures_max_successive", tally.successive_complete, "in a row synced no data"),
        ("complete_failures_max_total", tally.total_complete, "synced no data"),
        ("partial_failures_max_successive", tally.successive_partial, "in a row failed half-way"),
        ("partial_failures_max_total", tally.total_partial, "failed half-way"),
    )
    for name, count, words in reached:
        limit: int = getattr(rules, name)
        if count >= limit:
            return f"{count} {words} (limit {_named(name, rules)} = {limit})"
    failed = tally.total_complete + tally.total_partial
    if rules.max_retries is not None and failed > rules.max_retries:
        return f"retries used up (limit {_named('max_retries', rules)} = {rules.max_retries})"
    return None


def in_words(tally: RetryTally) -> str:
    """The counters in words."""
    complete = f"{tally.total_complete} attempt(s) synced no data, {tally.successive_complete} in a row"
    return f"{complete}; {tally.total_partial} failed half-way, {tally.successive_partial} in a row"


def decide(tally: RetryTally, rules: RetryRules, outcome: AttemptOutcome, *, now: datetime) -> Decision:
    """Retry or give up; `tally` already counts the failure, the outcome's failures are in their order of weight."""
    failures = outcome.failures
    why = f"a {failures[0].type} is not retried" if failures and failures[0].type in NEVER_RETRIED else None
    why = why or exhausted(tally, rules)
    failed = tally.total_complete + tally.total_partial
    backoff, quota = backoff_s(tally, rules), _quota_s(outcome.retry_at, rules, now)
    wait = max(backoff, quota)
    if why is None and outcome.ends_by is not None and now + timedelta(seconds=wait) >= outcome.ends_by:
        why = "the job's time is over before the next one could start (limit total_minutes)"
    if why is not None:
        return Decision(False, 0, f"stopped after {_number(failed, 'attempt')}: {why}; {_last_reason(failures)}")
    when = f"starts in {duration(wait)}" if wait else "follows at once"
    reason = _quota_reason(quota, rules) if quota > backoff else _reason(tally, outcome)
    return Decision(True, wait, f"attempt {failed + 1} {when}: {reason}")


def _reason(tally: RetryTally, outcome: AttemptOutcome) -> str:
    if tally.successive_complete:
        return f"{_number(tally.successive_complete, 'complete failure')} in a row"
    return f"the last attempt {'committed data' if outcome.records_committed else 'had records rejected'}"


def _quota_reason(quota_s: float, rules: RetryRules) -> str:
    if quota_s < rules.rate_limit_max_wait_s:
        return "the source is rate limited until then"
    return "the source is rate limited for longer than AIRBYTE_WORKERS_RATE_LIMIT_MAX_WAIT_S"


def _quota_s(retry_at: datetime | None, rules: RetryRules, now: datetime) -> float:
    """Seconds until the source's quota is reset, no longer than the rules allow."""
    if retry_at is None:
        return 0
    return max(0.0, min((retry_at - now) / timedelta(seconds=1), rules.rate_limit_max_wait_s))


def _named(limit: str, rules: RetryRules) -> str:
    """Where a person finds the limit: the connection's own, this run's, or the stack's setting."""
    if limit in rules.own:
        return f"retries.{limit} of the connection"
    return "max_retries of this run" if limit == "max_retries" else f"{SETTING_PREFIX}{limit.upper()}"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _last_reason(failures: Sequence[Failure]) -> str:
    if not failures:
        return "no reason was told"
    return f"last reason: {failures[0].origin}: {failures[0].message}"
