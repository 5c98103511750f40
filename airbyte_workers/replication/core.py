"""The heart of a sync without its I/O: bytes of the source in, bytes for the destination and commits out.

Whoever runs it reads and writes the pipes and the database (`orchestrator/replicate.py`); here is what every message
means. Counts of committed records move only in `committed`: state first, then its numbers (architecture, invariant 6).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from airbyte_workers.jobs.failures import MAX_MESSAGE, cut, from_trace
from airbyte_workers.models import Evidence, Failure, FailureOrigin, FailureType, StreamCounts
from airbyte_workers.protocol.catalog import StreamKey, shown, stream_key
from airbyte_workers.protocol.messages import Log, Trace, TraceError
from airbyte_workers.redaction import Redactor
from airbyte_workers.replication.decoding import looks_like_data, repaired
from airbyte_workers.replication.states import Commit, StateKey, StateLedger
from airbyte_workers.replication.statistics import StreamTracker, Tally, merged, stream_counts

KNOWN_TYPES = frozenset({"SPEC", "CONNECTION_STATUS", "CATALOG", "DESTINATION_CATALOG"})
MAX_NAMES = 10  # streams named in evidence and messages; the rest is counted
_KNOWS_NO_SECRET = Redactor()


class JobLog(Protocol):
    """Takes a line for the job's log; `leg` is who said it."""

    def __call__(self, leg: str, level: str, text: str) -> None: ...


class Logging(Protocol):
    """Whoever has a job's log."""

    @property
    def log(self) -> JobLog: ...


