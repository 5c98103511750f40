"""The heart of a sync without its I/O: bytes of the source in, bytes for the destination and commits out.

Whoever runs it reads and writes the pipes and the database (`orchestrator/replicate.py`); here is what every message
means. Counts of committed records move only in `committed`: state first, then its numbers (architecture, invariant 6).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from airbyte_workers.jobs.failures import command_in_sync, of_sync
from airbyte_workers.models import Counters, Ends, Evidence, Failure, FailureOrigin, FailureType, StreamCounts
from airbyte_workers.protocol.messages import State, Trace
from airbyte_workers.protocol.streams import StreamKey, shown, stream_key
from airbyte_workers.replication.control import NewConfigs
from airbyte_workers.replication.estimates import Estimates
from airbyte_workers.replication.measuring import UNMEASURED, Measures, Measuring
from airbyte_workers.replication.state_forms import StateKey
from airbyte_workers.replication.state_ledger import Commit, StateLedger
from airbyte_workers.replication.statistics import Quota, StreamTracker, Tally, merged, stream_counts
from airbyte_workers.replication.traces import failure_of
from airbyte_workers.replication.words import JobLog, said

_MERGING = (
    "more states wait for the destination than STAGED_STATES_BYTES holds: older ones are merged into newer ones;"
    " after a crash more is read again"
)
MAX_NAMES = 10  # streams named in evidence and messages; the rest is counted
MAX_FAILURES_KEPT = 100  # of which ten at most are told; `error_traces` has them all


class ReplicationFailed(Exception):
    """A message after which the attempt cannot go on."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True)
class Batch:
    """What became durable since the last batch: the newest commit of each key, and all that they counted.

    `counts` are those of all its commits; a commit's own are those of the newest alone.
    """

    commits: tuple[Commit, ...]
    counts: dict[StreamKey, Tally]
    states: int

    def with_later(self, later: Batch) -> Batch:
        """Both as one."""
        return Batch(
            commits=tuple(_newest([*self.commits, *later.commits]).values()),
            counts=merged(self.counts, later.counts),
            states=self.states + later.states,
        )


