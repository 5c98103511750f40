"""Sources that break the contract, one way each."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator

from demo_connectors.connector import Job, hang
from demo_connectors.messages import STDOUT, StreamKey, error, log, record, state, stream_state, stream_status
from demo_connectors.misbehaving_config import INCOMPLETE, SOURCE_ERROR, UNKNOWN, MisbehavingConfig
from demo_connectors.source_synthetic import positions

CRASH_EXIT_CODE = 1
TALK_S = 0.1

Reading = Job[MisbehavingConfig]
Source = Callable[[Reading], Iterator[bytes]]


def _keys(job: Reading) -> list[StreamKey]:
    return [stream.key for stream in job.streams]


def _records(job: Reading, key: StreamKey, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    return (record(key, {"id": index}) for index in range(start, job.config.records if end is None else end))


def _state(key: StreamKey, reached: int) -> bytes:
    return state(stream_state(key, {"next": reached}))


def _started(key: StreamKey) -> Iterator[bytes]:
    yield stream_status(key, "STARTED")
    yield stream_status(key, "RUNNING")


def _opened(job: Reading, key: StreamKey) -> Iterator[bytes]:
    yield from _started(key)
    yield from _records(job, key)


def _closed(job: Reading, key: StreamKey, status: str = "COMPLETE") -> Iterator[bytes]:
    yield _state(key, job.config.records)
    yield stream_status(key, status)


def _whole(job: Reading, key: StreamKey, status: str = "COMPLETE") -> Iterator[bytes]:
    yield from _opened(job, key)
    yield from _closed(job, key, status)


def _everything(job: Reading) -> Iterator[bytes]:
    for key in _keys(job):
        yield from _whole(job, key)


def _half(job: Reading, key: StreamKey) -> Iterator[bytes]:
    """The first half of a stream, with a state, so that something is kept of it."""
    half = job.config.records // 2
    yield from _started(key)
    yield from _records(job, key, end=half)
    yield _state(key, half)


def _other_half(job: Reading, key: StreamKey) -> Iterator[bytes]:
    return _records(job, key, start=job.config.records // 2)


def exits_without_output(_: Reading) -> Iterator[bytes]:
    return iter(())


def never_opens(_: Reading) -> Iterator[bytes]:
    hang()


def hangs(job: Reading) -> Iterator[bytes]:
    yield from _half(job, _keys(job)[0])
    job.output.flush()
    hang()


def talks_on(job: Reading) -> Iterator[bytes]:
    """It works at something for ever, and says so."""
    yield from _half(job, _keys(job)[0])
    while True:
        yield log("INFO", "still computing slices")
        job.output.flush()
        time.sleep(TALK_S)


def read_never_exits(job: Reading) -> Iterator[bytes]:
    yield from _everything(job)
    job.output.flush()
    hang()


def closes_stdout_and_hangs(job: Reading) -> Iterator[bytes]:
    yield from _everything(job)
    job.output.flush()
    os.close(STDOUT)
    hang()


def crash_after_n(job: Reading) -> Iterator[bytes]:
    first = _keys(job)[0]
    yield from _half(job, first)
    yield from _other_half(job, first)
    job.output.flush()
    sys.exit(CRASH_EXIT_CODE)


def error_then_state_then_exit_0(job: Reading) -> Iterator[bytes]:
    """Each stream loses its last record, says so, and then sends a state that covers it; from a state it reads well."""
    reached = positions(job.state)
    fresh = [key for key in _keys(job) if key not in reached]
    last = max(0, job.config.records - 1)
    kept = min(job.config.kept, last)
    for key in _keys(job):
        start = reached.get(key, 0)
        yield from _started(key)
        yield from _records(job, key, start, kept if key in fresh else None)
        if key not in fresh:
            yield from _closed(job, key)
        elif kept:
            yield _state(key, kept)
    for key in fresh:
        yield from _records(job, key, kept, last)
        yield _trouble(job, key)
        yield _state(key, job.config.records)


def _trouble(job: Reading, key: StreamKey) -> bytes:
    if job.config.trouble == INCOMPLETE:
        return stream_status(key, "INCOMPLETE")
    return error(f"stream {key} broke", stream=None if job.config.trouble == SOURCE_ERROR else key)


def incomplete_status(job: Reading) -> Iterator[bytes]:
    first, *others = _keys(job)
    yield from _whole(job, first, "INCOMPLETE")
    for key in others:
        yield from _whole(job, key)


def no_status_no_state(job: Reading) -> Iterator[bytes]:
    for key in _keys(job):
        yield from _records(job, key)


def state_for_some_streams(job: Reading) -> Iterator[bytes]:
    first, *others = _keys(job)
    yield from _whole(job, first)
    for key in others:
        yield from _opened(job, key)
        yield stream_status(key, "COMPLETE")


def unknown_stream(job: Reading) -> Iterator[bytes]:
    yield record(UNKNOWN, {"id": 0})
    yield from _everything(job)


def garbage_lines(job: Reading) -> Iterator[bytes]:
    yield b"Picked up JAVA_TOOL_OPTIONS: -Xmx1g\n"
    yield log("INFO", "starting")
    yield b"\n"
    for key in _keys(job):
        yield from _opened(job, key)
        yield b'{"type":"RECORD","record":{"stream":"cut off","data":{"id":\n'
        yield b"[1, 2, 3]\n"
        yield b"\xff\xfe not text \x00\n"
        yield from _closed(job, key)


def bad_json(job: Reading) -> Iterator[bytes]:
    for key in _keys(job):
        yield from _half(job, key)
        for line in _other_half(job, key):
            yield line[: len(line) // 2] + b"\n"
        yield from _closed(job, key)


def non_json_lines(job: Reading) -> Iterator[bytes]:
    yield b"Picked up JAVA_TOOL_OPTIONS: -Xmx1g\n"
    for key in _keys(job):
        yield from _half(job, key)
        yield b"12:00:01 INFO fetched a page\n"
        yield b"[1, 2, 3]\n"
        yield b"\xff\xfe not text \x00\n"
        yield b"\n"
        yield from _other_half(job, key)
        yield from _closed(job, key)


def huge_line(job: Reading) -> Iterator[bytes]:
    for key in _keys(job):
        yield stream_status(key, "STARTED")
        yield record(key, {"id": 0, "text": "x" * job.config.size})
        yield _state(key, 1)
        yield stream_status(key, "COMPLETE")


def no_final_newline(job: Reading) -> Iterator[bytes]:
    lines = list(_everything(job))
    yield from lines[:-1]
    yield lines[-1].rstrip(b"\n")


def ignores_sigterm(job: Reading) -> Iterator[bytes]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for key in _keys(job):
        yield from _opened(job, key)
        yield _state(key, job.config.records)
    job.output.flush()
    hang()


def stderr_flood(job: Reading) -> Iterator[bytes]:
    line = b"stderr is not a place for so much text\n"
    left = job.config.size
    while left > 0:
        left -= os.write(sys.stderr.fileno(), line * 100)
    yield from _everything(job)


def duplicate_states(job: Reading) -> Iterator[bytes]:
    for key in _keys(job):
        yield from _opened(job, key)
        yield _state(key, job.config.records)
        yield from _closed(job, key)


def mixed_state_types(job: Reading) -> Iterator[bytes]:
    for key in _keys(job):
        blob = {"next": job.config.records}
        yield from _opened(job, key)
        yield _state(key, job.config.records)
        entries = [stream_state(key, blob)["stream"]]
        yield state({"type": "GLOBAL", "global": {"shared_state": {}, "stream_states": entries}})
        yield state({"type": "LEGACY", "data": {key.name: blob}})
        yield stream_status(key, "COMPLETE")


def status_for_unknown_stream(job: Reading) -> Iterator[bytes]:
    yield stream_status(UNKNOWN, "COMPLETE")
    yield from _everything(job)


SOURCES: dict[str, Source] = {
    "exits-without-output": exits_without_output,
    "never-opens": never_opens,
    "hangs": hangs,
    "talks-on": talks_on,
    "read-never-exits": read_never_exits,
    "closes-stdout-and-hangs": closes_stdout_and_hangs,
    "crash-after-n": crash_after_n,
    "error-then-state-then-exit-0": error_then_state_then_exit_0,
    "incomplete-status": incomplete_status,
    "no-status-no-state": no_status_no_state,
    "state-for-some-streams": state_for_some_streams,
    "unknown-stream": unknown_stream,
    "garbage-lines": garbage_lines,
    "bad-json": bad_json,
    "non-json-lines": non_json_lines,
    "huge-line": huge_line,
    "no-final-newline": no_final_newline,
    "ignores-sigterm": ignores_sigterm,
    "stderr-flood": stderr_flood,
    "duplicate-states": duplicate_states,
    "mixed-state-types": mixed_state_types,
    "status-for-unknown-stream": status_for_unknown_stream,
}
