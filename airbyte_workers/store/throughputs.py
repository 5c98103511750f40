"""How the attempts of a job went over time, and how far the one is that runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

import asyncpg

from airbyte_workers.models import Progress, Throughput, Value
from airbyte_workers.store.database import Database

_THROUGHPUTS = """
select number + 1 as number, throughput from attempts
where job_id = $1 and number + 1 = any($2::int[]) and throughput is not null
"""
_SEEN = """
select heartbeat_at as at, progress from workloads join attempts using (pod)
where attempts.job_id = $1 and attempts.status = 'running' and progress is not null and heartbeat_at is not null
"""


class Seen(Value):
    """How far a pod said it was when it last renewed its lease."""

    at: datetime
    progress: Progress


async def of_attempts(db: asyncpg.Pool, job_id: int, numbers: Collection[int]) -> Mapping[int, Throughput]:
    """By the attempts' numbers, which count from 1; one whose pod left nothing is not among them."""
    rows = await db.fetch(_THROUGHPUTS, job_id, sorted(numbers))
    return {row["number"]: Throughput.model_validate(row["throughput"]) for row in rows}


async def last_seen(db: Database, job_id: int) -> Seen | None:
    """How far the attempt is that runs; None where none does, or its pod has said nothing yet."""
    row = await db.fetchrow(_SEEN, job_id)
    return Seen.model_validate(dict(row)) if row is not None else None
