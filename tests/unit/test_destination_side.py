"""The destination's side: its echoes become commits, and committed counts follow only what is durable (group K).

K12 to K19 and the times of K15 are in test_stream_figures.py, what states of several streams reject in
test_checksums.py, K22 is in test_state_ledger.py. Left out: K20 (socket mode); the metrics of K9 are counts of the
evidence. Differences decided: after a success all that was emitted and neither filtered nor rejected is committed (K4,
K10); a rejected count beyond what was sent is clamped, told, and a mismatch where the destination counts (K21); a
LEGACY state commits the records of every stream, for it speaks of all.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from airbyte_lines import Attempt, error, global_state, legacy_state, line, log, record, stream_state
from airbyte_lines import status as status_line

from airbyte_workers.models import Ends, FailureOrigin, FailureType
from airbyte_workers.protocol.messages import MESSAGE_TYPES
from airbyte_workers.replication.statistics import stream_counts


def state_lines(lines: list[bytes]) -> list[bytes]:
    return [each for each in lines if json.loads(each)["type"] == "STATE"]


def send(attempt: Attempt, *lines: bytes) -> list[bytes]:
    """The stamped states among what goes on."""
    return state_lines(attempt.source(*lines))


# --- committed counts (K) ---


def test_k1_only_records_before_an_echoed_state_are_committed() -> None:
    attempt = Attempt("one", "two")
    states = send(attempt, record("one"), record("one"), stream_state("one"))
    attempt.echo(*states)
    attempt.source(record("one"), record("two"), record("two"), record("two"))
    assert attempt.counts() == {"one": (3, 2, 0), "two": (3, 0, 0)}


def test_k2_every_echo_moves_the_count_on() -> None:
    attempt = Attempt("one")
    states = send(attempt, *[each for n in range(3) for each in (record("one"), stream_state("one", {"c": n}))])
    seen = []
    for each in states:
        attempt.echo(each)
        seen.append(attempt.counts()["one"])
    assert seen == [(3, 1, 0), (3, 2, 0), (3, 3, 0)]


def test_k4_a_completed_sync_counts_what_came_after_the_last_state_too() -> None:
    attempt = Attempt("one", "two")
    states = send(attempt, record("one"), stream_state("one"), *[record("two")] * 3, stream_state("two"), record("one"))
    attempt.echo(*states)
    assert attempt.counts() == {"one": (2, 1, 0), "two": (3, 3, 0)}
    assert attempt.counts(succeeded=True) == {"one": (2, 2, 0), "two": (3, 3, 0)}


def test_k9_repeated_and_late_echoes_move_nothing() -> None:
    attempt = Attempt("one")
    first, second, third = send(
        attempt, *[each for n in range(3) for each in (record("one"), stream_state("one", {"c": n}))]
    )
    seen = []
    for each in (second, first, second, third, third):
        attempt.echo(each)
        seen.append((attempt.counts()["one"][1], attempt.evidence().unmatched_acknowledgements))
    assert seen == [(2, 0), (2, 1), (2, 2), (3, 2), (3, 3)]


def test_k10_rejected_records_are_not_committed() -> None:
    attempt = Attempt("one", "two")
    states = send(attempt, record("one"), record("one"), stream_state("one"), record("one"), *[record("two")] * 3)
    attempt.echo(*states, destinationStats={"recordCount": 1, "rejectedRecordCount": 1})
    assert attempt.counts() == {"one": (3, 1, 1), "two": (3, 0, 0)}
    assert attempt.counts(succeeded=True) == {"one": (3, 2, 1), "two": (3, 3, 0)}
    assert attempt.evidence().destination_stats_mismatches == 0


def test_k11_rejected_records_are_those_of_the_echoed_state_alone() -> None:
    attempt = Attempt("one")
    _, second = send(
        attempt, record("one"), stream_state("one", {"c": 1}), record("one"), stream_state("one", {"c": 2})
    )
    attempt.echo(second, destinationStats={"recordCount": 0, "rejectedRecordCount": 1})
    assert attempt.counts()["one"] == (2, 1, 1)


@pytest.mark.parametrize(("sent", "rejected", "committed"), [(0, 20, 0), (14, 20, 0), (14, -5, 14), (14, 14, 0)])
def test_k21_a_committed_count_is_never_negative_and_never_more_than_was_sent(
    sent: int, rejected: int, committed: int
) -> None:
    attempt = Attempt("one")
    states = send(attempt, *[record("one")] * sent, stream_state("one"))
    attempt.echo(*states, destinationStats={"recordCount": 14, "rejectedRecordCount": rejected})
    assert attempt.counts()["one"][1] == committed


def test_k21_too_many_rejected_records_take_nothing_from_what_was_committed_before() -> None:
    attempt = Attempt("one")
    first, second = send(
        attempt, *[record("one")] * 5, stream_state("one"), record("one"), stream_state("one", {"c": 1})
    )
    attempt.echo(first)
    attempt.echo(second, destinationStats={"rejectedRecordCount": 4})
    assert attempt.counts()["one"] == (6, 5, 1)


def test_committed_bytes_follow_the_records() -> None:
    attempt = Attempt("one")
    states = send(attempt, record("one", {"a": 1}), stream_state("one"), record("one", {"a": 1}))
    attempt.echo(*states)
    tracker = attempt.ledger.streams["one", None]
    assert (tracker.bytes, tracker.committed.bytes) == (14, 7)


def test_a_global_state_commits_the_records_of_every_stream() -> None:
    attempt = Attempt("one", "two")
    states = send(attempt, record("one"), record("two"), global_state({"l": 1}, {"one": {}}), record("two"))
    attempt.echo(*states)
    assert attempt.counts() == {"one": (1, 1, 0), "two": (2, 1, 0)}


def test_a_legacy_state_commits_the_records_of_every_stream() -> None:
    attempt = Attempt("one", "two")
    states = send(attempt, record("one"), record("two"), legacy_state({"c": 1}))
    attempt.echo(*states)
    assert attempt.counts() == {"one": (1, 1, 0), "two": (1, 1, 0)}


def test_k15_without_data_every_count_is_zero() -> None:
    attempt = Attempt("one")
    assert attempt.counts() == attempt.counts(succeeded=True) == {"one": (0, 0, 0)}
    assert attempt.commit() is None


# --- durable first, counted afterwards ---


def test_counts_move_when_a_batch_is_durable_and_not_before() -> None:
    attempt = Attempt("one")
    states = send(attempt, record("one"), stream_state("one"))
    attempt.destination(*states)
    batch = attempt.ledger.take_batch()
    assert batch is not None
    assert attempt.counts()["one"] == (1, 0, 0)
    assert attempt.evidence().states_committed == 0
    (after,) = attempt.ledger.counts_after(batch)
    assert (after.records_committed, after.bytes_committed) == (1, 8)
    attempt.ledger.committed(batch)
    assert attempt.counts()["one"] == (1, 1, 0)
    assert attempt.evidence().states_committed == 1


def test_a_batch_holds_the_newest_state_of_each_key_and_all_they_counted() -> None:
    attempt = Attempt("one", "two")
    states = send(
        attempt,
        *(record("one"), stream_state("one", {"c": 1})),
        *(record("two"), stream_state("two", {"c": 2})),
        *(record("one"), stream_state("one", {"c": 3})),
    )
    attempt.destination(*states)
    batch = attempt.ledger.take_batch()
    assert batch is not None
    assert [(commit.key.stream, commit.number) for commit in batch.commits] == [
        (("one", None), 3),
        (("two", None), 2),
    ]
    assert {key[0]: tally.records for key, tally in batch.counts.items()} == {"one": 2, "two": 1}
    assert batch.states == 3
    assert attempt.ledger.take_batch() is None


def test_two_batches_add_up() -> None:
    attempt = Attempt("one")
    first, second = send(attempt, record("one"), stream_state("one"), record("one"), stream_state("one", {"c": 1}))
    attempt.echo(first)
    attempt.destination(second)
    batch = attempt.ledger.take_batch()
    assert batch is not None
    (after,) = attempt.ledger.counts_after(batch)
    assert after.records_committed == 2


# --- echoes as destinations write them ---


def test_an_echo_without_its_id_commits_just_as_well() -> None:
    attempt = Attempt("one")
    (sent,) = send(attempt, record("one"), stream_state("one", {"c": 1, "n": None}))
    message = json.loads(sent)
    del message["state"]["id"]
    attempt.destination(json.dumps(message, sort_keys=True).encode() + b"\n")
    attempt.commit()
    assert attempt.counts()["one"] == (1, 1, 0)


def test_a_bare_state_counts_as_an_echo_with_one_warning() -> None:
    attempt = Attempt("one")
    send(attempt, record("one"), stream_state("one", {"c": 1}), record("one"), stream_state("one", {"c": 2}))
    for n in (1, 2):
        attempt.destination(line(json.loads(stream_state("one", {"c": n}))["state"]))
    attempt.commit()
    assert attempt.counts()["one"] == (2, 2, 0)
    assert attempt.evidence().bare_acknowledgements == attempt.evidence().acknowledgements == 2
    assert attempt.log.texts("WARN") == ["the destination acknowledges with bare states instead of STATE messages"]


@pytest.mark.parametrize("body", [{"type": "STREAM"}, {"type": "GLOBAL"}, {"type": "STREAM", "stream": {}}])
def test_a_bare_word_is_no_echo(body: dict[str, Any]) -> None:
    attempt = Attempt("one")
    attempt.source(legacy_state({}))
    attempt.destination(line(body))
    evidence = attempt.evidence()
    assert (evidence.bare_acknowledgements, evidence.acknowledgements) == (0, 0)


@pytest.mark.parametrize(
    "text",
    [
        b'{"type":"STATE"}\n',
        b'{"type":"STATE","state":null}\n',
        b'{"type":"STATE","state":{"type":"STREAM"}}\n',
        b'{"type":"STATE","state":{"id":1\n',
    ],
)
def test_an_echo_that_cannot_be_read_commits_nothing_and_says_so(text: bytes) -> None:
    attempt = Attempt("one")
    attempt.source(stream_state("one"))
    attempt.destination(text)
    assert attempt.commit() is None
    assert len(attempt.log.texts("WARN")) == 1


def test_an_unmatched_echo_is_counted_and_never_a_commit() -> None:
    attempt = Attempt("one")
    attempt.source(stream_state("one", {"c": 1}))
    attempt.destination(stream_state("one", {"c": 2}))
    assert attempt.commit() is None
    evidence = attempt.evidence()
    assert (evidence.unmatched_acknowledgements, evidence.acknowledgements, evidence.keys_unacknowledged) == (1, 0, 1)
    assert attempt.log.texts("WARN") == ["unmatched_ack: an acknowledgement matched no state that waits"]


@pytest.mark.parametrize(
    ("stats", "mismatch"),
    [
        (None, False),
        ({}, False),
        ({"recordCount": 2}, False),
        ({"recordCount": 2.0}, False),
        ({"recordCount": 1, "rejectedRecordCount": 1}, False),
        ({"recordCount": 0, "rejectedRecordCount": 2}, False),
        ({"rejectedRecordCount": 1}, False),
        ({"recordCount": 1}, True),
        ({"recordCount": 3}, True),
        ({"recordCount": 2, "rejectedRecordCount": 1}, True),
    ],
)
def test_the_destinations_own_counts_are_compared_when_it_gives_them(stats: Any, mismatch: bool) -> None:
    attempt = Attempt("one")
    states = send(attempt, record("one"), record("one"), stream_state("one"))
    attempt.echo(*states, destinationStats=stats)
    assert attempt.evidence().destination_stats_mismatches == int(mismatch)


def test_a_state_that_the_destination_counts_differently_is_not_committed() -> None:
    attempt = Attempt("one")
    states = send(attempt, record("one"), record("one"), stream_state("one"))
    attempt.echo(*states, destinationStats={"recordCount": 1})
    assert attempt.evidence().states_committed == 0


def test_after_a_contradicted_count_no_later_state_of_its_stream_is_committed() -> None:
    """It would cover what was lost; other streams are not concerned."""
    attempt = Attempt("one", "two")
    first, second, other = send(
        attempt, record("one"), stream_state("one"), stream_state("one", {"c": 2}), record("two"), stream_state("two")
    )
    attempt.echo(first, destinationStats={"recordCount": 0})
    attempt.echo(second, other)
    assert attempt.counts() == {"one": (1, 0, 0), "two": (1, 1, 0)}
    assert attempt.evidence().destination_stats_mismatches == 1


def test_counts_of_a_destination_that_skipped_states_are_not_compared() -> None:
    """Whether it counts since the last echo or since the last state is not known."""
    attempt = Attempt("one")
    _, second = send(attempt, record("one"), stream_state("one"), record("one"), stream_state("one", {"c": 1}))
    attempt.echo(second, destinationStats={"recordCount": 1})
    assert attempt.evidence().destination_stats_mismatches == 0


# --- what else a destination says ---


def test_a_destinations_words_go_to_the_log() -> None:
    attempt = Attempt("one")
    attempt.destination(
        log("flushed", "DEBUG"), b"plain text\n", b"\n", line({"type": "CONTROL", "control": {}}), record("one")
    )
    assert attempt.log.lines == [
        ("destination", "DEBUG", "flushed"),
        ("destination", "INFO", "Malformed non-Airbyte record: plain text"),
    ]
    assert attempt.evidence().malformed == 0


@pytest.mark.parametrize("text", [b'{"type":"TRACE"}\n', b'{"type":"NEWS"}\n', b'{"fish":"tuna"\n'])
def test_what_is_no_message_of_a_destination_becomes_a_log_line(text: bytes) -> None:
    attempt = Attempt("one")
    attempt.destination(text)
    assert attempt.log.lines == [("destination", "INFO", f"Malformed non-Airbyte record: {text.decode().strip()}")]


@pytest.mark.parametrize("kind", sorted(MESSAGE_TYPES - {"STATE", "TRACE", "LOG"}))
def test_what_a_destination_need_not_say_is_passed_over_without_a_word(kind: str) -> None:
    attempt = Attempt("one")
    attempt.destination(line({"type": kind}))
    assert attempt.log.lines == []


def test_other_traces_of_the_destination_change_nothing() -> None:
    attempt = Attempt("one")
    attempt.destination(status_line("one", "COMPLETE"))
    assert attempt.evidence() == Attempt("one").evidence()


def test_an_error_trace_of_the_destination_is_its_failure_and_holds_back_no_state() -> None:
    attempt = Attempt("one")
    attempt.destination(error("disk full", failure_type="transient_error"))
    (failure,) = attempt.failures
    assert (failure.origin, failure.type) == (FailureOrigin.DESTINATION, FailureType.TRANSIENT_ERROR)
    assert failure.command == "write"
    assert len(attempt.source(stream_state("one"))) == 1


def test_an_error_trace_of_the_destination_is_never_lost_however_it_is_spelt() -> None:
    attempt = Attempt("one")
    attempt.destination(b'{"type":"TRACE","trace":{"type":"ERROR","error":{"message":"no \xff"}}}\n')
    assert [failure.message for failure in attempt.failures] == ["no \ufffd"]


def test_a_record_of_the_destination_is_not_counted() -> None:
    attempt = Attempt("one")
    attempt.destination(record("unknown"))
    assert attempt.counts()["one"] == (0, 0, 0)


# --- the evidence ---


def test_the_evidence_of_a_good_sync_is_complete() -> None:
    attempt = Attempt("one", "two")
    states = send(attempt, record("one"), stream_state("one"), record("two"))
    attempt.echo(*states, *attempt.empty_states())
    evidence = attempt.evidence()
    assert evidence.model_dump(exclude_defaults=True) == {
        "source_exit_code": 0,
        "destination_exit_code": 0,
        "end_of_input": True,
        "completion": "inferred",
        "states_emitted": 2,
        "states_committed": 2,
        "empty_states_sent": 1,
        "acknowledgements": 2,
        "records_emitted": 2,
        "records_forwarded": 2,
    }


def test_the_evidence_names_what_was_not_acknowledged() -> None:
    attempt = Attempt(("one", "n"))
    attempt.source(stream_state("one", {}, "n"))
    assert attempt.evidence().streams_unacknowledged == ("n.one",)
    attempt = Attempt("one")
    attempt.source(global_state({}, {}))
    assert attempt.evidence().streams_unacknowledged == ("the GLOBAL state",)


def test_the_evidence_names_ten_streams_and_counts_the_rest() -> None:
    names = [f"s{n:02}" for n in range(25)]
    attempt = Attempt(*names)
    attempt.source(*(stream_state(name) for name in names))
    evidence = attempt.evidence()
    assert evidence.streams_unacknowledged == tuple(names[:10])
    assert evidence.keys_unacknowledged == 25


def test_the_evidence_tells_how_both_connectors_ended() -> None:
    ends = Ends(source_exit_code=1, source_forced=True, source_stopped=True, destination_forced=True)
    evidence = Attempt().evidence(ends)
    assert (evidence.source_exit_code, evidence.destination_exit_code) == (1, None)
    assert (evidence.source_forced, evidence.source_stopped, evidence.destination_forced, evidence.end_of_input) == (
        True,
        True,
        True,
        False,
    )


@pytest.mark.parametrize(
    ("said", "ended", "status"),
    [
        ([], False, "pending"),
        ([], True, "pending"),
        (["record"], False, "running"),
        (["record"], True, "incomplete"),
        (["STARTED"], False, "running"),
        (["COMPLETE"], False, "complete"),
        (["record", "COMPLETE"], False, "running"),
        (["record", "echo", "COMPLETE"], False, "complete"),
        (["record", "echo", "record", "COMPLETE"], False, "running"),
        (["record", "INCOMPLETE"], False, "incomplete"),
        (["COMPLETE", "INCOMPLETE"], False, "incomplete"),
    ],
)
def test_a_streams_status_is_complete_only_when_all_of_it_is_committed(
    said: list[str], ended: bool, status: str
) -> None:
    attempt = Attempt("one")
    for n, word in enumerate(said):
        if word == "record":
            attempt.source(record("one"))
        elif word == "echo":
            attempt.echo(*attempt.source(stream_state("one", {"c": n})))
        else:
            attempt.source(status_line("one", word))
    (counts,) = stream_counts(attempt.ledger.streams.values(), succeeded=False, ended=ended)
    assert counts.status == status
