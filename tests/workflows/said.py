"""What connectors and pods say in a script."""

from __future__ import annotations

from airbyte_workers.models import (
    AttemptOutcome,
    AttemptRef,
    CheckResult,
    DiscoverResult,
    Failure,
    FailureOrigin,
    FailureType,
    JobStatus,
    Launched,
    OperationEnd,
    SpecResult,
)
from airbyte_workers.names import JobKind, Role

IMAGE = "airbyte/source-x:1"
ENDS = {
    JobKind.SPEC: OperationEnd(
        status=JobStatus.SUCCEEDED, spec=SpecResult(image=IMAGE, spec={"connectionSpecification": {"type": "object"}})
    ),
    JobKind.CHECK: OperationEnd(status=JobStatus.SUCCEEDED, check=CheckResult(status="succeeded", message="welcome")),
    JobKind.DISCOVER: OperationEnd(
        status=JobStatus.SUCCEEDED,
        discover=DiscoverResult(catalog_id=3, streams=1, catalog={"streams": [{"name": "users"}]}),
    ),
}


def failure(kind: FailureType = FailureType.SYSTEM_ERROR, message: str = "broke") -> Failure:
    return Failure(origin=FailureOrigin.SOURCE, type=kind, message=message)


def complete() -> AttemptOutcome:
    """A failure without progress."""
    return AttemptOutcome(status="failed", failures=(failure(),))


def partial() -> AttemptOutcome:
    """A failure with progress."""
    return AttemptOutcome(status="failed", failures=(failure(),), records_committed=1)


def success() -> AttemptOutcome:
    return AttemptOutcome(status="succeeded", records_committed=5)


def spec(of: Role | None = None) -> AttemptRef:
    return AttemptRef(job_id=7, attempt=0, kind=JobKind.SPEC, of=of)


def discover() -> AttemptRef:
    return AttemptRef(job_id=7, attempt=0, kind=JobKind.DISCOVER)


def refused(message: str = "there is no such image") -> Launched:
    """A launch that nobody need try again."""
    return Launched(launched=False, failure=failure(FailureType.CONFIG_ERROR, message))
