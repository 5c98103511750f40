"""What of a state is kept, and what tells one from another: its key and the fingerprint of what a connector wrote."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Raw

from airbyte_workers.protocol.messages import ABSENT, State, StreamState, parse, serialise
from airbyte_workers.protocol.streams import StreamKey, stream_key

_NULL = Raw(b"null")


@dataclass(frozen=True)
class StateKey:
    """Whose state it is; `stream` is None for GLOBAL and LEGACY."""

    type: str
    stream: StreamKey | None = None


def state_key(state: State) -> StateKey:
    """The key of a state; no type means LEGACY."""
    if state.type == "STREAM" and state.stream is not None:
        descriptor = state.stream.stream_descriptor
        return StateKey("STREAM", stream_key(descriptor.name, descriptor.namespace))
    return StateKey("GLOBAL" if state.type == "GLOBAL" else "LEGACY")


def stored_form(state: State) -> bytes | None:
    """What is kept of a state and given back to the source: without stamps and statistics; LEGACY: its blob alone.

    None: the state is null, which erases what was kept. Of a GLOBAL state the streams whose own is null are left out,
    and one that has nothing else left to say erases.
    """
    type = state_key(state).type
    if type == "LEGACY":
        return None if state.data == _NULL else bytes(state.data) or b"{}"
    if type == "STREAM":
        return None if state.stream is None or _says_nothing(state.stream.stream_state) else _kept(state)
    assert state.global_ is not None
    speaking = [each for each in state.global_.stream_states if not _says_nothing(each.stream_state)]
    silent = _says_nothing(state.global_.shared_state)
    return None if silent and not speaking else _kept(_with_streams(state, speaking))


def without_streams(stored: bytes, streams: Collection[StreamKey]) -> bytes | None:
    """A kept GLOBAL state after these streams are forgotten: the same when it has none of them, None: all it had."""
    state = parse(State, stored)
    assert state.global_ is not None
    had = state.global_.stream_states
    left = [each for each in had if _stream_of(each) not in streams]
    if len(left) == len(had):
        return stored
    return serialise(_with_streams(state, left)) if left else None


def _kept(state: State) -> bytes:
    unknown = {name: value for name, value in state.unknown_fields.items() if name not in ("id", "sourceStats")}
    return serialise(State(type=state.type, stream=state.stream, global_=state.global_, unknown_fields=unknown))


def _with_streams(state: State, streams: list[StreamState]) -> State:
    assert state.global_ is not None
    return msgspec.structs.replace(state, global_=msgspec.structs.replace(state.global_, stream_states=streams))


def _says_nothing(blob: Raw) -> bool:
    return blob in (ABSENT, _NULL)


def _stream_of(state: StreamState) -> StreamKey:
    return stream_key(state.stream_descriptor.name, state.stream_descriptor.namespace)


def digest_of(state: State) -> bytes:
    """A fingerprint of (key, blob) that a destination's re-serialising does not change."""
    blobs = _blobs(state)
    try:
        plain = "\n".join(_canonical([key, json.loads(bytes(blob))]) for key, blob in blobs).encode()
    except (ValueError, RecursionError):  # numbers or nesting beyond what Python reads: as it stands
        plain = b"\n".join(bytes(blob) for _, blob in blobs)
    return hashlib.blake2b(plain, digest_size=16).digest()


def _blobs(state: State) -> list[tuple[StreamKey | None, Raw]]:
    """What a connector wrote into a state, each blob with the stream it speaks of."""
    if state.type == "STREAM" and state.stream is not None:
        return [_blob(state.stream)]
    if state.type == "GLOBAL" and state.global_ is not None:
        return [(None, _or_null(state.global_.shared_state)), *map(_blob, state.global_.stream_states)]
    return [(None, _or_null(state.data))]


def _blob(state: StreamState) -> tuple[StreamKey, Raw]:
    return _stream_of(state), _or_null(state.stream_state)


def _or_null(blob: Raw) -> Raw:
    return _NULL if blob == ABSENT else blob


def _canonical(value: Any) -> str:
    return json.dumps(_normal(value), sort_keys=True, separators=(",", ":"))


def _normal(value: Any) -> Any:
    """Nulls and absent members are the same, and so are 1 and 1.0: libraries differ in both."""
    if isinstance(value, dict):
        return {name: _normal(member) for name, member in value.items() if member is not None}
    if isinstance(value, list):
        return [_normal(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value
