"""Record lines made from a template, so that a million of them take well under a second."""

import hashlib
import json
from collections.abc import Iterator
from functools import cached_property
from itertools import accumulate
from typing import Any

from demo_connectors.messages import StreamKey

BLOCK_BYTES = 256 * 1024
HOLE = "\0"  # cannot occur in JSON text: control characters are escaped there

JSON_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "amount": {"type": "integer"},
        "text": {"type": "string"},
    },
    "required": ["id", "amount", "text"],
}
PRIMARY_KEY = "id"
FRAME_BYTES = len('{"id":123456,"amount":12345,"text":""}')


class SyntheticRecords:
    """The records of one stream; a record is decided by seed, stream and index alone.

    A block of 10, 100 or 1000 lines is prepared once. Its ids lack their leading digits: one `replace` of
    the hole by the block's number makes the lines of any block. Block 0 has no leading digits at all.
    """

    def __init__(self, stream: StreamKey, seed: int, record_bytes: int, emitted_at: int) -> None:
        self._noise = hashlib.shake_256(f"{seed}/{stream}".encode()).hexdigest(2048)
        self._text_bytes = max(0, record_bytes - FRAME_BYTES)
        self._text = self._noise * (self._text_bytes // len(self._noise) + 2)
        self._head = '{"type":"RECORD","record":{"stream":' + json.dumps(stream.name)
        if stream.namespace is not None:
            self._head += ',"namespace":' + json.dumps(stream.namespace)
        self._tail = f',"emitted_at":{emitted_at}}}}}\n'
        self._digits = next((d for d in (3, 2, 1) if 10**d * record_bytes <= BLOCK_BYTES), 0)
        self.block = 10**self._digits

    def _line(self, identity: str, index: int) -> bytes:
        amount, start = int(self._noise[index : index + 4], 16), index * 3
        text = self._text[start : start + self._text_bytes]
        data = f'{{"id":{identity},"amount":{amount},"text":"{text}"}}'
        return f'{self._head},"data":{data}{self._tail}'.encode()

    @cached_property
    def _first_block(self) -> "_Lines":
        return _Lines([self._line(str(index), index) for index in range(self.block)])

    @cached_property
    def _later_block(self) -> "_Lines":
        if self._digits == 0:
            return _Lines([self._line(HOLE, 0)])
        return _Lines([self._line(f"{HOLE}{index:0{self._digits}}", index) for index in range(self.block)])

    def lines(self, start: int, end: int) -> Iterator[bytes]:
        """The lines of the records from `start` to before `end`, in pieces of a block at most."""
        while start < end:
            number, first = divmod(start, self.block)
            last = min(self.block, first + end - start)
            if number == 0:
                yield self._first_block.between(first, last)
            else:
                yield self._later_block.between(first, last).replace(HOLE.encode(), str(number).encode())
            start += last - first


class _Lines:
    def __init__(self, lines: list[bytes]) -> None:
        self._offsets = list(accumulate(map(len, lines), initial=0))
        self._text = b"".join(lines)

    def between(self, first: int, last: int) -> bytes:
        return self._text[self._offsets[first] : self._offsets[last]]