class ReplicationFailed(Exception):
    """A message after which the attempt cannot go on."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True)
class Batch:
    """What became durable since the last batch: the newest commit of each key, and all that they counted."""

    commits: tuple[Commit, ...]
    counts: dict[StreamKey, Tally]
    states: int

    @property
    def seq(self) -> int:
        """The highest state number in the batch."""
        return max(commit.number for commit in self.commits)


class Ledger:
    """What both directions of one attempt know together: streams, states, failures, counts."""

    def __init__(
        self,
        streams: Sequence[StreamKey],
        log: JobLog,
        *,
        staged_states_bytes: int,
        allow_malformed: bool = False,
        redact: Redactor = _KNOWS_NO_SECRET,
    ) -> None:
        self._redact = redact
        self.allow_malformed = allow_malformed
        self.distrusted: set[StateKey] = set()
        self.streams = {key: StreamTracker(key) for key in streams}
        self.states = StateLedger(staged_states_bytes)
        self.failures: list[Failure] = []
        self.log = log
        self.statuses_seen = False
        self.source_failed_streams: set[StreamKey] = set()
        self.source_failed = False
        self.records_forwarded = 0
        self.malformed = 0
        self.error_traces = 0
        self.states_held_back = 0
        self.empty_states_sent = 0
        self.states_committed = 0
        self.acknowledgements = 0
        self.bare_acknowledgements = 0
        self.source_stats_mismatches = 0
        self.destination_stats_mismatches = 0
        self._pending: list[Commit] = []

    # --- commits ---

    def acknowledged(self, commit: Commit) -> None:
        """Keep a commit until someone makes it durable."""
        self._pending.append(commit)

    def take_batch(self) -> Batch | None:
        """Everything acknowledged since the last call; None when nothing was."""
        if not self._pending:
            return None
        newest: dict[StateKey, Commit] = {}
        for commit in self._pending:
            newest[commit.key] = commit
        batch = Batch(
            commits=tuple(newest.values()),
            counts=merged(*(commit.counts for commit in self._pending)),
            states=sum(commit.covers for commit in self._pending),
        )
        self._pending = []
        return batch

    def counts_after(self, batch: Batch) -> tuple[StreamCounts, ...]:
        """The batch's streams with their counts as they will be once it is durable."""
        streams = []
        for key, tally in batch.counts.items():
            tracker = self.streams[key]
            after = stream_counts([tracker], succeeded=False, ended=False)[0]
            total = tracker.committed + tally
            streams.append(
                after.model_copy(
                    update={
                        "records_committed": max(0, total.records - total.rejected),
                        "records_rejected": total.rejected,
                        "bytes_committed": total.bytes,
                    }
                )
            )
        return tuple(streams)

    def committed(self, batch: Batch) -> None:
        """The batch is durable: now it counts."""
        self.states_committed += batch.states
        for key, tally in batch.counts.items():
            self.streams[key].committed += tally

    # --- what both legs say ---

    def trace_error(self, origin: FailureOrigin, trace: Trace) -> None:
        """An ERROR trace: the attempt fails, and what follows of its stream (or of all) is not to be trusted."""
        self.error_traces += 1
        failure = failure_of(origin, trace, self._redact)
        self.failures.append(failure)
        self.log(origin, "ERROR", said(failure.message, trace.error.stack_trace if trace.error else None))
        if origin is not FailureOrigin.SOURCE:
            return
        if failure.stream is None:
            self.source_failed = True
        else:
            self.source_failed_streams.add(stream_key(failure.stream, failure.namespace))

    def holds_back(self, key: StateKey) -> bool:
        """Whether states of this key came after an error or a lost line: the next attempt would go on behind it."""
        if self.source_failed or (self.malformed and not self.allow_malformed):
            return True
        if key.stream is None:
            return bool(self.source_failed_streams)
        return key.stream in self.source_failed_streams

    @property
    def missed_something(self) -> bool:
        """Whether something was lost or failed on the way, so that no stream may be called complete."""
        lost = self.malformed and not self.allow_malformed
        return bool(lost or self.failures or self.source_failed_streams or self.distrusted)

    def fail(self, origin: FailureOrigin, kind: FailureType, message: str) -> ReplicationFailed:
        """The exception to raise for a message after which nothing can go on."""
        return ReplicationFailed(Failure(origin=origin, type=kind, message=cut(message)))

    # --- the end ---

    def completion(self, source_exit_code: int | None, *, forced: bool) -> Literal["reported", "inferred", "missing"]:
        """How it is known that every stream was read to its end."""
        if self.statuses_seen:
            return "reported" if all(stream.complete for stream in self.streams.values()) else "missing"
        return "inferred" if source_exit_code == 0 and not forced else "missing"

    def evidence(self, ends: Ends) -> Evidence:
        """All that was seen, for `jobs/outcome.py` to judge."""
        waiting = self.states.unacknowledged()
        return Evidence(
            source_exit_code=ends.source_exit_code,
            destination_exit_code=ends.destination_exit_code,
            source_out_of_memory=ends.source_out_of_memory,
            destination_out_of_memory=ends.destination_out_of_memory,
            source_forced=ends.source_forced,
            source_stopped=ends.source_stopped,
            destination_forced=ends.destination_forced,
            destination_closed=ends.destination_closed,
            end_of_input=ends.end_of_input,
            completion=self.completion(ends.source_exit_code, forced=ends.source_forced),
            streams_not_complete=_named(each.key for each in self.streams.values() if not each.complete)
            if self.statuses_seen
            else (),
            streams_incomplete=_named(each.key for each in self.streams.values() if each.incomplete),
            error_traces=self.error_traces,
            states_emitted=self.states.emitted,
            states_committed=self.states_committed,
            states_held_back=self.states_held_back,
            empty_states_sent=self.empty_states_sent,
            keys_unacknowledged=len(waiting),
            streams_unacknowledged=tuple(_state_name(key) for key in waiting[:MAX_NAMES]),
            acknowledgements=self.acknowledgements,
            bare_acknowledgements=self.bare_acknowledgements,
            unmatched_acknowledgements=self.states.unmatched,
            records_emitted=sum(stream.records for stream in self.streams.values()),
            records_forwarded=self.records_forwarded,
            malformed=self.malformed,
            source_stats_mismatches=self.source_stats_mismatches,
            destination_stats_mismatches=self.destination_stats_mismatches,
        )


