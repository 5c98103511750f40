"""What a run of gc tells: what it removed and kept, and how it went."""

from __future__ import annotations

from enum import StrEnum

from airbyte_workers.models import Value


class Thing(StrEnum):
    """What gc removes, as its report names it."""

    JOBS = "jobs"
    ATTEMPTS = "attempts"
    STREAM_STATS = "stream_stats"
    EVENTS = "job_events"
    RETRY_STATES = "retry_states"
    WORKLOADS = "workloads"
    LOGS = "log_files"
    MARKERS = "markers"
    CATALOGS = "catalogs"
    STATES = "old_states"
    GENERATIONS = "old_generations"
    CONFIGS = "handed_configs"
    PODS = "pods"
    ENVIRONMENTS = "connector_environments"


class Amount(Value):
    """So many things of so many bytes."""

    count: int = 0
    bytes: int = 0

    def __add__(self, more: Amount) -> Amount:
        return Amount(count=self.count + more.count, bytes=self.bytes + more.bytes)


class RunStatus(StrEnum):
    """How a run of gc went."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class Report(Value):
    """What a run of gc removed (or would), what it kept although it is old, and what it could not do."""

    dry_run: bool = False
    removed: dict[Thing, Amount]
    kept: dict[str, int]
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    duration_s: float = 0
