"""Record lines sorted into the rows of their streams, each row the record's data as it was received."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard

from demo_connectors.incoming import BLANK, MalformedLine, Message, Shape, parse, scan
from demo_connectors.messages import Failure, StreamKey

KNOWN_SHAPES = 10_000
DATA = '"data":'


class Rows(Protocol):
    rows: list[str]


@dataclass(frozen=True, slots=True)
class _Expected:
    """A shape made ready: its lines start with the head, and their data at `at`."""

    head: str
    at: int
    ends_well: Callable[[str, int], Any]
    add: Callable[[str], None]


_NOTHING = _Expected("\0", 0, lambda *_: False, lambda _: None)


class RecordLines:
    """Takes lines; records end up as rows of their stream, other messages with the caller."""

    def __init__(self, streams: Mapping[StreamKey, Rows]) -> None:
        self.number = 0
        self.records = 0
        self._streams = streams
        self._expected = _NOTHING
        self._known: dict[str, _Expected] = {}

    def take(self, lines: list[str]) -> Iterator[Message]:
        """The messages that are not records; everything before one is in its rows when it is handed out."""
        first, unusual = self.number + 1, 0
        head, at, ends_well, add = self._ready()
        for number, line in enumerate(lines, first):
            if not line.startswith(head):
                self._expected = self._known.get(line.partition(DATA)[0], _NOTHING)
                head, at, ends_well, add = self._ready()
            if line.startswith(head):
                try:
                    _, end = scan(line, at)
                except (ValueError, RecursionError) as err:
                    raise MalformedLine(number) from err
                if ends_well(line, end):
                    add(line[at:end])
                    continue
            self.number = number
            unusual += 1
            message = self._take_unusual(line)
            if message is not None:
                yield message
        self.number = first + len(lines) - 1
        self.records += len(lines) - unusual

    def _ready(self) -> tuple[str, int, Callable[[str, int], Any], Callable[[str], None]]:
        expected = self._expected
        return expected.head, expected.at, expected.ends_well, expected.add

    def _take_unusual(self, line: str) -> Message | None:
        """Take a line of a shape not met before; the result is the message if it is not a record."""
        if not line.strip(BLANK):
            return None
        message = parse(line, self.number)
        if message.type != "RECORD":
            return message
        record = message.content.get("record")
        if not _is_record(record):
            raise MalformedLine(self.number)
        key = StreamKey(record["stream"], record.get("namespace") or None)
        if key not in self._streams:
            raise Failure(f"line {self.number} is a record of stream {key}, which is not in the catalog", key)
        rows = self._streams[key].rows
        start, end = message.span("record", "data")
        rows.append(line[start:end])
        self.records += 1
        self._learn(message, rows)
        return None

    def _learn(self, message: Message, rows: list[str]) -> None:
        beginning, data, _ = message.line.partition(DATA)
        if not data or beginning in self._known or len(self._known) == KNOWN_SHAPES:
            return
        shape = Shape.of(message)
        if shape is not None:
            at = len(shape.head)
            self._known[beginning] = _Expected(f"{shape.head}{{", at, shape.tail.fullmatch, rows.append)


def _is_record(record: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(record, dict) and isinstance(record.get("stream"), str) and isinstance(record.get("data"), dict)
