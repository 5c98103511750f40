"""What connectors say on stderr, line by line."""

from __future__ import annotations

import re
from collections.abc import Iterator

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
