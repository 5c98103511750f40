"""Bytes to whole lines: blocks that end at a newline, long lines joined once, a limit on their length."""

from __future__ import annotations


class LineTooLong(Exception):
    """A line grew over the limit; `head` is its beginning, for whoever wants to say whose it is."""

    def __init__(self, size: int, head: bytes) -> None:
        super().__init__(f"a line of more than {size} bytes")
        self.size = size
        self.head = head


class LineCutter:
    """Cuts a stream of chunks at newlines; holds at most one unfinished line of `max_line_bytes`, newline aside.

    Lines before one that is too long are given out first: it is refused by the next call.
    """

    def __init__(self, max_line_bytes: int) -> None:
        self._max = max_line_bytes
        self._held: list[bytes] = []  # joined once: `rest += chunk` copies the line again with every chunk
        self._held_bytes = 0
        self._refused: LineTooLong | None = None

    def feed(self, chunk: bytes) -> bytes:
        """Every whole line that `chunk` completes, newlines included; empty when it completes none.

        Raises LineTooLong.
        """
        end = chunk.rfind(b"\n") + 1
        if self._refused is not None or not end:
            self._hold(chunk)
            self._raise_refused()
            return b""
        first = chunk.find(b"\n")
        if self._held_bytes + first > self._max:
            self._hold(chunk[:first])
            self._raise_refused()
        if end > self._max:
            end = self._refuse_long(chunk[:end])
        block = b"".join((*self._held, memoryview(chunk)[:end])) if self._held else chunk[:end]
        self._held, self._held_bytes = [], 0
        self._hold(chunk[end:])
        return block

    def finish(self) -> bytes:
        """What came after the last newline, closed with one: a missing last newline is not a lost message.

        Raises LineTooLong.
        """
        self._raise_refused()
        rest = b"".join(self._held)
        self._held, self._held_bytes = [], 0
        return rest + b"\n" if rest else b""

    def _refuse_long(self, lines: bytes) -> int:
        """Where the first line begins that is too long; else where they all end."""
        start = 0
        for line in lines.split(b"\n"):
            if len(line) > self._max:
                self._refused = LineTooLong(len(line), line[:4096])
                return start
            start += len(line) + 1
        return len(lines)

    def _hold(self, chunk: bytes) -> None:
        if not chunk or self._refused is not None:
            return
        self._held.append(chunk)
        self._held_bytes += len(chunk)
        if self._held_bytes > self._max:
            self._refused = LineTooLong(self._held_bytes, b"".join(self._held)[:4096])

    def _raise_refused(self) -> None:
        if self._refused is not None:
            raise self._refused
