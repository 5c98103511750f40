"""What a clear sends in place of a source: for every stream that it had no state (airbyte-behaviour.md 5.12)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import msgspec
from msgspec import Raw

from airbyte_workers.protocol.messages import GlobalState, State, StreamDescriptor, StreamState, parse, serialise
from airbyte_workers.protocol.streams import StreamKey, stream_key
from airbyte_workers.replication.traces import stream_status

_NULL = Raw(b"null")
_EMPTY = frozenset({b"", b"{}", b"null", b'""', b"[]"})


@dataclass(frozen=True)
class Before:
    """The connection's state before the clear: its type, and the state whole where it is one for all streams."""

    type: str | None = None
    state: bytes = b""


def messages(streams: Sequence[StreamKey], before: Before, *, whole: bool) -> Iterator[bytes]:
    """Lines as a source would send them; `whole`: the streams are all that the connection syncs."""
    if not streams:
        return
    if before.type == "LEGACY":
        if b"".join(before.state.split()) not in _EMPTY:
            yield _state_line(State(data=Raw(b"{}")))
        return
    if before.type == "GLOBAL":
        yield _state_line(_global(streams, before.state, whole=whole))
    for key in streams:
        yield stream_status(key, "STARTED")
        if before.type != "GLOBAL":
            yield _state_line(State(type="STREAM", stream=_nothing(key)))
        yield stream_status(key, "COMPLETE")


def _global(streams: Sequence[StreamKey], before: bytes, *, whole: bool) -> State:
    known = parse(State, before).global_
    assert known is not None
    kept = [_nothing(_key(each)) if _key(each) in streams else each for each in known.stream_states]
    listed: Collection[StreamKey] = {_key(each) for each in kept}
    added = [_nothing(key) for key in streams if key not in listed]
    shared = _NULL if whole else known.shared_state
    return State(type="GLOBAL", global_=GlobalState(stream_states=[*kept, *added], shared_state=shared))


def _key(state: StreamState) -> StreamKey:
    return stream_key(state.stream_descriptor.name, state.stream_descriptor.namespace)


def _nothing(key: StreamKey) -> StreamState:
    name, namespace = key
    return StreamState(stream_descriptor=StreamDescriptor(name=name, namespace=namespace), stream_state=_NULL)


def _state_line(state: State) -> bytes:
    return msgspec.json.encode({"type": "STATE", "state": Raw(serialise(state))}) + b"\n"
