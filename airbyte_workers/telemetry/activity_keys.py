"""Whatever is logged while an activity is at work says whose it is: the run, the job, its attempt, its pod."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from structlog.contextvars import bind_contextvars
from temporalio import activity, workflow
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from airbyte_workers.models import AttemptRef, Typed, Value
from airbyte_workers.telemetry.keys import completed

_OF_A_NUMBER = frozenset({"check_configs", "configure_catalog"})
"""Activities that are given a job's number alone."""


def keep_events_plain() -> None:
    """In all of this process the SDK leaves to keys what it else adds to every event, too, in braces."""
    workflow.logger.workflow_info_on_message = False
    activity.logger.activity_info_on_message = False


class ActivityKeys(Interceptor):
    """For every Temporal worker."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Bound(next)


class _Bound(ActivityInboundInterceptor):
    """Each activity is a task with a context of its own. The keys outlive it there: the SDK tells how it failed."""

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        run: dict[str, Any] = {
            "workflow_id": info.workflow_id,
            "run_id": info.workflow_run_id,
            "workflow_type": info.workflow_type,
            "activity_type": info.activity_type,
            "temporal_attempt": info.attempt,
        }
        bind_contextvars(**completed({**run, **told_by(info.activity_type, input.args)}))
        return await super().execute_activity(input)


def told_by(activity_type: str, arguments: Any) -> Mapping[str, Any]:
    """What an activity's argument tells of the job; nothing if it is none of ours."""
    given = arguments[0] if len(arguments) == 1 else None
    if activity_type in _OF_A_NUMBER and isinstance(given, int):
        return {"job_id": given}
    if not isinstance(given, Value | Typed):
        return {}
    ref = getattr(given, "ref", given)
    attempt = getattr(ref, "attempt", None)
    found = {
        "job_id": getattr(ref, "job_id", None),
        "attempt": attempt + 1 if attempt is not None else None,
        "pod": ref.pod if isinstance(ref, AttemptRef) else None,
        "connection": getattr(getattr(given, "input", given), "connection", None),
    }
    return {name: value for name, value in found.items() if value is not None}
