"""The destination's direction of the reference relay: echoes, commits per owner, counts of what is durable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.fuzz.plain_counts import Count
from tests.fuzz.plain_json import beginning, member
from tests.fuzz.plain_records import level_of_text, message_in
from tests.fuzz.plain_states import Key, PlainState, canonical, kept, state_in
from tests.fuzz.plain_traces import PlainError, level_of, level_of_control, lost_error, trace_in

Owner = tuple[str, Key | None]
KNOWN_TYPES = {"RECORD", "SPEC", "CONNECTION_STATUS", "CATALOG", "DESTINATION_CATALOG"}


@dataclass
class Staged:
    """A state that waits for its echo; `counts` per stream since the owner's state before."""

    state: PlainState
    counts: Mapping[Key, Count]
    stored: bool = True
    number: int = 0

    def is_meant_by(self, echo: PlainState) -> bool:
        """By the platform's stamp where the echo still has one, else by what it says."""
        if echo.id is not None:
            return echo.id == self.number
        return canonical(echo) == canonical(self.state)


@dataclass
class Committed:
    """What is durable of one stream."""

    count: Count = field(default_factory=Count)
    rejected: int = 0


@dataclass
class Echoes:
    """The states of one attempt, and what the destination said to them; `sources` are streams by their name there."""

    sources: Mapping[Key, Key]
    logged: list[tuple[str, str]]
    failures: list[tuple[str, str, Key | None]]
    type: str | None = None
    emitted: int = 0
    waiting: dict[Owner, list[Staged]] = field(default_factory=dict)
    acknowledgements: int = 0
    bare: int = 0
    unmatched: int = 0
    mismatches: int = 0
    distrusted: set[Owner] = field(default_factory=set)
    states_committed: int = 0
    rejected_undivided: int = 0
    committed: dict[Key, Committed] = field(default_factory=dict)
    stored: dict[Owner, Any] = field(default_factory=dict)

    def stage(self, staged: Staged) -> int:
        """Wait for this state's echo; the result is its number."""
        self.emitted += 1
        staged.number = self.emitted
        self.type = staged.state.owner[0]
        self.waiting.setdefault(staged.state.owner, []).append(staged)
        return staged.number

    def speaks_for(self, stream: Key) -> bool:
        """Whether a state came that speaks for this stream."""
        return self.type in ("GLOBAL", "LEGACY") or ("STREAM", stream) in self.waiting

    def unacknowledged(self) -> int:
        return sum(1 for waiting in self.waiting.values() if waiting)

    # --- lines ---

    def destination(self, line: bytes) -> None:
        """Take a line of the destination, its newline included."""
        message = message_in(line)
        kind = None if message is None else message["type"]
        if message is None:
            error = lost_error(line)
            if error is not None:
                self._error(error)
            self._no_message(line)
        elif kind in ("STATE", "STREAM", "GLOBAL", "LEGACY"):
            self._state(line, message, bare=kind != "STATE")
        elif kind == "TRACE":
            self._trace(line)
        elif kind == "CONTROL":
            self.logged += [("destination", level) for level in [level_of_control(line)] if level is not None]
        elif kind == "LOG" and (level := level_of(line)) is not None:
            self.logged.append(("destination", level))
        elif kind not in KNOWN_TYPES:
            self._no_message(line)

    def _no_message(self, line: bytes) -> None:
        if (level := level_of_text(line)) is not None:
            self.logged.append(("destination", level))

    def _trace(self, line: bytes) -> None:
        trace = trace_in(line)
        if trace is None:
            self._no_message(line)
        elif isinstance(trace, PlainError):
            self._error(trace)

    def _source(self, stream: Key) -> Key:
        """The source's name of a stream."""
        return self.sources.get(stream, stream)

    def _error(self, error: PlainError) -> None:
        stream = None if error.stream is None else self._source(error.stream)
        self.failures.append(("destination", error.kind, stream))
        self.logged.append(("destination", "ERROR"))

    # --- echoes ---

    def _state(self, line: bytes, message: dict[str, Any], *, bare: bool) -> None:
        text = line.decode()
        body = None if bare else member(text, beginning(text), "state")
        state = state_in(
            message if bare else message.get("state"), text if body is None else text[body.start : body.end]
        )
        if state is None:
            self._no_message(line)
            return
        if bare:
            if not self.bare:
                self.logged.append(("destination", "WARN"))
            self.bare += 1
        kind, stream = state.owner
        self._echo(state if stream is None else replace(state, owner=(kind, self._source(stream))))

    def _echo(self, echo: PlainState) -> None:
        waiting = self.waiting.get(echo.owner, [])
        place = next((n for n, staged in enumerate(waiting) if staged.is_meant_by(echo)), None)
        if place is None:
            self.unmatched += 1
            self.logged.append(("destination", "WARN"))
            return
        covered, self.waiting[echo.owner] = waiting[: place + 1], waiting[place + 1 :]
        self.acknowledgements += 1
        sent = sum(count.forwarded for staged in covered for count in staged.counts.values())
        rejected = max(0, echo.count("destinationStats", "rejectedRecordCount") or 0)
        counted = echo.count("destinationStats", "recordCount")
        if counted is not None and len(covered) == 1 and counted + rejected != sent:
            self._mismatch(echo)
        if echo.owner not in self.distrusted:
            if int(rejected) > sent:
                self.logged.append(("destination", "WARN"))
            self._commit(covered, min(int(rejected), sent))

    def _mismatch(self, echo: PlainState) -> None:
        """The destination has lost something, unless it may speak of another state that looks the same."""
        if echo.id is None and any(staged.is_meant_by(echo) for staged in self.waiting[echo.owner]):
            return
        if echo.owner not in self.distrusted:
            self.logged.append(("destination", "ERROR"))
        self.mismatches += 1
        self.distrusted.add(echo.owner)

    def _commit(self, covered: list[Staged], rejected: int) -> None:
        """Count what the states covered. Who rejected records of several streams does not say of which."""
        last = covered[-1]
        self.states_committed += len(covered)
        self.stored[last.state.owner] = kept(last.state) if last.stored else None
        streams = {key for staged in covered for key, count in staged.counts.items() if count.forwarded}
        for staged in covered:
            for key, count in staged.counts.items():
                self.committed.setdefault(key, Committed()).count.add(count)
        if len(streams) == 1:
            self.committed[streams.pop()].rejected += rejected
        else:
            self.rejected_undivided += rejected
