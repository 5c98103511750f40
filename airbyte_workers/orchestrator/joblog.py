"""The log of one attempt: JSON lines in numbered objects, capped; the head and the tail are kept, the rest is counted.

Object storage cannot append, so the newest object is written again until it is full.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from airbyte_workers.redaction import Redactor
from airbyte_workers.store.objects import Objects, StorageError

CHUNK_BYTES = 1024 * 1024
MAX_UNWRITTEN = 8  # chunks held while storage does not answer
PLATFORM = "airbyte_platform"
_LAST = "last"  # after every numbered object
_CUT = " [cut]"
_LEVELS = frozenset({"FATAL", "ERROR", "WARN", "WARNING", "INFO", "DEBUG", "TRACE"})


@dataclass
class _Chunk:
    number: int
    lines: list[bytes] = field(default_factory=list)
    size: int = 0
    dirty: bool = False


class LogWriter:
    """Takes lines at any speed; `flush` brings them to storage. No line holds a secret that `redact` knows."""

    def __init__(self, objects: Objects, prefix: str, *, redact: Redactor, max_bytes: int, max_line_bytes: int) -> None:
        self.redact = redact
        self._objects = objects
        self._prefix = prefix
        self._max_chunks = max(2, max_bytes // CHUNK_BYTES)
        self._max_line = max_line_bytes
        self._current = _Chunk(0)
        self._full: deque[_Chunk] = deque()
        self._tail: deque[tuple[int, int]] = deque()  # (number, lines) of written chunks after the head
        self.lines_dropped = 0

    @property
    def reads(self) -> int:
        """The characters of a text that decide about what is kept of it."""
        return self._max_line + self.redact.reach

    def __call__(self, leg: str, level: str, text: str) -> None:
        """Add a line (or several: `text` may hold newlines). A level that is none of ours can be any text: INFO."""
        at = _now()
        loud = level.upper() if level.upper() in _LEVELS else "INFO"
        line = _line(at, str(leg), loud, self._shown(leg, text))
        if self._current.size + len(line) > CHUNK_BYTES and self._current.lines:
            self._turn()
        self._current.lines.append(line)
        self._current.size += len(line)
        self._current.dirty = True

    async def flush(self) -> None:
        """Write what is new; when storage does not answer it stays for the next time."""
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

    def _shown(self, leg: str, text: str) -> str:
        """Redacted, then cut: the other way round a part of a secret could stay."""
        shown = self.redact(text, leg=leg, limit=self._max_line)
        shown = shown.encode(errors="replace").decode()  # half a surrogate pair cannot be written
        whole = max(len(text), len(shown)) <= self._max_line
        return shown if whole else shown[: self._max_line - len(_CUT)] + _CUT

    def _turn(self) -> None:
        if len(self._full) >= MAX_UNWRITTEN:
            self.lines_dropped += len(self._full.popleft().lines)
        self._full.append(self._current)
        self._current = _Chunk(self._current.number + 1)

    async def _write(self, chunk: _Chunk) -> None:
        await self._objects.put(f"{self._prefix}/{chunk.number:06d}.jsonl", b"".join(chunk.lines))

    async def _make_room(self, chunk: _Chunk) -> None:
        """Once the cap is reached, the oldest chunk after the head becomes one line that counts what is missing."""
        head = self._max_chunks // 2
        if chunk.number < head:
            return
        self._tail.append((chunk.number, len(chunk.lines)))
        if len(self._tail) <= self._max_chunks - head:
            return
        number, lines = self._tail.popleft()
        self.lines_dropped += lines
        if number > head:
            await self._objects.delete(f"{self._prefix}/{number:06d}.jsonl")
        gap = _line("", PLATFORM, "WARN", f"{self.lines_dropped:,} lines dropped here")
        await self._objects.put(f"{self._prefix}/{head:06d}.jsonl", gap)


async def write_last(objects: Objects, prefix: str, text: str) -> None:
    """End an attempt's log with what follows it; written again, it stands there once. Raises StorageError."""
    await objects.put(f"{prefix}/{_LAST}.jsonl", _line(_now(), PLATFORM, "INFO", text))


def _line(at: str, leg: str, level: str, text: str) -> bytes:
    return msgspec.json.encode({"at": at, "leg": leg, "level": level, "text": text}) + b"\n"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
