"""A connection's speed limits, kept: what was read goes on in portions, with waits between them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from airbyte_workers.models import SpeedLimits
from airbyte_workers.orchestrator.stopwatch import Stopwatch
from airbyte_workers.replication.ledger import Ledger
from airbyte_workers.replication.speed_limits import Limiter


class Pace:
    """Counts with the ledger what goes through: records, and bytes of their `data`, as the source emitted them."""

    def __init__(self, limits: SpeedLimits, ledger: Ledger) -> None:
        self._limiter = Limiter(limits)
        self._ledger = ledger
        self._passed = (0, 0)
        self._let_go = asyncio.Event()
        self.held = Stopwatch()

    def portions(self, block: bytes) -> Iterator[bytes]:
        """The block in what may go through at once; whole where nothing is limited. After `let_go` nothing more."""
        if not self._limiter.is_limiting:
            yield block
            return
        for portion in self._limiter.portion.cut(block):
            if self._let_go.is_set():
                return
            yield portion

    async def hold(self) -> None:
        """Wait as long as what went through demands, or until `let_go`."""
        if not self._limiter.is_limiting or self._let_go.is_set():
            return
        passed = self._ledger.emitted
        records, size = passed[0] - self._passed[0], passed[1] - self._passed[1]
        self._passed = passed
        wait = self._limiter.spend(records, size, asyncio.get_running_loop().time())
        if not wait:
            return
        with self.held, contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._let_go.wait()

    def let_go(self) -> None:
        """End the wait, and every later one: nothing more shall go through."""
        self._let_go.set()
