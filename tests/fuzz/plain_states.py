"""States for the reference relay: what is one, how it is stamped, what is kept of it, when two are the same."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.fuzz.plain_json import Member, every, has_half_a_pair, member, members, with_twins

Key = tuple[str, str | None]
TYPES = (None, "STREAM", "GLOBAL", "LEGACY")
LARGEST_EXACT = 2**53


@dataclass(frozen=True)
class PlainState:
    """A state as it was read; `owner` is whose it is: its type, and for STREAM its stream."""

    owner: tuple[str, Key | None]
    body: dict[str, Any]

    @property
    def id(self) -> int | None:
        """The platform's stamp: a whole number, however it is written. Everything else is no stamp."""
        return whole(self.body.get("id"))

    def count(self, stats: str, name: str) -> float | None:
        """A number that a connector gave with its state."""
        given = self.body.get(stats)
        number: float | None = given.get(name) if given is not None else None
        return number


def whole(value: Any) -> int | None:
    if is_number(value) and value == int(value):
        return int(value)
    return None


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def state_in(value: Any, text: str) -> PlainState | None:
    """The state that an object is, `text` being how it stands; None when it is none.

    With half a surrogate pair it is none: no database could keep it. Of its own members twins may be odd, but not of
    those further in.
    """
    if not isinstance(value, dict) or has_half_a_pair(text):
        return None
    kind, value = value.get("type"), dict(with_twins(text))
    well = (
        (kind is None or isinstance(kind, str))
        and kind in TYPES
        and _may(value.get("stream"), _is_stream)
        and _may(value.get("global"), _is_global)
        and _may(value.get("sourceStats"), _is_stats)
        and _may(value.get("destinationStats"), _is_stats)
    )
    if not well or (kind == "STREAM" and value.get("stream") is None):
        return None
    if kind == "GLOBAL" and value.get("global") is None:
        return None
    return PlainState(_owner(value), value)


def _owner(body: dict[str, Any]) -> tuple[str, Key | None]:
    if body.get("type") == "STREAM":
        return "STREAM", key_of(body["stream"]["stream_descriptor"])
    return body.get("type") or "LEGACY", None


def key_of(descriptor: dict[str, Any]) -> Key:
    """An empty namespace is no namespace."""
    return descriptor["name"], descriptor.get("namespace") or None


def _may(value: Any, check: Callable[[Any], bool]) -> bool:
    return value is None or check(value)


def all_are(value: Any, name: str, check: Callable[[Any], bool]) -> bool:
    """Whether there is a member of that name, and all twins of it pass."""
    return name in value and all(check(each) for each in every(value, name))


def is_descriptor(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and all_are(value, "name", lambda name: isinstance(name, str))
        and all(each is None or isinstance(each, str) for each in every(value, "namespace"))
    )


def _is_stream(value: Any) -> bool:
    return isinstance(value, dict) and all_are(value, "stream_descriptor", is_descriptor)


def _is_global(value: Any) -> bool:
    return isinstance(value, dict) and all_are(
        value, "stream_states", lambda states: isinstance(states, list) and all(_is_stream(each) for each in states)
    )


def _is_stats(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    return all(_may(each, is_number) for name in ("recordCount", "rejectedRecordCount") for each in every(value, name))


# --- stamping ---


@dataclass(frozen=True)
class Stamp:
    """What a state is given: its number, and how many records came for it, and went no further."""

    number: int
    records: int
    filtered: int = 0

    @property
    def forwarded(self) -> int:
        return self.records - self.filtered


def stamped(text: str, body: Member, stamp: Stamp) -> str:
    """The line with the state's id, and with how many records went on; all else as it stands.

    A count of its own stays, less what was filtered.
    """
    changes = _changes(text, body.start, stamp)
    for start, end, new in sorted(changes, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _changes(text: str, at: int, stamp: Stamp) -> list[tuple[int, int, str]]:
    """What is put in place of what: (start, end, new)."""
    given = members(text, at)
    ids = [each for each in given if each.name == "id"]
    changes = [(each.start, each.end, str(stamp.number)) for each in ids]
    new = [] if ids else [f'"id":{stamp.number}']
    stats = member(text, at, "sourceStats")
    if stats is None:
        new.append(f'"sourceStats":{{"recordCount":{stamp.forwarded}}}')
    elif text[stats.start] != "{":
        changes.append((stats.start, stats.end, f'{{"recordCount":{stamp.forwarded}}}'))
    else:
        changes += _count_in(text, stats.start, stamp)
    if new:
        comma = "," if given else ""
        changes.append((at + 1, at + 1, ",".join(new) + comma))
    return changes


def _count_in(text: str, at: int, stamp: Stamp) -> list[tuple[int, int, str]]:
    count = member(text, at, "recordCount")
    if count is None:
        comma = "," if members(text, at) else ""
        return [(at + 1, at + 1, f'"recordCount":{stamp.forwarded}{comma}')]
    stated = json.loads(text[count.start : count.end])
    if stated is None:
        return [(count.start, count.end, str(stamp.forwarded))]
    return [(count.start, count.end, str(max(0, stated - stamp.filtered)))] if stamp.filtered else []


# --- what is kept, and what is the same ---


def kept(state: PlainState) -> Any:
    """What is stored of a state, as a value; None: what was kept is erased."""
    kind, body = state.owner[0], state.body
    if kind == "LEGACY":
        return body.get("data", {})
    rest = {
        name: value
        for name, value in body.items()
        if name not in ("type", "id", "data", "stream", "global", "sourceStats", "destinationStats")
    }
    if kind == "STREAM":
        stream = body["stream"]
        return None if stream.get("stream_state") is None else {"type": kind, "stream": _without_nulls(stream)} | rest
    states = body["global"]["stream_states"]
    speaking = [_without_nulls(each) for each in states if each.get("stream_state") is not None]
    if not speaking and body["global"].get("shared_state") is None:
        return None
    return {"type": kind, "global": body["global"] | {"stream_states": speaking}} | rest


def _without_nulls(stream: dict[str, Any]) -> dict[str, Any]:
    descriptor = stream["stream_descriptor"]
    if "namespace" in descriptor and descriptor["namespace"] is None:
        descriptor = {name: value for name, value in descriptor.items() if name != "namespace"}
    return stream | {"stream_descriptor": descriptor}


def canonical(state: PlainState) -> str:
    """The same text for two states of one owner whose blobs say the same."""
    kind, body = state.owner[0], state.body
    if kind == "STREAM":
        return _canonical(body["stream"].get("stream_state"))
    if kind == "LEGACY":
        return _canonical(body.get("data"))
    streams = [
        [list(key_of(each["stream_descriptor"])), each.get("stream_state")] for each in body["global"]["stream_states"]
    ]
    return _canonical([body["global"].get("shared_state"), streams])


def _canonical(value: Any) -> str:
    return json.dumps(_plain(value), sort_keys=True, default=str)


def _plain(value: Any) -> Any:
    """Libraries differ in two things: a null member may be left out, and 1 may be written as 1.0."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, float) and math.isfinite(value) and value == int(value) and abs(value) < LARGEST_EXACT:
        return int(value)
    return value
