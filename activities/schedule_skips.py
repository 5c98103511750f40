"""The activity of a scheduled run that found its connection busy."""

from __future__ import annotations

from temporalio import activity

from activities.means import Means
from airbyte_workers.models import NoteSkip, Skipped
from airbyte_workers.store import schedules


class ScheduleSkips:
    """Counts skipped runs, and says which job they were skipped for."""

    def __init__(self, means: Means) -> None:
        self._db = means.db

    @activity.defn(name="note_skip")
    async def note_skip(self, skip: NoteSkip) -> Skipped:
        """Count the skip, once however often this is tried."""
        live = await schedules.live_job(self._db, skip.connection)
        if skip.schedule_id is not None:
            await schedules.count_skip(self._db, skip, live.id if live is not None else None)
        job = live.words if live is not None else "its job is being opened, or has just ended"
        reason = f"connection {skip.connection} is syncing already ({job})"
        return Skipped(connection=skip.connection, reason=reason, job_id=live.id if live is not None else None)
