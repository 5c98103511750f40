"""Failures: their types, lengths and order (group R and airbyte-behaviour.md 5.10).

Left out of R: the job and attempt of R4 (they stand beside the failures in the report) and its `from_trace_message`
(nobody decides by it), R7 (no exception crosses: failures are values), the partial success of R8 (it is what was
committed, in the report). R6 and R8 are in test_outcome.py, R3 in test_source_side.py.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_workers.jobs.failures import (
    MAX_FAILURES,
    MAX_MESSAGE,
    MAX_MESSAGE_IN_HISTORY,
    cut,
    for_history,
    from_trace,
    in_one_line,
    of_sync,
    ordered,
)
from airbyte_workers.models import Failure, FailureOrigin, FailureType

SOURCE = FailureOrigin.SOURCE


def failure(message: str, kind: FailureType = FailureType.SYSTEM_ERROR) -> Failure:
    return Failure(origin=SOURCE, type=kind, message=message)


@pytest.mark.parametrize(
    ("given_type", "kind"),
    [
        ("config_error", FailureType.CONFIG_ERROR),
        ("transient_error", FailureType.TRANSIENT_ERROR),
        ("system_error", FailureType.SYSTEM_ERROR),
        (None, FailureType.SYSTEM_ERROR),
        ("", FailureType.SYSTEM_ERROR),
        ("new_kind_of_error", FailureType.SYSTEM_ERROR),
        ("manual_cancellation", FailureType.SYSTEM_ERROR),
    ],
)
def test_a_trace_says_what_kind_of_failure_it_is(given_type: str | None, kind: FailureType) -> None:
    assert from_trace(SOURCE, "no", given_type).type is kind


@pytest.mark.parametrize("origin", [FailureOrigin.SOURCE, FailureOrigin.DESTINATION])
def test_a_trace_keeps_its_origin_and_both_messages(origin: FailureOrigin) -> None:
    made = from_trace(origin, "no", None, "why")
    assert (made.origin, made.message, made.internal_message) == (origin, "no", "why")


def test_a_trace_without_a_message_says_so() -> None:
    made = from_trace(SOURCE, "", None, "")
    assert (made.message, made.internal_message) == ("the connector gave no message", None)


def test_both_messages_of_a_trace_are_cut() -> None:
    made = from_trace(SOURCE, "x" * 60_000, None, "y" * 60_000)
    assert len(made.message) == MAX_MESSAGE
    assert made.internal_message is not None
    assert len(made.internal_message) == MAX_MESSAGE


@pytest.mark.parametrize(
    ("text", "limit", "result"),
    [
        ("", 10, ""),
        ("exactly 10", 10, "exactly 10"),
        ("one more 10", 10, "one  [cut]"),
        ("a\0b", 10, "ab"),
        ("\0" * 20 + "ab", 10, "ab"),
        ("half \ud800", 10, "half ?"),
    ],
)
def test_a_text_is_cut_within_its_limit_and_says_so(text: str, limit: int, result: str) -> None:
    assert cut(text, limit) == result


@given(st.text(max_size=40), st.integers(6, 40))
def test_a_cut_text_is_never_longer_than_its_limit(text: str, limit: int) -> None:
    assert len(cut(text, limit)) <= limit
    assert "\0" not in cut(text, limit)


# --- commands ---


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        (FailureOrigin.SOURCE, "read"),
        (FailureOrigin.DESTINATION, "write"),
        (FailureOrigin.REPLICATION, None),
        (FailureOrigin.PLATFORM, None),
        (FailureOrigin.UNKNOWN, None),
    ],
)
def test_in_a_sync_a_source_fails_while_it_reads_and_a_destination_while_it_writes(
    origin: FailureOrigin, command: str | None
) -> None:
    made = of_sync(origin, FailureType.SYSTEM_ERROR, "x" * 60_000)
    assert (made.origin, made.type, made.command) == (origin, FailureType.SYSTEM_ERROR, command)
    assert len(made.message) == MAX_MESSAGE


# --- order ---


def test_a_config_error_comes_first_and_the_rest_as_they_came() -> None:
    config = failure("config", FailureType.CONFIG_ERROR)
    assert ordered([failure("a"), failure("b"), config, failure("c")]) == (
        config,
        failure("a"),
        failure("b"),
        failure("c"),
    )


def test_several_config_errors_keep_their_order() -> None:
    first, second = (failure(text, FailureType.CONFIG_ERROR) for text in "ab")
    assert ordered([failure("x"), first, second])[:2] == (first, second)


def test_the_same_failure_is_told_once() -> None:
    assert ordered([failure("a"), failure("b"), failure("a")]) == (failure("a"), failure("b"))


def test_nothing_is_nothing() -> None:
    assert ordered([]) == for_history([]) == ()


def test_ten_are_kept_and_the_rest_is_counted() -> None:
    kept = ordered([failure(f"{n}") for n in range(25)])
    assert len(kept) == MAX_FAILURES
    assert [each.message for each in kept[:9]] == [f"{n}" for n in range(9)]
    assert kept[9].message == "9 (and 15 more failures)"


def test_a_late_config_error_is_among_the_ten() -> None:
    kept = ordered([*(failure(f"{n}") for n in range(25)), failure("config", FailureType.CONFIG_ERROR)])
    assert kept[0].message == "config"


def test_the_count_of_the_rest_fits_in_the_limit_too() -> None:
    kept = ordered([failure(f"{n}" + "x" * (MAX_MESSAGE - 2)) for n in range(10, 31)])
    assert all(len(each.message) <= MAX_MESSAGE for each in kept)
    assert kept[-1].message.endswith(" [cut] (and 11 more failures)")


def test_ordering_what_is_ordered_changes_nothing() -> None:
    once = ordered([failure(f"{n}") for n in range(25)])
    assert ordered(once) == once


@given(
    st.lists(st.builds(failure, st.sampled_from("abcdefghijklm"), st.sampled_from(list(FailureType)[:3])), max_size=30)
)
def test_at_most_ten_each_once_and_config_errors_first(failures: list[Failure]) -> None:
    kept = ordered(failures)
    assert len(kept) == min(10, len(set(failures)))
    assert len(set(kept)) == len(kept)
    flags = [each.type is FailureType.CONFIG_ERROR for each in kept]
    assert flags == sorted(flags, reverse=True)


# --- in Temporal's history ---


def test_history_gets_short_messages_and_no_internal_ones() -> None:
    (short,) = for_history(
        [failure("x" * 5000).model_copy(update={"internal_message": "secret path", "stream": "a", "command": "read"})]
    )
    assert len(short.message) == MAX_MESSAGE_IN_HISTORY
    assert short.message.endswith(" [cut]")
    assert (short.internal_message, short.stream, short.command) == (None, "a", "read")


def test_history_gets_the_same_order() -> None:
    config = failure("config", FailureType.CONFIG_ERROR)
    assert [each.message for each in for_history([failure("a"), config])] == ["config", "a"]


def test_history_gets_three_of_many_failures_and_their_number() -> None:
    kept = for_history([failure(f"{n}" + "x" * 1000) for n in range(10, 31)])
    assert [len(each.message) for each in kept] == [1002, 300, 300 + len(" (and 18 more failures)")]
    assert kept[-1].message.endswith(" [cut] (and 18 more failures)")


def test_what_crosses_temporal_is_counted_in_bytes() -> None:
    (short,) = for_history([failure("\N{SNOWMAN}" * 1000)])
    assert MAX_MESSAGE_IN_HISTORY - 3 < len(short.message.encode()) <= MAX_MESSAGE_IN_HISTORY


def test_what_crosses_temporal_holds_nothing_that_json_or_sql_cannot() -> None:
    (short,) = for_history([failure("half \ud83d of\0 it")])
    assert short.message == "half ? of it"


def test_a_list_of_attempts_has_one_short_failure_each() -> None:
    (short,) = in_one_line([failure("x" * 1000), failure("b"), failure("config", FailureType.CONFIG_ERROR)])
    assert short.message == "config (and 2 more failures)"
    assert in_one_line([]) == ()
