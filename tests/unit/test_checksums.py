"""Numbers of records as connectors state them, and as we counted (group L), filtered ones taken off once.

Upstream's "fail" flag is `fail_on_source_stats` for the source and always on for the destination (decisions.md,
"Evidence"). A destination that agrees with us and not with the source is not to blame (L7): the source is. The table
has L1 to L8.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from airbyte_lines import Attempt, global_state, record, stream_state

from airbyte_workers.jobs.outcome import outcome
from airbyte_workers.mappers.specs import MapperSpec
from airbyte_workers.models import FailureOrigin, FailureType, Policy
from airbyte_workers.replication.routes import Route

STRICT = Policy(fail_on_source_stats=True)
ODD = MapperSpec("row-filtering", {"conditions": {"type": "EQUAL", "fieldName": "odd", "comparisonValue": "yes"}})


def mismatches(attempt: Attempt) -> tuple[int, int]:
    """Of the source, of the destination."""
    evidence = attempt.evidence()
    return evidence.source_stats_mismatches, evidence.destination_stats_mismatches


def failed(attempt: Attempt, policy: Policy = STRICT) -> list[tuple[FailureOrigin, FailureType]]:
    return [(each.origin, each.type) for each in outcome(attempt.evidence(), [], policy).failures]


def ran(source: int | None, destination: dict[str, Any] | None, records: int = 1) -> Attempt:
    """One state after so many records, with the source's count and the destination's."""
    attempt = Attempt("one")
    stats = {} if source is None else {"sourceStats": {"recordCount": source}}
    *_, sent = attempt.source(*[record("one")] * records, stream_state("one", **stats))
    attempt.echo(sent, **({} if destination is None else {"destinationStats": destination}))
    return attempt


@pytest.mark.parametrize(
    ("source", "destination", "found"),
    [
        pytest.param(1, None, (0, 0), id="l1"),
        pytest.param(2, None, (1, 0), id="l2"),
        pytest.param(None, None, (0, 0), id="l3"),
        pytest.param(None, 1, (0, 0), id="l4"),
        pytest.param(None, 2, (0, 1), id="l5"),
        pytest.param(1, 1, (0, 0), id="l6"),
        pytest.param(2, 1, (1, 0), id="l7"),
        pytest.param(2, 2, (1, 1), id="l8"),
    ],
)
def test_l1_to_l8_of_three_counts_the_one_that_differs_from_ours_is_wrong(
    source: int | None, destination: int | None, found: tuple[int, int]
) -> None:
    attempt = ran(source, None if destination is None else {"recordCount": destination})
    assert mismatches(attempt) == found
    assert bool(failed(attempt)) == (found != (0, 0))


def test_l2_a_source_that_miscounts_fails_only_where_its_owner_wants_that() -> None:
    attempt = ran(2, None)
    assert failed(attempt) == [(FailureOrigin.SOURCE, FailureType.COUNT_MISMATCH)]
    verdict = outcome(attempt.evidence(), [], Policy())
    assert (verdict.status, len(verdict.warnings)) == ("succeeded", 1)
    assert attempt.log.about("one", None) == [
        "count_mismatch: the source counted other records than the 1 that came for a state"
    ]


def test_l5_a_destination_that_miscounts_fails_whatever_its_owner_wants() -> None:
    attempt = ran(None, {"recordCount": 2})
    assert failed(attempt, Policy())[0] == (FailureOrigin.DESTINATION, FailureType.COUNT_MISMATCH)
    assert attempt.log.texts("ERROR") == ["count_mismatch: the destination counted other records than the 1 of a state"]


def test_l11_what_a_destination_rejected_it_has_counted() -> None:
    attempt = ran(10, {"recordCount": 9, "rejectedRecordCount": 1}, records=10)
    assert mismatches(attempt) == (0, 0)
    assert failed(attempt) == []


@pytest.mark.parametrize("count", [1.5, 0.999])
def test_a_part_of_a_record_is_none(count: float) -> None:
    assert mismatches(ran(None, {"recordCount": count})) == (0, 1)


def test_each_state_is_counted_for_its_stream_and_people_are_told_of_the_first() -> None:
    attempt = Attempt("one", "two")
    attempt.source(
        *(stream_state("one", {"c": n}, sourceStats={"recordCount": 7}) for n in range(3)),
        stream_state("two", {"c": 1}, sourceStats={"recordCount": 8}),
    )
    rows = attempt.ledger.counts(succeeded=False, ended=True)
    assert [row.source_stats_mismatches for row in rows] == [3, 1]
    assert attempt.evidence().source_stats_mismatches == 4
    assert len(attempt.log.texts("WARN")) == 2


def test_a_miscount_of_the_destination_is_its_streams() -> None:
    attempt = Attempt("one", "two")
    *_, sent = attempt.source(record("one"), stream_state("one"))
    attempt.echo(sent, destinationStats={"recordCount": 7})
    assert [row.destination_stats_mismatches for row in attempt.ledger.counts(succeeded=False, ended=True)] == [1, 0]


def test_counts_of_a_global_state_are_those_of_all_streams() -> None:
    attempt = Attempt("one", "two")
    *_, sent = attempt.source(record("one"), record("two"), global_state({"c": 1}, {}, sourceStats={"recordCount": 2}))
    attempt.echo(sent, destinationStats={"recordCount": 2})
    assert mismatches(attempt) == (0, 0)


# --- which state is spoken of ---


def test_l10_ids_that_a_source_gives_twice_are_ours_before_anyone_could_mistake_them() -> None:
    attempt = Attempt("one")
    _, first, _, _, second = attempt.source(
        record("one"),
        stream_state("one", {"c": 1}, id=5),
        record("one"),
        record("one"),
        stream_state("one", {"c": 2}, id=5),
    )
    assert [json.loads(each)["state"]["id"] for each in (first, second)] == [1, 2]
    attempt.echo(first, destinationStats={"recordCount": 1})
    attempt.echo(second, destinationStats={"recordCount": 2})
    assert (mismatches(attempt), attempt.counts()["one"]) == ((0, 0), (3, 3, 0))


def test_l10_which_of_two_states_that_look_alike_is_counted_is_not_known_without_an_id() -> None:
    """The destination skipped the first of them, and lost the id: it must not be blamed."""
    attempt = Attempt("one")
    attempt.source(
        record("one"), stream_state("one", {"c": 1}), record("one"), record("one"), stream_state("one", {"c": 1})
    )
    attempt.destination(stream_state("one", {"c": 1}, destinationStats={"recordCount": 3}))
    attempt.commit()
    assert mismatches(attempt) == (0, 0)
    (row,) = attempt.ledger.counts(succeeded=False, ended=True)
    assert (row.records_committed, row.commit_mean_s, row.commit_max_s) == (1, None, None)


def test_l10_with_an_id_it_is_known() -> None:
    attempt = Attempt("one")
    _, first, _ = attempt.source(record("one"), stream_state("one", {"c": 1}), stream_state("one", {"c": 1}))
    attempt.echo(first, destinationStats={"recordCount": 3})
    assert mismatches(attempt) == (0, 1)


# --- with a filter in between ---


def filtering(count: int | None, *, odd: int, others: int) -> tuple[Attempt, bytes]:
    """A stream of which only odd records go on, and the state after so many of them."""
    attempt = Attempt("one", routes=[Route(("one", None), ("one", None), mappers=(ODD,))])
    stats = {} if count is None else {"sourceStats": {"recordCount": count}}
    records = [record("one", {"odd": "yes"})] * odd + [record("one", {"odd": "no"})] * others
    *forwarded, state = attempt.source(*records, stream_state("one", **stats))
    assert len(forwarded) == odd
    return attempt, state


def told(state: bytes) -> Any:
    return json.loads(state)["state"]["sourceStats"]["recordCount"]


@pytest.mark.parametrize(
    ("given", "odd", "others", "count"),
    [
        pytest.param(None, 150, 0, 150, id="j3"),
        pytest.param(None, 140, 10, 140, id="j3-filtered"),
        pytest.param(200, 190, 10, 190, id="j4"),
        pytest.param(100, 75, 25, 75, id="j5"),
        pytest.param(100, 100, 0, 100, id="j5-none-filtered"),
        pytest.param(None, 0, 0, 0, id="j6"),
        pytest.param(3, 0, 5, 0, id="more-filtered-than-stated"),
    ],
)
def test_j3_to_j6_the_destination_is_told_of_what_went_on(given: int | None, odd: int, others: int, count: int) -> None:
    _, state = filtering(given, odd=odd, others=others)
    assert told(state) == count


def test_what_was_filtered_is_taken_off_once() -> None:
    """Upstream takes it off twice: it compares a reduced count of the source with one that was not."""
    attempt, state = filtering(10, odd=7, others=3)
    attempt.echo(state, destinationStats={"recordCount": 6, "rejectedRecordCount": 1})
    assert mismatches(attempt) == (0, 0)
    (row,) = attempt.ledger.counts(succeeded=False, ended=True)
    assert (row.records_emitted, row.records_filtered, row.records_rejected, row.records_committed) == (10, 3, 1, 6)
    assert (row.bytes_emitted, row.bytes_filtered, row.bytes_committed) == (7 * 13 + 3 * 12, 3 * 12, 7 * 13)
    assert attempt.evidence().records_filtered == 3
    assert failed(attempt) == []


@pytest.mark.parametrize("count", [7, 3])
def test_a_source_that_leaves_out_what_we_filter_has_miscounted(count: int) -> None:
    attempt, _ = filtering(count, odd=7, others=3)
    assert mismatches(attempt) == (1, 0)


@pytest.mark.parametrize("count", [10, 4])
def test_a_destination_that_counts_what_it_was_not_sent_has_miscounted(count: int) -> None:
    attempt, state = filtering(None, odd=7, others=3)
    attempt.echo(state, destinationStats={"recordCount": count})
    assert mismatches(attempt) == (0, 1)


def test_records_filtered_after_the_last_state_are_not_committed_but_count_as_filtered() -> None:
    attempt, state = filtering(None, odd=2, others=1)
    attempt.echo(state)
    attempt.source(record("one", {"odd": "no"}), record("one", {"odd": "yes"}))
    for succeeded, committed in ((False, 2), (True, 3)):
        (row,) = attempt.ledger.counts(succeeded=succeeded, ended=True)
        assert (row.records_emitted, row.records_filtered, row.records_committed) == (5, 2, committed)


def test_a_state_of_which_every_record_was_filtered_commits_none() -> None:
    attempt, state = filtering(5, odd=0, others=5)
    attempt.echo(state, destinationStats={"recordCount": 0})
    assert (mismatches(attempt), attempt.counts()["one"]) == ((0, 0), (5, 0, 0))


# --- rejected with a state of several streams ---


def test_k10_of_a_state_of_several_streams_nobody_knows_which_one_s_were_rejected() -> None:
    attempt = Attempt("one", "two")
    *_, sent = attempt.source(record("one"), record("two"), global_state({"c": 1}, {}))
    attempt.echo(sent, destinationStats={"recordCount": 1, "rejectedRecordCount": 1})
    assert attempt.counts() == {"one": (1, 1, 0), "two": (1, 1, 0)}
    assert attempt.evidence().records_rejected_undivided == 1


def test_k10_where_only_one_of_them_had_records_they_are_its() -> None:
    attempt = Attempt("one", "two")
    *_, sent = attempt.source(record("two"), global_state({"c": 1}, {}))
    attempt.echo(sent, destinationStats={"recordCount": 0, "rejectedRecordCount": 1})
    assert attempt.counts() == {"one": (0, 0, 0), "two": (1, 0, 1)}
    assert attempt.evidence().records_rejected_undivided == 0


def test_k21_more_rejected_than_sent_is_clamped_and_told() -> None:
    attempt = ran(None, {"rejectedRecordCount": 20}, records=14)
    assert attempt.counts()["one"] == (14, 0, 14)
    assert attempt.log.texts("WARN") == [
        "the destination rejected 20 records of a state that stands for 14, which are counted"
    ]
