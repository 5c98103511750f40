"""The trace context that a run was started with; whatever it is, it stops no run."""

from __future__ import annotations

from typing import Any

from temporalio import workflow

from airbyte_workers.jobs.trace_context import HEADER, MEMO, carried


def started_with() -> str:
    """From the header that Temporal's SDKs set, or from the run that started this one."""
    return _carried_by_header() or _carried_by_memo()


def handed_on() -> dict[str, str]:
    """The memo of a run that this one starts in its place."""
    traceparent = started_with()
    return {MEMO: traceparent} if traceparent else {}


def _carried_by_header() -> str:
    payload = workflow.info().headers.get(HEADER)
    if payload is None:
        return ""
    try:
        said: Any = workflow.payload_converter().from_payload(payload)
    except Exception:  # what somebody else has written must not wedge the run
        return ""
    return carried(said)


def _carried_by_memo() -> str:
    try:
        return carried(workflow.memo_value(MEMO, default=""))
    except Exception:  # the same
        return ""
