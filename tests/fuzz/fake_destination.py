"""A destination that answers states as real ones do, or as none should."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.fuzz.plain_records import as_line
from tests.fuzz.plain_states import Key

_TALK = [
    b"flushed\n",
    b"\n",
    b'{"type":"LOG","log":{"level":"DEBUG","message":"flushed"}}\n',
    b'{"type":"TRACE","trace":{"type":"ERROR","error":{"message":"disk full","failure_type":"transient_error"}}}\n',
    b'{"type":"TRACE","trace":{"type":"STREAM_STATUS"}}\n',
    b'{"type":"TRACE","trace":{"type":"ERROR","error":{"message":"cut\n',
    b'{"type":"RECORD","record":{"stream":"unknown","data":{}}}\n',
    b'{"type":"CONTROL"}\n',
    b'{"type":"STATE"}\n',
    b'{"type":"STATE","state":{"id":1\n',
    b'{"type":"STATE","state":{"id":999999,"data":{}}}\n',
    b'{"type":"STATE","state":{"id":999999999999999999999999,"data":{}}}\n',
    b'{"type":"STATE","state":{"data":{"never":"sent"}}}\n',
    b'{"type":"STATE","state":{"type":"STREAM","id":1,"stream":{"stream_descriptor":{"name":"unknown"}}}}\n',
    b'{"type":"STREAM"}\n',
    b'{"type":"GLOBAL","global":{"stream_states":[]}}\n',
    b'{"fish":"tuna"}\n',
    b'\xff{"type":"STATE"}\n',
]


@dataclass
class FakeDestination:
    """Reads whole lines, and answers now and then; its habits stay the same for an attempt."""

    dice: Random
    streams: Sequence[Key]
    _waiting: list[dict[str, Any]] = field(default_factory=list)
    _answered: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        dice = self.dice
        self._order = dice.choice(["in order", "in order", "skipping", "shuffled"])
        self._spelling = dice.choice(["same", "same", "no id", "bare", "plainer", "float id", "sorted"])
        self._patience = dice.choice([0.0, 0.3, 0.95])
        self._talk = dice.choice([0.0, 0.05, 0.3])
        self._again = dice.choice([0.0, 0.0, 0.1])
        self._counts = dice.choice([0.0, 0.0, 0.3])

    def take(self, forwarded: bytes, *, last: bool = False) -> bytes:
        """What it says after these lines; after the last it answers all that still waits."""
        self._waiting += [json.loads(each) for each in forwarded.split(b"\n") if b'"STATE"' in each]
        self._waiting = [each for each in self._waiting if each["type"] == "STATE"]
        said: list[bytes] = []
        if last or self.dice.random() >= self._patience:
            said = [self._answer(each) for each in self._chosen()]
            self._answered = (self._answered + said)[-20:]
            self._waiting.clear()
        if self._answered and self.dice.random() < self._again:
            said.append(self.dice.choice(self._answered))
        if self.dice.random() < self._talk:
            said.insert(self.dice.randrange(len(said) + 1), self._small_talk())
        return b"".join(said)

    def _small_talk(self) -> bytes:
        if self.dice.random() < 0.8:
            return self.dice.choice(_TALK)
        name, namespace = self.dice.choice(self.streams)
        error = {"message": "full", "stream_descriptor": {"name": name, "namespace": namespace}}
        whole = as_line({"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": 1, "error": error}})
        return whole if self.dice.random() < 0.7 else whole[:-3] + b"\n"

    def _chosen(self) -> list[dict[str, Any]]:
        chosen = list(self._waiting)
        if self._order == "skipping":
            chosen = [each for each in chosen if self.dice.random() < 0.3] + chosen[-1:]
        elif self._order == "shuffled":
            self.dice.shuffle(chosen)
        return chosen

    def _answer(self, message: dict[str, Any]) -> bytes:
        state = dict(message["state"])
        if self.dice.random() < self._counts:
            count = (state.get("sourceStats") or {}).get("recordCount", 0)
            state["destinationStats"] = self.dice.choice(_statistics(count))
        if self._spelling == "float id":
            state["id"] = float(state["id"])
        if self._spelling in ("no id", "bare", "plainer"):
            del state["id"]
        if self._spelling == "plainer":
            state = plainer(state)
        if self._spelling == "bare" and state.get("type") is not None:
            return as_line(state)
        if self._spelling == "sorted":
            return json.dumps(message | {"state": state}, sort_keys=True).encode() + b"\r\n"
        return as_line(message | {"state": state})


def plainer(value: Any) -> Any:
    """The value as libraries may write it anew: without members that are null, whole numbers without a fraction."""
    if isinstance(value, dict):
        return {name: plainer(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [plainer(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _statistics(count: float) -> list[dict[str, Any] | None]:
    return [
        None,
        {},
        {"recordCount": count},
        {"recordCount": count + 0.0},
        {"recordCount": count - 1, "rejectedRecordCount": 1},
        {"rejectedRecordCount": 2},
        {"rejectedRecordCount": -2},
        {"recordCount": count + 1},
        {"recordCount": None, "rejectedRecordCount": 10_000},
    ]
