"""What programs say on stderr, line by line: connectors on theirs, this one on its own, where the launcher keeps it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import TextIO

from airbyte_workers.redaction import Redactor

_WIDEST = 4  # bytes of one character
_END = re.compile(rb"[\r\n]")  # a progress bar ends its lines with \r


class ShortLines:
    """Cuts chunks into lines, of which `longest` characters are surely kept.

    The rest of a longer line is dropped up to its end: a piece of it would look like a line, a secret's part in it too.
    """

    def __init__(self, longest: int) -> None:
        self._max = longest * _WIDEST
        self._held = bytearray()

    def feed(self, chunk: bytes) -> Iterator[str]:
        """Every line that `chunk` completes; blank ones say nothing."""
        *ends, rest = _END.split(chunk)
        for end in ends:
            self._hold(end)
            yield from self.finish()
        self._hold(rest)

    def finish(self) -> Iterator[str]:
        """What came after the last end of a line."""
        if self._held:
            yield self._held.decode(errors="replace")
            self._held.clear()

    def _hold(self, part: bytes) -> None:
        self._held += part[: self._max - len(self._held)]


@contextmanager
def redacted_stderr(redact: Redactor, stream: TextIO) -> Iterator[None]:
    """Everything that Python writes to stderr meanwhile goes to `stream` without secrets, when its line is complete."""
    own = _Redacted(redact, stream)
    with redirect_stderr(own):
        try:
            yield
        finally:
            own.finish()


class _Redacted(io.TextIOBase):
    def __init__(self, redact: Redactor, stream: TextIO) -> None:
        self._redact = redact
        self._stream = stream
        self._held = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._held = (self._held + text).split("\n")
        for line in lines:
            self._stream.write(self._redact(line) + "\n")
        return len(text)

    def flush(self) -> None:
        """Only whole lines: half a line can end within a secret."""
        self._stream.flush()

    def finish(self) -> None:
        self._stream.write(self._redact(self._held))
        self._held = ""
        self._stream.flush()
