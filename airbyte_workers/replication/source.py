"""The source's side: every message it sends, and what of it goes on to the destination."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from airbyte_workers.models import FailureOrigin, FailureType
from airbyte_workers.protocol.messages import (
    MESSAGE_TYPES,
    MessageType,
    TraceStreamStatus,
)
from airbyte_workers.protocol.streams import StreamKey, shown, stream_key
from airbyte_workers.replication.decoding import (
    Sniffed,
    SniffedRecord,
    is_sound,
    lines_of,
    looks_like_data,
    record_bytes,
    sniff_block,
    sniff_line,
)
from airbyte_workers.replication.ledger import Ledger
from airbyte_workers.replication.record_samples import Counts
from airbyte_workers.replication.rewriting import Rewriter
from airbyte_workers.replication.routes import Routes
from airbyte_workers.replication.source_states import SourceStates
from airbyte_workers.replication.stamping import NotAState
from airbyte_workers.replication.statistics import StreamTracker
from airbyte_workers.replication.traces import lost_error, quota_of, read_trace, stream_status
from airbyte_workers.replication.uniform import UniformBlocks
from airbyte_workers.replication.validation import CheckRules, RecordChecks
from airbyte_workers.replication.words import LOGGED, not_a_message

SOURCE = FailureOrigin.SOURCE


class SourceSide:
    """Reads blocks of whole lines; yields what the destination is to get, in order."""

    def __init__(
        self,
        ledger: Ledger,
        configured: Sequence[StreamKey] | None = None,
        routes: Routes | None = None,
        checks: RecordChecks | None = None,
    ) -> None:
        """`configured`: every stream of the catalog, where the ledger's are not all of them."""
        self._configured = list(ledger.streams) if configured is None else configured
        self._routes = routes or Routes()
        self._rewriters = {key: Rewriter(route) for key, route in self._routes.changed.items()}
        self._checks = checks or RecordChecks(ledger, {}, CheckRules())
        self._ledger = ledger
        self._streams = ledger.streams
        self._states = SourceStates(ledger, self._routes)
        self._populated = ledger.measuring.populated
        self._blocks = UniformBlocks(lambda called: self._is_unchanged(stream_key(*called)))

    def take(self, block: bytes) -> Iterator[bytes]:
        """What of a block goes on: RECORD bytes unchanged, STATE stamped. Raises ReplicationFailed."""
        yield from self._taken(block)
        self._checks.enforce()

    def _taken(self, block: bytes) -> Iterator[bytes]:
        for piece, uniform in self._blocks.pieces(block):
            if uniform is None:
                yield from self._mixed(piece)
            else:
                self._book(uniform.messages, {uniform.called: (len(uniform.messages), uniform.size)})
                yield piece

    def _mixed(self, block: bytes) -> Iterator[bytes]:
        sniffed = sniff_block(block)
        if sniffed is not None and all(map(_is_record, sniffed)) and self._count(sniffed):
            yield block
            return
        lines = list(lines_of(block))
        yield from self._by_line(lines, sniffed or [sniff_line(line) for line in lines])

    def empty_states(self) -> Iterator[bytes]:
        """After a good end: an empty state for every stream without one; its echo proves that the stream arrived."""
        return self._states.empty()

    def statuses(self) -> Iterator[bytes]:
        """After a good end: one COMPLETE status per configured stream, in catalog order."""
        for key in self._configured:
            yield stream_status(self._routes.destination(key), "COMPLETE")

    # --- records ---

    def _by_line(self, lines: list[bytes], sniffed: Sequence[Sniffed | None]) -> Iterator[bytes]:
        run: list[Sniffed] = []
        run_lines: list[bytes] = []
        for line, each in zip(lines, sniffed, strict=True):
            if each is not None and _is_record(each) and self._goes_on_as_it_is(each):
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

    def _goes_on_as_it_is(self, sniffed: Sniffed) -> bool:
        record = sniffed.record
        return record is not None and self._is_unchanged(stream_key(record.stream, record.namespace))

    def _is_unchanged(self, key: StreamKey) -> bool:
        """Whether records of this stream are known and go on byte for byte."""
        return key in self._streams and key not in self._rewriters

    def _rewritten(self, line: bytes, record: SniffedRecord, tracker: StreamTracker) -> Iterator[bytes]:
        """A record of a stream with rules, as the destination gets it; one that is kept back was emitted, too."""
        rewriter = self._rewriters[tracker.key]
        try:
            rewritten = rewriter.record(line)
        except RecursionError:  # nested to the very depth at which the line could just be read
            self._not_a_message(line, is_data=True)
            return
        size = record_bytes(record)
        tracker.count(1, size)
        fields = self._routes.changed[tracker.key].fields
        self._checks.record(tracker.key, record.data, fields)
        if self._populated is not None:
            self._populated.record(tracker, record.data, fields)
        self._ledger.counters.values_nulled += rewriter.take_nulled()
        if rewritten is None:
            tracker.filter(1, size)
            self._ledger.counters.records_filtered += 1
            return
        self._ledger.counters.records_forwarded += 1
        yield rewritten

    def _count(self, sniffed: Sequence[Sniffed]) -> bool:
        """Count the records; False, and nothing is counted, when one of them is unknown or does not go on as it is."""
        counts: dict[tuple[str, str | None], list[int]] = {}
        for each in sniffed:
            record = each.record
            assert record is not None
            key = (record.stream, record.namespace)
            if (count := counts.get(key)) is None:
                count = counts[key] = [0, 0]
            count[0] += 1
            count[1] += record_bytes(record)
        if not all(self._is_unchanged(stream_key(*key)) for key in counts):
            return False
        self._book(sniffed, counts)
        return True

    def _book(self, sniffed: Sequence[Sniffed], counts: Counts) -> None:
        """Records go on as they are; `counts` are theirs."""
        for key, (records, size) in counts.items():
            self._streams[stream_key(*key)].count(records, size)
            self._ledger.counters.records_forwarded += records
        self._checks.run(sniffed, counts)
        if self._populated is not None:
            self._populated.run(sniffed)

    def _tracker(self, name: str, namespace: str | None) -> StreamTracker:
        """The stream's counters; one that is not configured ends the attempt."""
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
            yield from self._record(line, sniffed)
        elif sniffed.type == MessageType.STATE:
            yield from self._state(line, sniffed)
        elif sniffed.type == MessageType.TRACE:
            self._trace(line)
        elif sniffed.type == MessageType.CONTROL:
            self._ledger.configs.read(self._ledger.log, SOURCE, line)
        elif sniffed.type in LOGGED:
            LOGGED[sniffed.type](self._ledger, SOURCE, line)
        elif sniffed.type not in MESSAGE_TYPES:
            self._not_a_message(line)

    def _record(self, line: bytes, sniffed: Sniffed) -> Iterator[bytes]:
        """One that does not go on as it is: it is changed, or of an unknown stream, or none at all."""
        if sniffed.record is None or not is_sound(sniffed):
            self._not_a_message(line, is_data=True)
            return
        tracker = self._tracker(sniffed.record.stream, sniffed.record.namespace)
        yield from self._rewritten(line, sniffed.record, tracker)

    def _not_a_message(self, line: bytes, *, is_data: bool = False) -> None:
        """`is_data`: it was meant as a record or a state, however its type is spelt."""
        if is_data or looks_like_data(line):
            self._ledger.counters.malformed += 1
            self._checks.malformed(line)
        elif (trace := lost_error(line)) is not None:
            self._ledger.trace_error(SOURCE, trace)
        not_a_message(self._ledger, SOURCE, line, self._streams, is_data=is_data)

    def _state(self, line: bytes, sniffed: Sniffed) -> Iterator[bytes]:
        try:
            stamped = self._states.stamped(line, sniffed.state)
        except NotAState:
            self._not_a_message(line, is_data=True)
            return
        if stamped is not None:
            yield stamped

    def _trace(self, line: bytes) -> None:
        trace = read_trace(line)
        if trace is None:
            self._not_a_message(line)
        elif trace.type == "ERROR":
            self._ledger.trace_error(SOURCE, trace)
        elif trace.stream_status is not None:
            self._stream_status(trace.stream_status)
        elif trace.estimate is not None:
            self._ledger.estimates.note(trace.estimate)

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
