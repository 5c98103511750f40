"""What the kit takes down of connectors' lines, and what it gives a destination."""

from __future__ import annotations

import json
from typing import Any

from airbyte_workers.conformance import feed
from airbyte_workers.conformance.destination_notes import DestinationNotes
from airbyte_workers.conformance.hearing import Ear
from airbyte_workers.conformance.memory import Meter
from airbyte_workers.conformance.seen import Ended, Memory, ReadSeen, Talk
from airbyte_workers.conformance.source_notes import SourceNotes
from airbyte_workers.protocol.catalog import choose, read_catalog
from airbyte_workers.protocol.configs import config_problems
from airbyte_workers.redaction import Redactor
from airbyte_workers.replication.decoding import sniff_line
from airbyte_workers.replication.record_faults import StreamSchema
from airbyte_workers.replication.state_forms import StateKey

SECRET = "canary-1b7e"


def ear(leg: str = "source") -> Ear:
    return Ear(leg, Redactor([SECRET]))


def line(kind: str, **body: Any) -> bytes:
    return json.dumps({"type": kind, **body}).encode() + b"\n"


def record(stream: str, **data: Any) -> bytes:
    return line("RECORD", record={"stream": stream, "data": data, "emitted_at": 1})


def state(stream: str, value: Any, **more: Any) -> bytes:
    body = {"stream_descriptor": {"name": stream}, "stream_state": value}
    return line("STATE", state={"type": "STREAM", "stream": body, **more})


def status(stream: str, word: str) -> bytes:
    told = {"stream_descriptor": {"name": stream}, "status": word}
    return line("TRACE", trace={"type": "STREAM_STATUS", "emitted_at": 1, "stream_status": told})


def read(*lines: bytes, ears: Ear | None = None) -> ReadSeen:
    schema = {"type": "object", "properties": {"id": {"type": "integer"}}}
    streams = [{"name": name, "json_schema": schema, "supported_sync_modes": ["full_refresh"]} for name in ("a", "b")]
    catalog = choose(read_catalog(json.dumps({"streams": streams}).encode()), None, None)
    notes = SourceNotes(ears or ear(), catalog, looked_at=2)
    for second, each in enumerate(lines):
        notes.line(each, float(second))
    return notes.seen(Ended(), 0.0, talk_of(ears or ear()), None)


def talk_of(ears: Ear, stdout: int = 0) -> Talk:
    return ears.talk(stderr_bytes=0, stdout_bytes=stdout)


def test_records_are_counted_and_the_first_of_each_stream_looked_at() -> None:
    seen = read(record("a", id=1), record("a", id="x"), record("a", id="y"), record("b", id=1), record("c", id=1))
    assert {key: (each.records, each.checked, each.invalid) for key, each in seen.streams.items()} == {
        ("a", None): (3, 2, 1),
        ("b", None): (1, 1, 0),
    }
    assert seen.unknown == {"c (records)"}
    assert seen.records == 4


def test_the_longest_stretch_without_a_state_is_told_and_the_last_state_of_each_stream_kept() -> None:
    seen = read(
        *(record("a", id=number) for number in range(3)), state("a", 1), record("b", id=1), state("b", 2), state("b", 2)
    )
    assert (seen.states.count, seen.states.repeated, seen.states.most_records) == (3, 1, 3)
    assert seen.states.most_seconds == 3.0
    assert json.loads(seen.states.last[StateKey("STREAM", ("b", None))])["stream"]["stream_state"] == 2


def test_statuses_are_told_by_stream() -> None:
    seen = read(status("a", "STARTED"), status("a", "COMPLETE"), status("c", "STARTED"))
    assert seen.streams["a", None].statuses == ("STARTED", "COMPLETE")
    assert seen.unknown == {"c (a status)"}
    assert (seen.sends_statuses, seen.is_complete) == (True, False)


def test_what_is_no_message_is_told_apart_from_data_that_is_lost() -> None:
    ears = ear()
    read(
        f"starting with {SECRET}\n".encode(),
        b"\n",
        b'{"type":"RECORD","record":{"stream":"a","data":{"id":\n',
        line("STATE", state={"type": "STREAM"}),
        line("LOG", log={"level": "INFO", "message": "hello"}),
        line("TRACE", trace={"type": "ERROR", "error": {"message": f"no {SECRET}", "failure_type": "config_error"}}),
        ears=ears,
    )
    talk = talk_of(ears)
    assert (talk.junk, talk.lost, talk.logs) == (1, 2, 1)
    assert (talk.errors, talk.error_types) == (("no **********",), ("config_error",))
    assert talk.first_junk == "starting with **********"


