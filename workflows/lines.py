"""What a run says in the Temporal worker's log: each step once, and nothing while its history is replayed."""

from __future__ import annotations

import logging

from temporalio import workflow

from airbyte_workers.models import RunPhase

_TROUBLE = frozenset({"attempt failed", "failed"})


def tell(phase: RunPhase) -> None:
    """The step that a run has taken."""
    level = logging.WARNING if phase.phase in _TROUBLE else logging.INFO
    keys = {"job_id": phase.job_id, "attempt": phase.attempt, "detail": phase.detail}
    said = {name: value for name, value in keys.items() if value}
    workflow.logger.log(level, f"{phase.kind} {phase.phase}", extra=said)
