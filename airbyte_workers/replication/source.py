"""The source's side: every message it sends, and what of it goes on to the destination."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from airbyte_workers.models import FailureOrigin, FailureType
from airbyte_workers.protocol.messages import (
    MESSAGE_TYPES,
    MessageType,
    State,
    StreamDescriptor,
    StreamState,
    TraceStreamStatus,
    serialise,
)
from airbyte_workers.protocol.streams import StreamKey, shown, stream_key
from airbyte_workers.replication.decoding import (
    Sniffed,
    is_sound,
    lines_of,
    looks_like_data,
    record_bytes,
    sniff_block,
    sniff_line,
)
from airbyte_workers.replication.ledger import Ledger
from airbyte_workers.replication.stamping import NotAState, read_state, stamp
from airbyte_workers.replication.state_forms import StateKey, state_key
from airbyte_workers.replication.state_ledger import MixedStateTypes
from airbyte_workers.replication.statistics import StreamTracker, Tally
from airbyte_workers.replication.traces import lost_error, quota_of, read_trace, stream_status
from airbyte_workers.replication.words import LOGGED, not_a_message

SOURCE = FailureOrigin.SOURCE


class SourceSide:
    """Reads blocks of whole lines; yields what the destination is to get, in order."""

    def __init__(self, ledger: Ledger, configured: Sequence[StreamKey] | None = None) -> None:
        """`configured`: every stream of the catalog, where the ledger's are not all of them."""
        self._configured = list(ledger.streams) if configured is None else configured
        self._ledger = ledger
        self._streams = ledger.streams
        self._states = ledger.states

    def take(self, block: bytes) -> Iterator[bytes]:
        """What of a block goes on: RECORD bytes unchanged, STATE stamped. Raises ReplicationFailed."""
        sniffed = sniff_block(block)
        if sniffed is not None and all(map(_is_record, sniffed)) and self._count(sniffed):
            yield block
            return
        lines = list(lines_of(block))
        yield from self._by_line(lines, sniffed or [sniff_line(line) for line in lines])

    def empty_states(self) -> Iterator[bytes]:
        """After a good end: an empty state for every stream without one; its echo proves that the stream arrived."""
        for name, namespace in self._streams:
            if not self._states.has_state((name, namespace)):
                yield self._empty_state(StreamDescriptor(name=name, namespace=namespace))

    def statuses(self) -> Iterator[bytes]:
        """After a good end: one COMPLETE status per configured stream, in catalog order."""
        for key in self._configured:
            yield stream_status(key, "COMPLETE")

    # --- records ---

    def _by_line(self, lines: list[bytes], sniffed: Sequence[Sniffed | None]) -> Iterator[bytes]:
        run: list[Sniffed] = []
        run_lines: list[bytes] = []
        for line, each in zip(lines, sniffed, strict=True):
            if each is not None and _is_record(each) and self._is_known(each):
                run.append(each)
                run_lines.append(line)
                continue
            if run:
                self._count(run)
                yield b"".join(run_lines)
                run, run_lines = [], []
            yield from self._other(line, each)
        if run:
            self._count(run)
            yield b"".join(run_lines)

    def _is_known(self, sniffed: Sniffed) -> bool:
        record = sniffed.record
        return record is not None and stream_key(record.stream, record.namespace) in self._streams

    def _count(self, sniffed: Sequence[Sniffed]) -> bool:
        """Count the records; False, and nothing is counted, when one of them is of an unknown stream."""
        counts: dict[tuple[str, str | None], list[int]] = {}
        for each in sniffed:
            record = each.record
            assert record is not None
            count = counts.setdefault((record.stream, record.namespace), [0, 0])
            count[0] += 1
            count[1] += record_bytes(record)
        if not all(stream_key(*key) in self._streams for key in counts):
            return False
        for key, (records, size) in counts.items():
            self._streams[stream_key(*key)].count(records, size)
            self._ledger.counters.records_forwarded += records
        return True

    def _tracker(self, name: str, namespace: str | None) -> StreamTracker:
        """The stream's counters. Nothing is filtered yet: one that is not configured ends the attempt.

        A filter would leave out and count (`Counters.records_filtered`) what it does not let through; such a record was
        emitted all the same, else `jobs/outcome.py` finds that the counts differ.
        """
        key = stream_key(name, namespace)
        tracker = self._streams.get(key)
        if tracker is None:
            raise self._ledger.fail(
                SOURCE,
                FailureType.UNKNOWN_STREAM,
                f"the source spoke of stream {shown(key)}, which is not in the configured catalog",
            )
        return tracker

    # --- everything else ---

    def _other(self, line: bytes, sniffed: Sniffed | None) -> Iterator[bytes]:
        """What is no record of a stream that we know, by its type."""
        if sniffed is None:
            self._not_a_message(line)
        elif sniffed.type == MessageType.RECORD:
            self._odd_record(line, sniffed)
        elif sniffed.type == MessageType.STATE:
            yield from self._state(line, sniffed)
        elif sniffed.type == MessageType.TRACE:
            self._trace(line)
        elif sniffed.type == MessageType.CONTROL:
            self._ledger.log(SOURCE, "DEBUG", "the source sent a control message")
        elif sniffed.type in LOGGED:
            LOGGED[sniffed.type](self._ledger, SOURCE, line)
        elif sniffed.type not in MESSAGE_TYPES:
            self._not_a_message(line)

    def _odd_record(self, line: bytes, sniffed: Sniffed) -> None:
        if sniffed.record is not None and is_sound(sniffed):
            self._tracker(sniffed.record.stream, sniffed.record.namespace)
        else:
            self._not_a_message(line)

    def _not_a_message(self, line: bytes) -> None:
        if looks_like_data(line):
            self._ledger.counters.malformed += 1
        elif (trace := lost_error(line)) is not None:
            self._ledger.trace_error(SOURCE, trace)
        not_a_message(self._ledger, SOURCE, line, self._streams)

    def _state(self, line: bytes, sniffed: Sniffed) -> Iterator[bytes]:
        try:
            state = read_state(sniffed.state)
        except NotAState:
            self._not_a_message(line)
            return
        key = state_key(state)
        if self._ledger.holds_back(key):
            self._hold_back(key)
            return
        counts = self._counts_since(key)
        records = sum(tally.records for tally in counts.values())
        stated = state.sourceStats.recordCount if state.sourceStats is not None else None
        if stated is not None and stated != records:
            self._ledger.counters.source_stats_mismatches += 1
        number = self._states.next_number()
        self._stage(state, counts)
        yield stamp(line, sniffed.state, number, records)

    def _hold_back(self, key: StateKey) -> None:
        self._ledger.counters.states_held_back += 1
        for tracker in self._ledger.spoken_for(key):
            tracker.held_back = True

    def _stage(self, state: State, counts: Mapping[StreamKey, Tally], *, stored: bool = True) -> None:
        try:
            staged = self._states.stage(state, counts, stored=stored)
        except MixedStateTypes as error:
            raise self._ledger.fail(
                SOURCE,
                FailureType.MIXED_STATE_TYPES,
                f"the source mixed state types ({error}) in one sync",
            ) from None
        for tracker in self._ledger.spoken_for(staged.key):
            tracker.last_state = staged.number

    def _counts_since(self, key: StateKey) -> dict[StreamKey, Tally]:
        """What a state of this key vouches for: its stream, or every stream."""
        counts = {tracker.key: tracker.take_since_state() for tracker in self._ledger.spoken_for(key)}
        return {stream: tally for stream, tally in counts.items() if tally.records}

    def _empty_state(self, descriptor: StreamDescriptor) -> bytes:
        body = StreamState(stream_descriptor=descriptor, stream_state=msgspec.Raw(b"{}"))
        state = State(type="STREAM", stream=body)
        counts = self._counts_since(state_key(state))
        number = self._states.next_number()
        self._stage(state, counts, stored=False)
        self._ledger.counters.empty_states_sent += 1
        raw = serialise(state)
        line = b'{"type":"STATE","state":' + raw + b"}\n"
        return stamp(line, msgspec.Raw(raw), number, sum(tally.records for tally in counts.values()))

    def _trace(self, line: bytes) -> None:
        trace = read_trace(line)
        if trace is None:
            self._not_a_message(line)
        elif trace.type == "ERROR":
            self._ledger.trace_error(SOURCE, trace)
        elif trace.stream_status is not None:
            self._stream_status(trace.stream_status)

    def _stream_status(self, status: TraceStreamStatus) -> None:
        tracker = self._tracker(status.stream_descriptor.name, status.stream_descriptor.namespace)
        self._ledger.statuses_seen = True
        quota = quota_of(status)
        if quota is None:
            self._tell(tracker, status.status)
        tracker.started = True
        if status.status == "INCOMPLETE":  # one that gave up still tells when its quota is reset
            tracker.incomplete = True
            self._ledger.source_failed_streams.add(tracker.key)
            return
        tracker.complete = tracker.complete or status.status == "COMPLETE"
        self._ledger.limit(tracker, quota)

    def _tell(self, tracker: StreamTracker, status: str) -> None:
        """A status is told when it is news: some sources say again and again that they run."""
        known = {"COMPLETE": tracker.complete, "INCOMPLETE": tracker.incomplete}.get(status, tracker.started)
        if not known:
            level = "WARN" if status == "INCOMPLETE" else "INFO"
            self._ledger.log(SOURCE, level, f"{shown(tracker.key)}: {status.lower()}", tracker.key)


def _is_record(sniffed: Sniffed) -> bool:
    return sniffed.type == "RECORD" and is_sound(sniffed)
