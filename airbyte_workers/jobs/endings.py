"""How a pod ends in order, and how long that may take: the pod keeps to it, and who watches waits as long.

1. The source is stopped: each of `STOP_WORDS`, with a period after it. What was read of it goes to the destination
   meanwhile, for no longer than `EndPeriods.input`.
2. The destination is given its end of input and a grace to end by itself; after that it is stopped as the source was.
   At a regular end, and where a connector failed, the grace begins anew whenever the destination says something
   (`Grace`). Nobody outside waits then. Once somebody does (a cancel, the attempt's limit) one grace is all there is.
3. What is left in their pipes is read, the last states are committed, the final marker is written.

`orchestrator/replicate.py` takes these steps, `orchestrator/sidecar.py` those of its one connector. After
`orderly_end_s` `activities/watching.py` ends the pod by force.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from airbyte_workers.settings import Settings

STOP_WORDS = ("TERM", "KILL")


@dataclass(frozen=True)
class EndPeriods:
    """Seconds: to end by oneself, after each word to stop, and for an exit code that nobody writes or a last output."""

    grace: float
    term: float
    exit_code: float

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(settings.shutdown_grace_period_s, settings.shutdown_term_period_s, settings.exit_code_timeout_s)

    @property
    def input(self) -> float:
        """How long a destination may take for what was read before the data was stopped."""
        return self.term

    @property
    def stopping(self) -> float:
        """The longest that it takes to stop a connector."""
        return len(STOP_WORDS) * self.term

    @property
    def ending(self) -> float:
        """The longest that a connector takes that is left to end by itself."""
        return self.grace + self.stopping


class Grace:
    """How long a connector may still take to end by itself, in seconds of any clock that never goes back.

    The grace begins anew with every sign of life: who finalises for minutes and says so is at work. But no longer than
    `longest` after it began or after the last echo of a state, whichever came later, and never beyond one whole grace
    once the end is hurried.
    """

    def __init__(self, grace: float, now: float, *, longest: float) -> None:
        self._grace = grace
        self._longest = longest
        self._signs = self._echoes = 0
        self._heard = self._echoed = now
        self._hurried: float | None = None
        self.is_overlong = False
        """It was at work until the longest time there is."""

    def look(self, now: float, *, signs: int, echoes: int) -> None:
        """What has come of it so far: bytes of any kind, and echoes of states."""
        if signs != self._signs:
            self._signs, self._heard = signs, now
        if echoes != self._echoes:
            self._echoes, self._echoed = echoes, now

    def hurry(self, now: float) -> None:
        """Somebody waits for the end, and for no longer than `orderly_end_s`."""
        if self._hurried is None:
            self._hurried = now

    def is_over(self, now: float) -> bool:
        """Whether it has to be stopped."""
        hurried = self._hurried is not None and now - self._hurried >= self._grace
        if hurried or now - self._heard >= self._grace:
            return True
        self.is_overlong = now - self._echoed >= self._longest
        return self.is_overlong


def orderly_end_s(settings: Settings) -> float:
    """The longest that a pod takes which was told to end."""
    each = EndPeriods.of(settings)
    source, destination, rest = max(each.stopping, each.input), each.ending, each.exit_code
    return source + destination + rest + settings.removal_timeout_s
