"""What becomes of a stream in an attempt: its status, what it waits for, when it is done (group N).

The table has N1, N2, N7, N8 and N9. Of N12 the event is left out: nothing is published. The status is read when
somebody asks, and is in a stream's row, which is written with its counts alone (test_state_cases.py, M11); people are
told of a new status in the log, once each.
Differences decided: a stream that failed stays incomplete whatever the source says of it later, also where upstream has
closed it as COMPLETE before; at the end of an attempt a stream that is still open is incomplete.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airbyte_lines import (
    Attempt,
    error,
    global_state,
    legacy_state,
    line,
    rate_limited,
    record,
    status,
    stream_state,
)
from hypothesis import given
from hypothesis import strategies as st

from airbyte_workers.models import StreamCounts
from airbyte_workers.replication.statistics import stream_counts

AT = 1_900_000_000_000  # ms
RESET = datetime(2030, 3, 17, 17, 46, 40, tzinfo=UTC)
TOLD = "users is rate limited until 2030-03-17T17:46:40Z"


def counts(attempt: Attempt, *, ended: bool = False) -> dict[str, StreamCounts]:
    rows = stream_counts(attempt.ledger.streams.values(), succeeded=False, ended=ended)
    return {row.name: row for row in rows}


def statuses(attempt: Attempt, *, ended: bool = False) -> dict[str, str]:
    return {name: row.status for name, row in counts(attempt, ended=ended).items()}


WORDS = {
    "record": record("users"),
    "limited": rate_limited("users", AT),
    "limited somehow": rate_limited("users"),
    "STARTED": status("users", "STARTED"),
    "RUNNING": status("users", "RUNNING"),
    "COMPLETE": status("users", "COMPLETE"),
    "INCOMPLETE": status("users", "INCOMPLETE"),
    "two reasons": status("users", "RUNNING", reasons=[{"type": "RATE_LIMITED"}, {"type": "RATE_LIMITED"}]),
    "another reason": status("users", "RUNNING", reasons=[{"type": "TIRED"}]),
    "STARTED with a reason": status("users", "STARTED", reasons=[{"type": "RATE_LIMITED"}]),
    "no reasons": status("users", "RUNNING", reasons=[]),
    "null for reasons": status("users", "RUNNING", reasons=None),
}
"""By the name under which the table has them; "state" is echoed at once."""

TABLE: list[tuple[str, str, str, bool]] = [
    # said                                    status while it runs, at the end, whether a quota is waited for
    ("", "pending", "pending", False),
    ("STARTED", "running", "incomplete", False),
    ("RUNNING", "running", "incomplete", False),
    ("record", "running", "incomplete", False),
    ("limited", "rate_limited", "rate_limited", True),
    ("limited somehow", "rate_limited", "rate_limited", False),
    ("INCOMPLETE", "incomplete", "incomplete", False),
    ("COMPLETE", "complete", "complete", False),
    ("record, limited", "rate_limited", "rate_limited", True),
    ("RUNNING, limited", "rate_limited", "rate_limited", True),
    ("limited, record", "running", "incomplete", False),
    ("limited, RUNNING", "running", "incomplete", False),
    ("limited, STARTED", "running", "incomplete", False),
    ("limited, two reasons", "running", "incomplete", False),
    ("limited, another reason", "running", "incomplete", False),
    ("limited, no reasons", "running", "incomplete", False),
    ("limited, null for reasons", "running", "incomplete", False),
    ("two reasons", "running", "incomplete", False),
    ("another reason", "running", "incomplete", False),
    ("STARTED with a reason", "running", "incomplete", False),
    ("limited, limited somehow", "rate_limited", "rate_limited", False),
    ("limited, record, limited", "rate_limited", "rate_limited", True),
    ("limited, state", "rate_limited", "rate_limited", True),
    ("record, limited, COMPLETE", "running", "incomplete", False),
    ("record, limited, COMPLETE, state", "complete", "complete", False),
    ("limited, INCOMPLETE", "incomplete", "incomplete", True),
    ("limited, INCOMPLETE, record", "incomplete", "incomplete", False),
    ("record, INCOMPLETE", "incomplete", "incomplete", False),
    ("INCOMPLETE, RUNNING", "incomplete", "incomplete", False),
    ("INCOMPLETE, record", "incomplete", "incomplete", False),
    ("INCOMPLETE, COMPLETE", "incomplete", "incomplete", False),
    ("record, COMPLETE", "running", "incomplete", False),
    ("record, state, COMPLETE", "complete", "complete", False),
    ("record, COMPLETE, state", "complete", "complete", False),
    ("record, COMPLETE, state, RUNNING", "complete", "complete", False),
    ("record, COMPLETE, state, STARTED", "complete", "complete", False),
    ("record, COMPLETE, state, record", "running", "incomplete", False),
    ("record, COMPLETE, state, INCOMPLETE", "incomplete", "incomplete", False),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0])
@pytest.mark.parametrize("in_one_block", [False, True])
def test_n1_n2_n7_n8_n9_a_stream_goes_from_status_to_status_by_the_table(
    row: tuple[str, str, str, bool], in_one_block: bool
) -> None:
    said, running, ended, waits = row
    attempt = Attempt("users", "others")
    block: list[bytes] = []
    for n, word in enumerate(said.split(", ") if said else []):
        if word == "state":
            attempt.echo(*attempt.source(*block, stream_state("users", {"c": n}))[-1:])
            block = []
        else:
            block.append(WORDS[word])
        if not in_one_block:
            attempt.source(*block)
            block = []
    attempt.source(*block)
    assert statuses(attempt) == {"users": running, "others": "pending"}
    assert statuses(attempt, ended=True) == {"users": ended, "others": "pending"}
    assert attempt.ledger.retry_at == (RESET if waits else None)


def test_after_a_success_every_stream_is_complete() -> None:
    attempt = Attempt("users", "others")
    attempt.source(rate_limited("users", AT), record("users"))
    rows = stream_counts(attempt.ledger.streams.values(), succeeded=True, ended=True)
    assert {row.status for row in rows} == {"complete"}


# --- rate limits ---


def test_a_record_of_another_stream_does_not_end_the_wait() -> None:
    attempt = Attempt("users", "others")
    attempt.source(rate_limited("users", AT), record("others"), status("others", "RUNNING"))
    assert statuses(attempt) == {"users": "rate_limited", "others": "running"}


def test_a_stream_that_waits_is_not_one_of_its_name_in_another_namespace() -> None:
    attempt = Attempt(("users", "a"), ("users", "b"))
    attempt.source(rate_limited("users", AT, "b"))
    assert [tracker.quota is None for tracker in attempt.ledger.streams.values()] == [True, False]
    assert attempt.log.texts() == [f"b.{TOLD}"]


def test_the_next_attempt_waits_for_the_last_of_several_quotas() -> None:
    attempt = Attempt("a", "b", "c", "d")
    attempt.source(
        rate_limited("a", AT + 1_000), rate_limited("b", AT + 3_000), rate_limited("c"), rate_limited("d", AT + 9_000)
    )
    assert attempt.ledger.retry_at == RESET + timedelta(seconds=9)
    attempt.source(record("d"))
    assert attempt.ledger.retry_at == RESET + timedelta(seconds=3)
    attempt.source(status("b", "COMPLETE"), status("a", "RUNNING"))
    assert attempt.ledger.retry_at is None


def test_a_source_that_gave_up_waiting_has_still_told_when_its_quota_is_reset() -> None:
    """As the connectors of the current CDK end: the error and INCOMPLETE come after RATE_LIMITED."""
    attempt = Attempt("users")
    attempt.source(rate_limited("users", AT), error("429 too many requests", "users"), status("users", "INCOMPLETE"))
    assert statuses(attempt, ended=True) == {"users": "incomplete"}
    assert attempt.ledger.retry_at == RESET


@pytest.mark.parametrize("in_one_block", [False, True])
def test_people_are_told_when_a_stream_becomes_rate_limited_and_when_that_changes(in_one_block: bool) -> None:
    attempt = Attempt("users")
    said = [
        rate_limited("users", AT),
        rate_limited("users", AT),
        rate_limited("users", AT + 60_000),
        record("users"),
        record("users"),
        rate_limited("users", AT),
        status("users", "RUNNING"),
        rate_limited("users"),
    ]
    for block in [said] if in_one_block else [[each] for each in said]:
        attempt.source(*block)
    told = [TOLD, "users is rate limited until 2030-03-17T17:47:40Z", TOLD, "users is rate limited"]
    assert attempt.log.lines == [("source", "WARN", text) for text in told]


@pytest.mark.parametrize(
    ("quota_reset", "at"),
    [
        (456, datetime(1970, 1, 1, 0, 0, 0, 456_000, UTC)),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (AT + 0.5, RESET + timedelta(microseconds=500)),
        (float(AT), RESET),
        (253_402_300_799_999, datetime(9999, 12, 31, 23, 59, 59, 999_000, UTC)),
        (253_402_300_800_000, None),
        (-1, None),
        (-0.5, None),
        (10**30, None),
        (10**400, None),
        (1e300, None),
        (None, None),
    ],
)
def test_a_quota_is_reset_at_a_time_that_a_calendar_knows_or_nobody_knows_when(
    quota_reset: Any, at: datetime | None
) -> None:
    attempt = Attempt("users")
    attempt.source(rate_limited("users", quota_reset))
    assert attempt.ledger.retry_at == at


@pytest.mark.parametrize("quota_reset", ["1900000000000", True, [], {}])
def test_a_time_that_is_no_number_is_none_and_the_stream_runs(quota_reset: Any) -> None:
    attempt = Attempt("users")
    attempt.source(rate_limited("users", quota_reset))
    assert statuses(attempt) == {"users": "running"}
    assert attempt.ledger.retry_at is None


@given(quota_reset=st.integers() | st.floats())
def test_no_number_is_odd_enough_to_stop_the_attempt(quota_reset: float) -> None:
    attempt = Attempt("users")
    attempt.source(rate_limited("users", quota_reset), record("users"))
    attempt.source(rate_limited("users", quota_reset))
    at = attempt.ledger.retry_at
    assert at is None or at >= datetime.fromtimestamp(0, UTC)


# --- done ---


@pytest.mark.parametrize("last", [True, False])
def test_n10_a_stream_is_complete_once_its_last_state_is_durable(last: bool) -> None:
    """The latest state decides, also one that covers no record."""
    attempt = Attempt("users")
    _, first, second = attempt.source(record("users"), stream_state("users"), stream_state("users", {"c": 1}))
    attempt.source(status("users", "COMPLETE"))
    attempt.echo(second if last else first)
    assert statuses(attempt) == {"users": "complete" if last else "running"}


def test_n4_an_older_echo_takes_nothing_back() -> None:
    attempt = Attempt("users")
    first, second = attempt.source(stream_state("users"), stream_state("users", {"c": 1}))
    attempt.source(status("users", "COMPLETE"))
    for each in (second, first):
        attempt.echo(each)
    assert statuses(attempt) == {"users": "complete"}


@pytest.mark.parametrize("state", [global_state({"c": 1}, {"a": {}}), legacy_state({"c": 1})])
def test_n11_a_state_that_speaks_for_all_completes_those_that_the_source_has_completed(state: bytes) -> None:
    attempt = Attempt("a", "b")
    *_, sent = attempt.source(record("a"), record("b"), status("a", "COMPLETE"), state)
    assert statuses(attempt) == {"a": "running", "b": "running"}
    attempt.echo(sent)
    assert statuses(attempt) == {"a": "complete", "b": "running"}


def test_an_empty_state_of_our_own_completes_a_stream_when_it_comes_back() -> None:
    attempt = Attempt("users")
    attempt.source(status("users", "COMPLETE"))
    (sent,) = attempt.empty_states()
    assert statuses(attempt) == {"users": "running"}
    attempt.echo(sent)
    assert statuses(attempt) == {"users": "complete"}


def test_what_is_about_to_be_durable_is_told_as_it_will_be() -> None:
    attempt = Attempt("users")
    _, sent = attempt.source(record("users"), stream_state("users"))
    attempt.source(status("users", "COMPLETE"))
    attempt.destination(sent)
    batch = attempt.ledger.take_batch()
    assert batch is not None
    (after,) = attempt.ledger.counts_after(batch)
    assert (after.status, after.records_committed) == ("complete", 1)
    assert (statuses(attempt)["users"], counts(attempt)["users"].records_committed) == ("running", 0)


def test_n12_people_are_told_of_a_status_when_it_is_new_and_other_messages_change_none() -> None:
    attempt = Attempt("users")
    estimate = {"name": "users", "type": "STREAM", "row_estimate": 1}
    attempt.source(
        status("users", "STARTED"),
        status("users", "RUNNING"),
        status("users", "STARTED"),
        line({"type": "TRACE", "trace": {"type": "ESTIMATE", "emitted_at": 1, "estimate": estimate}}),
        line({"type": "TRACE", "trace": {"type": "ANALYTICS", "emitted_at": 1, "analytics": {"type": "x"}}}),
        status("users", "COMPLETE"),
        status("users", "COMPLETE"),
    )
    assert attempt.log.about("users", None) == ["users: started", "users: complete"]
    assert statuses(attempt) == {"users": "complete"}
