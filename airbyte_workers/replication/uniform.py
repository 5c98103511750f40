"""Blocks in which every line is a record of one stream, all spelt alike: judged as a whole, not line by line.

One program prints a source's records, so that each begins like the one before it. msgspec decodes such a block, as it
does every other (`decoding.py`); that the block's lines are just its messages is then proved by counting bytes. A block
of which it cannot be proved goes the longer way: that is no error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct, defstruct

from airbyte_workers.replication.decoding import UNREADABLE, Sniffed, is_utf8, sniff_line

Called = tuple[str, str | None]
"""A stream as the source spells its name and namespace."""

_DATA = re.compile(rb'"data"\s*:\s*\{')
_LONGEST_HEAD = 1024
_SPELLINGS = 16  # and so many more for each stream: one that spells every record anew shall not fill the memory
_SPELLINGS_OF_A_STREAM = 4
_LONGEST_PAUSE = 15  # blocks that are not tried after one that was no use
_SHORTEST_TAIL = len(b',"emitted_at":1700000000000}}\n')
_MOMENT = Annotated[int, Meta(ge=10**12)]  # milliseconds since 2001: never shorter than in the tail


class _HeadRecord(Struct, forbid_unknown_fields=True):
    stream: str
    data: dict[str, Any]
    namespace: str | None = None


class _Head(Struct, forbid_unknown_fields=True):
    record: _HeadRecord
    type: Literal["RECORD"] = "RECORD"


_HEAD = msgspec.json.Decoder(_Head)


@dataclass(frozen=True)
class UniformBlock:
    """A block's records, as a `Sniffed` each. `size`: bytes of their `data`."""

    called: Called
    messages: Sequence[Sniffed]
    size: int


class UniformBlocks:
    """Learns how the records of each stream begin. `go_on`: whether a stream's records do, as they are."""

    def __init__(self, go_on: Callable[[Called], bool]) -> None:
        self._go_on = go_on
        self._spellings: dict[bytes, _Spelling | None] = {}
        self._decoders: dict[Called, msgspec.json.Decoder[Any]] = {}
        self._state = b""
        self._had_states = False
        self._pause = self._paused = 0

    def pieces(self, block: bytes) -> Iterator[tuple[bytes, UniformBlock | None]]:
        """A block of whole lines with its records, whole or cut at the states in it; None: more must be looked at."""
        if self._paused:
            self._paused -= 1
            yield block, None
            return
        whole = None if self._had_states else self._read(block)
        if whole is not None:
            self._pause = 0
            yield block, whole
            return
        pieces = list(_cut_at(self._state, block)) if self._state else [block]
        had_states, self._had_states = self._had_states, len(pieces) > 1
        if self._had_states or had_states:
            yield from ((piece, self._read(piece)) for piece in pieces)
            return
        self._pause = min(2 * self._pause + 1, _LONGEST_PAUSE)
        self._paused = self._pause
        yield block, None

    def _read(self, block: bytes) -> UniformBlock | None:
        found = _DATA.search(block, 0, _LONGEST_HEAD)
        if found is None:
            return None
        head = block[: found.end()]
        if head not in self._spellings:
            if len(self._spellings) >= _SPELLINGS + _SPELLINGS_OF_A_STREAM * len(self._decoders):
                self._spellings.clear()
            self._spellings[head] = self._learnt(head, block)
        spelling = self._spellings[head]
        if spelling is None:
            return None
        self._state = spelling.state
        return spelling.read(block)

    def _learnt(self, head: bytes, block: bytes) -> _Spelling | None:
        if not head.startswith(b"{") or b"\n" in head:
            return None
        try:
            record = _HEAD.decode(head + b"}}}").record
        except UNREADABLE:
            return None
        first = sniff_line(block[: block.find(b"\n") + 1])
        if first is None or first.record is None:
            return None
        called = (record.stream, first.record.namespace)
        if not self._go_on(called):
            return None
        if called not in self._decoders:
            self._decoders[called] = _decoder(called)
        return _Spelling(head, _Stream(called, self._decoders[called]))


@dataclass(frozen=True)
class _Stream:
    """A stream whose records go on as they are, and what reads nothing else."""

    called: Called
    decoder: msgspec.json.Decoder[Any]


class _Spelling:
    """Records of one stream that begin alike: `head` ends with the brace that opens their `data`."""

    def __init__(self, head: bytes, stream: _Stream) -> None:
        self._between = b"}\n" + head
        kind = head.find(b'"RECORD"')
        self.state = b"" if kind < 0 else b"\n" + head[:kind] + b'"STATE"'
        """How a state begins in the same spelling, after the newline before it; empty: nobody knows."""
        self._least = len(head) - 1 + _SHORTEST_TAIL
        self._stream = stream

    def read(self, block: bytes) -> UniformBlock | None:
        try:
            messages = self._stream.decoder.decode_lines(block)
        except UNREADABLE:
            return None
        parts = [each.record.data for each in messages]
        data, count = b"".join(parts), len(parts)
        if block.count(self._between) != count - 1 or not is_utf8(block):
            return None
        if not (self._is_shortest(block, count, data) or _has_lines(block, parts)):
            return None
        return UniformBlock(self._stream.called, messages, len(data))

    def _is_shortest(self, block: bytes, count: int, data: bytes) -> bool:
        """Whether nothing stands around the data of each message but what must.

        What `between` matches cannot stand inside of a message: so every two messages have just one newline between
        them, and each begins with the head. Around its data a message then has `least` bytes or more, a newline after
        it included. Where all of them together have no more, none has room for another newline.
        """
        return len(block) == len(data) + count * self._least and b"\n" not in data


def _cut_at(beginning: bytes, block: bytes) -> Iterator[bytes]:
    """The lines that begin so (`beginning` has the newline before them, too), and what is between them."""
    start = 0
    while start < len(block):
        at = start if block.startswith(beginning[1:], start) else block.find(beginning, start) + 1 or len(block)
        if start < at:
            yield block[start:at]
        start = block.find(b"\n", at) + 1 or len(block)
        if at < start:
            yield block[at:start]


def _has_lines(block: bytes, data: Sequence[Raw]) -> bool:
    """The same for messages with more in them: as many newlines as messages, and objects for data."""
    return block.count(b"\n") == len(data) and bytes([memoryview(each)[0] for each in data]) == b"{" * len(data)


def _decoder(called: Called) -> msgspec.json.Decoder[Any]:
    """Refuses what is not a record of this stream, or stands for a file."""
    name, namespace = called
    members: dict[str, Any] = {
        "stream": Literal[name],
        "namespace": None if namespace is None else Literal[namespace],
        "data": Raw,
        "emitted_at": _MOMENT,
        "file_reference": None,
        "file": None,
    }
    defaults = {"file_reference": None, "file": None} | ({"namespace": None} if namespace is None else {})
    record = defstruct("UniformRecord", members.items(), namespace=defaults, gc=False, kw_only=True)
    message = defstruct("UniformMessage", [("type", Literal["RECORD"]), ("record", record)], gc=False)
    return msgspec.json.Decoder(message)
