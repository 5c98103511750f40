"""The log of one attempt: JSON lines in numbered objects, capped; the head and the tail are kept, the rest is counted.
Lines that only repeat others are counted before that.

Object storage cannot append, so the newest object is written again until it is full. No other one ever changes: who
reads along keeps an offset in each.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Self

from airbyte_workers.models import FailureOrigin
from airbyte_workers.protocol.streams import StreamKey
from airbyte_workers.redaction import CUT, LONGEST_REACH, Redactor
from airbyte_workers.replication.repeats import Line, RepeatLimits, Repeats
from airbyte_workers.settings import Settings
from airbyte_workers.store.log_lines import LEVELS, Level, LogLine, stored
from airbyte_workers.store.log_objects import chunk_key, gap_key, last_key
from airbyte_workers.store.objects import Objects, StorageError

_WORDS = 200  # characters of a line that the count of its repeats says again


@dataclass(eq=False)
class _Chunk:
    """An object to write; `kept`: lines of it that are in storage; `missing`: lines that were dropped before it."""

    number: int
    lines: list[bytes] = field(default_factory=list)
    size: int = 0
    dirty: bool = False
    kept: int = 0
    missing: int = 0

    @property
    def body(self) -> bytes:
        return b"".join([_gap(self.missing), *self.lines] if self.missing else self.lines)


@dataclass(frozen=True)
class LogLimits:
    """How much of a log is kept, how much of one text in it, and how often a line may repeat another.

    `unwritten_bytes`: held while storage does not answer.
    """

    log_bytes: int
    line_characters: int
    chunk_bytes: int
    unwritten_bytes: int
    repeats: RepeatLimits

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """What the settings say."""
        repeats = RepeatLimits(
            burst=settings.log_repeats_burst,
            per_minute=settings.log_repeats_per_minute,
            kinds=settings.log_repeats_kinds,
            told_s=settings.log_repeats_told_s,
        )
        return cls(
            log_bytes=settings.max_log_bytes,
            line_characters=settings.max_log_line_bytes,
            chunk_bytes=settings.log_chunk_bytes,
            unwritten_bytes=settings.log_unwritten_bytes,
            repeats=repeats,
        )


class LogWriter:
    """Takes lines at any speed; `flush` brings them to storage. No line holds a secret that `redact` knows."""

    def __init__(self, objects: Objects, prefix: str, redact: Redactor, limits: LogLimits) -> None:
        self.redact = redact
        self._objects = objects
        self._prefix = prefix
        self._chunk_bytes = limits.chunk_bytes
        self._max_chunks = max(2, limits.log_bytes // limits.chunk_bytes)
        self._max_unwritten = max(1, limits.unwritten_bytes // limits.chunk_bytes)
        self._head = self._max_chunks // 2  # chunks at the beginning that stay
        self._max_line = limits.line_characters
        self._repeats = Repeats(limits.repeats, self._words)
        self._current = _Chunk(0)
        self._full: deque[_Chunk] = deque()
        self._writing: _Chunk | None = None
        self._tail: deque[tuple[int, int, int]] = deque()  # number, lines, missing of written chunks after the head
        self._removed = 0  # lines that were there between head and tail
        self._counted_told = 0
        self.lines_dropped = 0

    @property
    def reads(self) -> int:
        """The characters of a text that decide about what is kept of it, whatever `redact` learns meanwhile."""
        return self._max_line + LONGEST_REACH

    def __call__(self, leg: str, level: str, text: str, stream: StreamKey | None = None) -> None:
        """Add a line (or several: `text` may hold newlines). A level that is none of ours can be any text: INFO."""
        loud = level.upper()
        line = Line(str(leg), loud if loud in LEVELS else Level.INFO, text[: self.reads], stream)
        self._add(self._repeats.take(line, time.monotonic()))

    def settle(self) -> None:
        """Tell every count of repeats, and how many there are: what is said from here on is the end."""
        self._add(self._repeats.rest())
        counted = self._repeats.counted
        if counted > self._counted_told:
            text = f"of what was said {counted:,} lines repeat others and are only counted"
            self._add([Line(FailureOrigin.PLATFORM, Level.INFO, text)])
            self._counted_told = counted

    async def flush(self) -> None:
        """Write what is new; when storage does not answer it stays for the next time."""
        self._add(self._repeats.due(time.monotonic()))
        try:
            while self._full:
                chunk = self._full.popleft()  # ours while it is written: a turn meanwhile must not drop it
                try:
                    await self._write(chunk)
                except (StorageError, asyncio.CancelledError):
                    self._full.appendleft(chunk)
                    raise
                await self._make_room(chunk)
            if self._current.dirty:
                await self._write_current()
        except StorageError:
            return

    async def _write_current(self) -> None:
        """Write the newest object again; it is clean only if nothing came meanwhile and the write went through."""
        chunk, lines = self._current, len(self._current.lines)
        await self._write(chunk)
        chunk.dirty = len(chunk.lines) > lines

    def _add(self, lines: Iterable[Line]) -> None:
        for leg, level, text, stream in lines:
            name, namespace = (None, None) if stream is None else self._of(leg, stream)
            line = stored(LogLine(_now(), leg, level, self._shown(leg, text), name, namespace))
            if self._current.size + len(line) > self._chunk_bytes and self._current.lines:
                self._turn()
            self._current.lines.append(line)
            self._current.size += len(line)
            self._current.dirty = True

    def _words(self, line: Line) -> str:
        """How a line begins."""
        first = self._shown(line.leg, line.text).partition("\n")[0]
        return first if len(first) <= _WORDS else first[:_WORDS] + CUT

    def _of(self, leg: str, stream: StreamKey) -> StreamKey:
        """What a line says of its stream: a connector may call one whatever it likes."""
        name, namespace = stream
        return self._shown(leg, name), self._shown(leg, namespace) if namespace else None

    def _shown(self, leg: str, text: str) -> str:
        return self.redact.cut(text, self._max_line, leg=leg)[0]

    def _turn(self) -> None:
        self._full.append(self._current)
        self._current = _Chunk(self._current.number + 1)
        if len(self._full) > self._max_unwritten:
            self._drop(next(chunk for chunk in self._full if chunk is not self._writing))

    def _drop(self, chunk: _Chunk) -> None:
        """Leave out what is not in storage; the next chunk says how much that was."""
        place = self._full.index(chunk)
        self._full.remove(chunk)
        lines = len(chunk.lines) - chunk.kept
        self.lines_dropped += lines
        self._full[place].missing += chunk.missing + lines
        if chunk.kept:
            self._remember(chunk)

    async def _write(self, chunk: _Chunk) -> None:
        lines, self._writing = len(chunk.lines), chunk
        try:
            await self._objects.put(chunk_key(self._prefix, chunk.number), chunk.body)
        finally:
            self._writing = None
        chunk.kept = lines

    def _remember(self, chunk: _Chunk) -> None:
        if chunk.number >= self._head:
            self._tail.append((chunk.number, chunk.kept, chunk.missing))

    async def _make_room(self, chunk: _Chunk) -> None:
        """Over the cap, the oldest chunks after the head give way to one line that counts what is missing."""
        self._remember(chunk)
        while len(self._tail) > self._max_chunks - self._head:
            number, lines, missing = self._tail[0]
            removed = self._removed + lines + missing
            await self._objects.put(gap_key(self._prefix, self._head), _gap(removed))
            await self._objects.delete(chunk_key(self._prefix, number))
            self._tail.popleft()
            self._removed = removed
            self.lines_dropped += lines


async def write_last(objects: Objects, prefix: str, text: str) -> None:
    """End an attempt's log with what follows it; written again, it stands there once. Raises StorageError."""
    await objects.put(last_key(prefix), stored(LogLine(_now(), FailureOrigin.PLATFORM, Level.INFO, text)))


def _gap(lines: int) -> bytes:
    return stored(LogLine("", FailureOrigin.PLATFORM, Level.WARN, f"{lines:,} lines dropped here"))


def _now() -> str:
    return _moment(time.time_ns() // 1_000_000)


@lru_cache(maxsize=1)
def _moment(milliseconds: int) -> str:
    """Lines come faster than milliseconds pass."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
