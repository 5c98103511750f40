"""What the kit gives a destination: a catalog of two streams, and messages as a sync would send them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Raw

from airbyte_workers.names import JobKind
from airbyte_workers.protocol import generations
from airbyte_workers.protocol.messages import ConfiguredCatalog, ConfiguredStream, Stream
from airbyte_workers.protocol.streams import StreamKey
from airbyte_workers.replication.traces import stream_status

STREAMS: Sequence[StreamKey] = (("airbyte_workers_test_first", None), ("airbyte_workers_test_second", None))
"""By these names a person finds and removes what a destination has written of them."""
ROUNDS, ROUND_RECORDS = 8, 25
MEGABYTE = 10**6
MEMORY_RECORD_BYTES = 4096
_STATES = 20
_EMITTED_AT = 1_700_000_000_000
_TEXTS = ("plain", "", "Zoë, Ωμέγα, 漢字, 🙂", 'quotes " and \\ and \n lines', "x" * 200)
_PROPERTIES: dict[str, Any] = {
    "id": {"type": "integer"},
    "name": {"type": "string"},
    "note": {"type": ["null", "string"]},
    "score": {"type": "number"},
    "active": {"type": "boolean"},
    "seen_at": {"type": "string", "format": "date-time", "airbyte_type": "timestamp_with_timezone"},
    "day": {"type": "string", "format": "date"},
    "tags": {"type": "array", "items": {"type": "string"}},
    "address": {
        "type": "object",
        "properties": {"city": {"type": ["null", "string"]}, "floors": {"type": "array", "items": {"type": "integer"}}},
    },
}
_MODES = ("append", "overwrite", "append_dedup")


@dataclass(frozen=True)
class Piece:
    """A line, and if it is a state, its number and its stream."""

    line: bytes
    state: int | None = None
    key: StreamKey | None = None
    records: int = 0


def catalog(listed: Sequence[str]) -> ConfiguredCatalog:
    """The streams as a destination that lists these modes is given them."""
    mode = next((mode for mode in _MODES if mode in listed), "append")
    schema = Raw(msgspec.json.encode({"type": "object", "properties": _PROPERTIES}))
    configured = [
        ConfiguredStream(
            stream=Stream(
                name=name,
                json_schema=schema,
                supported_sync_modes=["full_refresh", "incremental"],
                source_defined_cursor=True,
                default_cursor_field=["id"],
                source_defined_primary_key=[["id"]],
            ),
            sync_mode="incremental",
            destination_sync_mode=mode,
            cursor_field=["id"],
            primary_key=[["id"]],
        )
        for name, _ in STREAMS
    ]
    scope = generations.Scope(JobKind.SYNC)
    return generations.for_destination(ConfiguredCatalog(streams=configured), scope, dict.fromkeys(STREAMS, 1), 1)


def plain(rounds: int = ROUNDS, *, complete: bool = True) -> Iterator[Piece]:
    """Turns of both streams, records of several types, a state after each turn."""
    number = 0
    for turn in range(rounds):
        for key in STREAMS:
            for index in range(turn * ROUND_RECORDS, (turn + 1) * ROUND_RECORDS):
                yield _record(key, _row(index))
            number += 1
            yield _state(key, number, ROUND_RECORDS, (turn + 1) * ROUND_RECORDS)
    if complete:
        yield from _ends()


def big(bytes: int) -> Iterator[Piece]:
    """One record of so many bytes, and what else a sync has."""
    first, second = STREAMS
    yield _record(first, {**_row(0), "note": "x" * bytes})
    yield _state(first, 1, 1, 1)
    yield _state(second, 2, 0, 0)
    yield from _ends()


def many(records: int) -> Iterator[Piece]:
    """So many records of MEMORY_RECORD_BYTES of one stream, with states between."""
    first, second = STREAMS
    every = max(1, records // _STATES)
    number = 0
    for index in range(records):
        yield _record(first, {**_row(index), "note": f"{index:016x}" * (MEMORY_RECORD_BYTES // 16)})
        if (index + 1) % every == 0 or index + 1 == records:
            number += 1
            yield _state(first, number, every, index + 1)
    yield _state(second, number + 1, 0, 0)
    yield from _ends()


def _ends() -> Iterator[Piece]:
    return (Piece(stream_status(key, "COMPLETE")) for key in STREAMS)


def _row(index: int) -> dict[str, Any]:
    text = _TEXTS[index % len(_TEXTS)]
    return {
        "id": index,
        "name": f"name {index} {text}",
        "note": None if index % 3 else text,
        "score": index * -1.5,
        "active": index % 2 == 0,
        "seen_at": f"2024-02-29T12:00:{index % 60:02d}.123456Z",
        "day": "2024-02-29",
        "tags": [text] * (index % 4),
        "address": {"city": None if index % 5 else text, "floors": [1, index]},
    }


def _record(key: StreamKey, data: dict[str, Any]) -> Piece:
    body = {"stream": key[0], "data": data, "emitted_at": _EMITTED_AT}
    return Piece(msgspec.json.encode({"type": "RECORD", "record": body}) + b"\n", records=1)


def _state(key: StreamKey, number: int, records: int, reached: int) -> Piece:
    """With its number as id, as the platform stamps it; no two of a stream say the same."""
    stream = {"stream_descriptor": {"name": key[0]}, "stream_state": {"next": reached, "number": number}}
    body = {"type": "STREAM", "stream": stream, "id": number, "sourceStats": {"recordCount": records}}
    return Piece(msgspec.json.encode({"type": "STATE", "state": body}) + b"\n", number, key)
