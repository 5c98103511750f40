"""What a job is and where it is: the little that is asked of it at every turn."""

from __future__ import annotations

from datetime import datetime

import asyncpg

from airbyte_workers.models import TERMINAL_JOB_STATUSES, JobStatus, StreamRequest, Value
from airbyte_workers.names import JobKind
from airbyte_workers.store.database import Database


class JobFacts(Value):
    """What a job is and which run does it; `subject` is what it works on: a connection, or the one connector asked."""

    job_id: int
    kind: JobKind
    status: JobStatus
    subject: str
    launcher: str | None = None
    workflow_id: str
    run_id: str
    request: StreamRequest | None = None
    created_at: datetime
    ended_at: datetime | None = None

    @property
    def has_ended(self) -> bool:
        """Nothing happens to it any more."""
        return self.status in TERMINAL_JOB_STATUSES


class Standing(Value):
    """Where a job is: how many attempts it has had, and when its log was removed to make room."""

    job_id: int
    status: JobStatus
    attempts: int
    log_removed_at: datetime | None = None

    @property
    def has_ended(self) -> bool:
        """Nothing happens to it any more."""
        return self.status in TERMINAL_JOB_STATUSES


_FACTS = """
select id as job_id, kind, status, coalesce(connection, connector, '') as subject, launcher, workflow_id, run_id,
    request, created_at, ended_at from jobs where id = $1
"""
_STANDING = """
select id as job_id, status, log_removed_at, (select count(*) from attempts where job_id = jobs.id) as attempts
from jobs where id = $1
"""


async def facts(db: Database, job_id: int) -> JobFacts:
    """What the job is. Raises LookupError."""
    return JobFacts.model_validate(dict(await row_of(db, _FACTS, job_id)))


async def standing(db: Database, job_id: int) -> Standing:
    """Where the job is. Raises LookupError."""
    return Standing.model_validate(dict(await row_of(db, _STANDING, job_id)))


async def row_of(db: Database, query: str, job_id: int) -> asyncpg.Record:
    """What the query tells of a job whose number somebody typed. Raises LookupError."""
    row = await db.fetchrow(query, job_id) if 0 < job_id < 2**63 else None
    if row is None:
        raise LookupError(f"there is no job {job_id}; see: airbyte-workers jobs list --all")
    return row
