"""destination-null: counts, forgets and acknowledges at once; the other end of a benchmark."""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from demo_connectors.acknowledgement import echo, read_state
from demo_connectors.connector import Connector, Job, run
from demo_connectors.incoming import BLANK, Input, MalformedLine, Message, parse
from demo_connectors.messages import Failure, StreamKey
from demo_connectors.stream_ends import StreamEnds

RECORD_HEAD = b'\n{"type":"RECORD",'
DATA = b'"data":{'
_other_line = re.compile(rb'\n(?!\{"type":"RECORD",)')


@dataclass(frozen=True, slots=True)
class NullConfig:
    """There is nothing to configure."""


class Counts:
    """Records per stream. Whole stretches of lines are counted at once by how their records begin."""

    def __init__(self, streams: list[StreamKey]) -> None:
        self._counts = dict.fromkeys(streams, 0)
        namespaces = any(stream.namespace for stream in streams)
        # Next to namespaced streams a record without a leading namespace may still have one at its end.
        self._heads = {_head(stream): stream for stream in streams if stream.namespace or not namespaces}

    def add(self, text: bytes, start: int, end: int, number: int) -> int:
        """Count the records on the lines between, the first of which has this number; how many lines."""
        self._expect(text[start : text.find(DATA, start, end) + len(DATA)])
        lines = left = text.count(b"\n", start, end)
        found: dict[StreamKey, int] = {}
        for head, stream in self._heads.items():
            found[stream] = text.count(head, start, end)
            left -= found[stream]
            if not left:
                break
        if left:
            found = self._count_one_by_one(text[start:end], number)
        for stream, count in found.items():
            self._counts[stream] += count
        return lines

    def add_alike(self, text: bytes) -> int:
        """Count the lines if all are records of the stream counted last; how many lines, or 0."""
        for head, stream in self._heads.items():
            lines = text.count(head)
            if lines != text.count(b"\n"):
                return 0
            self._counts[stream] += lines
            return lines
        return 0

    def _expect(self, head: bytes) -> None:
        """Look for this stream first."""
        if head in self._heads:
            self._heads = {head: self._heads.pop(head), **self._heads}

    def take(self, stream: StreamKey | None) -> int:
        """The records since the last state of the stream, or of all streams."""
        covered = self._counts if stream is None else [stream] if stream in self._counts else []
        count = sum(self._counts[each] for each in covered)
        self._counts |= dict.fromkeys(covered, 0)
        return count

    def _count_one_by_one(self, text: bytes, number: int) -> dict[StreamKey, int]:
        found: dict[StreamKey, int] = {}
        for at, line in enumerate(text[1:].split(b"\n"), number):
            stream = _stream_of(_message(line, at), at)
            if stream not in self._counts:
                raise Failure(f"line {at} is a record of stream {stream}, which is not in the catalog", stream)
            found[stream] = found.get(stream, 0) + 1
        return found


def _head(stream: StreamKey) -> bytes:
    name = json.dumps(stream.name)
    named = f'"stream":{name}'
    if stream.namespace is not None:
        named = f'{named},"namespace":{json.dumps(stream.namespace)}'
    return RECORD_HEAD + f'"record":{{{named},'.encode() + DATA


def _message(line: bytes, number: int) -> Message:
    try:
        return parse(line.decode(), number)
    except UnicodeDecodeError as err:
        raise MalformedLine(number) from err


def _stream_of(message: Message, number: int) -> StreamKey:
    try:
        record = message.content["record"]
        return StreamKey(record["stream"], record.get("namespace") or None)
    except (KeyError, TypeError, AttributeError) as err:
        raise MalformedLine(number) from err


class Counting:
    """One write under way."""

    def __init__(self, job: Job[NullConfig]) -> None:
        streams = [stream.key for stream in job.streams]
        self._output = job.output
        self._counts = Counts(streams)
        self._ends = StreamEnds(streams)
        self._number = 1

    def run(self, source: Input) -> None:
        for block in source.blocks():
            for message in self._others(b"\n" + block[:-1]):
                self._take(message)
            self._output.flush()
        self._ends.prove()

    def _others(self, text: bytes) -> Iterator[Message]:
        """The messages that are not plainly records; the records before each are counted when it comes."""
        if lines := self._counts.add_alike(text):
            self._number += lines
            return
        start = 0
        for found in _other_line.finditer(text):
            self._count(text, start, found.start())
            end = text.find(b"\n", found.end())
            start = len(text) if end < 0 else end
            if line := text[found.end() : start].strip(BLANK.encode()):
                yield _message(line, self._number)
            self._number += 1
        self._count(text, start, len(text))

    def _count(self, text: bytes, start: int, end: int) -> None:
        if start < end:
            self._number += self._counts.add(text, start, end, self._number)

    def _take(self, message: Message) -> None:
        if message.type == "STATE":
            state = read_state(message, self._number)
            self._output.send(echo(state, self._counts.take(state.stream)))
        elif message.type == "TRACE":
            self._ends.take(message)
        elif message.type == "RECORD":
            line = b"\n" + message.line.encode()
            self._counts.add(line, 0, len(line), self._number)


def write(job: Job[NullConfig]) -> int:
    Counting(job).run(Input())
    return 0


DESTINATION = Connector(
    name="destination-null",
    title="Null destination",
    config=NullConfig,
    write=write,
    destination_sync_modes=("append", "overwrite"),
)


def main() -> None:
    sys.exit(run(DESTINATION, sys.argv[1:]))


if __name__ == "__main__":
    main()
