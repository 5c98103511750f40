"""All checks, in the order in which people read them; docs/how-to/find-faults-with-doctor.md lists the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from airbyte_workers.doctor import (
    addresses,
    clock,
    database,
    embedded,
    engine,
    folders,
    keys,
    limits,
    packages,
    queues,
    temporal,
)
from airbyte_workers.doctor.findings import Finding
from airbyte_workers.doctor.means import Means


@dataclass(frozen=True)
class Check:
    """One look. `mend` does what its findings that are `fixable` need, and says what it did; nothing is lost by it."""

    name: str
    looks_at: str
    look: Callable[[Means], Awaitable[Sequence[Finding]]]
    mend: Callable[[Means], Awaitable[str]] | None = None
    mends: str = ""


CHECKS = (
    Check(
        "embedded-stack",
        "whether it runs, or could start; servers and files that a killed one left",
        embedded.look_at_stack,
        embedded.clean_up,
        "ends servers that nobody looks after, in order, and removes the stale `stack.json`",
    ),
    Check("temporal", "Temporal answers, with which version", temporal.look_at_server),
    Check("namespace", "the namespace is there", temporal.look_at_namespace),
    Check(
        "search-attributes",
        "ours are registered, with our types",
        temporal.look_at_search_attributes,
        temporal.register_search_attributes,
        "registers those that are missing",
    ),
    Check("task-queues", "every task queue of ours is polled", queues.look_at_queues),
    Check("waiting-runs", "no open run of ours is on a task queue that nobody polls", queues.look_at_waiting_runs),
    Check(
        "worker-versions", "one version is current, and none with open runs lacks a worker", temporal.look_at_versions
    ),
    Check(
        "postgresql", "PostgreSQL answers, is new enough, takes writes, has connections left", database.look_at_server
    ),
    Check(
        "migrations",
        "the schema is this version's: not behind, not ahead, of the same text",
        database.look_at_migrations,
        database.apply_migrations,
        "applies those that are missing, as `db migrate` does, unless Temporal workers of an older release are at work",
    ),
    Check("docker", "the engine answers this user, and its version has no known fault", engine.look_at_engine),
    Check(
        "log-driver", "nothing of pods is logged by the engine, and no other log grows for ever", engine.look_at_logs
    ),
    Check("disk", "free space and files of our folders, of object storage and of the engine", folders.look_at_disks),
    Check("clock", "this host's clock is that of both servers", clock.look_at_clocks),
    Check("fifo", "a FIFO can be made, written and read where pods have theirs", folders.look_at_fifos),
    Check("object-storage", "an object can be written, read, listed and deleted", folders.look_at_storage),
    Check("limits", "open files, processes, memory and pipes suffice for MAX_*_WORKERS", limits.look_at_limits),
    Check(
        "secrets-key",
        "it is there, closed to others, and opens what is stored",
        keys.look_at_key,
        keys.close_key,
        "takes others' rights away from one in AIRBYTE_WORKERS_HOME, but for its group's to read; it never makes a key",
    ),
    Check("secrets-dir", "files of secrets are closed to other users", folders.look_at_secret_files),
    Check("packages", "`workflows` and `activities` are ours, not another package's", packages.look_at_packages),
    Check("metrics-address", "METRICS_ADDRESS is free, or a Temporal worker's", addresses.look_at_metrics),
    Check("otlp", "the collector at OTEL_EXPORTER_OTLP_ENDPOINT takes traces", addresses.look_at_collector),
    Check("time-zones", "time zones are known, for schedules", packages.look_at_time_zones),
)
