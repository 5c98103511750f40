"""source-synthetic: invented records, as many and as fast as wanted, with resumable state."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from demo_connectors.catalog import ConfiguredStream
from demo_connectors.configuration import COUNT, COUNT_OR_NAMES, SWITCH, TEXT, WHOLE, one_of, option
from demo_connectors.connector import Connector, Job, crash_point, run
from demo_connectors.messages import (
    ConfigError,
    Output,
    StreamKey,
    encode,
    error,
    now_ms,
    state,
    stream_state,
    stream_status,
)
from demo_connectors.synthetic_records import JSON_SCHEMA, PRIMARY_KEY, SyntheticRecords

INTERLEAVED_RECORDS = 100


@dataclass(frozen=True, kw_only=True)
class SyntheticConfig:
    streams: int | Sequence[str] = option(COUNT_OR_NAMES, "How many streams (stream_0, ...), or their names", 1)
    namespace: str | None = option(TEXT, "Namespace of every stream", None)
    records: int = option(COUNT, "Records of each stream; raise it to have new ones for an incremental read", 1000)
    record_bytes: int = option(COUNT, "Approximate size of a record's data in bytes", 100)
    state_every: int = option(COUNT, "Records between two states; 0 for one state at the end", 1000)
    seed: int = option(WHOLE, "Another seed gives other records", 0)
    interleave: bool = option(SWITCH, "Take turns between the streams, a state's worth of records each", False)
    resumable_full_refresh: bool = option(SWITCH, "A full refresh, too, goes on from the given state", False)
    statuses: bool = option(SWITCH, "Send STREAM_STATUS traces", True)
    send_state: bool = option(SWITCH, "Send STATE messages", True)
    state_type: str = option(one_of("STREAM", "GLOBAL", "LEGACY"), "The type of the states sent", "STREAM")
    delay_ms: int = option(COUNT, "Pause after each state's worth of records", 0)
    crash_after: int | None = option(COUNT, "Exit right after this many records of all streams", None)
    crash_exit_code: int = option(COUNT, "The exit code of that crash", 1)
    crash_message: str | None = option(TEXT, "Send this as an ERROR trace before the crash", None)
    crash_once_file: str | None = option(TEXT, "Crash only while this file is missing; made at the crash", None)

    @property
    def keys(self) -> list[StreamKey]:
        names = self.streams
        if isinstance(names, int):
            names = [f"stream_{number}" for number in range(names)]
        return [StreamKey(name, self.namespace) for name in names]


def discover(config: SyntheticConfig) -> bytes:
    def described(key: StreamKey) -> dict[str, Any]:
        return {
            **key.descriptor,
            "json_schema": JSON_SCHEMA,
            "supported_sync_modes": ["full_refresh", "incremental"],
            "source_defined_cursor": True,
            "default_cursor_field": [PRIMARY_KEY],
            "source_defined_primary_key": [[PRIMARY_KEY]],
            "is_resumable": config.resumable_full_refresh,
        }

    return encode({"type": "CATALOG", "catalog": {"streams": [described(key) for key in config.keys]}})


def positions(raw: Any) -> dict[StreamKey, int]:
    """Where each stream goes on, out of a state file of any of the three types."""
    messages = raw if isinstance(raw, list) else [raw] if raw else []
    found: dict[StreamKey, int] = {}
    try:
        for message in messages:
            for key, blob in _blobs(message):
                found[key] = int((blob or {}).get("next", 0))
    except (KeyError, TypeError, ValueError, AttributeError) as err:
        raise ConfigError('the state is not one of this source: each stream has {"next": <number>}') from err
    return found


def _blobs(message: Mapping[str, Any]) -> Iterator[tuple[StreamKey, Any]]:
    kind = message.get("type", "LEGACY")
    if kind == "STREAM":
        yield StreamKey.of(message["stream"]["stream_descriptor"]), message["stream"].get("stream_state")
    elif kind == "GLOBAL":
        for each in message["global"]["stream_states"]:
            yield StreamKey.of(each["stream_descriptor"]), each.get("stream_state")
    else:
        for name, blob in message.get("data", message).items():
            yield StreamKey(name), blob


@dataclass(frozen=True, slots=True)
class Step:
    """A run of records of one stream; a state may follow it."""

    key: StreamKey
    start: int
    end: int
    opens: bool
    closes: bool


def steps(config: SyntheticConfig, starts: Mapping[StreamKey, int]) -> Iterator[Step]:
    """Every run of records of this read, in order."""
    turns = [_steps_of(config, key, start) for key, start in starts.items()]
    if not config.interleave:
        for turn in turns:
            yield from turn
        return
    for row in zip_longest(*turns):
        yield from (step for step in row if step is not None)


def _steps_of(config: SyntheticConfig, key: StreamKey, start: int) -> Iterator[Step]:
    size = config.state_every or (INTERLEAVED_RECORDS if config.interleave else config.records) or 1
    last = max(start, config.records)
    at = start
    while True:
        end = min(at + size, last)
        yield Step(key, at, end, opens=at == start, closes=end == last)
        if end == last:
            return
        at = end


class _Crash(Exception):
    """The configured crash is due."""


@dataclass
class Reading:
    """One read under way."""

    config: SyntheticConfig
    output: Output
    reached: dict[StreamKey, int]
    records: dict[StreamKey, SyntheticRecords] = field(default_factory=dict)
    sent: int = 0
    unstated: dict[StreamKey, int] = field(default_factory=dict)
    last_states: dict[StreamKey | None, dict[str, Any]] = field(default_factory=dict)
    crash_at: int | None = None
    emitted_at: int = field(default_factory=now_ms)

    def take(self, step: Step) -> None:
        if step.opens:
            self._status(step.key, "STARTED")
            if step.start < step.end:
                self._status(step.key, "RUNNING")
        self._send_records(step)
        if self.config.state_every or step.closes:
            self._send_state(step.key)
        if step.closes:
            self._status(step.key, "COMPLETE")
            self.records.pop(step.key, None)
        if self.config.delay_ms:
            self.output.flush()
            time.sleep(self.config.delay_ms / 1000)

    def _send_records(self, step: Step) -> None:
        end = step.end
        if self.crash_at is not None:
            end = min(end, step.start + self.crash_at - self.sent)
        made = self.records.get(step.key)
        if made is None:
            made = SyntheticRecords(step.key, self.config.seed, self.config.record_bytes, self.emitted_at)
            self.records[step.key] = made
        for lines in made.lines(step.start, end):
            self.output.send(lines)
        self.sent += end - step.start
        self.reached[step.key] = end
        self.unstated[step.key] = self.unstated.get(step.key, 0) + end - step.start
        if self.sent == self.crash_at:
            raise _Crash

    def _send_state(self, key: StreamKey) -> None:
        """A state, unless it would say what the last one said."""
        if not self.config.send_state:
            return
        alone = self.config.state_type == "STREAM"
        about = key if alone else None
        body = self._state_body(key)
        if self.last_states.get(about) == body:
            return
        self.last_states[about] = body
        count = self.unstated.pop(key, 0) if alone else sum(self.unstated.values())
        if not alone:
            self.unstated.clear()
        self.output.send(state({**body, "sourceStats": {"recordCount": count}}))

    def _state_body(self, key: StreamKey) -> dict[str, Any]:
        if self.config.state_type == "STREAM":
            return stream_state(key, {"next": self.reached[key]})
        blobs = {each: {"next": reached} for each, reached in self.reached.items()}
        if self.config.state_type == "LEGACY":
            return {"type": "LEGACY", "data": {each.name: blob for each, blob in blobs.items()}}
        entries = [stream_state(each, blob)["stream"] for each, blob in blobs.items()]
        return {"type": "GLOBAL", "global": {"shared_state": {}, "stream_states": entries}}

    def _status(self, key: StreamKey, status: str) -> None:
        if self.config.statuses:
            self.output.send(stream_status(key, status))


def read(job: Job[SyntheticConfig]) -> int:
    starts = _starts(job.config, job.streams, positions(job.state))
    crash_at = crash_point(job.config.crash_after, job.config.crash_once_file)
    reading = Reading(job.config, job.output, reached=dict(starts), crash_at=crash_at)
    try:
        for step in steps(job.config, starts):
            reading.take(step)
    except _Crash:
        return _crash(job.config, job.output)
    return 0


def _starts(
    config: SyntheticConfig, streams: tuple[ConfiguredStream, ...], found: Mapping[StreamKey, int]
) -> dict[StreamKey, int]:
    known = set(config.keys)
    for stream in streams:
        if stream.key not in known:
            raise ConfigError(f"the catalog asks for stream {stream.key}, which this source does not have")
    legacy = {key.name: start for key, start in found.items()}
    return {
        stream.key: found.get(stream.key, legacy.get(stream.key.name, 0))
        if stream.sync_mode == "incremental" or config.resumable_full_refresh
        else 0
        for stream in streams
    }


def _crash(config: SyntheticConfig, output: Output) -> int:
    if config.crash_message is not None:
        output.send(error(config.crash_message))
    output.flush()
    if config.crash_once_file is not None:
        Path(config.crash_once_file).touch()
    return config.crash_exit_code


SOURCE = Connector(
    name="source-synthetic",
    title="Synthetic source",
    config=SyntheticConfig,
    discover=discover,
    read=read,
)


def main() -> None:
    sys.exit(run(SOURCE, sys.argv[1:]))


if __name__ == "__main__":
    main()
