"""What a source's lines say, taken down one by one."""

from __future__ import annotations

from dataclasses import dataclass, field

from airbyte_workers.conformance.hearing import Ear
from airbyte_workers.conformance.seen import Ended, Memory, ReadSeen, StatesSeen, StreamSeen, Talk
from airbyte_workers.protocol.messages import ConfiguredCatalog, MessageType
from airbyte_workers.protocol.streams import StreamKey, key_of, shown, stream_key
from airbyte_workers.replication.checked_streams import CheckedStream
from airbyte_workers.replication.decoding import Sniffed, is_sound, record_bytes, sniff_line
from airbyte_workers.replication.record_faults import NotCheckable, UnusableSchema
from airbyte_workers.replication.stamping import NotAState, read_state
from airbyte_workers.replication.state_forms import StateKey, digest_of, state_key, stored_form


@dataclass(eq=False)
class _Stream:
    checked: CheckedStream
    records: int = 0
    statuses: list[str] = field(default_factory=list)

    def seen(self) -> StreamSeen:
        checked = self.checked
        return StreamSeen(self.records, tuple(self.statuses), checked.validated, checked.invalid, tuple(checked.faults))


class SourceNotes:
    """Of every stream of the catalog; the first `looked_at` records of each are held against its schema."""

    def __init__(self, ear: Ear, catalog: ConfiguredCatalog, looked_at: int) -> None:
        self._ear = ear
        self._looked_at = looked_at
        self._streams = {
            key_of(each.stream): _Stream(CheckedStream(key_of(each.stream), bytes(each.stream.json_schema)))
            for each in catalog.streams
        }
        self._unknown: set[str] = set()
        self._states = _States()
        self.records = 0
        self.bytes = 0

    def line(self, line: bytes, at: float) -> bool:
        """Take it down; whether it is data."""
        sniffed = sniff_line(line)
        kind = sniffed.type if sniffed is not None else ""
        if sniffed is not None and kind == MessageType.RECORD:
            return self._record(line, sniffed, at)
        if sniffed is not None and kind == MessageType.STATE:
            return self._state(line, sniffed, at)
        trace = self._ear.line(line, sniffed)
        if trace is not None and trace.stream_status is not None:
            told = trace.stream_status
            self._status(stream_key(told.stream_descriptor.name, told.stream_descriptor.namespace), told.status)
        return False

    def _record(self, line: bytes, sniffed: Sniffed, at: float) -> bool:
        if not is_sound(sniffed) or sniffed.record is None:
            self._ear.junk(line, is_data=True)
            return False
        record = sniffed.record
        key = stream_key(record.stream, record.namespace)
        self.bytes += record_bytes(record)
        stream = self._streams.get(key)
        if stream is None:
            self._unknown.add(f"{shown(key)} (records)")
            return True
        self.records += 1
        stream.records += 1
        self._states.record(at)
        if stream.records <= self._looked_at:
            _look(stream.checked, sniffed)
        return True

    def _state(self, line: bytes, sniffed: Sniffed, at: float) -> bool:
        try:
            self._states.take(sniffed, at)
        except NotAState:
            self._ear.junk(line, is_data=True)
            return False
        return True

    def _status(self, key: StreamKey, status: str) -> None:
        stream = self._streams.get(key)
        if stream is None:
            self._unknown.add(f"{shown(key)} (a status)")
        elif status not in stream.statuses:
            stream.statuses.append(status)

    def seen(self, ended: Ended, quiet: float, talk: Talk, memory: Memory | None) -> ReadSeen:
        """All of it, with how it ended."""
        return ReadSeen(
            ended=ended,
            streams={key: each.seen() for key, each in self._streams.items()},
            states=self._states.seen(),
            unknown=frozenset(self._unknown),
            bytes=self.bytes,
            quiet=quiet,
            talk=talk,
            memory=memory,
        )


def _look(checked: CheckedStream, sniffed: Sniffed) -> None:
    if checked.ended or sniffed.record is None:
        return
    try:
        faults = checked.look(sniffed.record.data, None)
    except UnusableSchema:
        checked.ended = True
        return
    except NotCheckable:
        return
    if faults:
        checked.count(faults)


class _States:
    """The states, and the stretches of records between them."""

    def __init__(self) -> None:
        self._count = self._repeated = 0
        self._digests: dict[StateKey, bytes] = {}
        self._last: dict[StateKey, bytes] = {}
        self._records = self._most_records = 0
        self._since: float | None = None
        self._most_seconds = 0.0

    def record(self, at: float) -> None:
        if self._since is None:
            self._since = at
        self._records += 1
        self._most_records = max(self._most_records, self._records)
        self._most_seconds = max(self._most_seconds, at - self._since)

    def take(self, sniffed: Sniffed, at: float) -> None:
        """Raises NotAState."""
        state = read_state(sniffed.state)
        key, digest, kept = state_key(state), digest_of(state), stored_form(state)
        self._count += 1
        self._repeated += self._digests.get(key) == digest
        self._digests[key] = digest
        if kept is None:
            self._last.pop(key, None)
        else:
            self._last[key] = kept
        if self._since is not None:
            self._most_seconds = max(self._most_seconds, at - self._since)
        self._records, self._since = 0, None

    def seen(self) -> StatesSeen:
        return StatesSeen(
            self._count,
            frozenset(self._digests),
            self._repeated,
            self._most_records,
            self._most_seconds,
            self._last,
        )
