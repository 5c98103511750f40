"""States between source and destination: staged, matched when echoed, committed per key.

STREAM states are kept per (name, namespace), GLOBAL and LEGACY ones under one key each. An echo commits its own key's
staged states up to it and nothing else (decisions.md, "Messages").
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from airbyte_workers.protocol.messages import State
from airbyte_workers.protocol.streams import StreamKey
from airbyte_workers.replication.state_figures import NEVER, Moments
from airbyte_workers.replication.state_forms import StateKey, digest_of, state_key, stored_form
from airbyte_workers.replication.statistics import Tally, merged

_STATE_BYTES = 256  # what a waiting state takes beside its blob, about
_COUNT_BYTES = 200  # and each of its counts
_HALF = 8  # bytes of a merged state's number, and as many of its digest


@dataclass(frozen=True)
class Staged:
    """A state on its way. `stored` is false for the empty one of our own: its echo is proof, it is not stored.

    `state` is None where what was kept under its key is to be erased. `merged` holds number and digest of every state
    that was merged into this one and not yet echoed. `emitted`: when this one and those came.
    """

    number: int
    key: StateKey
    state: bytes | None
    digest: bytes
    counts: Mapping[StreamKey, Tally]
    size: int
    covers: int = 1
    merged: bytes = b""
    stored: bool = True
    emitted: Moments = NEVER


@dataclass(frozen=True)
class Commit:
    """What one echo proves durable: the state, and what was counted up to it. What is in `Staged`, too, is as there."""

    number: int
    key: StateKey
    state: bytes | None
    counts: Mapping[StreamKey, Tally]
    covers: int
    stored: bool = True
    emitted: Moments = NEVER

    def after(self, earlier: Commit | None) -> Commit:
        """This one with the states of an earlier one of its key; `counts` stay its own."""
        if earlier is None:
            return self
        return replace(self, covers=self.covers + earlier.covers, emitted=self.emitted + earlier.emitted)


class MixedStateTypes(Exception):
    """A source sent states of two types in one sync."""


@dataclass
class StateLedger:
    """The states of one attempt that wait for their echo, within about `max_bytes` of memory.

    Over it every second one is merged into the next; 16 bytes stay of each, so that its echo is still known. Each is
    counted in `merged`: a crash before the next one's echo has more read again than it would have without.
    """

    max_bytes: int
    emitted: int = 0
    unmatched: int = 0
    merged: int = 0
    _type: str | None = None
    _bytes: int = 0
    _staged: dict[StateKey, deque[Staged]] = field(default_factory=dict)
    _keys_seen: set[StateKey] = field(default_factory=set)

    def next_number(self) -> int:
        """The id that the next staged state will carry; the first is 1."""
        return self.emitted + 1

    def stage(self, state: State, counts: Mapping[StreamKey, Tally], *, stored: bool = True, at: float = 0.0) -> Staged:
        """Take a state of the source; `counts` are those since the key's previous state, `at` is when it came, seconds.

        Raises MixedStateTypes.
        """
        key = state_key(state)
        if self._type not in (None, key.type):
            raise MixedStateTypes(f"{self._type} and {key.type}")
        self._type = key.type
        self.emitted += 1
        blob = stored_form(state)
        staged = Staged(
            number=self.emitted,
            key=key,
            state=blob if stored else None,
            stored=stored,
            digest=digest_of(state),
            counts=counts,
            size=len(blob or b"") + _STATE_BYTES + _COUNT_BYTES * len(counts),
            emitted=Moments.at(at),
        )
        self._keys_seen.add(key)
        self._staged.setdefault(key, deque()).append(staged)
        self._bytes += staged.size
        if self._bytes > self.max_bytes:
            self._thin()
        return staged

    def acknowledge(self, echo: State) -> Commit | None:
        """What an echo commits; None when that is nothing: it matches no state that waits, or only a merged one.

        An echo without a match is counted as unmatched.
        """
        waiting = self._staged.get(state_key(echo), deque())
        covered = _covered(waiting, echo)
        if covered is None:
            self.unmatched += 1
        return self._take(waiting, covered) if covered else None

    def has_twin(self, echo: State) -> bool:
        """Whether a state that waits is the same as the echoed one but for its number, and the echo has none."""
        if echo.id is not None:
            return False
        digest = digest_of(echo)
        return any(staged.digest == digest for staged in self._staged.get(state_key(echo), ()))

    def unacknowledged(self) -> list[StateKey]:
        """The keys whose last state has not been echoed."""
        return [key for key, waiting in self._staged.items() if waiting]

    def has_state(self, stream: StreamKey) -> bool:
        """Whether a state that speaks for this stream was sent."""
        if self._type in ("GLOBAL", "LEGACY"):
            return True
        return StateKey("STREAM", stream) in self._keys_seen

    def _take(self, waiting: deque[Staged], covered: int) -> Commit:
        taken = [waiting.popleft() for _ in range(covered)]
        last = taken[-1]
        self._bytes -= sum(staged.size for staged in taken)
        covers = sum(staged.covers for staged in taken)
        counts = merged(*(staged.counts for staged in taken))
        emitted = sum((staged.emitted for staged in taken), NEVER)
        return Commit(last.number, last.key, last.state, counts, covers, last.stored, emitted)

    def _thin(self) -> None:
        """Merge every second waiting state into the next one; the newest of each key always stays."""
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
            self.merged += len(waiting) - len(kept)
            self._staged[key] = kept
        self._bytes = sum(staged.size for waiting in self._staged.values() for staged in waiting)


def _joined(earlier: Staged | None, later: Staged) -> Staged:
    if earlier is None:
        return later
    return replace(
        later,
        counts=merged(earlier.counts, later.counts),
        covers=earlier.covers + later.covers,
        emitted=earlier.emitted + later.emitted,
        merged=earlier.merged + _numbered(earlier.number) + earlier.digest[:_HALF] + later.merged,
    )


def _covered(waiting: deque[Staged], echo: State) -> int | None:
    """How many waiting states an echo covers, by its id or else by its blob, oldest first; None: it matches none."""
    digest = digest_of(echo) if echo.id is None else b""
    for place, staged in enumerate(waiting):
        if known := _merged_up_to(staged.merged, echo.id, digest):
            waiting[place] = replace(staged, merged=staged.merged[known:])
            return place
        if staged.number == echo.id or staged.digest == digest:
            return place + 1
    return None


def _merged_up_to(merged_states: bytes, number: int | None, digest: bytes) -> int:
    """Where the echoed state ends among those that were merged; 0 when it is not one of them."""
    if number is None:
        wanted, offset = digest[:_HALF], _HALF
    elif 0 < number < 2**63:
        wanted, offset = _numbered(number), 0
    else:
        return 0
    found = merged_states.find(wanted)
    while found >= 0 and found % (2 * _HALF) != offset:
        found = merged_states.find(wanted, found + 1)
    return found - offset + 2 * _HALF if found >= 0 else 0


def _numbered(number: int) -> bytes:
    return number.to_bytes(_HALF, "big")
