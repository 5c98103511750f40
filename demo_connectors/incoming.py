"""What a destination reads: lines from standard input, and the messages on them.

Record data is cut out of its line as text, never re-serialised.
"""

import json
import os
import re
import select
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from demo_connectors.messages import Failure

READ_SIZE = 1 << 20
BLANK = " \t\r\n"
_blanks = re.compile(f"[{BLANK}]*")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


sys.set_int_max_str_digits(0)
scan = json.JSONDecoder(parse_constant=_refuse).raw_decode


class MalformedLine(Failure):
    """A line that is not a message; the sentence gives its number and never its content."""

    def __init__(self, number: int) -> None:
        super().__init__(f"line {number} of standard input is not an Airbyte message")


class Input:
    """Standard input in blocks of whole lines."""

    def __init__(self, descriptor: int = 0) -> None:
        self._descriptor = descriptor
        self._rest: list[bytes] = []
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def waits(self, seconds: float) -> bool:
        """Whether nothing arrives within so many seconds."""
        return not self._poll.poll(seconds * 1000)

    def blocks(self) -> Iterator[bytes]:
        """Blocks that end with a newline; a last line without one is given one."""
        while piece := os.read(self._descriptor, READ_SIZE):
            cut = piece.rfind(b"\n") + 1
            if cut:
                self._rest.append(piece[:cut])
                yield b"".join(self._rest)
                self._rest = [piece[cut:]]
            else:
                self._rest.append(piece)
        if last := b"".join(self._rest):
            yield last + b"\n"


@dataclass(frozen=True, slots=True)
class Message:
    """A line and where its parts are."""

    line: str
    content: dict[str, Any]
    start: int

    @property
    def type(self) -> Any:
        return self.content.get("type")

    def span(self, *path: str) -> tuple[int, int]:
        """Where the value at the path starts and ends in the line."""
        start, end = self.start, len(self.line)
        for name in path:
            start, end = dict(_members(self.line, start))[name]
        return start, end


def parse(line: str, number: int) -> Message:
    try:
        start = _skip_blanks(line, 0)
        content, end = scan(line, start)
    except (ValueError, RecursionError) as err:
        raise MalformedLine(number) from err
    if not isinstance(content, dict) or _skip_blanks(line, end) < len(line):
        raise MalformedLine(number)
    return Message(line, content, start)


def _skip_blanks(text: str, at: int) -> int:
    found = _blanks.match(text, at)
    return found.end() if found else at


def _members(text: str, start: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """Name and span of each member of the valid JSON object that starts there."""
    at = _skip_blanks(text, start + 1)
    while text[at] != "}":
        name, at = scan(text, at)
        at = _skip_blanks(text, _skip_blanks(text, at) + 1)
        _, end = scan(text, at)
        yield name, (at, end)
        at = _skip_blanks(text, end)
        if text[at] == ",":
            at = _skip_blanks(text, at + 1)


@dataclass(frozen=True, slots=True)
class Shape:
    """How one source writes the records of one stream: all but the data and the time is constant."""

    head: str
    tail: re.Pattern[str]

    @classmethod
    def of(cls, message: Message) -> "Shape | None":
        """The shape of a record, if its lines are alike up to the data."""
        line = message.line
        start, end = message.span("record", "data")
        if "emitted_at" not in message.content["record"]:
            return None
        time_start, time_end = message.span("record", "emitted_at")
        if time_start < end or not line[time_start:time_end].isdigit():
            return None
        before, after = re.escape(line[end:time_start]), re.escape(line[time_end:])
        return cls(line[:start], re.compile(f"{before}[0-9]+{after}"))
