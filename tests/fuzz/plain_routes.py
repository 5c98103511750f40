"""Routes for the reference relay: what a record or a state becomes under the destination's name.

What is written anew is compared member by member: each that no rule names keeps its text, and of twins the last counts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.fuzz.plain_json import Member, beginning, members, read
from tests.fuzz.plain_mappers import Fields, PlainMapper, mapped
from tests.fuzz.plain_states import Key


@dataclass(frozen=True)
class PlainNaming:
    """A connection's rules for names."""

    definition: str
    format: str = ""
    prefix: str = ""

    def destination(self, stream: Key) -> Key:
        """The stream's name in the destination."""
        name, namespace = stream
        if self.definition == "customformat":
            namespace = self.format.replace("${SOURCE_NAMESPACE}", namespace or "").strip()
        if self.definition == "destination":
            namespace = None
        return self.prefix + name, namespace or None


@dataclass(frozen=True)
class PlainRoute:
    """What one stream becomes; `naming`: by which rules its destination was found, if by any."""

    source: Key
    destination: Key
    fields: frozenset[str] | None = None
    mappers: tuple[PlainMapper, ...] = ()
    naming: PlainNaming | None = None

    @property
    def is_renamed(self) -> bool:
        return self.source != self.destination

    @property
    def changes_data(self) -> bool:
        return self.fields is not None or bool(self.mappers)


def described(stream: Key) -> dict[str, str]:
    """The stream's descriptor."""
    name, namespace = stream
    return {"name": name} | ({} if namespace is None else {"namespace": namespace})


@dataclass(frozen=True)
class Said:
    """A value however it is spelt; numbers as texts."""

    value: Any

    @classmethod
    def by(cls, text: str) -> Said:
        return cls(json.loads(text, parse_int=str, parse_float=str))


@dataclass(frozen=True)
class Rewritten:
    """A line of which `object` is written anew: members by name, each a text, what it says, or an object again."""

    object: dict[str, Any]
    before: str = ""
    after: str = "\n"

    def in_line(self, line: bytes) -> Any:
        """The line of the real relay, taken apart like this one. Equal to it when it is right."""
        read(line)
        text = line.decode()
        start, end = len(self.before), len(text) - len(self.after)
        return Rewritten(_like(text[start:end], self.object), text[:start], text[end:])


def _like(text: str, expected: Any) -> Any:
    if isinstance(expected, Said):
        return Said.by(text)
    if not isinstance(expected, dict) or not text.startswith("{"):
        return text
    found = members(text, 0)
    taken = {each.name: _like(text[each.start : each.end], expected.get(each.name)) for each in found}
    return taken if len(taken) == len(found) else {"twins": text}


def texts(text: str) -> dict[str, str]:
    """The members of an object as they stand; of none of what is no object."""
    at = beginning(text)
    return {each.name: text[each.start : each.end] for each in members(text, at)} if text[at] == "{" else {}


@dataclass(frozen=True)
class Sent:
    """What becomes of a record; `line` is None where it is kept back, `nulled` are values that could not be changed."""

    line: Rewritten | None
    nulled: int = 0


def sent(line: bytes, route: PlainRoute) -> Sent:
    """A sound record on a route that changes it."""
    message: dict[str, Any] = dict(texts(line.decode()))
    record: dict[str, Any] = dict(texts(message["record"]))
    nulled: list[str] = []
    if route.changes_data:
        result = _changed(texts(record["data"]), route)
        if result is None:
            return Sent(None)
        record["data"], nulled = result
    if nulled:
        record["meta"] = _told(record.get("meta", "{}"), nulled)
    if route.is_renamed:
        record = named(record, "stream", route.destination)
    return Sent(Rewritten(message | {"record": record}), len(nulled))


def _changed(fields: Fields, route: PlainRoute) -> tuple[Fields, list[str]] | None:
    if route.fields is not None:
        fields = {name: value for name, value in fields.items() if name in route.fields}
    return mapped(fields, route.mappers)


def _told(meta: str, nulled: list[str]) -> dict[str, Any]:
    """The record's meta with one more change for each value that was nulled, behind those of the source."""
    told = texts(meta)
    before = Said.by(told.get("changes", "[]")).value
    changes = [{"field": name, "change": "NULLED", "reason": "PLATFORM_SERIALIZATION_ERROR"} for name in nulled]
    return told | {"changes": Said((before if isinstance(before, list) else []) + changes)}


def named(members: dict[str, Any], name: str, stream: Key) -> dict[str, Any]:
    """The members with the stream's name and namespace; without one there is none."""
    rest = {each: value for each, value in members.items() if each != "namespace"}
    namespace = {} if stream[1] is None else {"namespace": Said(stream[1])}
    return rest | {name: Said(stream[0])} | namespace


def state_sent(text: str, body: Member, stream: Key) -> Rewritten:
    """A stamped STREAM state, `body` being where it stands, under another name."""
    state: dict[str, Any] = dict(texts(text[body.start : body.end]))
    inner: dict[str, Any] = dict(texts(state["stream"]))
    inner["stream_descriptor"] = named(dict(texts(inner["stream_descriptor"])), "name", stream)
    return Rewritten(state | {"stream": inner}, text[: body.start], text[body.end :])
