"""Measures the states of one attempt, per stream: how many, how far apart, how soon they are durable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from airbyte_workers.protocol.messages import State
from airbyte_workers.protocol.streams import StreamKey
from airbyte_workers.replication.populated_fields import PopulatedFields
from airbyte_workers.replication.state_figures import StateFigures
from airbyte_workers.replication.state_forms import StateKey
from airbyte_workers.replication.state_ledger import Commit
from airbyte_workers.replication.statistics import StreamTracker, no_clock


@dataclass(frozen=True)
class Measures:
    """What measuring needs from outside: seconds that only grow, how many names `additionalStats` may have.

    `populated_fields`: every record is decoded to count its fields that are not null.
    """

    clock: Callable[[], float] = no_clock
    most_names: int = 20
    populated_fields: bool = False


UNMEASURED = Measures()
"""Without a clock: every time is 0."""


class Measuring:
    """The figures of every key of states.

    A GLOBAL state's are those of every stream; a LEGACY one's of none, for nobody knows of which it speaks.
    """

    def __init__(self, streams: Mapping[StreamKey, StreamTracker], measures: Measures) -> None:
        self._streams = streams
        self._measures = measures
        self.populated = PopulatedFields(streams) if measures.populated_fields else None
        self._undivided: dict[str, StateFigures] = {}

    def now(self) -> float:
        """Seconds on the attempt's clock."""
        return self._measures.clock()

    def of(self, key: StateKey) -> StateFigures:
        """The figures of a key; of a stream that is not synced they are counted for nobody."""
        if key.stream is not None and key.stream in self._streams:
            return self._streams[key.stream].states
        if key.type not in self._undivided:
            self._undivided[key.type] = StateFigures()
            if key.type == "GLOBAL":
                for tracker in self._streams.values():
                    tracker.states = self._undivided[key.type]
        return self._undivided[key.type]

    def emitted(self, key: StateKey, state: State, at: float) -> None:
        """A state went on to the destination."""
        figures = self.of(key)
        figures.emit(at, self._first_record_at(key) if figures.last_at is None else None)
        figures.add(state.sourceStats, most=self._measures.most_names)

    def _first_record_at(self, key: StateKey) -> float | None:
        trackers = self._streams.values() if key.stream is None else [self._streams.get(key.stream)]
        times = [each.first_record_at for each in trackers if each is not None and each.first_record_at is not None]
        return min(times, default=None)

    def echoed(self, key: StateKey, echo: State) -> None:
        """The destination acknowledged a state."""
        figures = self.of(key)
        figures.acknowledged += 1
        figures.add(echo.destinationStats, most=self._measures.most_names)

    def committed(self, commits: Iterable[Commit]) -> None:
        """These are durable."""
        now = self.now()
        for commit in commits:
            self.of(commit.key).commit(commit.emitted, now)

    def as_if_committed(self, commits: Iterable[Commit], trackers: Iterable[StreamTracker]) -> None:
        """Give copies of trackers the figures that they will have once these are durable."""
        now, newest = self.now(), {commit.key: commit for commit in commits}
        for tracker in trackers:
            tracker.states = tracker.states.copy()
            for key in (StateKey("STREAM", tracker.key), StateKey("GLOBAL")):
                if key in newest:
                    tracker.states.commit(newest[key].emitted, now)
