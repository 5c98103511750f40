"""How much memory a connector takes: resident, of all its processes together, looked at again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress

import psutil

from airbyte_workers.conformance.seen import Memory

_LOOK_S = 0.05
_LOOKS_A_FAMILY = 6


class Meter:
    """Looks at the processes below one; `passed` tells how many bytes of data have passed."""

    def __init__(self, passed: Callable[[], int]) -> None:
        self._passed = passed
        self._peaks: list[tuple[int, int]] = []

    async def look(self, root: int) -> None:
        """For ever, until it is cancelled."""
        looks = 0
        family: list[psutil.Process] = []
        while True:
            if looks % _LOOKS_A_FAMILY == 0:
                family = await asyncio.to_thread(_family, root)
            resident = await asyncio.to_thread(_resident, family)
            if resident and (not self._peaks or resident > self._peaks[-1][1]):
                self._peaks.append((self._passed(), resident))
            looks += 1
            await asyncio.sleep(_LOOK_S)

    def memory(self, whole: int) -> Memory | None:
        """What was seen when `whole` bytes are all that passed."""
        if not self._peaks:
            return None
        quarter = whole // 4
        early = [resident for passed, resident in self._peaks if passed <= quarter]
        start = early[-1] if early else self._peaks[0][1]
        return Memory(at_quarter=start, at_end=self._peaks[-1][1], between=whole - quarter)


def _family(root: int) -> list[psutil.Process]:
    """The process and all below it: none once they have gone. Takes a look at every process of this host."""
    with suppress(psutil.Error, OSError):
        top = psutil.Process(root)
        return [top, *top.children(recursive=True)]
    return []


def _resident(family: Iterable[psutil.Process]) -> int:
    """Bytes; 0 for processes that have gone."""
    total = 0
    for process in family:
        with suppress(psutil.Error, OSError):
            total += process.memory_info().rss
    return total