@dataclass(frozen=True)
class Ends:
    """How both connectors ended; a code of None is unknown. `*_out_of_memory` as in `Evidence`."""

    source_exit_code: int | None = None
    destination_exit_code: int | None = None
    source_out_of_memory: int | None = None
    destination_out_of_memory: int | None = None
    source_forced: bool = False
    source_stopped: bool = False
    destination_forced: bool = False
    destination_closed: Literal["", "input", "output"] = ""
    end_of_input: bool = False


def read_trace(line: bytes) -> Trace | None:
    """The trace in a TRACE line; None when it is none. An ERROR trace is never lost, however it is spelt."""
    try:
        return _decoded(line, _TraceLine).trace
    except (ValueError, RecursionError):
        return _odd_error(line)


def failure_of(origin: FailureOrigin, trace: Trace, redact: Redactor) -> Failure:
    """The failure that an ERROR trace tells of. Redacted before it is cut: a part of a secret would stay else."""
    error = trace.error or TraceError(message="")
    message, internal = (
        text and redact(text, leg=origin, limit=2 * MAX_MESSAGE) for text in (error.message, error.internal_message)
    )
    failure = from_trace(origin, message or "", error.failure_type, internal)
    descriptor = error.stream_descriptor
    if descriptor is None:
        return failure
    return failure.model_copy(update={"stream": descriptor.name, "namespace": descriptor.namespace})


class _TraceLine(msgspec.Struct):
    trace: Trace


class _LogLine(msgspec.Struct):
    log: Log


class _OddError(msgspec.Struct):
    type: Literal["ERROR"]
    error: Any = None


class _OddErrorLine(msgspec.Struct):
    trace: _OddError


L = TypeVar("L", bound=msgspec.Struct)


def _decoded(line: bytes, kind: type[L]) -> L:
    """The line as `kind`, with the standard library's help where msgspec is the stricter one. Raises ValueError."""
    try:
        return msgspec.json.decode(line, type=kind)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        return msgspec.json.decode(repaired(line), type=kind)


def _odd_error(line: bytes) -> Trace | None:
    """An ERROR trace with a body that the protocol does not know: that something failed is told all the same."""
    try:
        error = _decoded(line, _OddErrorLine).trace.error
    except (ValueError, RecursionError):
        return None
    message = error.get("message") if isinstance(error, dict) else error
    return Trace(type="ERROR", error=TraceError(message=message if isinstance(message, str) else ""))


def log_message(logging: Logging, leg: str, line: bytes) -> None:
    """A LOG message goes to the job's log at its own level; one without a message is no message."""
    try:
        log = _decoded(line, _LogLine).log
    except (ValueError, RecursionError):
        not_a_message(logging, leg, line)
        return
    logging.log(leg, log.level, said(log.message, log.stack_trace))


def not_a_message(logging: Logging, leg: str, line: bytes) -> None:
    """A line that is no message becomes a log line; without its content where that may be a customer's data."""
    text = line.decode(errors="replace").strip()
    if not text:
        return
    if looks_like_data(line):
        logging.log(leg, "WARN", f"dropped a malformed line of {len(line)} bytes that looks like a record or a state")
    else:
        logging.log(leg, "INFO", f"Malformed non-Airbyte record: {text}" if text.startswith("{") else text)


def _named(keys: Iterable[StreamKey]) -> tuple[str, ...]:
    names = [shown(key) for key in keys]
    return tuple(names[:MAX_NAMES]) + ((f"{len(names) - MAX_NAMES} more",) if len(names) > MAX_NAMES else ())


def _state_name(key: StateKey) -> str:
    return shown(key.stream) if key.stream is not None else f"the {key.type} state"


def said(message: str, stack_trace: str | None) -> str:
    """A message and its stack trace as they stand in the job's log."""
    return f"{message}\n{stack_trace}" if stack_trace else message
