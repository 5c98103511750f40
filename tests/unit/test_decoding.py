"""What each line is: the fast way over whole blocks and the careful way line by line agree."""

from __future__ import annotations

import json

import pytest
from airbyte_lines import Attempt, error, line, log, record, status, stream_state
from hypothesis import given
from hypothesis import strategies as st

from airbyte_workers.replication.decoding import (
    is_sound,
    is_utf8,
    looks_like_data,
    record_bytes,
    sniff_block,
    sniff_line,
)
from airbyte_workers.replication.lines import LineCutter

DEEP = b"[" * 5000 + b"]" * 5000


def spelt(data: bytes) -> bytes:
    return b'{"type":"RECORD","record":{"stream":"users","data":' + data + b',"emitted_at":1}}\n'


RECORDS = {
    "plain": record(),
    "type last": b'{"record":{"emitted_at":1,"data":{"id":1},"stream":"users"},"type":"RECORD"}\n',
    "spaces": b' { "type" : "RECORD" , "record" : { "stream" : "users" , "data" :  { } , "emitted_at" : 1 } } \n',
    "tabs": b'{\t"type":\t"RECORD","record":{"stream":"users","data":\t{}}}\t\n',
    "CRLF": record().replace(b"\n", b"\r\n"),
    "escaped letters": b'{"\\u0074ype":"\\u0052ECORD","record":{"stream":"users","data":{}}}\n',
    "unknown members": record(x_new={"a": [1]}, meta={"changes": []}),
    "duplicate keys": b'{"type":"LOG","record":5,"type":"RECORD","record":{"stream":"users","data":{}}}\n',
    "big number": spelt(b'{"n":9223372036854775808123,"d":1234567890.1234567890,"e":1e999}'),
    "unicode": spelt('{"n":"żółw 🐢"}'.encode()),
    "escaped pair": spelt(b'{"n":"\\ud83d\\udc22"}'),
    "lone surrogate": spelt(b'{"n":"\\ud83d"}'),
    "half pair, then text": spelt(b'{"n":"\\udc22abc"}'),
    "empty data": spelt(b"{}"),
    "twins of which the first is odd": b'{"type":"RECORD","record":{"stream":5,"stream":"users","data":{}}}\n',
    "half a pair and a number beyond all": spelt(b'{"n":"\\ud83d","d":1e999,"i":' + b"7" * 5000 + b"}"),
    "odd file": record(file_reference=5),
    "no emitted_at": b'{"type":"RECORD","record":{"stream":"users","data":{}}}\n',
}
NOT_RECORDS = {
    "truncated": record()[:-8] + b"\n",
    "truncated, type last": b'{"record":{"stream":"users","data":{"ssn":"1\n',
    "NaN": spelt(b'{"n":NaN}'),
    "Infinity": spelt(b'{"n":-Infinity}'),
    "invalid UTF-8": spelt(b'{"n":"\xc3\x28"}'),
    "raw control character": spelt(b'{"n":"\x01"}'),
    "trailing comma": spelt(b'{"n":1,}'),
    "data is no object": spelt(b"[1]"),
    "data is null": spelt(b"null"),
    "no data": b'{"type":"RECORD","record":{"stream":"users"}}\n',
    "no body": b'{"type":"RECORD"}\n',
    "empty body": b'{"type":"RECORD","record":{}}\n',
    "null body": b'{"type":"RECORD","record":null}\n',
    "no stream": b'{"type":"RECORD","record":{"data":{}}}\n',
    "null stream": b'{"type":"RECORD","record":{"stream":null,"data":{}}}\n',
    "two on a line": record().strip() + record(),
    "text before": b"INFO: " + record(),
    "text after": record().strip() + b" done\n",
    "too deep": spelt(b'{"n":' + DEEP + b"}"),
    "byte order mark": b"\xef\xbb\xbf" + record(),
    "escaped type, no data": b'{"\\u0074ype":"\\u0052ECORD","r\\u0065cord":{"stream":"users","data":null}}\n',
    "escaped type, no state": b'{"\\u0074ype":"\\u0053TATE","st\\u0061te":null}\n',
    "small letters": record().replace(b'"RECORD"', b'"record"'),
    "inside a list": b"[" + record().strip() + b"]\n",
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_is_recognised_however_it_is_spelt(name: str) -> None:
    attempt = Attempt()
    assert attempt.source(RECORDS[name]) == [RECORDS[name]]
    assert (attempt.counts()["users"][0], attempt.ledger.counters.malformed) == (1, 0)


@pytest.mark.parametrize("name", NOT_RECORDS)
def test_a_line_that_only_looks_like_a_record_is_dropped_and_counted(name: str) -> None:
    attempt = Attempt()
    assert attempt.source(NOT_RECORDS[name]) == []
    assert (attempt.counts()["users"][0], attempt.ledger.counters.malformed) == (0, 1)


@pytest.mark.parametrize("name", NOT_RECORDS)
def test_one_bad_line_costs_none_of_its_neighbours(name: str) -> None:
    attempt = Attempt()
    assert attempt.source(record(), NOT_RECORDS[name], record()) == [record(), record()]


@pytest.mark.parametrize("name", NOT_RECORDS)
def test_the_content_of_a_lost_record_stays_out_of_the_log(name: str) -> None:
    attempt = Attempt()
    attempt.source(NOT_RECORDS[name])
    (text,) = attempt.log.texts("WARN")
    assert text == f"dropped a malformed line of {len(NOT_RECORDS[name])} bytes that looks like a record or a state"


def test_two_messages_on_a_line_do_not_hide_behind_a_blank_one() -> None:
    """Two threads that print at once: as many messages as lines, but not one on each."""
    attempt = Attempt()
    block = record().strip() + record() + b"\n"
    assert sniff_block(block) is None
    assert attempt.source(block) == []
    assert attempt.ledger.counters.malformed == 1


def test_one_message_over_two_lines_does_not_hide_behind_two_on_one() -> None:
    attempt = Attempt()
    over_two = record().replace(b'"record":', b'"record":\n')
    block = record().strip() + record() + over_two
    assert sniff_block(block) is None
    assert attempt.source(block) == []
    assert attempt.ledger.counters.malformed == 2


@pytest.mark.parametrize("blank", [b"\n", b"\r\n", b"  \t\n"])
def test_blank_lines_are_nothing(blank: bytes) -> None:
    attempt = Attempt()
    assert attempt.source(blank, record(), blank, blank, record()) == [record(), record()]
    assert attempt.log.lines == []


@pytest.mark.parametrize(
    "text",
    [b"invalid line\n", b"[1, 2]\n", b"17\n", b'{"fish":"tuna"}\n', b'{ "type": "abc"}\n', b"{}\n", b"\xff\xfe\n"],
)
def test_what_is_no_message_becomes_a_log_line(text: bytes) -> None:
    attempt = Attempt()
    assert attempt.source(text) == []
    ((leg, level, said),) = attempt.log.lines
    assert (leg, level) == ("source", "DEBUG" if text in (b'{"fish":"tuna"}\n', b"{}\n") else "INFO")
    assert text.decode(errors="replace").strip() in said
    assert attempt.ledger.counters.malformed == 0


def test_deep_nesting_is_dropped_without_harm() -> None:
    assert sniff_line(DEEP + b"\n") is None
    assert sniff_block(DEEP + b"\n") is None


@pytest.mark.parametrize(
    ("data", "size"), [(b"{}", 2), (b'{"a":  1}', 9), ('{"a":"ż"}'.encode(), 10), (b'{"a":"\\u017c"}', 14)]
)
def test_a_records_size_is_that_of_its_data_as_it_stood(data: bytes, size: int) -> None:
    sniffed = sniff_line(spelt(data))
    assert sniffed is not None
    assert sniffed.record is not None
    assert record_bytes(sniffed.record) == size


def test_a_record_that_stands_for_a_file_has_the_files_size() -> None:
    sniffed = sniff_line(record(file_reference={"file_size_bytes": 12, "staging_file_url": "/a"}, file={"bytes": 11}))
    assert sniffed is not None
    assert sniffed.record is not None
    assert record_bytes(sniffed.record) == 12


@pytest.mark.parametrize("size", [5.0, -5, "5", True, 2**53, 10**30, {}, None])
def test_a_files_size_that_is_none_is_not_taken(size: object) -> None:
    sniffed = sniff_line(record(data={"a": 1}, file_reference={"file_size_bytes": size}))
    assert sniffed is not None
    assert sniffed.record is not None
    assert record_bytes(sniffed.record) == len(b'{"a":1}')


def test_a_record_that_only_the_second_parser_reads_has_its_size_as_it_stood() -> None:
    sniffed = sniff_line(spelt(b'{ "half" : "\\ud83d", "n": 1.10 }'))
    assert sniffed is not None
    assert sniffed.record is not None
    assert record_bytes(sniffed.record) == len(b'{ "half" : "\\ud83d", "n": 1.10 }')


@pytest.mark.parametrize("body", [b'{"stream":5,"data":{}}', b"5", b'{"stream":"users","data":5}'])
def test_the_record_in_a_message_of_another_type_is_not_looked_at(body: bytes) -> None:
    attempt = Attempt()
    attempt.source(b'{"type":"LOG","log":{"level":"WARN","message":"hello"},"record":' + body + b"}\n")
    assert attempt.log.lines == [("source", "WARN", "hello")]


def test_a_line_in_utf_16_is_no_message() -> None:
    attempt = Attempt()
    assert attempt.source(record().decode().strip().encode("utf-16-le") + b"\n") == []


def test_a_record_of_a_file_of_unknown_size_has_the_size_of_its_data() -> None:
    sniffed = sniff_line(record(data={}, file_reference={"staging_file_url": "/a"}))
    assert sniffed is not None
    assert sniffed.record is not None
    assert record_bytes(sniffed.record) == 2


def test_only_an_object_makes_a_sound_record() -> None:
    sound = sniff_line(spelt(b"{}"))
    unsound = sniff_line(spelt(b"5"))
    assert sound is not None
    assert unsound is not None
    assert is_sound(sound)
    assert not is_sound(unsound)


@pytest.mark.parametrize(
    ("text", "looks"),
    [
        (b'{"type":"RECORD"', True),
        (b'{ "TYPE" : "state", "state" : {}', True),
        (b'{"type":"record","name":"Avro","fields":[]}', False),
        (b'{"record": {"stream"', True),
        (b' {"state":{"type"', True),
        (b'log: {"record": 5}', False),
        (b'{"type":"LOG"}', False),
        (b'{"type":"RECORDS"}', False),
        (b'"record":{', False),
    ],
)
def test_what_looks_like_lost_data(text: bytes, looks: bool) -> None:
    assert looks_like_data(text) is looks


# --- the block path and the line path ---

odd_lines = st.sampled_from(
    [
        *RECORDS.values(),
        *NOT_RECORDS.values(),
        record("orders", {"a": "ż"}),
        record("orders", namespace="shop"),
        record("users", namespace=""),
        stream_state("users", {"c": 1}),
        stream_state("orders", {"c": 2}, sourceStats={"recordCount": 3}),
        stream_state("orders", {}, "shop", id=5),
        b'{"type":"STATE","state":{}, "state":{"type":"STREAM"}}\n',
        b'{"type":"STATE"}\n',
        status("users", "RUNNING"),
        status("orders", "COMPLETE"),
        error("broken", "users"),
        b'{"type":"TRACE"}\n',
        log("hello"),
        b'{"type":"LOG","log":{}}\n',
        line({"type": "CONTROL", "control": {}}),
        b"text\n",
        b"\n",
        b"\r\n",
        b'{"fish":"tuna"}\n',
        b'"record":\n',
        b'{"type":"RECORD","record":\n',
        b'{"stream":"users","data":{}}}\n',
    ]
)


def everything(attempt: Attempt, forwarded: list[bytes]) -> tuple[object, ...]:
    return (
        forwarded,
        attempt.counts(),
        attempt.evidence(),
        attempt.log.lines,
        attempt.failures,
        attempt.ledger.states.unacknowledged(),
    )


@given(st.lists(odd_lines, max_size=12), st.lists(st.integers(1, 400), max_size=12))
def test_how_lines_are_cut_into_blocks_changes_nothing(lines: list[bytes], sizes: list[int]) -> None:
    """One block, line by line, and blocks as chunks of any size make them: the same bytes, counts, states and log."""
    keys = ("users", "orders", ("orders", "shop"))
    whole, single, chunked = Attempt(*keys), Attempt(*keys), Attempt(*keys)
    data = b"".join(lines)
    expected = everything(whole, whole.source(data))
    assert (
        everything(single, [out for each in data.splitlines(keepends=True) for out in single.source(each)]) == expected
    )
    cutter = LineCutter(2**40)
    forwarded: list[bytes] = []
    for size in sizes:
        forwarded += chunked.source(cutter.feed(data[:size]))
        data = data[size:]
    forwarded += chunked.source(cutter.feed(data) + cutter.finish())
    assert everything(chunked, forwarded) == expected


@given(st.lists(odd_lines, max_size=12))
def test_whatever_goes_on_is_one_sound_message_a_line(lines: list[bytes]) -> None:
    attempt = Attempt("users", "orders", ("orders", "shop"))
    for out in attempt.source(*lines):
        assert json.loads(out, parse_int=float)["type"] in ("RECORD", "STATE")  # Python reads no longer integers


@pytest.mark.parametrize("character", ["ü", "€", "😀"])
def test_a_long_text_is_looked_at_in_pieces_that_may_cut_a_character(character: str) -> None:
    text = (character * 700_000).encode()
    for shift in range(5):
        assert is_utf8(b" " * shift + text)
        assert not is_utf8(b" " * shift + text[:-1])
        assert not is_utf8(b" " * shift + text + b"\xff")
