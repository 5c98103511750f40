"""A log as it is read: by ranges of its objects, each line once, however long the log is and however it grows.

What is numbered only grows, until it is removed: the offset up to which it was read stays right. What stands for
removed objects is written again whenever it counts more, and is told only to whom something was lost.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass

from airbyte_workers.store.log_objects import LogObject
from airbyte_workers.store.objects import Objects

BLOCK = 1024 * 1024  # bytes that are read at once: a whole object, as they are written
_TAIL = 256  # bytes in front of an offset, by which an object that was begun anew is known

Lines = Sequence[bytes]


@dataclass(frozen=True)
class _Seen:
    """How far an object was read; `tail`: what stands in front of there."""

    end: int = 0
    tail: bytes = b""

    def after(self, read: bytes) -> _Seen:
        return _Seen(self.end + len(read), (self.tail + read)[-_TAIL:])


class _Removed(Exception):
    """An object is gone that was listed a moment ago."""


class LogReader:
    """Reads the objects below `folder` that are `wanted`, again and again."""

    def __init__(self, objects: Objects, folder: str, wanted: Callable[[LogObject], bool] = lambda _: True) -> None:
        self._objects = objects
        self._folder = folder
        self._wanted = wanted
        self._seen: dict[str, _Seen] = {}
        self._highest: dict[str, int] = {}
        self.found = False
        """Whether there was anything."""
        self.lines = 0
        """How many were looked at."""

    async def new(self) -> AsyncIterator[Lines]:
        """The lines that were written since the last time, as they are stored. Raises StorageError."""
        removed = True
        while removed:
            removed, gap = False, None
            there = await self._listed()
            self._forget_all_but(there)
            for each in there:
                if each.is_gap:
                    gap = each
                    continue
                if each.is_last and each.key in self._seen:  # it may be written twice
                    continue
                try:
                    async for lines in self._more_of(each, gap):
                        self.lines += len(lines)
                        yield lines
                    gap = None
                except _Removed:
                    removed = True  # it is in the gap now

    async def last(self, count: int, wanted: Callable[[bytes], bool] = lambda _: True) -> Lines:
        """The last so many lines that are wanted; `new` goes on behind them. Raises StorageError."""
        there = await self._listed()
        self._seen = {each.key: _Seen(each.size) for each in there}
        for each in there:
            self._highest[each.folder] = max(each.number, self._highest.get(each.folder, -1))
        kept: list[bytes] = []
        for each in reversed(there) if count else ():
            async for lines in self._backwards(each):
                self.lines += len(lines)
                kept.extend(line for line in reversed(lines) if wanted(line))
                if len(kept) >= count:
                    return kept[:count][::-1]
        return kept[::-1]

    # --- forwards ---

    async def _more_of(self, each: LogObject, gap: LogObject | None) -> AsyncIterator[Lines]:
        """What is new in one object, and before it what is said of those that were removed, if they were not read."""
        if gap is not None and each.number > self._highest.get(each.folder, -1) + 1:
            yield _lines(await self._objects.get(gap.key) or b"")
        async for lines in self._grown(each, self._seen.get(each.key, _Seen())):
            yield lines
        self._highest[each.folder] = max(each.number, self._highest.get(each.folder, -1))

    async def _grown(self, each: LogObject, seen: _Seen) -> AsyncIterator[Lines]:
        if each.size < seen.end:  # a program that was started again has begun its log anew
            seen = _Seen()
        size = BLOCK
        while seen.end < each.size:
            block = await self._block(each, seen, size)
            if block is None:
                seen = _Seen()
                continue
            whole = block[: block.rfind(b"\n") + 1]
            if whole:
                seen = seen.after(whole)
                self._seen[each.key] = seen
                yield _lines(whole)
            elif seen.end + size < each.size:
                size *= 2  # one line is longer than that
            else:
                return

    async def _block(self, each: LogObject, seen: _Seen, size: int) -> bytes | None:
        """What follows; None where something else stands now in front of it than did. Raises _Removed."""
        start = seen.end - len(seen.tail)
        block = await self._objects.part(each.key, start, min(seen.end + size, each.size))
        if block is None:
            raise _Removed
        return block[len(seen.tail) :] if block.startswith(seen.tail) else None

    def _forget_all_but(self, there: Iterable[LogObject]) -> None:
        """Of an object that is gone nobody knows whether it was read to its end."""
        keys = {each.key for each in there}
        for gone in [LogObject(key, 0) for key in self._seen if key not in keys]:
            del self._seen[gone.key]
            if self._highest.get(gone.folder) == gone.number:
                self._highest[gone.folder] -= 1

    # --- backwards ---

    async def _backwards(self, each: LogObject) -> AsyncIterator[Lines]:
        """An object's lines, the last block first."""
        end, rest = each.size, b""
        while end > 0:
            start = max(0, end - BLOCK)
            block = await self._objects.part(each.key, start, end)
            if block is None:
                return
            block += rest
            first = block.find(b"\n") + 1 if start else 0  # what stands before it began in the block before
            rest = block[:first] if first or not start else block
            if first or not start:
                yield _lines(block[first:])
            end = start

    async def _listed(self) -> list[LogObject]:
        there: list[LogObject] = []
        async for page in self._objects.pages(self._folder):
            objects = (LogObject(one.key, one.size) for one in page)
            there.extend(each for each in objects if not each.is_dead_letters and self._wanted(each))
        self.found = self.found or bool(there)
        return sorted(there, key=lambda each: each.place)


def _lines(block: bytes) -> Lines:
    return [line for line in block.split(b"\n") if line]
