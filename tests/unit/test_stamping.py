"""STATE messages on their way: an id, a count where there is none, all other bytes as received (group J).

J3 to J6 with a filter in between are in test_checksums.py, J15 to J18 in test_source_side.py.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from airbyte_lines import Attempt, line, record, stream_state
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from airbyte_workers.replication.decoding import sniff_line
from airbyte_workers.replication.stamping import NotAState, read_state, stamp
from airbyte_workers.replication.statistics import Tally


def stamped(text: bytes, number: int = 7, records: int = 3) -> bytes:
    sniffed = sniff_line(text)
    assert sniffed is not None
    return stamp(text, sniffed.state, number, Tally(records))


def state_of(text: bytes) -> Any:
    return json.loads(text)["state"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            b'{"type":"STATE","state":{"type":"LEGACY","data":{"a": 1}}}\n',
            b'{"type":"STATE","state":{"id":7,"sourceStats":{"recordCount":3},"type":"LEGACY","data":{"a": 1}}}\n',
        ),
        (
            b'{"state": { "data":{} } , "type":"STATE"}\r\n',
            b'{"state": {"id":7,"sourceStats":{"recordCount":3}, "data":{} } , "type":"STATE"}\r\n',
        ),
        (b'{"type":"STATE","state":{}}\n', b'{"type":"STATE","state":{"id":7,"sourceStats":{"recordCount":3}}}\n'),
        (
            b'{"type":"STATE","state":{ "data": {"n":  1.10} ,"id" : 99, "sourceStats" :{ "x":[] }} }\n',
            b'{"type":"STATE","state":{ "data": {"n":  1.10} ,"id" : 7, "sourceStats" :{"recordCount":3, "x":[] }} }\n',
        ),
        (
            b'{"type":"STATE","state":{ "id":"mine", "sourceStats": { "recordCount" : null } }}\n',
            b'{"type":"STATE","state":{ "id":7, "sourceStats": { "recordCount" : 3 } }}\n',
        ),
        (
            b'{"type":"STATE","state":{ "sourceStats": null, "id": 5, "id": 6 } , "copy": { "id": 5 }}\n',
            b'{"type":"STATE","state":{ "sourceStats": {"recordCount":3}, "id": 7, "id": 7 } , "copy": { "id": 5 }}\n',
        ),
        (
            b'{"type": "STATE", "copy": {} , "state": {}}\n',
            b'{"type": "STATE", "copy": {} , "state": {"id":7,"sourceStats":{"recordCount":3}}}\n',
        ),
        (b'{"type":"STATE","state":{ }}\n', b'{"type":"STATE","state":{"id":7,"sourceStats":{"recordCount":3} }}\n'),
        (
            b'{"type":"STATE","state":{"data":{},"sourceStats":{"recordCount":200}}}\n',
            b'{"type":"STATE","state":{"id":7,"data":{},"sourceStats":{"recordCount":200}}}\n',
        ),
    ],
)
def test_j8_the_stamp_is_put_in_and_every_other_byte_stays(before: bytes, after: bytes) -> None:
    assert stamped(before) == after


@pytest.mark.parametrize(
    ("given_state", "count"),
    [
        ({"data": {}}, 3),
        ({"data": {}, "sourceStats": {"recordCount": 200}}, 200),
        ({"data": {}, "sourceStats": {"recordCount": 0}}, 0),
        ({"data": {}, "sourceStats": {}}, 3),
        ({"data": {}, "sourceStats": None}, 3),
        ({"data": {}, "sourceStats": {"recordCount": None}}, 3),
        ({"data": {}, "sourceStats": {"additionalStats": {"a": 1}}}, 3),
        ({"data": {}, "id": 99, "sourceStats": {"recordCount": 200}}, 200),
        ({"data": {}, "id": 99}, 3),
        ({"data": {}, "id": None}, 3),
        ({}, 3),
    ],
)
def test_j5_a_count_of_the_source_stays_and_a_missing_one_is_filled_in(given_state: dict[str, Any], count: int) -> None:
    state = state_of(stamped(line({"type": "STATE", "state": given_state})))
    assert state["sourceStats"]["recordCount"] == count
    assert state["id"] == 7


def test_other_statistics_of_the_source_stay_beside_the_count() -> None:
    state = state_of(stamped(line({"type": "STATE", "state": {"sourceStats": {"additionalStats": {"a": 1}}}})))
    assert state["sourceStats"] == {"additionalStats": {"a": 1}, "recordCount": 3}


def test_an_id_that_was_there_is_replaced_and_the_blob_stays_byte_for_byte() -> None:
    blob = b'{ "n": 1234567890.12345678901234567890, "d": [ 1 ] }'
    out = stamped(b'{"type":"STATE","state":{"id":99,"type":"LEGACY","data":' + blob + b"}}\n")
    assert blob in out
    assert out.count(b'"id"') == 1


@pytest.mark.parametrize(
    "text",
    [
        b'{"type":"STATE","state":{},"other":{}}\n',
        b'{"other":{},"type":"STATE","state":{},"more":[{}]}\n',
        b'{"type":"STATE","state":{"data":{}},"copy":{"state":{"data":{}}}}\n',
        b'{"type":"STATE","text":"\\"state\\":{}","state":{}}\n',
        b'{"type":"STATE","state":{},"state":{}}\n',
        b'{"type":"STATE","state":{"data":{"a":1}},"state":{}}\n',
        b'{"type":"STATE","st\\u0061te":{},"x":{}}\n',
    ],
)
def test_the_stamp_finds_its_place_though_the_same_bytes_stand_elsewhere(text: bytes) -> None:
    out = stamped(text)
    assert state_of(out)["id"] == 7
    assert json.loads(out) | {"state": 0} == json.loads(text) | {"state": 0}


def test_a_state_in_a_line_that_only_the_second_parser_reads_is_stamped_too() -> None:
    attempt = Attempt()
    (out,) = attempt.source(b'{"type":"STATE","x":"\\ud800","state":{ "data" : {"c": 1.10} }}\n')
    assert out == (
        b'{"type":"STATE","x":"\\ud800","state":{"id":1,"sourceStats":{"recordCount":0}, "data" : {"c": 1.10} }}\n'
    )


def test_a_state_with_half_a_surrogate_pair_in_it_is_refused_loudly() -> None:
    """No database could keep it: the sync fails instead of losing it."""
    attempt = Attempt()
    assert attempt.source(b'{"type":"STATE","state":{"type":"LEGACY","data":{"c":"\\ud800"}}}\n') == []
    assert attempt.ledger.counters.malformed == 1


@pytest.mark.parametrize("own", ['"mine"', "5.5", "true", "{}", "null"])
def test_whatever_id_a_source_gives_its_state_it_is_a_state(own: str) -> None:
    attempt = Attempt()
    (out,) = attempt.source(b'{"type":"STATE","state":{"data":{},"id":' + own.encode() + b"}}\n")
    assert state_of(out)["id"] == 1


@pytest.mark.parametrize("written", ["1.0", "1e0"])
def test_an_echo_whose_id_is_written_as_a_fraction_is_one(written: str) -> None:
    attempt = Attempt()
    attempt.source(stream_state(blob={"c": 1}))
    echo = stream_state(blob={"other": 2}, id=0).replace(b'"id":0', b'"id":' + written.encode())
    attempt.destination(echo)
    assert attempt.evidence().acknowledgements == 1


blobs = st.recursive(
    st.none() | st.integers() | st.sampled_from(["", "x", "ż", '"id":1', "{}", '{"id":7}']),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "id", "state"]), inner, max_size=3)
    ),
    max_leaves=6,
)
stats = st.sampled_from([{}, {"recordCount": 5}, {"recordCount": None}, {"x": 1}, {"recordCount": 0, "x": {}}])
states = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["LEGACY", None]),
        "data": blobs,
        "id": st.sampled_from([None, 0, 7, 2**80]),
        "sourceStats": stats | st.none(),
        "unknown": blobs,
    },
)


@given(
    state=states,
    around=st.dictionaries(st.sampled_from(["copy", "x", "record"]), blobs, max_size=2),
    order=st.randoms(use_true_random=False),
    separators=st.sampled_from([(",", ":"), (", ", ": "), (" ,  ", "\t:")]),
    same_again=st.booleans(),
)
def test_a_stamped_line_always_parses_and_carries_the_id(
    state: dict[str, Any], around: dict[str, Any], order: Any, separators: tuple[str, str], same_again: bool
) -> None:
    members = list(({"type": "STATE", "state": state} | around | ({"again": state} if same_again else {})).items())
    order.shuffle(members)
    members = [(name, member) for name, member in members if name != "record" or isinstance(member, dict | None)]
    text = json.dumps(dict(members), separators=separators).encode() + b"\n"
    sniffed = sniff_line(text)
    if sniffed is None:  # a `record` that is none
        return
    out = stamp(text, sniffed.state, 7, Tally(3))
    assert out.endswith(b"\n")
    assert out.count(b"\n") == 1
    new = json.loads(out)
    given_count = (state.get("sourceStats") or {}).get("recordCount")
    assert new["state"]["id"] == 7
    assert new["state"]["sourceStats"]["recordCount"] == (3 if given_count is None else given_count)
    for message in (old := json.loads(text), new):
        message["state"].pop("id", None)
        (message["state"].pop("sourceStats", None) or {}).pop("recordCount", None)
    assert old == new


@given(
    name=st.text(max_size=5),
    blob=blobs,
    separators=st.sampled_from([(",", ":"), (", ", ": ")]),
    counted=st.booleans(),
)
def test_a_state_without_an_id_gains_bytes_in_one_place_and_changes_nowhere(
    name: str, blob: Any, separators: tuple[str, str], counted: bool
) -> None:
    body = {"type": "STREAM", "stream": {"stream_descriptor": {"name": name}, "stream_state": blob}}
    if counted:
        body["sourceStats"] = {"recordCount": 12}
    text = json.dumps({"type": "STATE", "state": body}, separators=separators).encode() + b"\n"
    out = stamped(text)
    added = b'"id":7,' if counted else b'"id":7,"sourceStats":{"recordCount":3},'
    assert out.replace(added, b"", 1) == text
    assert len(out) == len(text) + len(added)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"5",
        b"[]",
        b'{"type":"STREAM"}',
        b'{"type":"STREAM","stream":null}',
        b'{"type":"STREAM","stream":{}}',
        b'{"type":"GLOBAL"}',
        b'{"type":"GLOBAL","global":{"shared_state":{}}}',
        b'{"type":"PARTITION","data":{}}',
        b'{"type":5}',
        b'{"type":"LEGACY","data":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_a_body_that_is_no_state_is_refused(body: bytes) -> None:
    with pytest.raises(NotAState):
        read_state(Raw(body))


@pytest.mark.parametrize("body", [b'"state":null', b'"state":{"type":"STREAM"}', b'"control":{}', b'"state":[]'])
def test_a_state_message_without_a_state_is_dropped_and_counted_as_malformed(body: bytes) -> None:
    attempt = Attempt()
    assert attempt.source(b'{"type":"STATE",' + body + b"}\n") == []
    assert attempt.ledger.counters.malformed == 1


@pytest.mark.parametrize("stated", [None, {}, {"recordCount": None}])
def test_j6_without_any_record_the_count_is_zero(stated: Any) -> None:
    attempt = Attempt()
    (sent,) = attempt.source(stream_state() if stated is None else stream_state(sourceStats=stated))
    assert state_of(sent)["sourceStats"] == {"recordCount": 0}


def test_j2_ids_count_up_from_one() -> None:
    attempt = Attempt()
    sent = attempt.source(*(stream_state(blob={"c": n}) for n in range(3)))
    assert [state_of(each)["id"] for each in sent] == [1, 2, 3]


def test_j3_the_count_is_that_of_the_stream_since_its_last_state() -> None:
    attempt = Attempt("users", "orders")
    sent = attempt.source(
        *[record()] * 2, record("orders"), stream_state(), *[record()] * 150, stream_state(), stream_state("orders")
    )
    counts = [state_of(each)["sourceStats"]["recordCount"] for each in sent if b'"STATE"' in each]
    assert counts == [2, 150, 1]
