"""The protocol's messages as values: nothing that a connector wrote is lost on the way through them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from airbyte_workers.protocol.messages import (
    ABSENT,
    Catalog,
    ConfiguredCatalog,
    GlobalState,
    Log,
    Message,
    State,
    Stream,
    StreamDescriptor,
    StreamState,
    Trace,
    parse,
    serialise,
)

HUGE = 12345678901234567890123456789
STREAM = {
    "name": "users",
    "json_schema": {"type": "object"},
    "supported_sync_modes": ["full_refresh", "incremental"],
    "source_defined_cursor": True,
    "default_cursor_field": ["updated_at"],
    "source_defined_primary_key": [["id"]],
    "namespace": "public",
    "is_resumable": False,
    "is_file_based": False,
}
STREAM_STATE = {"stream_descriptor": {"name": "users", "namespace": "public"}, "stream_state": {"cursor": HUGE}}
BODIES: dict[str, tuple[type[Message], dict[str, Any]]] = {
    "state of a stream": (
        State,
        {
            "type": "STREAM",
            "stream": STREAM_STATE,
            "id": 7,
            "sourceStats": {"recordCount": 3},
            "destinationStats": {"recordCount": 2, "rejectedRecordCount": 1},
        },
    ),
    "global state": (
        State,
        {"type": "GLOBAL", "global": {"shared_state": {"lsn": 5}, "stream_states": [STREAM_STATE]}},
    ),
    "legacy state": (State, {"data": {"cursor": "2024-01-01"}}),
    "log": (Log, {"level": "WARN", "message": "careful", "stack_trace": "at a"}),
    "error trace": (
        Trace,
        {
            "type": "ERROR",
            "emitted_at": 1.5,
            "error": {
                "message": "no",
                "internal_message": "why",
                "stack_trace": "at b",
                "failure_type": "config_error",
                "stream_descriptor": {"name": "users"},
            },
        },
    ),
    "estimate trace": (
        Trace,
        {
            "type": "ESTIMATE",
            "emitted_at": 1,
            "estimate": {
                "name": "users",
                "type": "STREAM",
                "namespace": "public",
                "row_estimate": 9,
                "byte_estimate": 8,
            },
        },
    ),
    "status trace": (
        Trace,
        {
            "type": "STREAM_STATUS",
            "emitted_at": 1,
            "stream_status": {
                "stream_descriptor": {"name": "users"},
                "status": "RUNNING",
                "reasons": [{"type": "RATE_LIMITED", "rate_limited": {"quota_reset": 456}}],
            },
        },
    ),
    "analytics trace": (Trace, {"type": "ANALYTICS", "emitted_at": 1, "analytics": {"type": "db", "value": "14"}}),
    "catalog": (Catalog, {"streams": [STREAM]}),
    "configured catalog": (
        ConfiguredCatalog,
        {
            "streams": [
                {
                    "stream": STREAM,
                    "sync_mode": "incremental",
                    "destination_sync_mode": "append_dedup",
                    "cursor_field": ["updated_at"],
                    "primary_key": [["id"]],
                    "destination_object_name": "people",
                    "generation_id": 3,
                    "minimum_generation_id": 2,
                    "sync_id": 12,
                    "include_files": False,
                }
            ]
        },
    ),
}


def exactly(raw: bytes) -> Any:
    """JSON in which no digit is lost."""
    return json.loads(raw, parse_float=Decimal)


def with_strangers(value: Any) -> Any:
    """The same with a member nobody knows in every object."""
    if isinstance(value, list):
        return [with_strangers(item) for item in value]
    if isinstance(value, dict):
        return {name: with_strangers(member) for name, member in value.items()} | {"x-new": {"n": HUGE}}
    return value


@pytest.mark.parametrize("name", BODIES)
def test_a_message_comes_out_as_it_went_in(name: str) -> None:
    kind, body = BODIES[name]
    raw = json.dumps(body).encode()
    assert exactly(serialise(parse(kind, raw))) == exactly(raw)


@pytest.mark.parametrize("name", BODIES)
def test_unknown_members_are_kept_at_every_level(name: str) -> None:
    kind, body = BODIES[name]
    raw = json.dumps(with_strangers(body)).encode()
    assert exactly(serialise(parse(kind, raw))) == exactly(raw)


@pytest.mark.parametrize(
    "number", ["9223372036854775808", "1234567890.1234567890", "1e400", "0.10", "-0.0", "1" * 5000, "1E+2"]
)
def test_big_numbers_keep_every_digit(number: str) -> None:
    raw = b'{"data":{"n": %s}}' % number.encode()
    parsed = parse(State, raw)
    assert bytes(parsed.data) == b'{"n": %s}' % number.encode()
    assert serialise(parsed) == raw


def test_counts_of_states_keep_every_digit_too() -> None:
    raw = b'{"type":"LEGACY","sourceStats":{"recordCount":9007199254740993}}'
    assert serialise(parse(State, raw)) == raw


blobs = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)


@given(
    blob=blobs,
    indent=st.sampled_from([None, 1, 3]),
    separators=st.sampled_from([(",", ":"), (" , ", " : "), (",", ":\t")]),
)
def test_a_blob_is_kept_byte_for_byte(blob: Any, indent: int | None, separators: tuple[str, str]) -> None:
    text = json.dumps({"blob": blob}, indent=indent, separators=separators).encode()
    raw = b'{"stream_descriptor":{"name":"s"},"stream_state":' + text + b"}"
    parsed = parse(StreamState, raw)
    assert bytes(parsed.stream_state) == text
    assert serialise(parsed) == raw


def test_an_absent_blob_and_a_null_one_differ() -> None:
    absent = parse(StreamState, b'{"stream_descriptor":{"name":"s"}}')
    null = parse(StreamState, b'{"stream_descriptor":{"name":"s"},"stream_state":null}')
    assert absent.stream_state == ABSENT
    assert serialise(absent) == b'{"stream_descriptor":{"name":"s"}}'
    assert bytes(null.stream_state) == b"null"


def test_a_member_that_is_null_is_the_same_as_one_that_is_absent() -> None:
    assert serialise(parse(StreamDescriptor, b'{"name":"s","namespace":null}')) == b'{"name":"s"}'


def test_the_mixed_spelling_of_the_protocol_is_kept() -> None:
    state = State(type="GLOBAL", global_=GlobalState(stream_states=[], shared_state=Raw(b"1")))
    assert json.loads(serialise(state)) == {"type": "GLOBAL", "global": {"shared_state": 1, "stream_states": []}}


@pytest.mark.parametrize(
    ("kind", "raw", "where"),
    [
        (Stream, b'{"name":"s"}', "json_schema"),
        (Stream, b'{"json_schema":{}}', "name"),
        (Trace, b"{}", "type"),
        (StreamState, b'{"stream_descriptor":{"name":{"secret":"hunter2"}}}', "$.stream_descriptor.name"),
    ],
)
def test_what_the_protocol_requires_is_required_and_no_value_is_told(kind: Any, raw: bytes, where: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        parse(kind, raw)
    assert where in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_of_a_member_given_twice_the_last_one_counts() -> None:
    assert parse(StreamDescriptor, b'{"name":"a","name":"b"}').name == "b"