def test_a_last_line_without_a_newline_is_noticed() -> None:
    whole, cut_off = ear(), ear()
    for each in (whole, cut_off):
        each.measure(b"four\n")
    assert talk_of(whole, 5).has_last_newline
    assert not talk_of(cut_off, 4).has_last_newline
    assert talk_of(whole, 5).longest_line == 4


# --- destinations ---


def given(*pieces: feed.Piece) -> DestinationNotes:
    notes = DestinationNotes(ear("destination"))
    for second, piece in enumerate(pieces):
        notes.give(piece, float(second))
    return notes


STATES = [piece for piece in feed.plain(2) if piece.state is not None]


def echoed(notes: DestinationNotes, *lines: bytes) -> list[tuple[int | None, bool, bool]]:
    for each in lines:
        notes.line(each, 9.0)
    return [(each.of, each.has_id, each.bare) for each in notes.echoes]


def without_id(piece: feed.Piece) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(piece.line)["state"]
    del body["id"]
    return body


def test_acknowledgements_are_matched_by_id_and_each_state_once() -> None:
    notes = given(*STATES)
    assert echoed(notes, STATES[1].line, STATES[1].line) == [(2, True, False), (None, True, False)]
    assert not notes.is_answered


def test_without_an_id_they_are_matched_by_content() -> None:
    notes = given(*STATES)
    lines = [line("STATE", state=without_id(each)) for each in STATES]
    assert echoed(notes, *lines) == [(number, False, False) for number in (1, 2, 3, 4)]
    assert notes.is_answered


def test_a_bare_state_is_an_acknowledgement() -> None:
    bare = without_id(STATES[0])
    assert echoed(given(*STATES), json.dumps(bare).encode() + b"\n") == [(1, False, True)]


def test_a_state_of_somebody_else_matches_none() -> None:
    assert echoed(given(*STATES), state("no_such_stream", 1, id=999)) == [(None, True, False)]


# --- what a destination is given ---


def test_the_feed_fits_its_own_catalog() -> None:
    schemas = {
        (each.stream.name, each.stream.namespace): StreamSchema(bytes(each.stream.json_schema))
        for each in feed.catalog(()).streams
    }
    kinds = []
    for piece in feed.plain():
        sniffed = sniff_line(piece.line)
        assert sniffed is not None
        kinds.append(sniffed.type)
        if sniffed.record is not None:
            data = json.loads(bytes(sniffed.record.data))
            assert schemas[sniffed.record.stream, sniffed.record.namespace].faults(data) == []
    assert kinds.count("RECORD") == feed.ROUNDS * feed.ROUND_RECORDS * len(feed.STREAMS)
    assert kinds.count("STATE") == feed.ROUNDS * len(feed.STREAMS)
    assert kinds[-2:] == ["TRACE", "TRACE"]


def test_the_feed_writes_in_a_mode_that_the_destination_lists() -> None:
    for listed, mode in {
        (): "append",
        ("overwrite", "append_dedup"): "overwrite",
        ("append_dedup",): "append_dedup",
    }.items():
        assert {each.destination_sync_mode for each in feed.catalog(listed).streams} == {mode}


def test_large_feeds_are_as_large_as_they_say() -> None:
    (largest,) = (piece for piece in feed.big(feed.MEGABYTE) if piece.records)
    assert feed.MEGABYTE < len(largest.line) < 1.01 * feed.MEGABYTE
    many = list(feed.many(100))
    assert sum(piece.records for piece in many) == 100
    numbers = [piece.state for piece in many if piece.state is not None]
    assert numbers == list(range(1, len(numbers) + 1))
    assert all(len(piece.line) > feed.MEMORY_RECORD_BYTES for piece in many if piece.records)


def test_no_two_states_of_a_stream_say_the_same() -> None:
    for pieces in (feed.plain(), feed.many(100), feed.big(10)):
        states = [piece.line for piece in pieces if piece.state is not None]
        assert len(set(states)) == len(states)


def test_a_schema_of_the_feed_is_one_that_configs_could_have() -> None:
    schema = json.loads(bytes(feed.catalog(()).streams[0].stream.json_schema))
    assert config_problems(schema, {}) == ()


# --- memory ---


def test_memory_is_compared_between_a_quarter_of_the_data_and_all_of_it() -> None:
    meter = Meter(lambda: 0)
    assert meter.memory(100) is None
    meter._peaks = [(0, 10), (20, 12), (26, 30), (90, 44)]
    assert meter.memory(100) == Memory(at_quarter=12, at_end=44, between=75)
    meter._peaks = [(60, 40), (90, 44)]
    assert meter.memory(100) == Memory(at_quarter=40, at_end=44, between=75)
