"""Bytes to whole lines: blocks that end at a newline, long lines joined once, a limit on their length."""

from __future__ import annotations


class LineTooLong(Exception):
    """A line grew over the limit; `head` is its beginning, for whoever wants to say whose it is."""

    def __init__(self, size: int, head: bytes) -> None:
        super().__init__(f"a line of more than {size} bytes")
        self.size = size
        self.head = head


class LineCutter:
    """Cuts a stream of chunks at newlines; holds at most one unfinished line of `max_line_bytes`, newline aside."""

    def __init__(self, max_line_bytes: int) -> None:
        self._max = max_line_bytes
        self._held: list[bytes] = []  # joined once: `rest += chunk` copies the line again with every chunk
        self._held_bytes = 0

    def feed(self, chunk: bytes) -> bytes:
        """Every whole line that `chunk` completes, newlines included; empty when it completes none.

        Raises LineTooLong.
        """
        end = chunk.rfind(b"\n") + 1
        if not end:
            self._hold(chunk)
            return b""
        first = chunk.find(b"\n")
        if self._held_bytes + first > self._max:
            self._hold(chunk[:first])
        if end > self._max:
            self._refuse_long(chunk)
        block = b"".join((*self._held, chunk[:end])) if self._held else chunk[:end]
        self._held, self._held_bytes = [], 0
        self._hold(chunk[end:])
        return block

    def finish(self) -> bytes:
        """What came after the last newline, closed with one: a missing last newline is not a lost message."""
        rest = b"".join(self._held)
        self._held, self._held_bytes = [], 0
        return rest + b"\n" if rest else b""

    def _refuse_long(self, chunk: bytes) -> None:
        """A chunk longer than the limit may hold a whole line that is."""
        for line in chunk.split(b"\n"):
            if len(line) > self._max:
                raise LineTooLong(len(line), line[:4096])

    def _hold(self, chunk: bytes) -> None:
        if not chunk:
            return
        self._held.append(chunk)
        self._held_bytes += len(chunk)
        if self._held_bytes > self._max:
            raise LineTooLong(self._held_bytes, b"".join(self._held)[:4096])
