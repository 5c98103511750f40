"""How long pods may take, from the settings: for who watches them, and for the workflow that waits for who watches."""

from __future__ import annotations

from airbyte_workers.jobs.endings import orderly_end_s
from airbyte_workers.models import Limits
from airbyte_workers.names import JobKind
from airbyte_workers.settings import Settings


def limits(settings: Settings) -> Limits:
    """What a workflow needs to know; a replay must not depend on the environment."""
    return Limits(
        attempt_s=settings.sync_job_max_timeout_days * 86_400,
        spec_s=settings.spec_timeout_minutes * 60,
        check_s=settings.check_timeout_minutes * 60,
        discover_s=settings.discover_timeout_minutes * 60,
        end_s=2 * ending_s(settings),
        heartbeat_s=settings.heartbeat_timeout_s,
        bookkeeping_s=settings.bookkeeping_timeout_s,
    )


def limit_s(settings: Settings, kind: JobKind) -> float:
    """The longest that a pod of this kind may run."""
    return limits(settings).of(kind)


def ending_s(settings: Settings) -> float:
    """The longest that the end of a pod takes: in order, then by force, then its removal with all its tries."""
    removals = (tried**3 + settings.removal_timeout_s for tried in range(settings.removal_tries))
    return orderly_end_s(settings) + sum(removals)
