"""States between source and destination: staged, matched when echoed, committed per key.

STREAM states are kept per (name, namespace), GLOBAL and LEGACY ones under one key each. An echo commits its own key's
staged states up to it and nothing else (decisions.md, "Messages").
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airbyte_workers.protocol.catalog import StreamKey, stream_key
from airbyte_workers.protocol.messages import ABSENT, State, serialise
from airbyte_workers.replication.statistics import Tally, merged


@dataclass(frozen=True)
class StateKey:
    """Whose state it is; `stream` is None for GLOBAL and LEGACY."""

    type: str
    stream: StreamKey | None = None


@dataclass(frozen=True)
class Staged:
    """A state on its way. `state` is None for the empty one of our own: its echo is proof, it is not stored."""

    number: int
    key: StateKey
    state: bytes | None
    digest: bytes
    counts: Mapping[StreamKey, Tally]
    size: int
    covers: int = 1


@dataclass(frozen=True)
class Commit:
    """What one echo proves durable: the state, and what was counted up to it."""

    number: int
    key: StateKey
    state: bytes | None
    counts: Mapping[StreamKey, Tally]
    covers: int


class MixedStateTypes(Exception):
    """A source sent states of two types in one sync."""


def key_of(state: State) -> StateKey:
    """The key of a state; no type means LEGACY."""
    if state.type == "STREAM" and state.stream is not None:
        descriptor = state.stream.stream_descriptor
        return StateKey("STREAM", stream_key(descriptor.name, descriptor.namespace))
    return StateKey("GLOBAL" if state.type == "GLOBAL" else "LEGACY")


def stored_form(state: State) -> bytes:
    """What is kept of a state and given back to the source: without stamps and statistics; LEGACY: its blob alone."""
    if key_of(state).type == "LEGACY":
        return bytes(state.data) if state.data != ABSENT else b"{}"
    data = ABSENT if key_of(state).type in ("STREAM", "GLOBAL") else state.data
    unknown = {name: value for name, value in state.unknown_fields.items() if name not in ("id", "sourceStats")}
    kept = State(type=state.type, stream=state.stream, global_=state.global_, data=data, unknown_fields=unknown)
    return serialise(kept)


def digest_of(state: State) -> bytes:
    """A fingerprint of (key, blob) that a destination's re-serialising does not change."""
    return hashlib.blake2b(_canonical(json.loads(stored_form(state))).encode(), digest_size=16).digest()


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


@dataclass
class StateLedger:
    """The states of one attempt that wait for their echo, within `max_bytes` of memory."""

    max_bytes: int
    emitted: int = 0
    unmatched: int = 0
    _type: str | None = None
    _bytes: int = 0
    _staged: dict[StateKey, deque[Staged]] = field(default_factory=dict)
    _merged: bool = False
    _keys_seen: set[StateKey] = field(default_factory=set)

    def next_number(self) -> int:
        """The id that the next staged state will carry; the first is 1."""
        return self.emitted + 1

    def stage(self, state: State, counts: Mapping[StreamKey, Tally], *, stored: bool = True) -> Staged:
        """Take a state of the source; `counts` are those since the key's previous state. Raises MixedStateTypes."""
        key = key_of(state)
        if self._type not in (None, key.type):
            raise MixedStateTypes(f"{self._type} and {key.type}")
        self._type = key.type
        self.emitted += 1
        blob = stored_form(state)
        staged = Staged(
            number=self.emitted,
            key=key,
            state=blob if stored else None,
            digest=digest_of(state),
            counts=counts,
            size=len(blob) + 256,
        )
        self._keys_seen.add(key)
        self._staged.setdefault(key, deque()).append(staged)
        self._bytes += staged.size
        if self._bytes > self.max_bytes:
            self._thin()
        return staged

    def acknowledge(self, echo: State) -> Commit | None:
        """What an echo commits; None when it matches nothing that waits (counted as unmatched)."""
        key = key_of(echo)
        waiting = self._staged.get(key, deque())
        if echo.id is not None:
            covered = self._covered_by_number(waiting, echo.id)
        else:
            covered = self._covered_by_digest(waiting, echo)
        if not covered:
            self.unmatched += 1
            return None
        return self._take(waiting, covered)

    def unacknowledged(self) -> list[StateKey]:
        """The keys whose last state has not been echoed."""
        return [key for key, waiting in self._staged.items() if waiting]

    def has_state(self, stream: StreamKey) -> bool:
        """Whether a state that speaks for this stream was sent."""
        if self._type in ("GLOBAL", "LEGACY"):
            return True
        return StateKey("STREAM", stream) in self._keys_seen

    def _covered_by_number(self, waiting: deque[Staged], number: int) -> int:
        """How many staged states an echoed id covers; once states were merged, also the id of a merged one counts."""
        if not self._merged and all(staged.number != number for staged in waiting):
            return 0
        return sum(staged.number <= number for staged in waiting)

    def _covered_by_digest(self, waiting: deque[Staged], echo: State) -> int:
        digest = digest_of(echo)
        return next((place for place, staged in enumerate(waiting, 1) if staged.digest == digest), 0)

    def _take(self, waiting: deque[Staged], covered: int) -> Commit:
        taken = [waiting.popleft() for _ in range(covered)]
        last = taken[-1]
        self._bytes -= sum(staged.size for staged in taken)
        covers = sum(staged.covers for staged in taken)
        counts = merged(*(staged.counts for staged in taken))
        return Commit(last.number, last.key, last.state, counts, covers)

    def _thin(self) -> None:
        """Merge every second waiting state into the next one; the newest of each key always stays."""
        self._merged = True
        for key, waiting in self._staged.items():
            if len(waiting) < 3:
                continue
            kept: deque[Staged] = deque()
            held: Staged | None = None
            for place, staged in enumerate(waiting):
                joined = _joined(held, staged)
                drop = place % 2 == 0 and place < len(waiting) - 1
                held = joined if drop else None
                if not drop:
                    kept.append(joined)
            self._staged[key] = kept
        self._bytes = sum(staged.size for waiting in self._staged.values() for staged in waiting)


def _joined(earlier: Staged | None, later: Staged) -> Staged:
    if earlier is None:
        return later
    return replace(later, counts=merged(earlier.counts, later.counts), covers=earlier.covers + later.covers)
