"""The states of a source on their way: staged, stamped, under the destination's name; or held back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Raw

from airbyte_workers.models import FailureOrigin, FailureType
from airbyte_workers.protocol.messages import State, StreamDescriptor, StreamState, serialise
from airbyte_workers.protocol.streams import StreamKey
from airbyte_workers.replication.checksums import source_differs
from airbyte_workers.replication.ledger import Ledger
from airbyte_workers.replication.rewriting import renamed_state
from airbyte_workers.replication.routes import Routes
from airbyte_workers.replication.stamping import read_state, stamp
from airbyte_workers.replication.state_forms import StateKey, state_key
from airbyte_workers.replication.state_ledger import MixedStateTypes
from airbyte_workers.replication.statistics import Tally


class SourceStates:
    """What becomes of each state that the source sends, and of streams of which it sends none."""

    def __init__(self, ledger: Ledger, routes: Routes) -> None:
        self._ledger = ledger
        self._routes = routes
        self._states = ledger.states

    def stamped(self, line: bytes, body: Raw) -> bytes | None:
        """The line as the destination gets it; None: it is held back. Raises NotAState and ReplicationFailed."""
        state = read_state(body)
        key = state_key(state)
        if self._ledger.holds_back(key):
            self._hold_back(key)
            return None
        counts = self._counts_since(key)
        came = sum(counts.values(), Tally())
        if source_differs(state, came):
            self._ledger.source_differs(key, came)
        number = self._states.next_number()
        self._stage(state, counts)
        if key.stream is not None and self._routes.destination(key.stream) != key.stream:
            line, body = renamed_state(line, body, self._routes.destination(key.stream))
        return stamp(line, body, number, came)

    def empty(self) -> Iterator[bytes]:
        """An empty state for every stream without one, while they are asked for."""
        for name, namespace in self._ledger.streams:
            if not self._states.has_state((name, namespace)):
                yield self._empty(StreamDescriptor(name=name, namespace=namespace))

    def _empty(self, descriptor: StreamDescriptor) -> bytes:
        body = StreamState(stream_descriptor=descriptor, stream_state=Raw(b"{}"))
        state = State(type="STREAM", stream=body)
        counts = self._counts_since(state_key(state))
        number = self._states.next_number()
        self._stage(state, counts, stored=False)
        self._ledger.counters.empty_states_sent += 1
        raw = serialise(self._routes.state_of_destination(state))
        line = b'{"type":"STATE","state":' + raw + b"}\n"
        return stamp(line, Raw(raw), number, sum(counts.values(), Tally()))

    def _hold_back(self, key: StateKey) -> None:
        self._ledger.counters.states_held_back += 1
        for tracker in self._ledger.spoken_for(key):
            tracker.held_back = True

    def _stage(self, state: State, counts: Mapping[StreamKey, Tally], *, stored: bool = True) -> None:
        at = self._ledger.measuring.now()
        try:
            staged = self._states.stage(state, counts, stored=stored, at=at)
        except MixedStateTypes as error:
            raise self._ledger.fail(
                FailureOrigin.SOURCE,
                FailureType.MIXED_STATE_TYPES,
                f"the source mixed state types ({error}) in one sync",
            ) from None
        self._ledger.staged(staged.key, state, staged.number, at)

    def _counts_since(self, key: StateKey) -> dict[StreamKey, Tally]:
        """What a state of this key vouches for: its stream, or every stream."""
        counts = {tracker.key: tracker.take_since_state() for tracker in self._ledger.spoken_for(key)}
        return {stream: tally for stream, tally in counts.items() if tally.records}
