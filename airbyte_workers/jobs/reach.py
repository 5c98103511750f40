"""What may be concluded of a pod on a host that is out of reach: one table, and whatever does not stand in it waits.

The pod of a sync renews its lease itself; one that asks a connector is renewed by whoever watches it. A pod that could
not renew its lease for as long as it lasts ends itself, in order, which takes no longer than `orderly_end_s`. So a
lease that has been over for that long and a margin more is the end of its pod; but only where the database was there to
be told of a renewal: a lease that nobody could renew says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from airbyte_workers.jobs.endings import orderly_end_s
from airbyte_workers.models import Evidence
from airbyte_workers.settings import Settings

_RENEWALS = 2


@dataclass(frozen=True)
class Patience:
    """Seconds that a lease must be over, and that the database must have been reachable for: two renewals."""

    lease: float
    database: float

    @classmethod
    def of(cls, settings: Settings) -> Self:
        renewal = settings.progress_interval_s + settings.database_timeout_s
        return cls(orderly_end_s(settings) + settings.lease_margin_seconds, _RENEWALS * renewal)


def is_gone(lease_over_s: float, reachable_s: float, patience: Patience) -> bool:
    """Whether a pod has ended because of its lease; `reachable_s`: since the database has been reachable from here."""
    return lease_over_s >= patience.lease and reachable_s >= patience.database


def has_told_its_end(evidence: Evidence) -> bool:
    """Whether a pod's own final marker proves that neither connector runs any more. Nobody else knows exit codes."""
    return evidence.source_exit_code is not None and evidence.destination_exit_code is not None


@dataclass(frozen=True)
class FarPod:
    """What is known of a pod from another host than its own.

    `is_watched`: a Temporal worker on its host was seen lately; `is_final`: it has a final marker; `is_gone`: by its
    lease.
    """

    is_watched: bool
    is_final: bool
    is_gone: bool


class FarVerdict(StrEnum):
    """`hand_over`: a worker on its host sees more, and can remove it. `ended`: its marker says how. `lost`: it will
    never say. `wait`: it may live."""

    HAND_OVER = "hand_over"
    ENDED = "ended"
    LOST = "lost"
    WAIT = "wait"


def judge(pod: FarPod) -> FarVerdict:
    """What a watcher on another host does now."""
    if pod.is_watched:
        return FarVerdict.HAND_OVER
    if pod.is_final:
        return FarVerdict.ENDED
    return FarVerdict.LOST if pod.is_gone else FarVerdict.WAIT
