"""Lines that no source should send: broken ones, odd ones, and those that end an attempt."""

from __future__ import annotations

from random import Random

from tests.fuzz.json_pieces import UNSOUND_VALUES, plain, spelt, text, value
from tests.fuzz.sound_lines import Source, descriptor, line, log, namespace, record, state

BOM = b"\xef\xbb\xbf"
INSERTS = [b"\x00", b"\xff", b'"', b"{", b"}", b"\n", b"\r", b" ", b",", b"\\", BOM, b"NaN", b'"a":1,', b"\xc3"]


def unsound_record(dice: Random, source: Source) -> bytes:
    """A record with one value in it that is no JSON."""
    key = dice.choice(source.streams)
    data = plain({b"a": value(dice), b"b": dice.choice(UNSOUND_VALUES)})
    body = {b"stream": text(key[0])} | namespace(dice, key) | {b"data": data}
    return line(dice, b"RECORD", spelt(dice, body), b"record")


def odd_record(dice: Random, source: Source) -> bytes:
    """JSON, but no record, or only nearly."""
    key = dice.choice(source.streams)
    sound = {b"stream": text(key[0])} | namespace(dice, key) | {b"data": b'{ "a": 1}'}
    return line(dice, b"RECORD", spelt(dice, sound | dice.choice(_ODD_BODIES)), b"record")


_ODD_BODIES: list[dict[bytes, bytes]] = [
    *({b"data": each} for each in (b"null", b"[]", b"5", b'"x"', b"true")),
    *({b"stream": each} for each in (b"null", b"5", b"{}")),
    *({b"namespace": each} for each in (b"5", b"[]", b"{}")),
    *({b"file_reference": each} for each in (b"5", b"[]", b'"x"')),
    *(
        {b"file_reference": b'{"file_size_bytes":' + each + b"}"}
        for each in (b'"5"', b"5.0", b"-5", b"true", b"9" * 30, b"{}")
    ),
]


def odd_state(dice: Random, source: Source) -> bytes:
    body = dice.choice(_ODD_STATES)
    return line(dice, b"STATE", body, b"state")


_ODD_STATES = [
    None,
    b"null",
    b"5",
    b"[]",
    b'{"type":"STREAM"}',
    b'{"type":"STREAM","stream":{}}',
    b'{"type":"STREAM","stream":{"stream_descriptor":{"name":5}}}',
    b'{"type":"GLOBAL","global":{"shared_state":{}}}',
    b'{"type":"PARTITION"}',
    b'{"type":5}',
    b'{"type":"LEGACY","data":{"half":"\\ud800"}}',
    b'{"data":{},"sourceStats":5}',
    b'{"data":{},"sourceStats":{"recordCount":"3"}}',
    b'{"data":{},"sourceStats":{"recordCount":true}}',
    b'{"data":{},"destinationStats":{"recordCount":1e999}}',
]


def error(dice: Random, source: Source) -> bytes:
    """An ERROR trace, or what looks like one."""
    body = {b"message": dice.choice([b'"no luck"', b"5", b"null", b'"half \\ud800"'])}
    if dice.random() < 0.6:
        body[b"stream_descriptor"] = dice.choice(
            [descriptor(dice, dice.choice(source.streams)), b'{"name":"x"}', b"{}"]
        )
    if dice.random() < 0.5:
        body[b"failure_type"] = dice.choice([b'"config_error"', b'"transient_error"', b'"news"', b"5", b"null"])
    trace = {b"type": b'"ERROR"', b"emitted_at": dice.choice([b"1.0", b'"now"'])}
    trace[b"error"] = dice.choice([spelt(dice, body), spelt(dice, body), b"null", b'"text"', b"{}"])
    whole = line(dice, b"TRACE", spelt(dice, trace), b"trace")
    return whole if dice.random() < 0.8 else whole[: dice.randrange(len(whole))] + b"\n"


def _someones(dice: Random, source: Source) -> bytes:
    return descriptor(dice, dice.choice(source.streams))


