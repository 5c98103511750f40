"""What differs between two sets of committed states, stream by stream and field by field; pure.

Blobs belong to connectors: they are compared as they stand, so that no number loses a digit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import msgspec
from msgspec import Raw

from airbyte_workers.protocol.messages import State, parse
from airbyte_workers.protocol.streams import StreamKey, shown, stream_key

_DEPTH = 32  # levels of a blob that are looked into; what is below is one value
_MEMBERS: msgspec.json.Decoder[dict[str, Raw]] = msgspec.json.Decoder(dict[str, Raw])
_NOTHING = Raw(b"")


class Kind(StrEnum):
    """What happened to a part of the states on the way from one set to the other."""

    APPEARS = "appears"
    VANISHES = "vanishes"
    CHANGES = "changes"


@dataclass(frozen=True)
class Part:
    """Of what a blob speaks: a stream, or all of them: LEGACY, and what the streams of a GLOBAL state share."""

    type: str
    stream: StreamKey | None = None

    def __str__(self) -> str:
        if self.stream is not None:
            return shown(self.stream)
        return "all streams" if self.type == "LEGACY" else "shared by all streams"


@dataclass(frozen=True)
class FieldDifference:
    """A field of an object that differs; None: there is none."""

    path: str
    before: Raw | None
    after: Raw | None


@dataclass(frozen=True)
class Difference:
    """A part that differs; `fields` where both are objects, without any when they only are written differently."""

    part: Part
    kind: Kind
    before: Raw | None = None
    after: Raw | None = None
    fields: tuple[FieldDifference, ...] = ()


def parts(states: Iterable[tuple[str, str]]) -> dict[Part, Raw]:
    """Committed states, each a type and its stored form, by what they speak of."""
    return dict(each for type, state in states for each in _parts(type, state))


def differences(before: Mapping[Part, Raw], after: Mapping[Part, Raw]) -> list[Difference]:
    """What differs, in the order of streams."""
    found = [_difference(part, before.get(part), after.get(part)) for part in {**before, **after}]
    return sorted((each for each in found if each is not None), key=_place)


def _parts(type: str, state: str) -> Iterator[tuple[Part, Raw]]:
    if type == "LEGACY":
        yield Part(type), Raw(state.encode())
        return
    message = parse(State, state.encode())
    if message.stream is not None and type == "STREAM":
        descriptor = message.stream.stream_descriptor
        yield Part(type, stream_key(descriptor.name, descriptor.namespace)), message.stream.stream_state
    elif message.global_ is not None:
        if message.global_.shared_state not in (_NOTHING, b"null"):
            yield Part(type), message.global_.shared_state
        for each in message.global_.stream_states:
            descriptor = each.stream_descriptor
            yield Part(type, stream_key(descriptor.name, descriptor.namespace)), each.stream_state


def _difference(part: Part, before: Raw | None, after: Raw | None) -> Difference | None:
    if before is None or after is None:
        return Difference(part, Kind.VANISHES if after is None else Kind.APPEARS, before, after)
    if bytes(before) == bytes(after):
        return None
    return Difference(part, Kind.CHANGES, before, after, tuple(_fields("", before, after)))


def _fields(path: str, before: Raw | None, after: Raw | None, depth: int = 0) -> Iterator[FieldDifference]:
    old, new = _members(before, depth), _members(after, depth)
    if old is None or new is None:
        if not _same(before, after):
            yield FieldDifference(path, before, after)
        return
    for name in {**old, **new}:
        yield from _fields(f"{path}.{name}" if path else name, old.get(name), new.get(name), depth + 1)


def _members(value: Raw | None, depth: int) -> dict[str, Raw] | None:
    """The members of an object; None for everything else."""
    if value is None or depth >= _DEPTH or not bytes(value).lstrip().startswith(b"{"):
        return None
    return _MEMBERS.decode(value)


def _same(before: Raw | None, after: Raw | None) -> bool:
    return before is not None and after is not None and compact(before) == compact(after)


def compact(value: Raw) -> str:
    """A blob on one line, without needless spaces."""
    return msgspec.json.format(bytes(value), indent=-1).decode()


def _place(difference: Difference) -> tuple[str, str]:
    name, namespace = difference.part.stream or ("", None)
    return name, namespace or ""
