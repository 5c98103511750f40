"""How far a pod is, in words that a terminal and Temporal's page share."""

from __future__ import annotations

from airbyte_workers.models import Progress
from airbyte_workers.names import JobKind
from airbyte_workers.quantities import duration


def before_data(progress: Progress, kind: JobKind) -> str | None:
    """What keeps a pod from starting; None where it runs."""
    if progress.phase == "queued":
        limit = {JobKind.DISCOVER: "DISCOVERY"}.get(kind, kind.upper())
        return f"queued: as many pods run on this host as may (MAX_{limit}_WORKERS), waiting for a place"
    if progress.phase == "launching":
        return "launching: installing or pulling what is missing, starting the pod"
    if progress.phase.startswith("checking"):
        return f"{progress.phase}, before the attempt starts"
    return None


def how_far(progress: Progress) -> str:
    """How many records came, and of how many where the source says what it expects: an estimate is never reached."""
    emitted, expected = progress.records_emitted, progress.records_estimated
    if not expected:
        return f"{emitted:,} records"
    share = f"{min(99, 100 * emitted // expected)}%"
    if emitted < expected and progress.records_per_second > 0:
        share += f", about {duration((expected - emitted) / progress.records_per_second)} left"
    return f"{emitted:,} of about {expected:,} records ({share})"


def waiting_for(progress: Progress) -> str:
    """Whom most of the last seconds were waited for."""
    share = f"{progress.waiting_share:.0%}"
    if progress.waiting_for == "limit":
        return f"held by its speed limit {share}"
    return f"waiting for the {progress.waiting_for} {share}"


def acknowledged(progress: Progress) -> str:
    """When the destination last said that it has something."""
    age = progress.last_acknowledgement_age_s
    return f"acknowledged {duration(age)} ago" if age is not None else "nothing acknowledged yet"
