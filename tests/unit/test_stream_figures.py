"""What is counted and measured of streams besides records and their commits: K12 to K19, and the times of K15.

The other cases of K are in test_destination_side.py. Differences decided: an estimate of a stream that is not synced is
none (upstream counts it in); a time to the first state is measured from the first record of its streams.
"""

from __future__ import annotations

from typing import Any

import pytest
from airbyte_lines import Attempt, global_state, legacy_state, line, record, stream_state
from msgspec import Raw

from airbyte_workers.jobs.readings import readings
from airbyte_workers.models import StreamCounts
from airbyte_workers.replication.estimates import Estimate
from airbyte_workers.replication.measuring import Measures
from airbyte_workers.replication.populated_fields import populated_fields
from airbyte_workers.replication.routes import Route


class Clock:
    """A clock that stands still until it is set."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def rows(attempt: Attempt, *, ended: bool = False) -> dict[str, StreamCounts]:
    return {row.name: row for row in attempt.ledger.counts(succeeded=False, ended=ended)}


def estimate(kind: str, rows: Any, size: Any, stream: str = "one", **more: Any) -> bytes:
    told = {"name": stream, "type": kind, "row_estimate": rows, "byte_estimate": size} | more
    return line({"type": "TRACE", "trace": {"type": "ESTIMATE", "emitted_at": 1, "estimate": told}})


def estimates(attempt: Attempt) -> dict[str, tuple[int | None, int | None]]:
    return {name: (row.records_estimated, row.bytes_estimated) for name, row in rows(attempt).items()}


# --- estimates ---


def test_k12_an_estimate_replaces_that_of_its_stream_and_the_total_is_their_sum() -> None:
    attempt = Attempt("one", "two")
    sent = attempt.source(estimate("STREAM", 1, 1), estimate("STREAM", 2, 10), estimate("STREAM", 21, 100, "two"))
    assert sent == []
    assert attempt.ledger.estimates.total == Estimate(23, 110)
    assert estimates(attempt) == {"one": (2, 10), "two": (21, 100)}


def test_k13_an_estimate_of_the_sync_replaces_the_one_before_and_is_of_no_stream() -> None:
    attempt = Attempt("one", "two")
    attempt.source(estimate("SYNC", 1, 2), estimate("SYNC", 5, 15))
    assert attempt.ledger.estimates.total == Estimate(5, 15)
    assert estimates(attempt) == {"one": (None, None), "two": (None, None)}


@pytest.mark.parametrize("kinds", [("STREAM", "SYNC"), ("SYNC", "STREAM")])
def test_k14_who_estimates_both_streams_and_sync_has_estimated_nothing(kinds: tuple[str, str]) -> None:
    attempt = Attempt("one")
    attempt.source(*(estimate(kind, 3, 4) for kind in kinds))
    assert attempt.ledger.estimates.total == Estimate()
    assert estimates(attempt) == {"one": (None, None)}


@pytest.mark.parametrize("told", [None, -1, 1e300, 10**30])
def test_what_is_no_amount_is_no_estimate(told: Any) -> None:
    attempt = Attempt("one", "two")
    attempt.source(estimate("STREAM", 7, 7), estimate("STREAM", told, 9), estimate("STREAM", 2.0, told, "two"))
    assert estimates(attempt) == {"one": (None, 9), "two": (2, None)}
    assert attempt.ledger.estimates.total == Estimate(2, 9)


@pytest.mark.parametrize("stray", [{"stream": "three"}, {"namespace": "n"}])
def test_an_estimate_of_a_stream_that_is_not_synced_is_none_and_no_harm(stray: dict[str, str]) -> None:
    attempt = Attempt("one")
    attempt.source(estimate("STREAM", 5, 5, **stray), estimate("STREAM", 1, 2))
    assert attempt.ledger.estimates.total == Estimate(1, 2)


# --- states: how many, and how long they take ---


def test_k15_without_data_no_time_passed_before_a_state_and_none_is_known_until_a_commit() -> None:
    row = rows(Attempt("one"))["one"]
    assert (row.state_mean_s, row.state_max_s, row.commit_mean_s, row.commit_max_s) == (0, 0, None, None)
    assert (row.states_emitted, row.states_acknowledged, row.states_committed) == (0, 0, 0)
    assert row.additional_stats == {}


def test_times_between_states_and_until_they_are_durable_are_those_of_each_stream() -> None:
    clock = Clock()
    attempt = Attempt("one", "two", measures=Measures(clock))
    attempt.source(record("one"), record("two"))
    clock.now += 2  # 1002
    _, first = attempt.source(record("one"), stream_state("one", {"c": 1}))
    clock.now += 8  # 1010
    second, other = attempt.source(stream_state("one", {"c": 2}), stream_state("two", {"c": 1}))
    clock.now += 5  # 1015
    attempt.destination(first, second)
    batch = attempt.ledger.take_batch()
    assert batch is not None
    clock.now += 1  # 1016: durable a second after they were acknowledged
    (as_it_will_be,) = attempt.ledger.counts_after(batch)
    assert rows(attempt)["one"].states_committed == 0
    attempt.ledger.committed(batch)
    one, two = rows(attempt)["one"], rows(attempt)["two"]
    assert as_it_will_be == one
    assert (one.states_emitted, one.states_acknowledged, one.states_committed) == (2, 2, 2)
    assert (one.state_mean_s, one.state_max_s, one.commit_mean_s, one.commit_max_s) == (5, 8, 10, 14)
    assert (two.states_emitted, two.states_acknowledged, two.states_committed) == (1, 0, 0)
    assert (two.state_mean_s, two.state_max_s, two.commit_mean_s, two.commit_max_s) == (10, 10, None, None)
    assert other.startswith(b"{")


def test_a_state_without_a_record_before_it_took_no_time() -> None:
    clock = Clock()
    attempt = Attempt("one", measures=Measures(clock))
    clock.now += 100
    attempt.source(stream_state("one"))
    assert rows(attempt)["one"].state_max_s == 0


def test_states_that_an_echo_covers_are_committed_with_it_each_with_its_time() -> None:
    clock = Clock()
    attempt = Attempt("one", measures=Measures(clock))
    attempt.source(stream_state("one", {"c": 1}))
    clock.now += 4
    (last,) = attempt.source(stream_state("one", {"c": 2}))
    clock.now += 4
    attempt.echo(last)
    row = rows(attempt)["one"]
    assert (row.states_acknowledged, row.states_committed, row.commit_mean_s, row.commit_max_s) == (1, 2, 6, 8)


def test_times_of_states_that_were_merged_while_they_waited_are_still_exact() -> None:
    clock = Clock()
    attempt = Attempt("one", staged_states_bytes=1, measures=Measures(clock))
    for n in range(100):
        clock.now += 1
        (last,) = attempt.source(stream_state("one", {"c": n}))
    attempt.echo(last)
    row = rows(attempt)["one"]
    assert (row.states_committed, row.commit_mean_s, row.commit_max_s) == (100, 49.5, 99)


def test_k16_a_global_state_is_one_of_every_stream() -> None:
    clock = Clock()
    attempt = Attempt("one", "two", measures=Measures(clock))
    attempt.source(record("one"))
    clock.now += 3
    (sent,) = attempt.source(global_state({"c": 1}, {}))
    attempt.echo(sent)
    for row in rows(attempt).values():
        assert (row.states_emitted, row.states_acknowledged, row.states_committed) == (1, 1, 1)
        assert (row.state_max_s, row.commit_max_s) == (3, 0)


def test_k16_of_a_legacy_state_nobody_knows_of_which_stream_it_is() -> None:
    attempt = Attempt("one", "two")
    attempt.echo(*attempt.source(legacy_state({"c": 1})))
    assert {row.states_emitted + row.states_committed for row in rows(attempt).values()} == {0}
    assert (attempt.evidence().states_emitted, attempt.evidence().states_committed) == (1, 1)


def test_a_global_state_about_to_be_durable_is_told_once_for_each_stream_with_records() -> None:
    attempt = Attempt("one", "two")
    *_, sent = attempt.source(record("one"), record("two"), global_state({"c": 1}, {}))
    attempt.destination(sent)
    batch = attempt.ledger.take_batch()
    assert batch is not None
    assert [row.states_committed for row in attempt.ledger.counts_after(batch)] == [1, 1]
    assert [row.states_committed for row in rows(attempt).values()] == [0, 0]


def test_a_state_of_a_stream_that_is_not_synced_is_measured_for_nobody() -> None:
    attempt = Attempt("one")
    attempt.echo(*attempt.source(stream_state("other")))
    assert rows(attempt)["one"].states_emitted == 0


# --- states that are merged while they wait ---


def test_merging_of_waiting_states_is_counted_and_told_once() -> None:
    attempt = Attempt("one", staged_states_bytes=3_000)
    for n in range(50):
        attempt.source(stream_state("one", {"c": n}))
    waiting = sum(len(each) for each in attempt.ledger.states._staged.values())
    assert 0 < waiting < 50
    assert attempt.evidence().states_merged == 50 - waiting
    (told,) = attempt.log.texts("WARN")
    assert "STAGED_STATES_BYTES" in told
    (states,) = [each.value for each in readings(attempt.evidence()) if each.name == "states"]
    assert states == f"50 emitted, 0 committed, {50 - waiting} merged into later ones while they waited"


def test_where_there_is_room_nothing_is_merged_or_told() -> None:
    attempt = Attempt("one")
    attempt.source(*(stream_state("one", {"c": n}) for n in range(50)))
    assert attempt.evidence().states_merged == 0
    assert attempt.log.lines == []


# --- sizes of files ---


@pytest.mark.parametrize(
    ("more", "size"),
    [
        ({"file_reference": {"file_size_bytes": 12}, "file": {"bytes": 11}}, 12),
        ({"file": {"bytes": 11}}, 11),
        ({"file_reference": {"source_file_relative_path": "x"}, "file": {"bytes": 11}}, 11),
        ({"file_reference": {"file_size_bytes": None}}, 8),
        ({"file": {"file_url": "x"}}, 8),
        ({"file": "x", "file_reference": []}, 8),
        ({"file": {"bytes": -1}}, 8),
        ({"file": {"bytes": 1e400}}, 8),
        ({}, 8),
    ],
)
def test_k17_a_record_that_stands_for_a_file_has_its_size(more: dict[str, Any], size: int) -> None:
    attempt = Attempt("one")
    text = record("one", {"id": 1}, **more).replace(b"Infinity", b"1" + b"0" * 60)
    assert attempt.source(text) == [text]
    assert rows(attempt)["one"].bytes_emitted == size


# --- what connectors add ---


def with_stats(stats: Any, number: int = 0) -> bytes:
    return stream_state("one", {"c": number}, sourceStats={"additionalStats": stats})


def test_k18_additional_statistics_are_summed_by_name() -> None:
    attempt = Attempt("one", "two")
    attempt.source(with_stats({"a": 100}), with_stats({"a": 50, "b": 200}, 1))
    assert rows(attempt)["one"].additional_stats == {"a": 150, "b": 200}
    assert rows(attempt)["two"].additional_stats == {}


def test_k18_those_of_the_destination_come_with_what_it_acknowledges() -> None:
    attempt = Attempt("one")
    (sent,) = attempt.source(with_stats({"a": 1}))
    attempt.echo(sent, destinationStats={"additionalStats": {"a": 2, "written": 0.5}})
    attempt.echo(sent, destinationStats={"additionalStats": {"a": 1000}})  # of no state that waits
    assert rows(attempt)["one"].additional_stats == {"a": 3, "written": 0.5}


@pytest.mark.parametrize(
    "stats", [None, [], "x", 3, {"a": "1"}, {"a": True}, {"a": None}, {"a": [1]}, {"a": 10**40}, {"x" * 101: 1}]
)
def test_what_is_no_number_by_a_name_is_left_out_and_its_state_goes_on(stats: Any) -> None:
    attempt = Attempt("one")
    assert len(attempt.source(with_stats(stats), with_stats({"b": 1}, 1))) == 2
    assert rows(attempt)["one"].additional_stats == {"b": 1}


def test_a_name_that_the_database_cannot_keep_is_left_out() -> None:
    attempt = Attempt("one")
    attempt.source(with_stats({"a\0": 1, "a": 2}))
    assert rows(attempt)["one"].additional_stats == {"a": 2}


def test_no_more_names_are_kept_than_the_limit() -> None:
    attempt = Attempt("one", measures=Measures(most_names=2))
    attempt.source(with_stats({"a": 1, "b": 1, "c": 1}), with_stats({"c": 1, "b": 1}, 1))
    assert rows(attempt)["one"].additional_stats == {"a": 1, "b": 2}


# --- fields with a value ---


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        ([{"a": 1, "b": "", "c": {"d": None}}], 3),
        ([{"a": 1, "b": None, "c": False}], 2),
        ([{"a": 1, "b": 2}, {"a": 1, "b": 2, "c": []}], 5),
        ([{}], 0),
    ],
)
def test_k19_fields_that_are_not_null_are_counted(data: list[dict[str, Any]], fields: int) -> None:
    attempt = Attempt("one", "two", measures=Measures(populated_fields=True))
    sent = [record("one", each) for each in data]
    assert attempt.source(*sent) == sent
    assert rows(attempt)["one"].additional_stats == {"sourceFieldsPopulated": fields}
    assert rows(attempt)["two"].additional_stats == {}


def test_k19_fields_are_counted_only_where_that_is_asked_for() -> None:
    attempt = Attempt("one")
    attempt.source(record("one"))
    assert rows(attempt)["one"].additional_stats == {}


def test_k19_of_a_stream_with_selected_fields_those_are_counted() -> None:
    route = Route(("one", None), ("one", None), fields=frozenset({"a", "b"}))
    attempt = Attempt("one", routes=[route], measures=Measures(populated_fields=True))
    attempt.source(record("one", {"a": 1, "b": None, "c": 3}))
    assert rows(attempt)["one"].additional_stats == {"sourceFieldsPopulated": 1}


def test_fields_of_a_record_that_only_the_second_parser_reads_are_counted() -> None:
    assert populated_fields(Raw(b'{"\\ud800":1,"b":null,"c":[1]}')) == 2
