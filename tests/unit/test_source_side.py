"""The source's side of an attempt: what goes on, what is counted, what ends it (groups G, J and N as they apply).

Left out of G: G12 (the version is not looked for: all versions are read alike). Of J: J17 (statuses are sent unless
`stream_status: omit`, see decisions.md, "Messages", and the end-to-end tests). N is in test_stream_statuses.py, R4 of
connectors that are asked something in test_sidecar.py.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from airbyte_lines import (
    WELL,
    Attempt,
    error,
    global_state,
    legacy_state,
    line,
    log,
    record,
    status,
    stream_state,
)

from airbyte_workers.models import Ends, FailureOrigin, FailureType
from airbyte_workers.replication.ledger import MAX_FAILURES_KEPT, ReplicationFailed
from airbyte_workers.replication.traces import LOST_ERROR


def types(lines: list[bytes]) -> list[str]:
    return [json.loads(each)["type"] for each in lines]


# --- what goes on ---


def test_j1_records_go_on_byte_for_byte() -> None:
    odd = b'{ "record":{"data":{"n": 1.10},"x":1, "stream":"users"},"type" :"RECORD"}\n'
    assert Attempt().source(record(), odd) == [record(), odd]


def test_only_records_and_states_go_on() -> None:
    sent = Attempt().source(
        log("hello"),
        record(),
        status("users", "STARTED"),
        line({"type": "CONTROL", "control": {"type": "CONNECTOR_CONFIG", "emitted_at": 1}}),
        line({"type": "SPEC", "spec": {}}),
        line({"type": "CATALOG", "catalog": {"streams": []}}),
        b"text\n",
        stream_state(),
        error(),
    )
    assert types(sent) == ["RECORD", "STATE"]


@pytest.mark.parametrize("kind", ["SPEC", "CONNECTION_STATUS", "CATALOG", "DESTINATION_CATALOG"])
def test_a_source_that_answers_what_it_was_not_asked_is_passed_over_without_a_word(kind: str) -> None:
    attempt = Attempt()
    assert attempt.source(line({"type": kind})) == []
    assert attempt.log.lines == []


def test_a_message_of_a_type_that_nobody_knows_becomes_a_log_line() -> None:
    attempt = Attempt()
    assert attempt.source(b'{"type":"NEWS"}\n') == []
    assert attempt.log.lines == [("source", "INFO", 'Malformed non-Airbyte record: {"type":"NEWS"}')]


def test_the_order_of_records_and_states_stays() -> None:
    sent = Attempt("a", "b").source(
        record("a"), record("b"), stream_state("a"), log("x"), record("a"), stream_state("b")
    )
    assert types(sent) == ["RECORD", "RECORD", "STATE", "RECORD", "STATE"]


def test_a_record_with_a_very_long_value_goes_on() -> None:
    long = record(data={"text": "x" * 25_000_000})
    attempt = Attempt()
    assert attempt.source(long) == [long]
    assert attempt.counts()["users"] == (1, 0, 0)


@pytest.mark.parametrize("namespace", [None, ""])
def test_a_record_without_a_namespace_and_one_with_an_empty_one_are_of_one_stream(namespace: str | None) -> None:
    attempt = Attempt(("users", None))
    attempt.source(record(namespace=namespace))
    assert attempt.counts() == {"users": (1, 0, 0)}


def test_streams_of_one_name_in_two_namespaces_are_counted_apart() -> None:
    attempt = Attempt(("users", "a"), ("users", "b"))
    attempt.source(record(namespace="a"), record(namespace="b"), record(namespace="b"))
    assert [tracker.records for tracker in attempt.ledger.streams.values()] == [1, 2]


def test_bytes_are_those_of_the_data_as_it_stood() -> None:
    attempt = Attempt()
    attempt.source(record(data={"a": 1}), b'{"type":"RECORD","record":{"stream":"users","data":{"a":  1}}}\n')
    assert attempt.ledger.streams["users", None].bytes == 7 + 9


# --- what cannot be gone on with ---


@pytest.mark.parametrize("text", [record("orders"), record(namespace="other"), status("orders", "COMPLETE")])
def test_a_stream_that_is_not_in_the_catalog_ends_the_attempt(text: bytes) -> None:
    attempt = Attempt("users")
    with pytest.raises(ReplicationFailed) as caught:
        attempt.source(record(), text)
    failure = caught.value.failure
    assert (failure.origin, failure.type) == (FailureOrigin.SOURCE, FailureType.UNKNOWN_STREAM)
    assert "which is not in the configured catalog" in failure.message


@pytest.mark.parametrize("second", [global_state({}, {}), legacy_state({})])
def test_two_types_of_states_end_the_attempt(second: bytes) -> None:
    attempt = Attempt()
    with pytest.raises(ReplicationFailed) as caught:
        attempt.source(stream_state(), second)
    assert caught.value.failure.type is FailureType.MIXED_STATE_TYPES


# --- the log ---


@pytest.mark.parametrize("level", ["FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"])
def test_a_log_message_goes_to_the_jobs_log_at_its_own_level(level: str) -> None:
    attempt = Attempt()
    attempt.source(log("warning", level))
    assert attempt.log.lines == [("source", level, "warning")]


def test_a_stack_trace_follows_its_message() -> None:
    attempt = Attempt()
    attempt.source(log("oh", "ERROR", stack_trace="at a\nat b"))
    assert attempt.log.texts() == ["oh\nat a\nat b"]


def test_a_log_message_with_half_a_surrogate_pair_is_told() -> None:
    attempt = Attempt()
    attempt.source(b'{"type":"LOG","log":{"level":"WARN","message":"a\\ud800b"}}\n')
    assert attempt.log.lines == [("source", "WARN", "a?b")]


@pytest.mark.parametrize("body", [{}, {"level": "INFO"}, {"level": 5, "message": "x"}, {"message": None}])
def test_a_log_message_without_its_text_is_no_message(body: dict[str, Any]) -> None:
    attempt = Attempt()
    attempt.source(line({"type": "LOG", "log": body}))
    assert attempt.log.texts()[0].startswith("Malformed non-Airbyte record")


def test_a_malformed_line_that_could_hold_data_is_told_without_its_content() -> None:
    attempt = Attempt()
    attempt.source(b'{"type":"RECORD","record":{"stream":"users","data":{"ssn":"123"\n')
    assert "123" not in "".join(attempt.log.texts())


# --- states ---


def test_a_stated_count_that_differs_is_noticed_and_left_as_it_is() -> None:
    attempt = Attempt()
    (_, sent) = attempt.source(record(), stream_state(sourceStats={"recordCount": 2}))
    assert json.loads(sent)["state"]["sourceStats"] == {"recordCount": 2}
    assert attempt.evidence().source_stats_mismatches == 1


@pytest.mark.parametrize("stated", [{"recordCount": 1}, {"recordCount": 1.0}, {}, None])
def test_a_stated_count_that_agrees_or_is_absent_is_no_mismatch(stated: Any) -> None:
    attempt = Attempt()
    attempt.source(record(), stream_state(sourceStats=stated))
    assert attempt.evidence().source_stats_mismatches == 0


def test_a_global_state_speaks_for_every_stream() -> None:
    attempt = Attempt("a", "b")
    *_, sent = attempt.source(record("a"), record("b"), record("b"), global_state({}, {"a": {}}))
    assert json.loads(sent)["state"]["sourceStats"]["recordCount"] == 3


def test_a_state_of_one_stream_does_not_count_for_another() -> None:
    attempt = Attempt("a", "b")
    *_, sent = attempt.source(record("b"), stream_state("a"))
    assert json.loads(sent)["state"]["sourceStats"]["recordCount"] == 0


@pytest.mark.parametrize(
    "trouble", [error("broken", "a"), status("a", "INCOMPLETE")], ids=["error of a stream", "incomplete stream"]
)
def test_states_after_a_streams_trouble_are_held_back_and_those_of_others_go_on(trouble: bytes) -> None:
    attempt = Attempt("a", "b")
    sent = attempt.source(stream_state("a"), trouble, stream_state("a", {"c": 2}), stream_state("b"))
    assert [json.loads(each)["state"]["stream"]["stream_descriptor"]["name"] for each in sent] == ["a", "b"]
    assert [json.loads(each)["state"]["id"] for each in sent] == [1, 2]
    attempt.echo(*sent, stream_state("a", {"c": 2}))
    evidence = attempt.evidence()
    assert (evidence.states_held_back, evidence.states_committed, evidence.unmatched_acknowledgements) == (1, 2, 1)


@pytest.mark.parametrize("held", [stream_state("a"), stream_state("b"), global_state({}, {}), legacy_state({})])
def test_after_an_error_of_the_whole_source_every_state_is_held_back(held: bytes) -> None:
    attempt = Attempt("a", "b")
    assert attempt.source(error(), held) == []
    assert attempt.evidence().states_held_back == 1


@pytest.mark.parametrize("held", [global_state({}, {"b": {}}), legacy_state({})])
def test_a_state_that_speaks_for_all_is_held_back_when_one_stream_failed(held: bytes) -> None:
    attempt = Attempt("a", "b")
    assert attempt.source(error("broken", "a"), held) == []


def test_an_error_of_a_stream_that_nobody_knows_may_be_of_any_and_holds_back_every_state() -> None:
    attempt = Attempt(("a", "n"), "b")
    assert attempt.source(error("broken", "a"), stream_state("a", {}, "n"), stream_state("b")) == []
    assert attempt.evidence().states_held_back == 2


def test_what_was_staged_before_a_streams_trouble_is_still_committed() -> None:
    attempt = Attempt("a")
    record_sent, sent = attempt.source(record("a"), stream_state("a", {"c": 1}))
    assert attempt.source(error("broken", "a"), record("a"), stream_state("a", {"c": 2}))[1:] == []
    attempt.destination(record_sent, sent)
    batch = attempt.commit()
    assert batch is not None
    assert [commit.state for commit in batch.commits] == [
        b'{"type":"STREAM","stream":{"stream_descriptor":{"name":"a"},"stream_state":{"c":1}}}'
    ]
    assert attempt.counts() == {"a": (2, 1, 0)}


@pytest.mark.parametrize(
    "trouble", [error(), error("broken", "a"), status("a", "INCOMPLETE")], ids=["error", "error of a stream", "status"]
)
@pytest.mark.parametrize("after", [status("a", "RUNNING"), status("a", "COMPLETE"), record("a")])
def test_nothing_that_a_source_says_later_makes_good_a_streams_trouble(trouble: bytes, after: bytes) -> None:
    attempt = Attempt("a")
    sent = attempt.source(trouble, after, stream_state("a"))
    assert "STATE" not in types(sent)
    assert not attempt.ledger.read_to_the_end(WELL)


def test_a_state_after_a_dropped_record_is_held_back() -> None:
    attempt = Attempt("a")
    lost = record("a").replace(b'"id":1', b'"id":NaN')
    assert types(attempt.source(record("a"), lost, stream_state("a"))) == ["RECORD"]


def test_where_malformed_lines_are_accepted_states_go_on_after_them() -> None:
    attempt = Attempt("a", allow_malformed=True)
    lost = record("a").replace(b'"id":1', b'"id":NaN')
    assert types(attempt.source(lost, stream_state("a"))) == ["STATE"]


def test_records_after_an_error_still_go_on() -> None:
    assert types(Attempt().source(error(), record())) == ["RECORD"]


# --- the end ---


def test_a_stream_without_a_state_gets_an_empty_one_at_a_good_end() -> None:
    attempt = Attempt("a", ("b", "n"), "c")
    attempt.source(record("a"), record("c"), stream_state("c"))
    sent = [json.loads(each) for each in attempt.empty_states()]
    assert sent == [
        {
            "type": "STATE",
            "state": {
                "id": 2,
                "sourceStats": {"recordCount": 1},
                "type": "STREAM",
                "stream": {"stream_descriptor": {"name": "a"}, "stream_state": {}},
            },
        },
        {
            "type": "STATE",
            "state": {
                "id": 3,
                "sourceStats": {"recordCount": 0},
                "type": "STREAM",
                "stream": {"stream_descriptor": {"name": "b", "namespace": "n"}, "stream_state": {}},
            },
        },
    ]
    assert attempt.evidence().empty_states_sent == 2


@pytest.mark.parametrize("sent", [global_state({}, {"a": {}}), legacy_state({})])
def test_no_empty_state_where_one_state_speaks_for_all(sent: bytes) -> None:
    attempt = Attempt("a", "b")
    attempt.source(sent)
    assert attempt.empty_states() == []


def test_the_echo_of_an_empty_state_is_the_proof_and_is_not_stored() -> None:
    attempt = Attempt("a")
    attempt.source(record("a"))
    attempt.destination(*attempt.empty_states())
    batch = attempt.commit()
    assert batch is not None
    assert [commit.state for commit in batch.commits] == [None]
    assert attempt.counts()["a"] == (1, 1, 0)
    assert attempt.evidence().keys_unacknowledged == 0


def test_j15_one_complete_status_per_stream_in_the_catalogs_order_whatever_the_source_sent() -> None:
    attempt = Attempt("b", ("a", "n"), "c")
    attempt.source(
        status("c", "COMPLETE"), status("b", "COMPLETE"), status("b", "COMPLETE"), status("a", "COMPLETE", "n")
    )
    assert attempt.statuses() == [
        {"stream_descriptor": {"name": "b"}, "status": "COMPLETE"},
        {"stream_descriptor": {"name": "a", "namespace": "n"}, "status": "COMPLETE"},
        {"stream_descriptor": {"name": "c"}, "status": "COMPLETE"},
    ]


@pytest.mark.parametrize("namespace", [None, ""])
def test_j18_a_status_without_a_namespace_and_one_with_an_empty_one_are_the_same(namespace: str | None) -> None:
    attempt = Attempt(("users", None))
    attempt.source(status("users", "COMPLETE", namespace))
    assert attempt.evidence().completion == "reported"


@pytest.mark.parametrize(
    ("statuses", "exit_code", "completion", "not_complete", "incomplete"),
    [
        ([], 0, "inferred", (), ()),
        ([], 1, "missing", (), ()),
        ([], None, "missing", (), ()),
        ([("a", "COMPLETE"), ("b", "COMPLETE")], 0, "reported", (), ()),
        ([("a", "COMPLETE"), ("b", "COMPLETE")], 1, "reported", (), ()),
        ([("a", "COMPLETE")], 0, "missing", ("b",), ()),
        ([("a", "STARTED")], 0, "missing", ("a", "b"), ()),
        ([("a", "RUNNING"), ("a", "COMPLETE"), ("b", "STARTED")], 0, "missing", ("b",), ()),
        ([("a", "COMPLETE"), ("b", "INCOMPLETE")], 0, "missing", ("b",), ("b",)),
        ([("a", "INCOMPLETE"), ("a", "COMPLETE"), ("b", "COMPLETE")], 0, "reported", (), ("a",)),
    ],
)
def test_how_it_is_known_that_every_stream_was_read_to_its_end(
    statuses: list[tuple[str, str]],
    exit_code: int | None,
    completion: str,
    not_complete: tuple[str, ...],
    incomplete: tuple[str, ...],
) -> None:
    attempt = Attempt("a", "b")
    attempt.source(*(status(*each) for each in statuses))
    evidence = attempt.evidence(Ends(source_exit_code=exit_code))
    assert (evidence.completion, evidence.streams_not_complete, evidence.streams_incomplete) == (
        completion,
        not_complete,
        incomplete,
    )


def test_a_source_that_had_to_be_stopped_completed_nothing_unless_it_said_so() -> None:
    attempt = Attempt("a")
    forced = Ends(source_exit_code=0, source_forced=True)
    assert attempt.evidence(forced).completion == "missing"
    attempt.source(status("a", "COMPLETE"))
    assert attempt.evidence(forced).completion == "reported"


@pytest.mark.parametrize(
    ("said", "ends", "whether"),
    [
        ([], WELL, True),
        ([record("a"), stream_state("a")], WELL, True),
        ([status("a", "COMPLETE"), status("b", "COMPLETE")], WELL, True),
        ([status("a", "COMPLETE"), status("a", "COMPLETE"), status("b", "COMPLETE")], WELL, True),
        ([status("a", "COMPLETE")], WELL, False),
        ([status("a", "COMPLETE"), status("b", "RUNNING")], WELL, False),
        ([status("a", "COMPLETE"), status("b", "INCOMPLETE")], WELL, False),
        ([error()], WELL, False),
        ([error("broken", "a")], WELL, False),
        ([b'{"type":"RECORD","record":{"stream":"a","data":NaN}}\n'], WELL, False),
        ([], Ends(source_exit_code=1), False),
        ([], Ends(source_exit_code=None), False),
        ([], Ends(source_exit_code=0, source_stopped=True), False),
        ([], Ends(source_exit_code=0, source_forced=True), False),
        ([status("a", "COMPLETE"), status("b", "COMPLETE")], Ends(source_exit_code=143, source_forced=True), True),
    ],
)
def test_j16_the_destination_is_told_of_completion_only_after_a_good_end(
    said: list[bytes], ends: Ends, whether: bool
) -> None:
    """J16: after exit code 1, and after every other bad end, no status follows, and no empty state."""
    attempt = Attempt("a", "b")
    attempt.source(*said)
    assert attempt.ledger.read_to_the_end(ends) is whether


# --- error traces ---


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("config_error", FailureType.CONFIG_ERROR),
        ("transient_error", FailureType.TRANSIENT_ERROR),
        ("system_error", FailureType.SYSTEM_ERROR),
        (None, FailureType.SYSTEM_ERROR),
    ],
)
def test_an_error_trace_is_a_failure_of_its_type(given: str | None, kind: FailureType) -> None:
    attempt = Attempt()
    attempt.source(error("no luck", failure_type=given, internal_message="deep down"))
    (failure,) = attempt.failures
    assert (failure.origin, failure.type, failure.message, failure.internal_message) == (
        FailureOrigin.SOURCE,
        kind,
        "no luck",
        "deep down",
    )
    assert attempt.evidence().error_traces == 1


@pytest.mark.parametrize("namespace", [None, "n"])
def test_an_error_trace_says_which_stream(namespace: str | None) -> None:
    attempt = Attempt()
    named = {} if namespace is None else {"namespace": namespace}
    body = {"message": "no", "stream_descriptor": {"name": "users"} | named}
    attempt.source(line({"type": "TRACE", "trace": {"type": "ERROR", "error": body}}))
    assert [(failure.stream, failure.namespace) for failure in attempt.failures] == [("users", namespace)]


def test_what_failed_in_a_source_failed_while_it_read() -> None:
    attempt = Attempt()
    attempt.source(error())
    with pytest.raises(ReplicationFailed) as caught:
        attempt.source(record("orders"))
    assert [failure.command for failure in (*attempt.failures, caught.value.failure)] == ["read", "read"]


def test_the_stack_trace_of_an_error_is_in_the_log() -> None:
    attempt = Attempt()
    attempt.source(error("no luck", stack_trace="at a"))
    assert attempt.log.lines == [("source", "ERROR", "no luck\nat a")]


@pytest.mark.parametrize(
    "trace",
    [
        b'{"type":"ERROR"}',
        b'{"type":"ERROR","error":null}',
        b'{"type":"ERROR","error":{}}',
        b'{"type":"ERROR","error":"text"}',
        b'{"type":"ERROR","error":{"message":null}}',
        b'{"type":"ERROR","error":{"message":"a \\ud800"}}',
        b'{"type":"ERROR","error":{"message":"m","failure_type":5}}',
        b'{"type":"ERROR","error":{"message":"m","stream_descriptor":{}}}',
    ],
)
def test_an_error_trace_is_never_lost_however_it_is_spelt(trace: bytes) -> None:
    attempt = Attempt()
    attempt.source(b'{"type":"TRACE","trace":' + trace + b"}\n")
    assert len(attempt.failures) == attempt.evidence().error_traces == 1
    assert attempt.source(stream_state()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"type":"TRACE","trace":{"type":"ERROR","error":{"message":"k\xe9"}}}\n', "k\ufffd"),
        (b'{"type":"TRACE","trace":{"type":"ERROR","error":{"message":"cut o\n', LOST_ERROR),
        (b' {"trace": {"type" : "ERROR", "error": {}}, "type" : "TRACE"\n', LOST_ERROR),
    ],
)
def test_an_error_trace_that_is_not_even_json_or_text_is_not_lost_either(text: bytes, message: str) -> None:
    attempt = Attempt()
    assert attempt.source(text, stream_state()) == []
    assert [failure.message for failure in attempt.failures] == [message]
    assert attempt.evidence().error_traces == 1


@pytest.mark.parametrize(
    "text",
    [
        b'INFO sent {"type":"TRACE","trace":{"type":"ERROR"}}\n',
        b'{"type":"LOG","log":{"message":"\\"type\\":\\"TRACE\\" \\"type\\":\\"ERROR\\"\n',
        b'{"type":"TRACE","trace":{"type":"ANALYTICS","analytics":{"type":"x\n',
    ],
)
def test_a_line_that_only_speaks_of_errors_is_none(text: bytes) -> None:
    attempt = Attempt()
    attempt.source(text)
    assert attempt.failures == []


def test_an_odd_error_trace_with_a_number_beyond_all_is_not_lost() -> None:
    attempt = Attempt()
    body = b'{"message":"no luck","failure_type":5,"x":1e999}'
    attempt.source(b'{"\\u0074ype":"TRACE","trace":{"type":"ERROR","error":' + body + b"}}\n")
    assert [failure.message for failure in attempt.failures] == ["no luck"]


def test_of_a_flood_of_errors_some_are_kept_and_all_are_counted() -> None:
    attempt = Attempt()
    attempt.source(*[error()] * 500)
    assert len(attempt.failures) == MAX_FAILURES_KEPT
    assert attempt.evidence().error_traces == 500


@pytest.mark.parametrize("reasons", ["text", [7], [{"type": None}], [{"type": "X", "rate_limited": "soon"}]])
def test_a_streams_trouble_is_not_lost_for_an_odd_reason(reasons: Any) -> None:
    attempt = Attempt("a")
    assert attempt.source(status("a", "INCOMPLETE", reasons=reasons), stream_state("a")) == []
    assert attempt.evidence().streams_incomplete == ("a",)


@pytest.mark.parametrize("trace", [b"{}", b'{"type":5}', b"null", b'{"type":"STREAM_STATUS","stream_status":{}}'])
def test_a_trace_that_is_none_becomes_a_log_line(trace: bytes) -> None:
    attempt = Attempt()
    assert attempt.source(b'{"type":"TRACE","trace":' + trace + b"}\n") == []
    assert attempt.log.texts()[0].startswith("Malformed non-Airbyte record")


@pytest.mark.parametrize(
    "trace",
    [
        {"type": "ESTIMATE", "emitted_at": 1, "estimate": {"name": "users", "type": "STREAM", "row_estimate": 1}},
        {"type": "ANALYTICS", "emitted_at": 1, "analytics": {"type": "x", "value": "y"}},
    ],
)
def test_estimates_and_analytics_change_nothing(trace: dict[str, Any]) -> None:
    attempt = Attempt()
    assert attempt.source(line({"type": "TRACE", "trace": trace})) == []
    assert attempt.evidence(WELL) == Attempt().evidence(WELL)
