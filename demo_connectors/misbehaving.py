"""Sources and destinations that break the contract, one way each: `python -m demo_connectors.misbehaving MODE ...`."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from demo_connectors import source_synthetic
from demo_connectors.acknowledgement import echo, read_state
from demo_connectors.configuration import COUNT, COUNT_OR_NAMES, TEXT, option
from demo_connectors.connector import Connector, Job, hang, run
from demo_connectors.incoming import parse
from demo_connectors.messages import (
    STDOUT,
    StreamKey,
    error,
    log,
    record,
    state,
    stream_state,
    stream_status,
)
from demo_connectors.source_synthetic import SyntheticConfig

UNKNOWN = StreamKey("no_such_stream")


@dataclass(frozen=True, kw_only=True)
class MisbehavingConfig:
    streams: int | Sequence[str] = option(COUNT_OR_NAMES, "How many streams (stream_0, ...), or their names", 1)
    namespace: str | None = option(TEXT, "Namespace of every stream", None)
    records: int = option(COUNT, "Records of each stream", 10)
    size: int = option(COUNT, "Bytes of the huge line, or of the flood on standard error", 1 << 20)
    lines: int = option(COUNT, "Lines to read before the early exit", 5)
    path: str | None = option(TEXT, "Not used; so that a destination's configuration fits", None)


Reading = Job[MisbehavingConfig]
Source = Callable[[Reading], Iterator[bytes]]
Destination = Callable[[Reading], int]


def _keys(job: Reading) -> list[StreamKey]:
    return [stream.key for stream in job.streams]


def _records(job: Reading, key: StreamKey) -> Iterator[bytes]:
    return (record(key, {"id": index}) for index in range(job.config.records))


def _state(key: StreamKey, reached: int) -> bytes:
    return state(stream_state(key, {"next": reached}))


def _opened(job: Reading, key: StreamKey) -> Iterator[bytes]:
    yield stream_status(key, "STARTED")
    yield stream_status(key, "RUNNING")
    yield from _records(job, key)


def _whole(job: Reading, key: StreamKey, status: str = "COMPLETE") -> Iterator[bytes]:
    yield from _opened(job, key)
    yield _state(key, job.config.records)
    yield stream_status(key, status)


def _everything(job: Reading) -> Iterator[bytes]:
    for key in _keys(job):
        yield from _whole(job, key)


def exits_without_output(_: Reading) -> Iterator[bytes]:
    return iter(())


def never_opens(_: Reading) -> Iterator[bytes]:
    hang()


def closes_stdout_and_hangs(job: Reading) -> Iterator[bytes]:
    yield from _everything(job)
    job.output.flush()
    os.close(STDOUT)
    hang()


def error_then_state_then_exit_0(job: Reading) -> Iterator[bytes]:
    for key in _keys(job):
        yield from _opened(job, key)
        yield error(f"stream {key} broke", stream=key)
        yield _state(key, job.config.records)


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
        yield _state(key, job.config.records)
        yield stream_status(key, "COMPLETE")


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
        yield _state(key, job.config.records)
        yield stream_status(key, "COMPLETE")


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


def exits_early(job: Reading) -> int:
    with os.fdopen(0, "rb", closefd=False) as lines:
        for _, _ in zip(range(job.config.lines), lines, strict=False):
            pass
    return 3


def never_reads(_: Reading) -> int:
    hang()


def never_exits(job: Reading) -> int:
    _acknowledge(job)
    hang()


def no_echo(_: Reading) -> int:
    while os.read(0, 1 << 20):
        pass
    return 0


def echo_unknown(job: Reading) -> int:
    while os.read(0, 1 << 20):
        pass
    job.output.send(state({**stream_state(UNKNOWN, {"next": 1}), "id": 999_999}))
    return 0


def _acknowledge(job: Reading) -> None:
    records = 0
    with os.fdopen(0, "rb", closefd=False) as lines:
        for number, line in enumerate(lines, 1):
            message = parse(line.decode(), number)
            if message.type == "RECORD":
                records += 1
            elif message.type == "STATE":
                job.output.send(echo(read_state(message, number), records))
                job.output.flush()
                records = 0


SOURCES: dict[str, Source] = {
    "exits-without-output": exits_without_output,
    "never-opens": never_opens,
    "closes-stdout-and-hangs": closes_stdout_and_hangs,
    "error-then-state-then-exit-0": error_then_state_then_exit_0,
    "incomplete-status": incomplete_status,
    "no-status-no-state": no_status_no_state,
    "state-for-some-streams": state_for_some_streams,
    "unknown-stream": unknown_stream,
    "garbage-lines": garbage_lines,
    "huge-line": huge_line,
    "no-final-newline": no_final_newline,
    "ignores-sigterm": ignores_sigterm,
    "stderr-flood": stderr_flood,
    "duplicate-states": duplicate_states,
    "mixed-state-types": mixed_state_types,
    "status-for-unknown-stream": status_for_unknown_stream,
}
DESTINATIONS: dict[str, Destination] = {
    "exits-early": exits_early,
    "never-reads": never_reads,
    "never-exits": never_exits,
    "no-echo": no_echo,
    "echo-unknown": echo_unknown,
}


def discover(config: MisbehavingConfig) -> bytes:
    return source_synthetic.discover(SyntheticConfig(streams=config.streams, namespace=config.namespace))


def connector(mode: str) -> Connector[MisbehavingConfig]:
    """The connector that misbehaves this way; it answers spec, check and discover as it should."""
    title = f"Misbehaving: {mode}"
    if mode in DESTINATIONS:
        return Connector(
            name=mode,
            title=title,
            config=MisbehavingConfig,
            write=DESTINATIONS[mode],
            destination_sync_modes=("append", "overwrite"),
        )

    def read(job: Reading) -> int:
        for line in SOURCES[mode](job):
            job.output.send(line)
        return 0

    return Connector(name=mode, title=title, config=MisbehavingConfig, discover=discover, read=read)


def main() -> None:
    modes = [*SOURCES, *DESTINATIONS]
    if len(sys.argv) < 2 or sys.argv[1] not in modes:
        sys.exit(f"usage: python -m demo_connectors.misbehaving MODE COMMAND ...\nmodes: {', '.join(modes)}")
    sys.exit(run(connector(sys.argv[1]), sys.argv[2:]))


if __name__ == "__main__":
    main()
