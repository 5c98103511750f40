"""Names in the destination and back (group H), and records on a route that changes them.

H9 is tested with H8. H10, an input that is not modified, cannot fail here: catalogs and messages are frozen values.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from airbyte_lines import Attempt, error, global_state, line, record, status, stream_state
from hypothesis import given
from hypothesis import strategies as st

from airbyte_workers.mappers.specs import MapperSpec
from airbyte_workers.protocol.streams import StreamKey
from airbyte_workers.replication.routes import Naming, Route, collisions

USERS: StreamKey = ("user_preferences", "source_namespace")
PLAIN: StreamKey = ("user_preferences", None)


def named(naming: Naming, *streams: StreamKey) -> Attempt:
    return Attempt(*streams, routes=[Route(each, naming.destination(each)) for each in streams])


def body(line: bytes) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(line)
    inner: dict[str, Any] = message[message["type"].lower()]
    return inner


# --- H: names ---

NAMINGS = [
    pytest.param(Naming("source", "", "output_"), USERS, ("output_user_preferences", "source_namespace"), id="h1"),
    pytest.param(Naming("source", "", "output_"), PLAIN, ("output_user_preferences", None), id="h2"),
    pytest.param(Naming("destination", "", "output_"), USERS, ("output_user_preferences", None), id="h3"),
    pytest.param(Naming("destination", "", "output_"), PLAIN, ("output_user_preferences", None), id="h4"),
    pytest.param(Naming("customformat", "output", "output_"), USERS, ("output_user_preferences", "output"), id="h5"),
    pytest.param(
        Naming("customformat", "${SOURCE_NAMESPACE}_out", "output_"),
        USERS,
        ("output_user_preferences", "source_namespace_out"),
        id="h6",
    ),
    pytest.param(Naming(), USERS, USERS, id="h7"),
    pytest.param(Naming("customformat", " ${SOURCE_NAMESPACE} ", ""), PLAIN, PLAIN, id="blank is none"),
]


@pytest.mark.parametrize(("naming", "stream", "expected"), NAMINGS)
def test_h1_to_h7_every_message_of_a_stream_has_the_same_new_name(
    naming: Naming, stream: StreamKey, expected: StreamKey
) -> None:
    attempt = named(naming, stream)
    name, namespace = stream
    told, state = attempt.source(record(name, namespace=namespace), stream_state(name, {"at": 1}, namespace))
    (complete,) = attempt.statuses()
    descriptor = body(state)["stream"]["stream_descriptor"]
    assert (body(told)["stream"], body(told).get("namespace")) == expected
    assert (descriptor["name"], descriptor.get("namespace")) == expected
    told_descriptor = complete["stream_descriptor"]
    assert (told_descriptor["name"], told_descriptor.get("namespace")) == expected


def test_h8_h9_an_echo_under_the_new_name_commits_the_states_of_the_sources_stream() -> None:
    attempt = named(Naming("customformat", "output", "output_"), USERS)
    _, state = attempt.source(record(*USERS[:1], namespace=USERS[1]), stream_state(USERS[0], {"at": 1}, USERS[1]))
    attempt.destination(state)
    batch = attempt.commit()
    assert batch is not None
    (commit,) = batch.commits
    assert commit.key.stream == USERS
    assert b"source_namespace" in (commit.state or b"")
    assert b"output" not in (commit.state or b"")


def test_an_echo_that_lost_its_id_is_known_under_the_new_name_too() -> None:
    attempt = named(Naming(prefix="output_"), USERS)
    (state,) = attempt.source(stream_state(USERS[0], {"at": 1}, USERS[1]))
    message = json.loads(state)
    del message["state"]["id"]
    attempt.destination(line(message))
    assert attempt.commit() is not None


def test_states_keep_every_byte_but_the_name() -> None:
    attempt = named(Naming(prefix="p_"), ("users", None))
    odd = b'{"state": {"type":"STREAM","stream":{"stream_state":{"n": 1.10, "big":9223372036854775808},"x":[ ],'
    odd += b'"stream_descriptor":{"name":"users", "own":1}},"sourceStats":{"recordCount":0.0}} ,"type":"STATE","y":2}\n'
    (told,) = attempt.source(odd)
    assert b'{"n": 1.10, "big":9223372036854775808}' in told
    assert b'"x":[ ]' in told
    assert b'"own":1' in told
    assert b'"name":"p_users"' in told
    assert b'"type":"STATE","y":2' in told


def test_global_states_are_not_renamed() -> None:
    attempt = named(Naming(prefix="p_"), ("users", None))
    (told,) = attempt.source(global_state({"at": 1}, {"users": {"at": 2}}))
    assert body(told)["global"]["stream_states"][0]["stream_descriptor"] == {"name": "users"}
    attempt.destination(told)
    assert attempt.commit() is not None


def test_an_empty_state_has_the_new_name_and_its_echo_proves_the_stream() -> None:
    attempt = named(Naming(prefix="p_"), ("users", None))
    attempt.source(record(), status("users", "COMPLETE"))
    (empty,) = attempt.empty_states()
    assert body(empty)["stream"]["stream_descriptor"] == {"name": "p_users"}
    attempt.echo(empty)
    assert attempt.counts() == {"users": (1, 1, 0)}


def test_an_error_of_the_destination_is_told_under_the_sources_name() -> None:
    attempt = named(Naming(prefix="p_"), ("users", None))
    attempt.destination(error(stream="p_users"))
    assert [failure.stream for failure in attempt.failures] == ["users"]


def test_records_of_streams_without_a_rule_go_on_byte_for_byte_beside_others() -> None:
    attempt = Attempt("users", "orders", routes=[Route(("users", None), ("p_users", None))])
    odd = b'{ "record":{"data":{"n": 1.10},"x":1, "stream":"orders"},"type" :"RECORD"}\n'
    told = attempt.source(odd, record("users"), odd)
    assert told[0] == told[2] == odd
    assert body(told[1])["stream"] == "p_users"
    assert attempt.evidence().records_forwarded == 3


def test_streams_that_would_become_one_are_found() -> None:
    naming = Naming("destination")
    (problem,) = collisions([Route(key, naming.destination(key)) for key in (("a", "x"), ("b", "x"), ("a", "y"))])
    assert problem.startswith("streams x.a and y.a both become a in the destination")


# --- data ---


def changed(*mappers: MapperSpec, fields: frozenset[str] | None = None) -> Attempt:
    return Attempt("users", routes=[Route(("users", None), ("users", None), fields, mappers)])


def test_i1_only_selected_fields_go_on_and_every_other_byte_stays() -> None:
    attempt = changed(fields=frozenset({"key", "value"}))
    odd = b'{"type": "RECORD","record":{"emitted_at":1700000000000,"stream":"users","data":{"id":1,'
    odd += b'"key": 9223372036854775808,"value":1234567890.1234567890,"unexpected":{}},"own":[ 1 ]}}\n'
    (told,) = attempt.source(odd)
    assert b'"data":{"key":9223372036854775808,"value":1234567890.1234567890}' in told
    assert b'"own":[ 1 ]' in told


def test_i4_without_a_selection_a_record_is_untouched() -> None:
    whole = record(data={"id": 1, "unexpected": {}})
    assert changed().source(whole) == [whole]


def test_o8_o20_a_record_that_a_row_filter_keeps_back_is_emitted_and_filtered() -> None:
    keep = MapperSpec(
        "row-filtering", {"conditions": {"type": "EQUAL", "fieldName": "status", "comparisonValue": "active"}}
    )
    attempt = changed(keep)
    told = attempt.source(record(data={"status": "active"}), record(data={"status": "gone"}), stream_state())
    assert [json.loads(each)["type"] for each in told] == ["RECORD", "STATE"]
    evidence = attempt.evidence()
    assert (evidence.records_emitted, evidence.records_filtered, evidence.records_forwarded) == (2, 1, 1)
    assert body(told[1])["sourceStats"]["recordCount"] == 1
    attempt.echo(told[1])
    assert attempt.counts() == {"users": (2, 1, 0)}


def test_a_value_that_cannot_be_changed_is_nulled_and_the_record_says_so() -> None:
    key = "2b7e151628aed2a6abf7158809cf4f3c"
    hide = MapperSpec(
        "encryption", {"algorithm": "AES", "targetField": "id", "key": key, "mode": "CBC", "padding": "NoPadding"}
    )
    noted = {"changes": [{"field": "x", "change": "TRUNCATED", "reason": "SOURCE_RETRIEVAL_ERROR"}], "own": 1}
    attempt = changed(hide)
    (told,) = attempt.source(record(data={"id": "not a block", "x": 1}, meta=noted))
    assert b"not a block" not in told
    assert len(body(told)["meta"]["changes"]) == 2
    assert body(told)["meta"]["changes"][1]["reason"] == "PLATFORM_SERIALIZATION_ERROR"
    assert body(told)["meta"]["own"] == 1
    assert attempt.evidence().values_nulled == 1


def test_a_record_with_half_a_surrogate_pair_is_changed_without_losing_it() -> None:
    rename = MapperSpec("field-renaming", {"originalFieldName": "a", "newFieldName": "b"})
    odd = b'{"type":"RECORD","record":{"stream":"users","data":{"a":"\\ud800","n":1.10,"\\udfff":2},"emitted_at":1}}\n'
    attempt = changed(rename)
    (told,) = attempt.source(odd)
    assert b'"b":"\\ud800"' in told
    assert b"1.10" in told
    assert json.loads(told)["record"]["data"] == {"b": "\ud800", "n": 1.1, "\udfff": 2}
    assert attempt.evidence().records_forwarded == 1


def test_what_the_source_noted_stays_beside_a_nulled_value_though_it_holds_half_a_surrogate_pair() -> None:
    hide = MapperSpec("hashing", {"targetField": "a", "method": "MD5"})
    noted = b'"meta":{"changes":[ {"field":"\\ud800"}, 1.10 ,[2,{"a":1,"a":2}]],"own":1}'
    odd = b'{"type":"RECORD","record":{"stream":"users","data":{"a":"\\udc22 x"},' + noted + b"}}\n"
    attempt = changed(hide)
    (told,) = attempt.source(odd)
    nulled = b'{"field":"a_hashed","change":"NULLED","reason":"PLATFORM_SERIALIZATION_ERROR"}'
    assert b'"changes":[{"field":"\\ud800"},1.10,[2,{"a":1,"a":2}],' + nulled + b"]" in told
    assert body(told)["meta"]["own"] == 1
    assert attempt.evidence().values_nulled == 1


@pytest.mark.parametrize("depth", range(960, 1010, 2))
def test_a_record_nested_to_any_depth_goes_on_or_is_malformed(depth: int) -> None:
    deep = b'{"type":"RECORD","record":{"stream":"users","data":{"a":%s1%s},"emitted_at":1}}\n'
    attempt = changed(fields=frozenset({"a"}))
    told = attempt.source(deep % (b"[" * depth, b"]" * depth))
    evidence = attempt.evidence()
    assert (len(told), evidence.records_emitted, evidence.malformed) in {(1, 1, 0), (0, 0, 1)}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=6), VALUES, max_size=6), st.sets(st.text(max_size=6), max_size=4))
def test_of_any_record_exactly_the_selected_fields_go_on(data: dict[str, Any], fields: set[str]) -> None:
    (told,) = changed(fields=frozenset(fields)).source(record(data=data))
    assert body(told)["data"] == {name: value for name, value in data.items() if name in fields}
