"""Lines that a well-behaved source may send, in every spelling that JSON allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from tests.fuzz.json_pieces import FIELD_NAMES, HALF_PAIRS, ROW_VALUES, fields, plain, spelt, text, value
from tests.fuzz.plain_states import Key


@dataclass
class Source:
    """Who sends the lines: its streams, the one type of its states, and how far its cursor is."""

    streams: Sequence[Key]
    state_type: str
    cursor: int = 0


def line(dice: Random, kind: bytes, body: bytes | None, name: bytes) -> bytes:
    """A message as a line."""
    members = {b"type": b'"%s"' % kind} | ({} if body is None else {name: body})
    ending = b"\n" if dice.random() < 0.97 else dice.choice([b"\r\n", b" \n", b"\t\r\n"])
    return spelt(dice, members) + ending


def descriptor(dice: Random, key: Key) -> bytes:
    return spelt(dice, {b"name": text(key[0])} | namespace(dice, key))


def namespace(dice: Random, key: Key) -> dict[bytes, bytes]:
    """The namespace's member; of a stream without one, mostly none."""
    if key[1] is not None:
        return {b"namespace": text(key[1])}
    return {b"namespace": dice.choice([b"null", b'""'])} if dice.random() < 0.2 else {}


def record(dice: Random, source: Source) -> bytes:
    key = dice.choice(source.streams)
    data = fields(dice) if dice.random() < 0.9 else spelt(dice, {b"n": value(dice), b"t": value(dice)})
    body = {b"stream": text(key[0])} | namespace(dice, key) | {b"data": data, b"emitted_at": b"1700000000000"}
    if dice.random() < 0.04:
        body |= dice.choice(_MORE_OF_RECORDS)
    return line(dice, b"RECORD", spelt(dice, body), b"record")


_MORE_OF_RECORDS: list[dict[bytes, bytes]] = [
    {b"file_reference": b'{"file_size_bytes":12345,"staging_file_url":"/a"}'},
    {b"file_reference": b'{"staging_file_url":"/a"}'},
    {b"file_reference": b'{"file_size_bytes":null}'},
    {b"file_reference": b"null"},
    {b"file": b'{"bytes":11}'},
    {b"meta": b'{"changes":[{"field":"a","change":"NULLED","reason":"x"}]}'},
    {b"meta": b"{}", b"unknown": b"[1]"},
    {b"data": b"{}"},
    {b"data": b"{ }"},
    *({b"data": b'{"half": ' + each + b"}"} for each in HALF_PAIRS),
    {b"x": HALF_PAIRS[0]},
    {b"data": b'{"long":"' + b"x" * 3_000 + b'"}'},
]


def long_record(dice: Random, source: Source) -> bytes:
    """One in many: 100 KB."""
    size = 100_000 if dice.random() < 0.02 else 2_000
    key = dice.choice(source.streams)
    body = {b"stream": text(key[0])} | namespace(dice, key) | {b"data": b'{"t":"' + b"y" * size + b'"}'}
    return line(dice, b"RECORD", plain(body), b"record")


def row(dice: Random, source: Source) -> bytes:
    """A record with the fields that rules speak of: missing, null, nested, twice, with half a surrogate pair."""
    key, data = dice.choice(source.streams), [(text(name), dice.choice(ROW_VALUES)) for name in FIELD_NAMES]
    data = [each for each in data if dice.random() < 0.6]
    has_half = dice.random() < 0.15
    for _ in range(has_half + (dice.random() < 0.1)):
        twin = dice.choice(HALF_PAIRS if has_half else ROW_VALUES)
        data.insert(dice.randrange(len(data) + 1), (text(dice.choice(FIELD_NAMES)), twin))
    spaced = dice.random() < 0.1
    members = (b" , " if spaced else b",").join(name + b":" + b"  " * spaced + each for name, each in data)
    body = {b"stream": text(key[0])} | namespace(dice, key) | {b"data": b"{" + b" " * spaced + members + b"}"}
    if dice.random() < (0.6 if has_half else 0.03):
        body[b"meta"] = dice.choice(_METAS)
    return line(dice, b"RECORD", spelt(dice, body), b"record")


_METAS = [
    *(b"null", b"{}", b"[]", b"5", b'"changes"', b'{"changes":null}', b'{"changes":{}}', b'{"changes":[ ], "a": 1.10}'),
    b'{"changes":[{"field":"a","change":"NULLED","reason":"x"}]}',
    b'{ "changes" : [1.10, {"a":1,"a":2}, "\\u017c"], "changes": [ 2.50 ] , "b": {"a":1,"a":2}}',
    b'{"changes":[{"field":"\\ud800"}],"more":1}',
    b'{"\\ud800":1,"changes":["a"]}',
]


def state(dice: Random, source: Source) -> bytes:
    body = _blobs(dice, source)
    if dice.random() < 0.25:
        body |= dice.choice(_MORE_OF_STATES)
    return line(dice, b"STATE", spelt(dice, body), b"state")


def _blobs(dice: Random, source: Source) -> dict[bytes, bytes]:
    if source.state_type == "STREAM":
        return {b"type": b'"STREAM"', b"stream": _stream_state(dice, source, dice.choice(source.streams))}
    if source.state_type == "GLOBAL":
        keys = dice.sample(list(source.streams), dice.randrange(4))
        states = b"[" + b",".join(_stream_state(dice, source, key) for key in keys) + b"]"
        body = {b"shared_state": blob(dice, source), b"stream_states": states}
        return {b"type": b'"GLOBAL"', b"global": spelt(dice, body)}
    return dice.choice([{}, {b"type": b'"LEGACY"'}, {b"type": b"null"}]) | {b"data": blob(dice, source)}


