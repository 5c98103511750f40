"""What a scheduled run says where it started no sync."""

from __future__ import annotations

from typing import Literal

from airbyte_workers.models.values import Value


class NoteSkip(Value):
    """A run that found its connection busy; without `schedule_id` a person started it."""

    connection: str
    run_id: str
    schedule_id: str | None = None


class Skipped(Value):
    """The result of such a run; `job_id`: the job that was in the way, where it has a row already."""

    status: Literal["skipped"] = "skipped"
    connection: str
    reason: str
    job_id: int | None = None
