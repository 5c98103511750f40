"""A source's lines may fall into blocks in any way: what goes on and what is counted is the same."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from airbyte_lines import Attempt, error, global_state, legacy_state, log, record, status, stream_state
from hypothesis import example, given
from hypothesis import strategies as st

from airbyte_workers.models import FailureType
from airbyte_workers.replication.statistics import stream_counts

LOST = record("a").replace(b'"id":1', b'"id":NaN')
STATES = [stream_state("a", {"c": 1}), stream_state("b", {"c": 1}), global_state({"c": 1}, {"a": {}}), legacy_state({})]
FATAL = {
    "a record of an unknown stream": record("orders"),
    "a record of an unknown namespace": record("a", namespace="other"),
    "a status of an unknown stream": status("orders", "COMPLETE"),
}
HARMLESS = [
    record("a"),
    record("a", {"text": "né \u2603"}),
    record("b", {"id": 12345}),
    log("hello"),
    status("a", "STARTED"),
    status("a", "COMPLETE"),
    status("b", "INCOMPLETE"),
    error("broken", "b"),
    b"text\n",
    b"\n",
    LOST,
    b'{"type":"LOG"}{"type":"LOG"}\n',
]
lines_of_any_kind = st.lists(st.sampled_from([*HARMLESS, *STATES, *FATAL.values()]), max_size=12)
borders = st.sets(st.integers(0, 12))


def in_blocks(lines: Sequence[bytes], borders: set[int]) -> list[bytes]:
    cuts = [0, *sorted(each for each in borders if 0 < each < len(lines)), len(lines)]
    return [b"".join(lines[start:end]) for start, end in pairwise(cuts) if start < end]


def seen(attempt: Attempt) -> dict[str, Any]:
    """Everything that is counted or noted of an attempt."""
    ledger = attempt.ledger
    return {
        "streams": stream_counts(ledger.streams.values(), succeeded=False, ended=True),
        "since their states": [(each.since_records, each.since_bytes) for each in ledger.streams.values()],
        "evidence": attempt.evidence(),
        "failures": attempt.failures,
        "log": attempt.log.lines,
    }


@given(lines_of_any_kind, borders)
@example([record("a"), record("orders"), record("a")], set())
@example([record("a"), stream_state("a"), global_state({}, {}), record("a")], {1})
def test_borders_of_blocks_change_nothing(lines: list[bytes], borders: set[int]) -> None:
    one_by_one, cut = Attempt("a", "b"), Attempt("a", "b")
    assert cut.blocks(*in_blocks(lines, borders)) == one_by_one.blocks(*lines)
    assert seen(cut) == seen(one_by_one)


@given(lines_of_any_kind, borders)
def test_what_stood_before_the_line_that_ended_an_attempt_goes_on_and_counts(
    lines: list[bytes], borders: set[int]
) -> None:
    attempt, before = Attempt("a", "b"), Attempt("a", "b")
    sent, failure = attempt.blocks(*in_blocks(lines, borders))
    until = next((n for n in range(len(lines)) if Attempt("a", "b").blocks(*lines[: n + 1])[1] is not None), len(lines))
    assert (failure is None) == (until == len(lines))
    assert before.blocks(*lines[:until]) == (sent, None)
    assert [(each.records, each.bytes) for each in attempt.ledger.streams.values()] == [
        (each.records, each.bytes) for each in before.ledger.streams.values()
    ]
    evidence = attempt.evidence()
    assert evidence.records_emitted == evidence.records_forwarded == sent.count(b'"RECORD"')


@pytest.mark.parametrize("kind", FATAL)
@pytest.mark.parametrize("after", [[], [record("a")], [record("a"), stream_state("a")], [error()]], ids=len)
def test_in_the_middle_of_a_block_an_unknown_stream_ends_it_there(kind: str, after: list[bytes]) -> None:
    attempt = Attempt("a", "b")
    before = [record("a"), stream_state("a"), record("b"), record("a")]
    sent, failure = attempt.blocks(b"".join([*before, FATAL[kind], *after]))
    assert failure is not None
    assert failure.type is FailureType.UNKNOWN_STREAM
    assert sent.count(b'"RECORD"') == 3
    assert sent.count(b'"STATE"') == 1
    assert attempt.counts() == {"a": (2, 0, 0), "b": (1, 0, 0)}
    assert attempt.failures == []


@pytest.mark.parametrize("second", [STATES[2], STATES[3]], ids=["global", "legacy"])
def test_in_the_middle_of_a_block_a_second_type_of_state_ends_it_there(second: bytes) -> None:
    attempt = Attempt("a", "b")
    sent, failure = attempt.blocks(b"".join([record("a"), stream_state("a"), record("b"), second, record("b")]))
    assert failure is not None
    assert failure.type is FailureType.MIXED_STATE_TYPES
    assert [each for each in sent.splitlines() if b'"RECORD"' in each] == [record("a").strip(), record("b").strip()]
    assert attempt.evidence().states_emitted == 1
    assert attempt.counts() == {"a": (1, 0, 0), "b": (1, 0, 0)}


def test_a_block_that_is_refused_at_its_first_record_sends_and_counts_nothing() -> None:
    attempt = Attempt("a")
    sent, failure = attempt.blocks(record("orders") + record("a"))
    assert (sent, failure is None) == (b"", False)
    assert attempt.counts() == {"a": (0, 0, 0)}


# --- states that were held back ---


def statuses(attempt: Attempt) -> dict[str, str]:
    rows = stream_counts(attempt.ledger.streams.values(), succeeded=False, ended=True)
    return {row.name: row.status for row in rows}


COMPLETE = [status("a", "COMPLETE"), status("b", "COMPLETE")]


def test_a_stream_whose_state_was_held_back_is_incomplete_and_others_are_not() -> None:
    attempt = Attempt("a", "b")
    attempt.echo(*attempt.source(error("broken", "a"), stream_state("a"), stream_state("b"), *COMPLETE))
    assert statuses(attempt) == {"a": "incomplete", "b": "complete"}


@pytest.mark.parametrize("held", [STATES[2], STATES[3]], ids=["global", "legacy"])
@pytest.mark.parametrize("trouble", [error("broken", "a"), error(), LOST], ids=["a stream", "the source", "lost"])
def test_a_state_of_all_that_was_held_back_makes_every_stream_incomplete(held: bytes, trouble: bytes) -> None:
    attempt = Attempt("a", "b")
    attempt.source(trouble, held, *COMPLETE)
    assert attempt.evidence().states_held_back == 1
    assert statuses(attempt) == {"a": "incomplete", "b": "incomplete"}


def test_a_stream_with_trouble_whose_states_came_before_is_as_it_said() -> None:
    attempt = Attempt("a", "b")
    attempt.echo(*attempt.source(stream_state("a"), error("broken", "b"), *COMPLETE))
    assert statuses(attempt) == {"a": "complete", "b": "complete"}


def test_a_state_of_a_stream_that_nobody_configured_holds_nobody_back() -> None:
    attempt = Attempt("a", "b")
    attempt.source(error(), stream_state("other"), *COMPLETE)
    assert attempt.evidence().states_held_back == 1
    assert statuses(attempt) == {"a": "complete", "b": "complete"}


@given(lines_of_any_kind)
def test_no_stream_of_a_held_back_state_is_ever_complete(lines: list[bytes]) -> None:
    attempt = Attempt("a", "b")
    attempt.blocks(*lines, *COMPLETE)
    held = {key for key, tracker in attempt.ledger.streams.items() if tracker.held_back}
    assert bool(held) <= bool(attempt.evidence().states_held_back)
    assert all(statuses(attempt)[name] == "incomplete" for name, _ in held)
