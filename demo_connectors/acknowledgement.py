"""States on their way back: what a state covers, what identifies it, and how it is echoed."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from demo_connectors.incoming import Message
from demo_connectors.journal import Mark
from demo_connectors.messages import Failure, StreamKey, encode

BODIES = {"STREAM": "stream", "GLOBAL": "global", "LEGACY": "data"}


@dataclass(frozen=True, slots=True)
class State:
    """A state as it was received."""

    message: Message
    body: dict[str, Any]
    kind: str
    stream: StreamKey | None
    """The one stream it covers; None when it covers all."""

    def identity(self, stream: StreamKey) -> str:
        """The same for two states that say the same of the stream; empty if they say nothing of it."""
        blob = self._blob(stream)
        if not blob:
            return ""
        return hashlib.sha256(json.dumps(blob, sort_keys=True).encode()).hexdigest()[:16]

    def _blob(self, stream: StreamKey) -> Any:
        content = self.body.get(BODIES[self.kind])
        if not isinstance(content, dict):
            return content
        if self.kind == "STREAM":
            return content.get("stream_state")
        if self.kind == "LEGACY":
            return content.get(stream.name, content)
        entries = content.get("stream_states") or []
        own = [each.get("stream_state") for each in entries if each["stream_descriptor"] == stream.descriptor]
        shared = content.get("shared_state")
        return [shared, own] if shared or any(own) else None


def read_state(message: Message, number: int) -> State:
    body = message.content.get("state")
    try:
        if not isinstance(body, dict):
            raise TypeError("state")  # noqa: TRY301  # one sentence for everything that can be wrong with it
        kind = body.get("type") or "LEGACY"
        stream = StreamKey.of(body["stream"]["stream_descriptor"]) if kind == "STREAM" else None
        known = kind in BODIES
    except (KeyError, TypeError, AttributeError) as err:
        raise Failure(f"line {number} of standard input is a STATE without a proper body") from err
    if not known:
        raise Failure(f"line {number} of standard input is a STATE of an unknown type")
    return State(message, body, kind, stream)


def echo(state: State, count: int, *, drop_id: bool = False, bare: bool = False) -> bytes:
    """The state as received, with destinationStats put in."""
    statistics = {"recordCount": count}
    if bare:
        content = BODIES[state.kind]
        return encode({"type": state.kind, content: state.body.get(content)})
    if drop_id or "destinationStats" in state.body:
        body = {**state.body, "destinationStats": statistics}
        top = {**state.message.content, "state": body}
        if drop_id:
            body.pop("id", None)
            top.pop("id", None)
        return encode(top)
    line = state.message.line.rstrip()
    _, end = state.message.span("state")
    comma = "," if state.body else ""
    added = f'{comma}"destinationStats":{json.dumps(statistics, separators=(",", ":"))}'
    return f"{line[: end - 1]}{added}{line[end - 1 :]}\n".encode()


@dataclass(frozen=True, slots=True)
class HeldState:
    """A state whose echo waits for its records to be durable."""

    state: State
    count: int
    marks: dict[StreamKey, Mark]


class HeldStates:
    """The states that wait, let go in the order the configuration asks for."""

    def __init__(self, order: str, streams: int) -> None:
        self._order = order
        self._streams = streams
        self._held: list[HeldState] = []

    def __bool__(self) -> bool:
        return bool(self._held)

    def hold(self, held: HeldState) -> None:
        if self._order == "last":
            self._held = [earlier for earlier in self._held if earlier.state.stream != held.state.stream]
        if self._order != "never":
            self._held.append(held)

    def release(self, *, at_end: bool) -> list[HeldState]:
        """The states to echo now, in order."""
        released = self._held
        if self._order == "last" and not at_end:
            return []
        if self._order == "reverse_streams":
            streams = list(dict.fromkeys(held.state.stream for held in released))
            if not at_end and len(streams) < self._streams:
                return []
            released = sorted(released, key=lambda held: -streams.index(held.state.stream))
        self._held = []
        return released