class Ledger:
    """What both directions of one attempt know together: streams, states, failures, counts."""

    def __init__(
        self,
        streams: Sequence[StreamKey],
        log: JobLog,
        *,
        staged_states_bytes: int,
        allow_malformed: bool = False,
        configs: NewConfigs | None = None,
        measures: Measures = UNMEASURED,
    ) -> None:
        self.log = log
        self.configs = configs or NewConfigs()
        self.allow_malformed = allow_malformed
        self.streams = {key: StreamTracker(key, measures.clock) for key in streams}
        self.measuring = Measuring(self.streams, measures)
        self.estimates = Estimates(self.streams)
        self.states = StateLedger(staged_states_bytes)
        self.counters = Counters()
        self.failures: list[Failure] = []
        self.statuses_seen = False
        self.source_failed = False
        self.source_failed_streams: set[StreamKey] = set()
        self.distrusted: set[StateKey] = set()
        self._told_of_merging = False
        self._pending: list[Commit] = []

    # --- commits ---

    def acknowledged(self, commit: Commit) -> None:
        """Keep a commit until someone makes it durable."""
        self._pending.append(commit)

    def take_batch(self) -> Batch | None:
        """Everything acknowledged since the last call; None when nothing was."""
        if not self._pending:
            return None
        batch = Batch(
            commits=tuple(_newest(self._pending).values()),
            counts=merged(*(commit.counts for commit in self._pending)),
            states=sum(commit.covers for commit in self._pending),
        )
        self._pending = []
        return batch

    def counts_after(self, batch: Batch) -> tuple[StreamCounts, ...]:
        """The batch's streams with their counts as they will be once it is durable."""
        after = {key: copy(self.streams[key]) for key in batch.counts}
        _add(batch, after)
        self.measuring.as_if_committed(batch.commits, after.values())
        return stream_counts(after.values(), succeeded=False, ended=False, estimates=self.estimates)

    def counts(self, *, succeeded: bool, ended: bool) -> tuple[StreamCounts, ...]:
        """Every stream's counts; as `stream_counts`."""
        return stream_counts(self.streams.values(), succeeded=succeeded, ended=ended, estimates=self.estimates)

    def committed(self, batch: Batch) -> None:
        """The batch is durable: now it counts."""
        self.counters.states_committed += batch.states
        _add(batch, self.streams)
        self.measuring.committed(batch.commits)

    @property
    def emitted(self) -> tuple[int, int]:
        """Records and bytes of their `data` that came from the source so far."""
        streams = self.streams.values()
        return sum(stream.records for stream in streams), sum(stream.bytes for stream in streams)

    @property
    def records_committed(self) -> int:
        """Records that the destination has made durable so far."""
        return sum(stream.committed.taken for stream in self.streams.values())

    def spoken_for(self, key: StateKey) -> list[StreamTracker]:
        """The streams that a state of this key speaks for: its own, or all."""
        return _spoken_for(key, self.streams)

    def staged(self, key: StateKey, state: State, number: int, at: float) -> None:
        """A state of this number waits for its echo; `at`: when it came."""
        for tracker in self.spoken_for(key):
            tracker.last_state = number
        self.measuring.emitted(key, state, at)
        if self.states.merged and not self._told_of_merging:
            self._told_of_merging = True
            self.log(FailureOrigin.PLATFORM, "WARN", _MERGING)

    def source_differs(self, key: StateKey, came: Tally) -> None:
        """The source counted other records than came; people are told the first time of each key."""
        figures = self.measuring.of(key)
        if not figures.source_mismatches:
            text = f"count_mismatch: the source counted other records than the {came.records:,} that came for a state"
            self.log(FailureOrigin.SOURCE, "WARN", text, key.stream)
        figures.source_mismatches += 1
        self.counters.source_stats_mismatches += 1

    # --- what both legs say ---

    def trace_error(self, origin: FailureOrigin, trace: Trace) -> None:
        """An ERROR trace: the attempt fails, and what follows of its stream (or of all) is not to be trusted."""
        self.counters.error_traces += 1
        failure = failure_of(origin, trace, self.log.redact, command_in_sync(origin))
        if len(self.failures) < MAX_FAILURES_KEPT:
            self.failures.append(failure)
        stream = None if failure.stream is None else stream_key(failure.stream, failure.namespace)
        self.log(origin, "ERROR", said(failure.message, trace.error.stack_trace if trace.error else None), stream)
        if origin is FailureOrigin.SOURCE:
            self._distrust(stream)

    def _distrust(self, failed: StreamKey | None) -> None:
        """An error that names no stream that we know may be of any."""
        if failed is None or failed not in self.streams:
            self.source_failed = True
        else:
            self.source_failed_streams.add(failed)

    def holds_back(self, key: StateKey) -> bool:
        """Whether states of this key came after an error or a lost line: the next attempt would go on behind it."""
        if self.source_failed or (self.counters.malformed and not self.allow_malformed):
            return True
        if key.stream is None:
            return bool(self.source_failed_streams)
        return key.stream in self.source_failed_streams

    @property
    def missed_something(self) -> bool:
        """Whether something was lost or failed on the way, so that no stream may be called complete."""
        lost = self.counters.malformed and not self.allow_malformed
        return bool(lost or self.failures or self.source_failed_streams or self.distrusted)

    def fail(self, origin: FailureOrigin, kind: FailureType, message: str) -> ReplicationFailed:
        """The exception to raise for a message after which nothing can go on."""
        return ReplicationFailed(of_sync(origin, kind, message))

    # --- rate limits ---

    def limit(self, tracker: StreamTracker, quota: Quota | None) -> None:
        """Note what a stream waits for; people are told of every change."""
        if quota is not None and quota != tracker.quota:
            until = f" until {quota.reset:%Y-%m-%dT%H:%M:%SZ}" if quota.reset is not None else ""
            self.log(FailureOrigin.SOURCE, "WARN", f"{shown(tracker.key)} is rate limited{until}", tracker.key)
        tracker.quota = quota

    @property
    def retry_at(self) -> datetime | None:
        """When the last quota is reset that a stream waited for in the end; None when none did."""
        quotas = [tracker.quota for tracker in self.streams.values() if tracker.quota is not None]
        return max((quota.reset for quota in quotas if quota.reset is not None), default=None)

    # --- the end ---

    def read_to_the_end(self, ends: Ends) -> bool:
        """Whether the source read every stream to its end as far as it says, and nothing of it was lost."""
        complete = self.completion(ends.source_exit_code, forced=ends.source_forced) != "missing"
        return complete and not ends.source_stopped and not self.missed_something

    def completion(self, source_exit_code: int | None, *, forced: bool) -> Literal["reported", "inferred", "missing"]:
        """How it is known that every stream was read to its end."""
        if self.statuses_seen:
            return "reported" if all(stream.complete for stream in self.streams.values()) else "missing"
        return "inferred" if source_exit_code == 0 and not forced else "missing"

    def evidence(self, ends: Ends) -> Evidence:
        """All that was seen, for `jobs/outcome.py` to judge."""
        streams, waiting = self.streams.values(), self.states.unacknowledged()
        not_complete = [each.key for each in streams if self.statuses_seen and not each.complete]
        return Evidence(
            **dict(ends),
            **dict(self.counters),
            completion=self.completion(ends.source_exit_code, forced=ends.source_forced),
            streams_not_complete=_named(not_complete),
            streams_incomplete=_named(each.key for each in streams if each.incomplete),
            states_emitted=self.states.emitted,
            states_merged=self.states.merged,
            keys_unacknowledged=len(waiting),
            streams_unacknowledged=tuple(_state_name(key) for key in waiting[:MAX_NAMES]),
            unmatched_acknowledgements=self.states.unmatched,
            records_emitted=self.emitted[0],
        )


def _newest(commits: Iterable[Commit]) -> dict[StateKey, Commit]:
    """The last of each key, with the states of those before it."""
    newest: dict[StateKey, Commit] = {}
    for commit in commits:
        newest[commit.key] = commit.after(newest.get(commit.key))
    return newest


def _add(batch: Batch, streams: Mapping[StreamKey, StreamTracker]) -> None:
    for stream, tally in batch.counts.items():
        streams[stream].committed += tally
    for commit in batch.commits:
        for tracker in _spoken_for(commit.key, streams):
            tracker.committed_state = commit.number


def _spoken_for(key: StateKey, streams: Mapping[StreamKey, StreamTracker]) -> list[StreamTracker]:
    if key.stream is None:
        return list(streams.values())
    return [streams[key.stream]] if key.stream in streams else []


def _named(keys: Iterable[StreamKey]) -> tuple[str, ...]:
    names = [shown(key) for key in keys]
    return tuple(names[:MAX_NAMES]) + ((f"{len(names) - MAX_NAMES} more",) if len(names) > MAX_NAMES else ())


def _state_name(key: StateKey) -> str:
    return shown(key.stream) if key.stream is not None else f"the {key.type} state"
