"""Under which name the destination gets each stream, and which of its fields: airbyte-behaviour.md 5.2 and 5.3."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from airbyte_workers.mappers.specs import MapperSpec
from airbyte_workers.protocol.messages import State, StreamDescriptor, Trace
from airbyte_workers.protocol.streams import StreamKey, shown, stream_key

SOURCE_NAMESPACE = "${SOURCE_NAMESPACE}"


@dataclass(frozen=True)
class Naming:
    """A connection's rules for names. `format`: for `customformat`, with the source's namespace in it."""

    definition: str = "source"
    format: str = ""
    prefix: str = ""

    def destination(self, stream: StreamKey) -> StreamKey:
        """The stream's name and namespace in the destination."""
        name, namespace = stream
        return stream_key(self.prefix + name, self._namespace(namespace))

    def _namespace(self, namespace: str | None) -> str | None:
        if self.definition == "source":
            return namespace
        if self.definition == "destination":
            return None
        return self.format.replace(SOURCE_NAMESPACE, namespace or "").strip() or None


@dataclass(frozen=True)
class Route:
    """What one stream becomes on its way. `fields`: the top-level ones that go on; None: all."""

    source: StreamKey
    destination: StreamKey
    fields: frozenset[str] | None = None
    mappers: tuple[MapperSpec, ...] = ()

    @property
    def is_renamed(self) -> bool:
        return self.source != self.destination

    @property
    def changes_data(self) -> bool:
        return self.fields is not None or bool(self.mappers)


class Routes:
    """The routes of one attempt, from both ends; a stream without one keeps its name."""

    def __init__(self, routes: Iterable[Route] = ()) -> None:
        every = tuple(routes)
        self._names = {each.source: each.destination for each in every if each.is_renamed}
        self._sources = {each.destination: each.source for each in every if each.is_renamed}
        self.changed: Mapping[StreamKey, Route] = {
            each.source: each for each in every if each.is_renamed or each.changes_data
        }
        """Those whose records do not go on as they came, by the source's name."""

    def destination(self, stream: StreamKey) -> StreamKey:
        """The destination's name of a source's stream."""
        return self._names.get(stream, stream)

    def state_of_source(self, echo: State) -> State:
        """A destination's state under the source's name; those of GLOBAL and LEGACY are never renamed."""
        return _renamed(echo, self._sources)

    def trace_of_source(self, trace: Trace) -> Trace:
        """A destination's error under the source's name of its stream."""
        if trace.error is None or trace.error.stream_descriptor is None:
            return trace
        descriptor = _descriptor(trace.error.stream_descriptor, self._sources)
        return msgspec.structs.replace(trace, error=msgspec.structs.replace(trace.error, stream_descriptor=descriptor))

    def state_of_destination(self, state: State) -> State:
        """A source's state under the destination's name."""
        return _renamed(state, self._names)


def _renamed(state: State, names: Mapping[StreamKey, StreamKey]) -> State:
    if state.type != "STREAM" or state.stream is None:
        return state
    descriptor = _descriptor(state.stream.stream_descriptor, names)
    return msgspec.structs.replace(state, stream=msgspec.structs.replace(state.stream, stream_descriptor=descriptor))


def _descriptor(said: StreamDescriptor, names: Mapping[StreamKey, StreamKey]) -> StreamDescriptor:
    other = names.get(stream_key(said.name, said.namespace))
    if other is None:
        return said
    return msgspec.structs.replace(said, name=other[0], namespace=other[1])


def collisions(routes: Iterable[Route]) -> list[str]:
    """Streams that would become one in the destination, as sentences."""
    taken: dict[StreamKey, StreamKey] = {}
    problems: list[str] = []
    for each in routes:
        other = taken.setdefault(each.destination, each.source)
        if other != each.source:
            both = f"streams {shown(other)} and {shown(each.source)}"
            problems.append(
                f"{both} both become {shown(each.destination)} in the destination: its namespace_definition,"
                " namespace_format and prefix must keep them apart"
            )
    return problems