def _stream_state(dice: Random, source: Source, key: Key) -> bytes:
    members = {b"stream_descriptor": descriptor(dice, key)}
    return spelt(dice, members | ({b"stream_state": blob(dice, source)} if dice.random() < 0.95 else {}))


def blob(dice: Random, source: Source) -> bytes:
    """What a source remembers; now and then the same again, or nothing."""
    source.cursor += dice.random() < 0.9
    if dice.random() < 0.8:
        return plain({b"cursor": b"%d" % source.cursor})
    return dice.choice([b"{}", b"null", fields(dice), value(dice), b'{ "c" : 1.0, "n": null }'])


_MORE_OF_STATES: list[dict[bytes, bytes]] = [
    {b"sourceStats": b'{"recordCount":3}'},
    {b"sourceStats": b'{ "recordCount" : 0.0 }'},
    {b"sourceStats": b'{"recordCount":null}'},
    {b"sourceStats": b'{"additionalStats":{"a":1}, "recordCount": null ,"b":[]}'},
    {b"sourceStats": b'{"additionalStats":{"a":1}}'},
    {b"sourceStats": b"{}"},
    {b"sourceStats": b"{ }"},
    {b"sourceStats": b"null"},
    {b"destinationStats": b'{"recordCount":1}'},
    {b"destinationStats": b"null"},
    {b"id": b"99"},
    {b"id": b"null", b"sourceStats": b'{"recordCount":1}'},
    {b"id": b'"mine"'},
    {b"id": b"5.5", b"sourceStats": b"{}"},
    {b"unknown": b'{ "a" : [1.10] }'},
    {b"data": b'{"legacy": true}'},
]


def log(dice: Random, source: Source) -> bytes:
    level = dice.choice(["FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"])
    body = {b"level": text(level), b"message": dice.choice([b'"hello"', b'"half \\ud800"', text("żółw")])}
    return line(dice, b"LOG", spelt(dice, body | ({b"stack_trace": b'"at a"'} if dice.random() < 0.1 else {})), b"log")


def status(dice: Random, source: Source) -> bytes:
    word = dice.choice(["STARTED", "RUNNING", "RUNNING", "COMPLETE"])
    body = {b"stream_descriptor": descriptor(dice, dice.choice(source.streams)), b"status": text(word)}
    if dice.random() < 0.3:
        body[b"reasons"] = dice.choice(_REASONS)
    trace = {b"type": b'"STREAM_STATUS"', b"emitted_at": b"1.0", b"stream_status": spelt(dice, body)}
    return line(dice, b"TRACE", spelt(dice, trace), b"trace")


def estimate(dice: Random, source: Source) -> bytes:
    """How much is to come of a stream, of one that nobody syncs, or of the whole sync."""
    key = dice.choice([*source.streams, ("unknown", None)])
    amounts = [b"0", b"17", b"1.5e3", b"-1", b"1e300", b"9007199254740992", b"9007199254740993", b"null"]
    body = {b"name": text(key[0])} | namespace(dice, key)
    body[b"type"] = b'"STREAM"' if dice.random() < 0.97 else dice.choice([b'"SYNC"', b'"NEWS"'])
    body |= {name: dice.choice(amounts) for name in (b"row_estimate", b"byte_estimate") if dice.random() < 0.8}
    trace = {b"type": b'"ESTIMATE"', b"emitted_at": b"1", b"estimate": spelt(dice, body)}
    return line(dice, b"TRACE", spelt(dice, trace), b"trace")


_REASONS = [
    b"null",
    b"[]",
    b'[{"type":"RATE_LIMITED"}]',
    b'[{"type":"RATE_LIMITED","rate_limited":{"quota_reset":1700000000000}}]',
    b'[{"type":"RATE_LIMITED","rate_limited":{"quota_reset":1.7e12}}]',
    b'[{"type":"RATE_LIMITED","rate_limited":{"quota_reset":-1}}]',
    b'[{"type":"RATE_LIMITED","rate_limited":{"quota_reset":1e300}}]',
    b'[{"type":"RATE_LIMITED"},{"type":"OTHER"}]',
]


def small_talk(dice: Random, source: Source) -> bytes:
    """What means nothing to a sync, or only to people."""
    return dice.choice(_SMALL_TALK)


_SMALL_TALK = [
    b"plain text\n",
    b"\n",
    b"  \t\r\n",
    b'{"type":"CONTROL","control":{"type":"CONNECTOR_CONFIG","emitted_at":1,"connectorConfig":{"config":{}}}}\n',
    b'{"type":"SPEC","spec":{"connectionSpecification":{}}}\n',
    b'{"type":"CATALOG","catalog":{"streams":[]}}\n',
    b'{"type":"CONNECTION_STATUS","connectionStatus":{"status":"SUCCEEDED"}}\n',
    b'{"type":"DESTINATION_CATALOG"}\n',
    b'{"type":"TRACE","trace":{"type":"ANALYTICS","emitted_at":1,"analytics":{"type":"x","value":"y"}}}\n',
    b'{"type":"TRACE","trace":{"type":"ESTIMATE","emitted_at":1,"estimate":{"name":"users","type":"STREAM","row_estimate":1}}}\n',
]
OTHERS = (long_record, log, status, estimate, small_talk)
