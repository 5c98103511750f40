"""The keys of our own log lines, and what one of them tells of another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airbyte_workers.names import connection_of, parts_of_pod

KEYS: Mapping[str, str] = {
    "timestamp": "when, in UTC",
    "level": "debug, info, warning, error or critical",
    "logger": "which module said it; `temporalio...`: Temporal's SDK",
    "event": "what happened, in the same words each time",
    "job_id": "the job's number, as in `jobs list`",
    "attempt": "the attempt of the job, counted from 1",
    "connection": "the connection's name",
    "pod": "the pod's name",
    "task": "what works beside the jobs: `gc`, `health`, `signs`, `reconciler/jobs`...",
    "workflow_id": "Temporal's id of the run's workflow; `sync/<connection>` for a sync, clear or refresh",
    "run_id": "Temporal's id of the run",
    "workflow_type": "Sync, Clear, Refresh, Check, Discover, Spec, ScheduledSync",
    "activity_type": "the activity that was at work",
    "temporal_attempt": "which try of Temporal's at the activity or the workflow; no attempt of the job",
    "exception": "the traceback, all of it in one text",
}
"""In the order in which they stand in a line; whatever else a line tells comes after them."""


def completed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with those that follow from others: a fixed id names its connection, a pod its job and attempt."""
    found = dict(fields)
    pod = parts_of_pod(str(found.get("pod", "")))
    if pod is not None and found.setdefault("job_id", pod.job_id) == pod.job_id:
        found.setdefault("attempt", pod.attempt + 1)
    connection = connection_of(str(found.get("workflow_id", "")))
    if connection is not None:
        found.setdefault("connection", connection)
    return found
