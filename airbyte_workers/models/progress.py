"""How far a pod is, how far it was when, and whom it waits for."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from airbyte_workers.models.values import Value


class Waits(Value):
    """Who kept the data waiting, in seconds: of `moving_s`, in which data moved, the source had nothing to give for so
    long, the destination took nothing, and the connection's speed limits held everything back."""

    moving_s: float = 0
    blocked_on_source_s: float = 0
    blocked_on_destination_s: float = 0
    held_by_limit_s: float = 0


class Progress(Waits):
    """How far an attempt is; heartbeat details of the watching activity, so small on purpose.

    `*_estimated`: what the source expects to send in this attempt, where it says so.
    `waiting_for`: whom most of the last seconds were waited for, and for which share of them; empty: for nobody.
    """

    phase: str = "starting"
    records_emitted: int = 0
    records_committed: int = 0
    bytes_emitted: int = 0
    records_estimated: int | None = None
    bytes_estimated: int | None = None
    records_per_second: float = 0
    bytes_per_second: float = 0
    states_emitted: int = 0
    states_committed: int = 0
    last_acknowledgement_age_s: float | None = None
    waiting_for: Literal["", "source", "destination", "limit"] = ""
    waiting_share: float = 0
    memory_bytes: int = 0


class Mark(Waits):
    """How far an attempt was `at_s` seconds after its pod's program began: everything up to then, like the waits."""

    at_s: float
    records_emitted: int = 0
    bytes_emitted: int = 0
    records_committed: int = 0


class Throughput(Value):
    """How an attempt went over time; of two marks that follow each other the difference is what was between them.

    Before the first one there is nothing at second 0, which is `began_at`. They are at most so many as the setting
    AIRBYTE_WORKERS_THROUGHPUT_POINTS says, however long the attempt took.
    """

    began_at: datetime
    marks: tuple[Mark, ...] = ()
