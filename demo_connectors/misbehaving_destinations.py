"""Destinations that break the contract, one way each. None writes anything."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NoReturn

from demo_connectors.acknowledgement import HeldState, HeldStates, echo, read_state
from demo_connectors.connector import Job, hang
from demo_connectors.destination_null import Counts
from demo_connectors.incoming import Message, parse
from demo_connectors.messages import Failure, state, stream_state
from demo_connectors.misbehaving_config import UNKNOWN, MisbehavingConfig
from demo_connectors.stream_ends import StreamEnds

STDIN = 0
STDERR = 2
TALK_S = 0.1

Writing = Job[MisbehavingConfig]
Destination = Callable[[Writing], int]


def _messages() -> Iterator[tuple[int, Message]]:
    with os.fdopen(STDIN, "rb", closefd=False) as lines:
        for number, line in enumerate(lines, 1):
            yield number, parse(line.rstrip(b"\n").decode(), number)


def _states(job: Writing, messages: Iterator[tuple[int, Message]]) -> Iterator[HeldState]:
    """Each state as it comes, with the records it covers."""
    counts = Counts([stream.key for stream in job.streams])
    for number, message in messages:
        if message.type == "RECORD":
            line = b"\n" + message.line.encode()
            counts.add(line, 0, len(line), number)
        elif message.type == "STATE":
            received = read_state(message, number)
            yield HeldState(received, counts.take(received.stream), {})


def _echo(job: Writing, held: HeldState, *, drop_id: bool = False, bare: bool = False) -> None:
    job.output.send(echo(held.state, held.count, drop_id=drop_id, bare=bare))
    job.output.flush()


def _acknowledge(job: Writing, *, times: int = 1, drop_id: bool = False, bare: bool = False) -> None:
    for held in _states(job, _messages()):
        for _ in range(times):
            _echo(job, held, drop_id=drop_id, bare=bare)


def _acknowledge_beginning(job: Writing) -> None:
    """Read the configured number of lines and acknowledge the states among them."""
    for held in _states(job, islice(_messages(), job.config.lines)):
        _echo(job, held)


def _read_beginning(job: Writing) -> None:
    for _ in islice(_messages(), job.config.lines):
        pass


def _read_all() -> None:
    while os.read(STDIN, 1 << 20):
        pass


def exits_early(job: Writing) -> int:
    _read_beginning(job)
    return 3


def exits_0_without_echo(job: Writing) -> int:
    _read_beginning(job)
    return 0


def write_crash_after_n(job: Writing) -> int:
    _acknowledge_beginning(job)
    return 1


def stops_reading(job: Writing) -> int:
    _acknowledge_beginning(job)
    hang()


def closes_stdin_early(job: Writing) -> int:
    _acknowledge_beginning(job)
    os.close(STDIN)
    hang()


def never_reads(_: Writing) -> int:
    hang()


def never_exits(job: Writing) -> int:
    _acknowledge(job)
    hang()


def write_ignores_sigterm(job: Writing) -> int:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return never_exits(job)


def no_echo(_: Writing) -> int:
    _read_all()
    return 0


def stops_echoing(job: Writing) -> int:
    _acknowledge_beginning(job)
    _read_all()
    return 0


def finalises_for_ever(job: Writing) -> NoReturn:
    """It is at work without end after its end of input, and says so."""
    _acknowledge(job)
    while True:
        os.write(STDERR, b"merging\n")
        time.sleep(TALK_S)


def echo_unknown(job: Writing) -> int:
    _read_all()
    job.output.send(state({**stream_state(UNKNOWN, {"next": 1}), "id": 999_999}))
    return 0


def echoes_without_id(job: Writing) -> int:
    _acknowledge(job, drop_id=True)
    return 0


def echoes_bare(job: Writing) -> int:
    _acknowledge(job, bare=True)
    return 0


def echoes_twice(job: Writing) -> int:
    _acknowledge(job, times=2)
    return 0


def echoes_out_of_order(job: Writing) -> int:
    """Stream by stream, as a destination that flushes each on its own: 1A 2B 3A come back as 1A 3A 2B."""
    states = list(_states(job, _messages()))
    streams = [held.state.stream for held in states]
    for held in sorted(states, key=lambda held: streams.index(held.state.stream)):
        _echo(job, held)
    return 0


def echoes_coalesced(job: Writing) -> int:
    waiting = HeldStates("last", len(job.streams))
    for held in _states(job, _messages()):
        waiting.hold(held)
    for held in waiting.release(at_end=True):
        _echo(job, held)
    return 0


def fails_without_complete(job: Writing) -> int:
    """Good otherwise: what destinations of the current CDKs do when a platform sends them no stream statuses."""
    missing = {stream.key for stream in job.streams}
    ends = StreamEnds(missing)

    def noted() -> Iterator[tuple[int, Message]]:
        for number, message in _messages():
            if message.type == "TRACE" and (complete := ends.take(message)) is not None:
                missing.discard(complete)
            yield number, message

    for held in _states(job, noted()):
        _echo(job, held)
    if missing:
        raise Failure(f"no COMPLETE status came for: {', '.join(sorted(map(str, missing)))}")
    return 0


DESTINATIONS: dict[str, Destination] = {
    "exits-early": exits_early,
    "exits-0-without-echo": exits_0_without_echo,
    "write-crash-after-n": write_crash_after_n,
    "stops-reading": stops_reading,
    "closes-stdin-early": closes_stdin_early,
    "never-reads": never_reads,
    "never-exits": never_exits,
    "write-ignores-sigterm": write_ignores_sigterm,
    "no-echo": no_echo,
    "stops-echoing": stops_echoing,
    "finalises-for-ever": finalises_for_ever,
    "echo-unknown": echo_unknown,
    "echoes-without-id": echoes_without_id,
    "echoes-bare": echoes_bare,
    "echoes-twice": echoes_twice,
    "echoes-out-of-order": echoes_out_of_order,
    "echoes-coalesced": echoes_coalesced,
    "fails-without-complete": fails_without_complete,
}
