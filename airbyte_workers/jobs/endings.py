"""How a pod ends in order, and how long that may take: the pod keeps to it, and who watches waits as long.

1. The source is stopped: each of `STOP_WORDS`, with a period after it. What was read of it goes to the destination
   meanwhile, for no longer than `EndPeriods.input`.
2. The destination is given its end of input and a grace to end by itself; after that it is stopped as the source was.
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


def orderly_end_s(settings: Settings) -> float:
    """The longest that a pod takes which was told to end."""
    each = EndPeriods.of(settings)
    source, destination, rest = max(each.stopping, each.input), each.ending, each.exit_code
    return source + destination + rest + settings.removal_timeout_s
