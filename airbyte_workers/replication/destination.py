"""The destination's side: its echoes become commits, the rest of what it says goes to the log."""

from __future__ import annotations

from dataclasses import replace

from msgspec import Raw

from airbyte_workers.models import FailureOrigin
from airbyte_workers.protocol.messages import MESSAGE_TYPES, MessageType, State
from airbyte_workers.replication.checksums import destination_differs, forwarded, rejected
from airbyte_workers.replication.decoding import Sniffed, lines_of, sniff_line
from airbyte_workers.replication.ledger import Ledger
from airbyte_workers.replication.routes import Routes
from airbyte_workers.replication.stamping import NotAState, read_state
from airbyte_workers.replication.state_forms import state_key
from airbyte_workers.replication.state_ledger import Commit
from airbyte_workers.replication.statistics import Tally
from airbyte_workers.replication.traces import lost_error, read_trace
from airbyte_workers.replication.words import LOGGED, not_a_message

DESTINATION = FailureOrigin.DESTINATION
_BARE_STATE_TYPES = frozenset({"STREAM", "GLOBAL", "LEGACY"})


class DestinationSide:
    """Reads blocks of whole lines of the destination's output."""

    def __init__(self, ledger: Ledger, routes: Routes | None = None) -> None:
        self._ledger = ledger
        self._routes = routes or Routes()

    def take(self, block: bytes) -> None:
        """Turn the block's echoes into commits that wait in the ledger."""
        for line in lines_of(block):
            self._line(line)

    def _line(self, line: bytes) -> None:
        sniffed = sniff_line(line)
        if sniffed is None:
            self._not_a_message(line)
        elif sniffed.type == MessageType.STATE:
            self._state(line, sniffed)
        elif sniffed.type in _BARE_STATE_TYPES:
            self._bare_state(line)
        elif sniffed.type == MessageType.TRACE:
            self._trace(line)
        elif sniffed.type == MessageType.CONTROL:
            self._ledger.configs.read(self._ledger.log, DESTINATION, line)
        elif sniffed.type in LOGGED:
            LOGGED[sniffed.type](self._ledger, DESTINATION, line)
        elif sniffed.type not in MESSAGE_TYPES:
            not_a_message(self._ledger, DESTINATION, line)

    def _not_a_message(self, line: bytes) -> None:
        if (trace := lost_error(line)) is not None:
            self._ledger.trace_error(DESTINATION, self._routes.trace_of_source(trace))
        not_a_message(self._ledger, DESTINATION, line, self._ledger.streams)

    def _state(self, line: bytes, sniffed: Sniffed) -> None:
        try:
            state = read_state(sniffed.state)
        except NotAState:
            not_a_message(self._ledger, DESTINATION, line)
            return
        self._acknowledge(state)

    def _bare_state(self, line: bytes) -> None:
        """A state outside of its STATE message: airbyte-destination-pgvector answers so."""
        try:
            state = read_state(Raw(line))
        except NotAState:
            not_a_message(self._ledger, DESTINATION, line)
            return
        if not self._ledger.counters.bare_acknowledgements:
            self._ledger.log(
                DESTINATION, "WARN", "the destination acknowledges with bare states instead of STATE messages"
            )
        self._ledger.counters.bare_acknowledgements += 1
        self._acknowledge(state)

    def _acknowledge(self, echo: State) -> None:
        state = self._routes.state_of_source(echo)
        unmatched = self._ledger.states.unmatched
        commit = self._ledger.states.acknowledge(state)
        if self._ledger.states.unmatched > unmatched:
            text = "unmatched_ack: an acknowledgement matched no state that waits"
            self._ledger.log(DESTINATION, "WARN", text, state_key(state).stream)
        if commit is None:
            return
        self._ledger.counters.acknowledgements += 1
        self._ledger.measuring.echoed(commit.key, state)
        self._compare(commit, state)
        if commit.key not in self._ledger.distrusted:
            self._ledger.acknowledged(self._with_rejected(commit, state))

    def _compare(self, commit: Commit, echo: State) -> None:
        """What a destination that counted other records than it was sent has lost must be read again."""
        if not destination_differs(commit, echo):
            return
        figures = self._ledger.measuring.of(commit.key)
        if self._ledger.states.has_twin(echo):  # which of two that look alike it speaks of is not known (case L10)
            figures.unreliable = True
            return
        if not figures.destination_mismatches:
            text = f"count_mismatch: the destination counted other records than the {forwarded(commit):,} of a state"
            self._ledger.log(DESTINATION, "ERROR", text, commit.key.stream)
        figures.destination_mismatches += 1
        self._ledger.counters.destination_stats_mismatches += 1
        self._ledger.distrusted.add(commit.key)

    def _with_rejected(self, commit: Commit, echo: State) -> Commit:
        """Take off what the destination rejected (only of the echoed state itself)."""
        said, sent = rejected(echo), forwarded(commit)
        if said > sent:  # never more than were sent: no count of committed records falls
            text = f"the destination rejected {said:,} records of a state that stands for {sent:,}, which are counted"
            self._ledger.log(DESTINATION, "WARN", text, commit.key.stream)
        taken_off = min(said, sent)
        streams = [stream for stream, tally in commit.counts.items() if tally.forwarded]
        if not taken_off:
            return commit
        if len(streams) != 1:
            self._ledger.counters.records_rejected_undivided += taken_off
            return commit
        (stream,) = streams
        counts = {**commit.counts, stream: commit.counts[stream] + Tally(rejected=taken_off)}
        return replace(commit, counts=counts)

    def _trace(self, line: bytes) -> None:
        trace = read_trace(line)
        if trace is None:
            not_a_message(self._ledger, DESTINATION, line)
        elif trace.type == "ERROR":
            self._ledger.trace_error(DESTINATION, self._routes.trace_of_source(trace))
