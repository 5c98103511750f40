"""Blocks judged as a whole: only those in which the longer way would find the same."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_workers.replication.decoding import is_sound, lines_of, record_bytes, sniff_line
from airbyte_workers.replication.uniform import Called, UniformBlocks

MOMENT = 1_795_719_402_454
STATE = b'{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"users"}}}}\n'


def record(data: object = None, stream: str = "users", at: object = MOMENT, **more: object) -> bytes:
    body = {"stream": stream, "data": {"id": 1} if data is None else data, "emitted_at": at, **more}
    return json.dumps({"type": "RECORD", "record": body}, separators=(",", ":")).encode() + b"\n"


def known(called: Called) -> bool:
    return called[0] == "users"


def new() -> UniformBlocks:
    return UniformBlocks(known)


def taken(block: bytes, blocks: UniformBlocks | None = None) -> list[tuple[bytes, int | None]]:
    """Each piece with the number of its records; None where the longer way must go on."""
    pieces = (blocks or new()).pieces(block)
    return [(piece, None if uniform is None else len(uniform.messages)) for piece, uniform in pieces]


@pytest.mark.parametrize(
    "line",
    [
        record(),
        record({"a": {"b": [1, {"c": "}\n{"}]}, "ü": "ÿ"}),
        record(namespace="public"),
        record().replace(b"1}", b"1,\xc3\xbc:".replace(b"\xc3\xbc:", b'"\xc3\xbc":2}')),
        record(meta={"changes": []}),
        record(at=MOMENT * 1_000_000),
        json.dumps(json.loads(record())).encode() + b"\n",
        b'{"record":{"stream":"users","data":{},"emitted_at":1795719402454},"type":"RECORD"}\n',
    ],
)
def test_records_that_begin_alike_are_taken_whole(line: bytes) -> None:
    assert taken(line * 3) == [(line * 3, 3)]


@pytest.mark.parametrize(
    "line",
    [
        record(stream="others"),
        record(at=5),
        record(data=[]),
        record(file_reference={"file_size_bytes": 7}),
        record(file={"bytes": 7}),
        record().replace(b'"emitted_at"', b'"data":5,"emitted_at"'),
        record().replace(b"RECORD", b"TRACE"),
        record().replace(b'{"id":1}', b'{"id":\n1}'),
        record().replace(b'{"id":1}', b'{"id":"\n"}'),
        record().replace(b'{"id":1}', b'{"id":"\xff"}'),
        record().replace(b'"emitted_at"', b'\n"emitted_at"'),
        record().replace(b'"record"', b'\n"record"'),
        record()[:-1],
        b"\n" + record(),
        b" " + record(),
        record()[:-1] + b" \n",
        record()[:-1] + b"\r\n",
        b'{"a":' * 2000 + b"1" + b"}" * 2000 + b"\n",
        b"not json\n",
        b"",
    ],
)
def test_one_line_that_is_no_such_record_sends_the_block_the_longer_way(line: bytes) -> None:
    block = record() + line + record()
    if line.strip():
        assert taken(block)[0][1] is None
    assert all(count is None for _, count in taken(line * 2))


def test_a_newline_cannot_hide_behind_a_shorter_message() -> None:
    """As many bytes as the records need, but on other lines."""
    broken = record(at=MOMENT * 10).replace(b'"record"', b'\n"record"')
    shorter = record(at=MOMENT // 10)
    block = record() + broken + shorter + shorter + record()
    assert taken(block)[0][1] is None


def test_states_are_cut_out_of_a_block_and_their_place_is_kept() -> None:
    blocks = new()
    block = record() * 2 + STATE + STATE + record() * 3 + STATE
    expected = [(record() * 2, 2), (STATE, None), (STATE, None), (record() * 3, 3), (STATE, None)]
    assert taken(block, blocks) == expected
    assert taken(STATE + record(), blocks) == [(STATE, None), (record(), 1)]
    assert taken(record() * 2, blocks) == [(record() * 2, 2)]


def test_states_are_cut_out_where_the_source_writes_spaces_too() -> None:
    line, state = (json.dumps(json.loads(each)).encode() + b"\n" for each in (record(), STATE))
    assert taken(line + state + line) == [(line, 1), (state, None), (line, 1)]


def test_a_source_that_spells_every_record_anew_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airbyte_workers.replication.uniform._SPELLINGS", 1)
    blocks = new()
    for spaces in range(20):
        line = record().replace(b'"data":', b'"data":' + b" " * spaces)
        assert taken(line * 2, blocks) == [(line * 2, 2)]
    assert len(blocks._spellings) <= 5


def test_blocks_that_are_no_use_are_tried_less_and_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks, tried = new(), []
    read = UniformBlocks._read
    monkeypatch.setattr(UniformBlocks, "_read", lambda self, block: tried.append(number) or read(self, block))
    mixed = record() + b"a word\n" + record()
    for number in range(40):  # noqa: B007  # what is noted of a try
        assert taken(mixed, blocks) == [(mixed, None)]
    assert tried == [0, 2, 6, 14, 30]
    number = 46
    assert [taken(record(), blocks)[0][1] for _ in range(8)] == [None] * 6 + [1, 1]


def test_a_stream_with_rules_is_asked_for_once() -> None:
    asked: list[Called] = []
    blocks = UniformBlocks(lambda called: bool(asked.append(called)))
    for _ in range(50):
        assert taken(record(), blocks) == [(record(), None)]
    assert asked == [("users", None)]


LINES = st.sampled_from([record(), record({"a": "}\n{", "b": [{}]}), record(at=MOMENT * 10), record({}), STATE])
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from([b"", b"\n", b" ", b"}", b"{", b'"', b"\xff", b'"data":1,', b"\r"])),
    max_size=3,
)


@given(st.lists(LINES, min_size=1, max_size=8), EDITS)
def test_the_longer_way_would_find_the_same(lines: list[bytes], edits: list[tuple[float, bytes]]) -> None:
    block = b"".join(lines)
    for where, new_bytes in edits:
        at = int(where * (len(block) - 1))
        block = block[:at] + new_bytes + block[at + (not new_bytes) :]
    block = block if block.endswith(b"\n") else block + b"\n"
    pieces = list(new().pieces(block))
    assert b"".join(piece for piece, _ in pieces) == block
    for piece, uniform in pieces:
        if uniform is None:
            continue
        sniffed = [sniff_line(line) for line in lines_of(piece)]
        records = [each.record for each in sniffed if each is not None and each.type == "RECORD" and is_sound(each)]
        assert len(sniffed) == len(uniform.messages) == len(records)
        assert {(each.stream, each.namespace) for each in records if each is not None} == {uniform.called}
        assert sum(record_bytes(each) for each in records if each is not None) == uniform.size
