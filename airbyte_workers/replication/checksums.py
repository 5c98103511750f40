"""Whether connectors counted as we did (airbyte-behaviour.md 5.6).

What was filtered is taken off once, where the destination is compared: it saw only what went on. The source is compared
with everything that came. Destination and source then differ from each other only where one of them differs from us.
"""

from __future__ import annotations

from airbyte_workers.protocol.messages import State
from airbyte_workers.replication.state_ledger import Commit
from airbyte_workers.replication.statistics import Tally


def source_differs(state: State, came: Tally) -> bool:
    """Whether a source stated another number of records than came since its state before."""
    stated = state.sourceStats.recordCount if state.sourceStats is not None else None
    return stated is not None and stated != came.records


def destination_differs(commit: Commit, echo: State) -> bool:
    """Whether the destination counted other records than it was sent.

    Where it skipped states nobody knows what it counts from.
    """
    stats = echo.destinationStats
    if stats is None or stats.recordCount is None or commit.covers != 1:
        return False
    return stats.recordCount + max(0, stats.rejectedRecordCount or 0) != forwarded(commit)


def rejected(echo: State) -> int:
    """How many records of the echoed state alone the destination says it did not take."""
    stats = echo.destinationStats
    return max(0, int(stats.rejectedRecordCount or 0)) if stats is not None else 0


def forwarded(commit: Commit) -> int:
    """How many records the destination was sent for what a commit covers."""
    return sum(tally.forwarded for tally in commit.counts.values())
