"""What may go of the past, given what is known of it; nothing is touched here.

Rules: airbyte-behaviour.md 11 (Retention), conformance case D25, and beyond upstream: the last successes and the last
few jobs of a connection stay, however old they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from airbyte_workers.models import TERMINAL_JOB_STATUSES, JobStatus
from airbyte_workers.names import REPLICATION_KINDS, JobKind
from airbyte_workers.settings import Settings

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
        """How long jobs of this kind are kept after their end, at the least: gc looks at none that is younger.

        What keeps some of them longer, their status for one, belongs in `reason_to_keep`.
        """
        return max(self.rest, self.replications if kind in REPLICATION_KINDS else self.operations)


def rules_of(settings: Settings, older_than: timedelta | None = None) -> Rules:
    """The rules as the settings have them; `older_than` takes the place of the ages of jobs."""
    return Rules(
        replications=timedelta(days=settings.job_days) if older_than is None else older_than,
        operations=timedelta(days=settings.operation_job_days) if older_than is None else older_than,
        rest=timedelta(minutes=settings.ended_job_minutes),
        per_connection=settings.jobs_per_connection,
    )


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
class OwningJob:
    """The job that an object belongs to. `doomed`: a dry run would have removed it, and has counted what is its."""

    exists: bool
    doomed: bool = False
    log_removed: bool = False


class ObjectFate(StrEnum):
    """What becomes of an object. `foreign`: it stays, and is no business of this database."""

    KEPT = "kept"
    COUNTED = "counted"
    LEFTOVER = "leftover"
    FOREIGN = "foreign"


def fate_of_object(
    job: int | None, owner: OwningJob | None, *, highest_job: int, is_fresh: bool, is_log: bool
) -> ObjectFate:
    """What becomes of an object that a listing showed, before its `owner` was looked up.

    `highest_job`: no number above it was ever given to a job here. Whoever names the wrong database, or an empty one,
    must not lose what another one has in the same storage.
    """
    if job is None or owner is None or (not owner.exists and job > highest_job):
        return ObjectFate.FOREIGN
    if owner.doomed:
        return ObjectFate.COUNTED
    if owner.exists:
        return ObjectFate.LEFTOVER if is_log and owner.log_removed else ObjectFate.KEPT
    return ObjectFate.KEPT if is_fresh else ObjectFate.LEFTOVER


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
