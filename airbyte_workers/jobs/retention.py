"""What may go of the past, given what is known of it; nothing is touched here.

Rules: airbyte-behaviour.md 11 (Retention), conformance case D25, and beyond upstream: the last successes and the last
few jobs of a connection stay, however old they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from airbyte_workers.models import TERMINAL_JOB_STATUSES, JobStatus, Value
from airbyte_workers.names import REPLICATION_KINDS, JobKind

_POD = re.compile(r"(?:replication|spec|check|discover)-job-([1-9][0-9]{0,17})-attempt-[0-9]+(?:-[a-z]+)?")
_JOB = re.compile(r"[1-9][0-9]{0,17}")


@dataclass(frozen=True)
class Rules:
    """How long jobs are kept after their end, by kind, and what stays however old it is.

    `rest`: none goes sooner after its end, whatever else is said. `per_connection`: so many, at least one.
    """

    replications: timedelta
    operations: timedelta
    rest: timedelta
    per_connection: int

    def kept_for(self, kind: JobKind) -> timedelta:
        """How long jobs of this kind are kept after their end."""
        return max(self.rest, self.replications if kind in REPLICATION_KINDS else self.operations)


@dataclass(frozen=True)
class Past:
    """A job that may be old."""

    id: int
    kind: JobKind
    status: JobStatus
    ended_at: datetime | None
    connection_id: int | None = None
    has_live_pod: bool = False


@dataclass(frozen=True)
class Landmarks:
    """What a connection's jobs are measured by.

    `first_recent` is the oldest of the last few, whose number the rules say; None: it never had more. `successes` are
    the last ones of each kind.
    """

    last: int
    first_recent: int | None
    successes: frozenset[int] = frozenset()


class Kept(StrEnum):
    """Why a job stays, in the order in which the rules are asked."""

    LIVE = "has not ended"
    POD = "its pod is not known to be gone"
    YOUNG = "not old enough"
    LAST = "last job of its connection"
    SUCCESS = "last success of its connection"
    RECENT = "one of the last jobs of its connection"
    BUSY = "somebody works on it"


def reason_to_keep(job: Past, landmarks: Landmarks | None, rules: Rules, now: datetime) -> Kept | None:
    """Why the job stays; None: it may go. A job of no connection has no landmarks."""
    if job.status not in TERMINAL_JOB_STATUSES or job.ended_at is None:
        return Kept.LIVE
    if job.has_live_pod:
        return Kept.POD
    if now - job.ended_at < rules.kept_for(job.kind):
        return Kept.YOUNG
    return _reason_of_connection(job, landmarks) if landmarks is not None else None


def _reason_of_connection(job: Past, landmarks: Landmarks) -> Kept | None:
    if job.id >= landmarks.last:
        return Kept.LAST
    if job.id in landmarks.successes:
        return Kept.SUCCESS
    if landmarks.first_recent is None or job.id >= landmarks.first_recent:
        return Kept.RECENT
    return None


# --- objects and pods ---


def job_of_pod(pod: str) -> int | None:
    """The job that a pod was for, as its name says (`names.pod_name`); None for a name that is none of ours."""
    found = _POD.fullmatch(pod)
    return int(found[1]) if found else None


def job_of_log(key: str) -> int | None:
    """The job of an object below `logs/`; None for one that is none of ours."""
    segments = key.split("/")
    return int(segments[1]) if len(segments) > 2 and _JOB.fullmatch(segments[1]) else None


def job_of_marker(key: str) -> int | None:
    """The job of an object below `state/`; None for one that is none of ours."""
    segments = key.split("/")
    return job_of_pod(segments[1]) if len(segments) > 2 else None


@dataclass(frozen=True)
class Owner:
    """The job that an object belongs to. `doomed`: a dry run would have removed it, and has counted what is its."""

    exists: bool
    doomed: bool = False
    log_removed: bool = False


class Fate(StrEnum):
    """What becomes of an object. `foreign`: it stays, and is no business of this database."""

    KEPT = "kept"
    COUNTED = "counted"
    LEFTOVER = "leftover"
    FOREIGN = "foreign"


def fate_of_object(job: int | None, owner: Owner | None, *, highest_job: int, is_fresh: bool, is_log: bool) -> Fate:
    """What becomes of an object that a listing showed, before its `owner` was looked up.

    `highest_job`: no number above it was ever given to a job here. Whoever names the wrong database, or an empty one,
    must not lose what another one has in the same storage.
    """
    if job is None or owner is None or (not owner.exists and job > highest_job):
        return Fate.FOREIGN
    if owner.doomed:
        return Fate.COUNTED
    if owner.exists:
        return Fate.LEFTOVER if is_log and owner.log_removed else Fate.KEPT
    return Fate.KEPT if is_fresh else Fate.LEFTOVER


def over_limit(sizes: Iterable[tuple[int, int]], excess: int) -> list[int]:
    """Of jobs with the sizes of their logs, the oldest first: those whose logs go, so that all are `excess` smaller."""
    gone, freed = [], 0
    for job, size in sizes:
        if freed >= excess:
            break
        if size:
            gone.append(job)
            freed += size
    return gone


# --- states ---


@dataclass(frozen=True)
class Entry:
    """An entry of a connection's state log; `erases`: what was kept under its key went with it."""

    id: int
    key: tuple[str, str, str]
    erases: bool
    fence: int


def spare_entries(entries: Sequence[Entry], cut: int, fence: int) -> list[int]:
    """Entries that no replay up to `cut`, an entry, or any later one needs; `entries` are in order.

    Of every key the newest up to the cut is needed, unless it erases: a key without entries has nothing either. The
    cut itself stays, for it has the moment and the name of what it stands for, and so does an erasure by the attempt
    that may still commit (`fence`), for it is what a late commit is compared with.
    """
    newest = {entry.key: entry.id for entry in entries if entry.id <= cut}
    return [
        entry.id
        for entry in entries
        if entry.id < cut and (newest[entry.key] > entry.id or (entry.erases and entry.fence < fence))
    ]


# --- what is told ---


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
