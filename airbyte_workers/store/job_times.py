"""How long a job has been at work, by the database's clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from airbyte_workers.store.transitions import JobGone


@dataclass(frozen=True)
class JobEnd:
    """When a job's total time is over, and whether it is."""

    ends_by: datetime
    is_over: bool


async def job_end(db: asyncpg.Pool, job_id: int, minutes: float) -> JobEnd:
    """The end of so many minutes, counted from when the job's first attempt ran; before that, from now.

    What a job waits for its first place is not its own time. Raises JobGone.
    """
    row = await db.fetchrow(
        """
        select coalesce(started_at, clock_timestamp()) + make_interval(secs => $2) as ends_by,
            started_at + make_interval(secs => $2) <= clock_timestamp() as is_over
        from jobs where id = $1
        """,
        job_id,
        minutes * 60,
    )
    if row is None:
        raise JobGone(job_id)
    return JobEnd(row["ends_by"], bool(row["is_over"]))
