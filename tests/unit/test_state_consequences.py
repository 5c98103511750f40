"""What a rewind has the next sync do, and what people are told of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from airbyte_workers.cli.state_consequences import consequence_json, consequences, sentences
from airbyte_workers.protocol.messages import ConfiguredStream, Stream
from airbyte_workers.protocol.streams import StreamKey
from airbyte_workers.replication.state_history import Point
from airbyte_workers.store.state_log import Entry, Log
from airbyte_workers.store.state_rewinds import Plan


def entry(type: str, stream: str, text: str) -> Entry:
    return Entry(1, datetime(2026, 1, 1, tzinfo=UTC), type, stream, None, text, 1, 0)


def of(**streams: Any) -> list[Entry]:
    return [
        entry(
            "STREAM",
            name,
            json.dumps({"type": "STREAM", "stream": {"stream_descriptor": {"name": name}, "stream_state": blob}}),
        )
        for name, blob in streams.items()
    ]


def of_all(shared: Any, **streams: Any) -> list[Entry]:
    entries = [{"stream_descriptor": {"name": name}, "stream_state": blob} for name, blob in streams.items()]
    whole = {"type": "GLOBAL", "global": {"shared_state": shared, "stream_states": entries}}
    return [entry("GLOBAL", "", json.dumps(whole))]


def legacy(blob: Any) -> list[Entry]:
    return [entry("LEGACY", "", json.dumps(blob))]


@dataclass(frozen=True)
class Case:
    """States now and then, records since and before by stream ("": of all), modes of streams, what is said."""

    now: list[Entry]
    then: list[Entry]
    said: list[str]
    again: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    modes: dict[str, str] = field(default_factory=dict)
    is_cut: bool = False

    def plan(self) -> Plan:
        return Plan(
            log=Log(1, "demo", 0),
            point=Point("job", 1),
            position=1,
            before=2,
            now=self.now,
            then=self.then,
            again={self._key(name): count for name, count in self.again.items()},
            skipped={self._key(name): count for name, count in self.skipped.items()},
            is_cut=self.is_cut,
            emptied=(),
        )

    def _key(self, name: str) -> tuple[str, StreamKey]:
        return ("STREAM" if name else (self.now or self.then)[0].type), (name, None)

    def catalog(self) -> dict[StreamKey, ConfiguredStream]:
        return {(name, None): _configured(name, *modes.split("/")) for name, modes in self.modes.items()}


def _configured(name: str, sync_mode: str, destination_sync_mode: str) -> ConfiguredStream:
    stream = Stream(name=name, json_schema=msgspec.Raw(b"{}"))
    return ConfiguredStream(stream=stream, sync_mode=sync_mode, destination_sync_mode=destination_sync_mode)


APPEND, DEDUP, WHOLE_READ = "incremental/append", "incremental/append_dedup", "full_refresh/overwrite"
CASES = {
    "nothing differs": Case(of(a=1), of(a=1), [], {"a": 5}),
    "rows again": Case(
        of(a=2),
        of(a=1),
        ["a: 5 records read again", "  they come again as new rows (append)"],
        {"a": 5},
        modes={"a": APPEND},
    ),
    "one record": Case(of(a=2), of(a=1), ["a: 1 record read again"], {"a": 1}),
    "without doubles": Case(
        of(a=2),
        of(a=1),
        ["a: 5,000 records read again", "  no row is doubled (append_dedup)"],
        {"a": 5000},
        modes={"a": DEDUP},
    ),
    "a mode of the destination's own": Case(
        of(a=2),
        of(a=1),
        ["a: 5 records read again", "  the destination writes them as soft_delete"],
        {"a": 5},
        modes={"a": "incremental/soft_delete"},
    ),
    "from the beginning": Case(
        of(a=2),
        [],
        ["a: read from the beginning (5 records since)", "  they come again as new rows (append)"],
        {"a": 5},
        modes={"a": APPEND},
    ),
    "full refresh": Case(
        of(a=2), of(a=1), ["a: read whole, as by every sync (full_refresh)"], {"a": 5}, modes={"a": WHOLE_READ}
    ),
    "not in the catalog": Case(of(a=2), of(a=1), ["a: not synced any more"], {"a": 5}, modes={"b": APPEND}),
    "forwards": Case(
        of(a=1),
        of(a=2),
        ["a: 7 records not read again: committed before, and the state says so once more"],
        skipped={"a": 7},
        modes={"a": APPEND},
    ),
    "onto another branch": Case(
        of(a=1),
        of(a=2),
        [
            "a: 3 records read again",
            "a: 7 records not read again: committed before, and the state says so once more",
            "  they come again as new rows (append)",
        ],
        {"a": 3},
        {"a": 7},
        {"a": APPEND},
    ),
    "a state without records": Case(of(a=1), of(a=2), ["a: no record was committed in between"], modes={"a": APPEND}),
    "only what differs": Case(of(a=2, b=1), of(a=1, b=1), ["a: 5 records read again"], {"a": 5, "b": 9}),
    "counts cut off": Case(of(a=2), of(a=1), ["a: at least 5 records read again"], {"a": 5}, is_cut=True),
    "GLOBAL": Case(
        of_all(2, a=2, b=2, c=2),
        of_all(1, a=1, b=1, c=1),
        [
            "all streams together: 5 records read again",
            "  a: they come again as new rows (append)",
            "  b: no row is doubled (append_dedup)",
        ],
        {"": 5},
        modes={"a": APPEND, "b": DEDUP, "c": WHOLE_READ},
    ),
    "GLOBAL with a stream that had none": Case(
        of_all(1, a=2, b=2),
        of_all(1, a=1),
        ["all streams together: 5 records read again", "b: read from the beginning"],
        {"": 5},
    ),
    "GLOBAL from the beginning": Case(
        of_all(2, a=2),
        [],
        ["all streams together: read from the beginning (5 records since)"],
        {"": 5},
    ),
    "LEGACY": Case(legacy(2), legacy(1), ["all streams together: 5 records read again"], {"": 5}),
    "another type": Case(
        of(a=2, b=2), of_all(1, a=1, b=1), ["all streams together: 12 records read again"], {"a": 5, "b": 7}
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_the_next_sync_does_is_told(name: str) -> None:
    case = CASES[name]
    found = consequences(case.plan(), case.catalog())
    assert [line for each in found for line in sentences(each, is_cut=case.is_cut)] == case.said


def test_programs_are_told_the_same() -> None:
    case = CASES["rows again"]
    (found,) = consequences(case.plan(), case.catalog())
    assert consequence_json(found) == {
        "type": "STREAM",
        "stream": "a",
        "namespace": None,
        "from_the_beginning": False,
        "records_again": 5,
        "records_skipped": 0,
        "sync_mode": "incremental",
        "destination_sync_mode": "append",
    }


def test_hundreds_of_streams_are_not_listed() -> None:
    modes = {f"s{number:03}": APPEND for number in range(300)}
    case = Case(of_all(2), of_all(1), [], {"": 5}, modes=modes)
    (found,) = consequences(case.plan(), case.catalog())
    assert list(sentences(found, is_cut=False))[-1].startswith("  s000, s001, ")
    assert "s009 and 290 more: " in list(sentences(found, is_cut=False))[-1]
