"""How long something was waited for, all in all."""

from __future__ import annotations

import asyncio


class Stopwatch:
    """Runs inside of its `with` block; what it shows grows meanwhile."""

    def __init__(self) -> None:
        self._total = 0.0
        self._since: float | None = None

    def __enter__(self) -> None:
        self._since = asyncio.get_running_loop().time()

    def __exit__(self, *error: object) -> None:
        if self._since is not None:
            self._total += asyncio.get_running_loop().time() - self._since
        self._since = None

    @property
    def runs(self) -> bool:
        return self._since is not None

    def seconds(self, now: float) -> float:
        """Up to `now`, in the loop's time."""
        return self._total + (0.0 if self._since is None else now - self._since)
