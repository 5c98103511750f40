"""A slow relay that is obviously right, to hold the real one against: one line at a time, plain Python, no bytes kept.

Written from what the decisions say of messages and evidence and from upstream's behaviour, not from `replication/`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.fuzz.plain_counts import Count, PlainEstimates, PlainStream
from tests.fuzz.plain_json import beginning, member
from tests.fuzz.plain_records import as_line, is_record, level_of_text, looks_like_data, message_in, size_of
from tests.fuzz.plain_routes import PlainRoute, Rewritten, described, sent, state_sent
from tests.fuzz.plain_states import Key, PlainState, Stamp, key_of, stamped, state_in
from tests.fuzz.plain_traces import (
    PlainError,
    PlainEstimate,
    PlainStatus,
    level_of,
    level_of_control,
    lost_error,
    trace_in,
)
from tests.fuzz.reference_echoes import Echoes, Staged

KNOWN_TYPES = {"SPEC", "CONNECTION_STATUS", "CATALOG", "DESTINATION_CATALOG"}
LAST_MOMENT = 253_402_300_799_999.999  # ms since the epoch: the last one that a calendar knows


class Ended(Exception):
    """A message after which the attempt cannot go on; its text is the type of the failure."""


@dataclass
class ReferenceRelay:
    """Both directions of one attempt."""

    configured: Sequence[Key]
    allow_malformed: bool = False
    routes: Sequence[PlainRoute] = ()
    forwarded: list[bytes | Rewritten] = field(default_factory=list)
    logged: list[tuple[str, str]] = field(default_factory=list)
    failures: list[tuple[str, str, Key | None]] = field(default_factory=list)
    malformed: int = 0
    nulled: int = 0
    held_back: int = 0
    source_stats_mismatches: int = 0
    empty_states: int = 0
    statuses_seen: bool = False
    source_failed: bool = False
    told: set[Any] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.streams = {key: PlainStream() for key in self.configured}
        self.estimates = PlainEstimates(self.configured)
        self.route_of: Mapping[Key, PlainRoute] = {each.source: each for each in self.routes}
        sources = {each.destination: each.source for each in self.routes}
        self.echoes = Echoes(sources, self.logged, self.failures)

    def source(self, line: bytes) -> None:
        """Take a line of the source, its newline included. Raises Ended."""
        message = message_in(line)
        kind = None if message is None else message["type"]
        if message is None:
            self._dropped(line, is_data=looks_like_data(line))
        elif kind == "RECORD":
            self._record(line, message)
        elif kind == "STATE":
            self._state(line, message)
        elif kind == "TRACE":
            self._trace(line)
        elif kind == "CONTROL":
            self.logged += [("source", level) for level in [level_of_control(line)] if level is not None]
        elif kind == "LOG":
            level = level_of(line)
            self.logged.append(("source", str(level_of_text(line)) if level is None else level))
        elif kind not in KNOWN_TYPES:
            self._dropped(line, is_data=looks_like_data(line))

    # --- records ---

    def _record(self, line: bytes, message: dict[str, Any]) -> None:
        record = message.get("record")
        if record is None or not is_record(record):
            self._dropped(line, is_data=True)
            return
        key = key_of({"name": record["stream"], "namespace": record.get("namespace")})
        stream = self._stream(key)
        goes_on = self._sent(line, key)
        stream.count(size_of(line, record), filtered=goes_on is None)
        if goes_on is not None:
            self.forwarded.append(goes_on)

    def _sent(self, line: bytes, key: Key) -> bytes | Rewritten | None:
        """The record as the destination gets it; None: a mapper keeps it back."""
        route = self.route_of.get(key)
        if route is None or not (route.is_renamed or route.changes_data):
            return line
        result = sent(line, route)
        self.nulled += result.nulled
        return result.line

    def _stream(self, key: Key) -> PlainStream:
        if key not in self.streams:
            raise Ended("unknown_stream")
        return self.streams[key]

    # --- states ---

    def _state(self, line: bytes, message: dict[str, Any]) -> None:
        text = line.decode()
        body = member(text, beginning(text), "state")
        state = None if body is None else state_in(message["state"], text[body.start : body.end])
        if body is None or state is None:
            self._dropped(line, is_data=True)
        elif self._is_held_back(state.owner[1]):
            self.held_back += 1
            for stream in self._spoken_for(state.owner[1]).values():
                stream.held_back = True
        else:
            stamp = self._stage(state)
            self.forwarded.append(self._state_sent(state.owner[1], stamped(text, body, stamp)))

    def _state_sent(self, owner: Key | None, text: str) -> bytes | Rewritten:
        route = None if owner is None else self.route_of.get(owner)
        if route is None or not route.is_renamed:
            return text.encode()
        body = member(text, beginning(text), "state")
        assert body is not None
        return state_sent(text, body, route.destination)

    def _is_held_back(self, owner: Key | None) -> bool:
        if self.source_failed or (self.malformed and not self.allow_malformed):
            return True
        if owner is None:
            return any(stream.failed for stream in self.streams.values())
        return owner in self.streams and self.streams[owner].failed

    def _spoken_for(self, owner: Key | None) -> dict[Key, PlainStream]:
        if owner is None:
            return self.streams
        return {owner: self.streams[owner]} if owner in self.streams else {}

    def _stage(self, state: PlainState, *, stored: bool = True) -> Stamp:
        """The state waits; its stamp tells of the records since the one before it."""
        counts = {}
        for key, stream in self._spoken_for(state.owner[1]).items():
            if stream.since.records:
                counts[key] = stream.since
            stream.since = Count()
        records = sum(each.records for each in counts.values())
        stated = state.count("sourceStats", "recordCount")
        if stated is not None and stated != records:
            self.source_stats_mismatches += 1
            self.logged += [("source", "WARN")] * self._is_news("source", state.owner)
        if self.echoes.type not in (None, state.owner[0]):
            raise Ended("mixed_state_types")
        number = self.echoes.stage(Staged(state, counts, stored=stored))
        return Stamp(number, records, sum(each.filtered for each in counts.values()))

    def _is_news(self, *what: Any) -> bool:
        """Whether it was never told before."""
        known = what in self.told
        self.told.add(what)
        return not known

    # --- what else a source says ---

    def _trace(self, line: bytes) -> None:
        trace = trace_in(line)
        if trace is None:
            self._dropped(line, is_data=looks_like_data(line))
        elif isinstance(trace, PlainError):
            self._error(trace)
        elif isinstance(trace, PlainStatus):
            self._status(trace)
        elif isinstance(trace, PlainEstimate):
            self.estimates.told.append(trace)

    def _error(self, error: PlainError) -> None:
        self.failures.append(("source", error.kind, error.stream))
        self.logged.append(("source", "ERROR"))
        if error.stream is not None and error.stream in self.streams:
            self.streams[error.stream].failed = True
        else:
            self.source_failed = True

    def _status(self, status: PlainStatus) -> None:
        stream = self._stream(status.stream)
        self.statuses_seen = True
        waits = (moment(status.reset),) if status.limited else None
        if waits is None:
            self._tell(stream, status.status)
        stream.started = True
        if status.status == "INCOMPLETE":
            stream.incomplete = stream.failed = True
            return
        if waits is not None and waits != stream.waits:
            self.logged.append(("source", "WARN"))
        stream.waits = waits
        stream.complete = stream.complete or status.status == "COMPLETE"

    def _tell(self, stream: PlainStream, status: str) -> None:
        """A status is told when it is news."""
        known = {"COMPLETE": stream.complete, "INCOMPLETE": stream.incomplete}.get(status, stream.started)
        if not known:
            self.logged.append(("source", "WARN" if status == "INCOMPLETE" else "INFO"))

    def _dropped(self, line: bytes, *, is_data: bool) -> None:
        if is_data:
            self.malformed += 1
        elif (error := lost_error(line)) is not None:
            self._error(error)
        if (level := "WARN" if is_data else level_of_text(line)) is not None:
            self.logged.append(("source", level))

    # --- the end ---

    def end(self) -> None:
        """After exit code 0: an empty state for every stream that had none, if all were read to their end."""
        lost = self.malformed and not self.allow_malformed
        failed = any(stream.failed for stream in self.streams.values())
        open_still = self.statuses_seen and not all(stream.complete for stream in self.streams.values())
        if lost or failed or open_still or self.failures or self.echoes.distrusted:
            return
        for name, namespace in self.configured:
            if not self.echoes.speaks_for((name, namespace)):
                self._send_empty_state(name, namespace)

    def _send_empty_state(self, name: str, namespace: str | None) -> None:
        stream: dict[str, Any] = {"stream_descriptor": described((name, namespace)), "stream_state": {}}
        body = {"type": "STREAM", "stream": stream}
        stamp = self._stage(PlainState(("STREAM", (name, namespace)), body), stored=False)
        self.empty_states += 1
        stream["stream_descriptor"] = described(self.destination((name, namespace)))
        given = {"id": stamp.number, "sourceStats": {"recordCount": stamp.forwarded}}
        self.forwarded.append(as_line({"type": "STATE", "state": given | body}))

    def destination(self, stream: Key) -> Key:
        """The stream's name in the destination."""
        return self.route_of[stream].destination if stream in self.route_of else stream


def moment(reset: float | None) -> float | None:
    """When a quota is reset; None for what is no time."""
    return reset if reset is not None and 0 <= reset <= LAST_MOMENT else None
