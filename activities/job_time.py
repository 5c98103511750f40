"""The total time of a job: who launches its pods asks for it, and who watches them."""

from __future__ import annotations

from datetime import datetime

import asyncpg

from airbyte_workers.models import Failure
from airbyte_workers.replication.clocks import ClockLimits, in_force, total_timeout
from airbyte_workers.settings import Settings
from airbyte_workers.store.job_times import job_end
from airbyte_workers.store.jobs import Job


async def ends_by(db: asyncpg.Pool, settings: Settings, job: Job) -> datetime | None:
    """When the time of a replication job is over; None: it has no limit. Raises JobGone."""
    minutes = in_force(job.sync.clocks, settings).total_minutes
    return (await job_end(db, job.id, minutes)).ends_by if minutes else None


async def out_of_time(db: asyncpg.Pool, settings: Settings, job: Job) -> Failure | None:
    """Why nothing more of a replication job is launched: its time is over already. Raises JobGone."""
    clocks = in_force(job.sync.clocks, settings)
    if not clocks.total_minutes or not (await job_end(db, job.id, clocks.total_minutes)).is_over:
        return None
    return total_timeout(ClockLimits.of(clocks, None).total)