def trouble(dice: Random, source: Source) -> bytes:
    """A stream gives up, or says something odd."""
    key = _someones(dice, source)
    status = {b"stream_descriptor": key, b"status": b'"INCOMPLETE"'}
    status |= dice.choice(
        [{}, {b"reasons": b'"text"'}, {b"reasons": b"[7]"}, {b"status": b"5"}, {b"status": b'"NEWS"'}]
    )
    return line(dice, b"TRACE", plain({b"type": b'"STREAM_STATUS"', b"stream_status": plain(status)}), b"trace")


def no_message(dice: Random, source: Source) -> bytes:
    return dice.choice(_NO_MESSAGES)


_NO_MESSAGES = [
    b"[1, 2]\n",
    b"17\n",
    b'"text"\n',
    b"null\n",
    b"{}\n",
    b'{"fish":"tuna"}\n',
    b'{"type":"NEWS"}\n',
    b'{"type":5}\n',
    b'{"type":"TRACE"}\n',
    b'{"type":"TRACE","trace":{"type":5}}\n',
    b'{"type":"TRACE","trace":null}\n',
    b'{"type":"TRACE","trace":{"type":"STREAM_STATUS","stream_status":{}}}\n',
    b'{"type":"LOG"}\n',
    b'{"type":"LOG","log":{"level":5,"message":"x"}}\n',
    b'{"type":"LOG","log":{"message":"x"},"record":{"stream":5,"data":{}}}\n',
    b'{"type":"LOG","log":{"message":"x"},"record":7,"state":7}\n',
    b'{"type":"record","name":"Avro","fields":[]}\n',
    b'{"type":"record","record":{"stream":"users","data":{}}}\n',
    b'log: {"record": 5}\n',
    b"\xff\xfe\x00\n",
    b"\x00\n",
    b"\x0b\x0c\n",
    "żółw\n".encode(),
    b"[" * 5_000 + b"]" * 5_000 + b"\n",
    '{"type":"LOG","log":{"message":"x"}}\n'.encode("utf-16-le"),
]


def torn(dice: Random, source: Source) -> bytes:
    """Two writers at once: what belongs on lines of its own stands on one, or on two."""
    one, two = (dice.choice([record, state, log])(dice, source) for _ in range(2))
    cut = dice.randrange(len(one))
    return dice.choice(
        [
            one.rstrip() + two,
            one.rstrip() + two + b"\n",
            one[:cut] + b"\n" + one[cut:],
            one[:cut] + two,
            b"INFO: " + one,
            BOM + one,
            one.rstrip() + b" done\n",
            one.rstrip() + b",\n",
            b"[" + one.rstrip() + b"]\n",
            one[:cut] + b"\n",
            one.replace(b'"type"', b'"Type"'),
            one.lower(),
        ]
    )


def unknown_record(dice: Random, source: Source) -> bytes:
    return dice.choice(
        [
            b'{"type":"RECORD","record":{"stream":"unknown","data":{}}}\n',
            b'{"type":"RECORD","record":{"stream":"users","namespace":"unknown","data":{}}}\n',
            b'{"type":"RECORD","record":{"stream":"half \\ud800","data":{}}}\n',
            b'{"type":"TRACE","trace":{"type":"STREAM_STATUS","stream_status":{"stream_descriptor":{"name":"unknown"},"status":"RUNNING"}}}\n',
        ]
    )


def other_state(dice: Random, source: Source) -> bytes:
    """A state of another type than this source's; the first state of all may be of any."""
    return dice.choice(
        [
            b'{"type":"STATE","state":{"data":{}}}\n',
            b'{"type":"STATE","state":{"type":"GLOBAL","global":{"stream_states":[]}}}\n',
            b'{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"unknown"}}}}\n',
        ]
    )


KINDS = (unsound_record, odd_record, odd_state, error, trouble, no_message, torn)
ENDS = (unknown_record, other_state)
