"""What is moved: files of messages as a source would send them, with records of one size and many fields."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

STATE_EVERY = 10_000
_DIFFERENT_BYTES = 2_000_000  # so much that differs; then it comes again, for to invent 10^8 records takes long
_EMITTED_AT = 1_795_719_402_454
_WORDS = [
    "account",
    "basket",
    "cedar",
    "delta",
    "ember",
    "falcon",
    "garnet",
    "harbour",
    "island",
    "juniper",
    "kettle",
    "lantern",
    "meadow",
    "nickel",
    "orchard",
    "pepper",
    "quarry",
    "river",
    "saddle",
    "timber",
    "umber",
    "velvet",
    "willow",
    "yarrow",
    "zephyr",
]
_FIELDS: dict[str, Any] = {
    "id": {"type": "integer"},
    "key": {"type": "string"},
    "email": {"type": "string"},
    "age": {"type": "integer"},
    "balance": {"type": "number"},
    "is_active": {"type": "boolean"},
    "created_at": {"type": "string", "format": "date-time"},
    "address": {"type": "object"},
    "tags": {"type": "array", "items": {"type": "string"}},
    "score": {"type": ["null", "number"]},
    "notes": {"type": "string"},
}
SCHEMA: dict[str, Any] = {"type": "object", "properties": _FIELDS}


@dataclass(frozen=True)
class Records:
    """So many records with about `record_bytes` of data each, in streams that take turns from state to state."""

    record_bytes: int
    records: int
    streams: int = 1

    @property
    def name(self) -> str:
        """How the tables call it."""
        size = {1_000_000: "1 MB", 5_000: "5 kB"}.get(self.record_bytes, f"{self.record_bytes} B")
        return size if self.streams == 1 else f"{size}, {self.streams} streams"

    @property
    def stream_names(self) -> list[str]:
        """The streams, in the order of their first records."""
        return [f"stream_{number}" for number in range(self.streams)]

    @property
    def catalog(self) -> dict[str, Any]:
        """The configured catalog: everything, as it comes."""
        stream = {"json_schema": SCHEMA, "supported_sync_modes": ["full_refresh"]}
        modes = {"sync_mode": "full_refresh", "destination_sync_mode": "append"}
        return {"streams": [{"stream": {"name": name, **stream}, **modes} for name in self.stream_names]}

    def airbyte_file(self, folder: Path) -> Path:
        """The file with all messages of an Airbyte source, made once in a folder."""
        return self._file(folder / f"airbyte-{self.record_bytes}-{self.streams}-{self.records}.jsonl", _Airbyte())

    def singer_file(self, folder: Path) -> Path:
        """The same records as a Singer tap sends them."""
        return self._file(folder / f"singer-{self.record_bytes}-{self.streams}-{self.records}.jsonl", _Singer())

    def _file(self, file: Path, form: _Airbyte | _Singer) -> Path:
        if not file.exists():
            new = file.with_suffix(".new")
            with new.open("wb") as out:
                out.writelines(self._messages(form))
            new.rename(file)
        return file

    def _messages(self, form: _Airbyte | _Singer) -> Iterator[bytes]:
        data = _data(self.record_bytes)
        lines = {name: cycle([form.record(name, each) for each in data]) for name in self.stream_names}
        done = dict.fromkeys(self.stream_names, 0)
        yield from (each for each in map(form.beginning, self.stream_names) if each)
        left, turns = self.records, cycle(self.stream_names)
        while left:
            name = next(turns)
            count = min(STATE_EVERY, left, -(-self.records // self.streams))
            yield from (next(lines[name]) for _ in range(count))
            done[name] += count
            left -= count
            yield form.state(name, done[name])


class _Airbyte:
    """As the common Python connectors write: compact, the record's own members in this order."""

    def beginning(self, _: str) -> bytes:
        return b""

    def record(self, stream: str, data: dict[str, Any]) -> bytes:
        return _line(
            {"type": "RECORD", "record": {"stream": stream, "data": data, "emitted_at": _EMITTED_AT + data["id"]}}
        )

    def state(self, stream: str, done: int) -> bytes:
        of_stream = {"stream_descriptor": {"name": stream}, "stream_state": {"next": done}}
        return _line({"type": "STATE", "state": {"type": "STREAM", "stream": of_stream}})


class _Singer:
    """As Singer's taps write."""

    def beginning(self, stream: str) -> bytes:
        return _line({"type": "SCHEMA", "stream": stream, "schema": SCHEMA, "key_properties": ["id"]})

    def record(self, stream: str, data: dict[str, Any]) -> bytes:
        return _line({"type": "RECORD", "stream": stream, "record": data, "time_extracted": "2026-11-26T12:00:00Z"})

    def state(self, stream: str, done: int) -> bytes:
        return _line({"type": "STATE", "value": {"bookmarks": {stream: {"next": done}}}})


def _data(size: int) -> list[dict[str, Any]]:
    """Records that differ, the same at every call."""
    chance = random.Random(size)
    return [_one(number, size, chance) for number in range(max(3, min(2_000, _DIFFERENT_BYTES // size)))]


def _one(number: int, size: int, chance: random.Random) -> dict[str, Any]:
    if size < 300:
        short = {"id": number, "email": f"p{number}@example.com", "is_active": number % 3 > 0, "notes": ""}
        return _filled(short, size, chance)
    data = {
        "id": number,
        "key": f"{chance.getrandbits(64):016x}",
        "email": f"person{number}@example.com",
        "age": chance.randint(18, 90),
        "balance": round(chance.uniform(-1e4, 1e5), 2),
        "is_active": number % 3 > 0,
        "created_at": f"2026-05-{number % 28 + 1:02d}T12:34:56.789Z",
        "address": {"street": chance.choice(_WORDS), "number": chance.randint(1, 999), "city": chance.choice(_WORDS)},
        "tags": chance.sample(_WORDS, 3),
        "score": None if number % 5 == 0 else chance.random(),
        "notes": "",
    }
    return _filled(data, size, chance)


def _filled(data: dict[str, Any], size: int, chance: random.Random) -> dict[str, Any]:
    """With notes that make up the size."""
    missing = size - len(_line(data)) + 1
    few = " ".join(chance.choices(_WORDS, k=min(200, missing // 4 + 1))) + " "
    return {**data, "notes": (few * (missing // len(few) + 1))[: max(0, missing)]}


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
