"""Lists of jobs, the newest first, cut by what people ask for: only the attempts of the jobs in the list are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any

import asyncpg
from pydantic import AwareDatetime, Field

from airbyte_workers.models import JobStatus, Typed, Value
from airbyte_workers.names import REPLICATION_KINDS, JobKind
from airbyte_workers.store.connections import no_connection

MOST = 1000
COUNTED = 10_000  # older jobs; who has more knows enough

JobNumber = Annotated[int, Field(gt=0, lt=2**63)]


class JobFilter(Typed):
    """Which jobs are listed: `since` by when they were opened, `before` the older ones than that job."""

    connection: str | None = None
    statuses: tuple[JobStatus, ...] = ()
    kinds: Annotated[tuple[JobKind, ...], Field(min_length=1)] = tuple(sorted(REPLICATION_KINDS))
    since: AwareDatetime | None = None
    before: JobNumber | None = None
    limit: Annotated[int, Field(ge=1, le=MOST)] = 20


class JobLine(Value):
    """One job in a list: columns of its row, and sums over its attempts."""

    job_id: int
    kind: JobKind
    connection: str | None
    connector: str | None
    status: JobStatus
    attempts: int
    records_committed: int
    bytes_committed: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def subject(self) -> str:
        """What it works on: a connection, or the one connector asked."""
        return self.connection or self.connector or ""


class JobList(Value):
    """The newest jobs that were asked for, and how many older ones there are; `COUNTED` stands for as many or more."""

    lines: tuple[JobLine, ...] = ()
    older: int = 0


_SUMS = ("records_committed", "bytes_committed")
_COLUMNS = ", ".join(name for name in JobLine.model_fields if name not in ("job_id", "attempts", *_SUMS))
_COUNTS = f"""
select page.*, counted.*
from page left join lateral (
    select count(*) as attempts, {", ".join(f"coalesce(sum({name}), 0)::bigint as {name}" for name in _SUMS)}
    from attempts where attempts.job_id = page.job_id) as counted on true
order by page.job_id desc
"""  # noqa: S608  # names of fields


async def list_jobs(db: asyncpg.Pool, wanted: JobFilter) -> JobList:
    """The newest jobs first, with the counts of all their attempts (conformance case D18)."""
    lines = tuple(JobLine.model_validate(dict(row)) for row in await db.fetch(*list_query(wanted)))
    if len(lines) < wanted.limit:
        return JobList(lines=lines)
    older = wanted.model_copy(update={"before": lines[-1].job_id})
    return JobList(lines=lines, older=await db.fetchval(*_count_query(older)))


def list_query(wanted: JobFilter) -> tuple[Any, ...]:
    """SQL and its arguments: jobs are cut to the list before their attempts are looked at."""
    where, arguments = _where(wanted)
    page = f"select id as job_id, {_COLUMNS} from jobs where {where} order by id desc limit ${len(arguments) + 1}"  # noqa: S608  # fixed words
    return f"with page as materialized ({page}) {_COUNTS}", *arguments, wanted.limit


def _count_query(wanted: JobFilter) -> tuple[Any, ...]:
    where, arguments = _where(wanted)
    some = f"select from jobs where {where} limit ${len(arguments) + 1}"
    return f"select count(*) from ({some}) as older", *arguments, COUNTED  # noqa: S608  # fixed words


def _where(wanted: JobFilter) -> tuple[str, Sequence[Any]]:
    """Conditions for what was asked for alone: the planner sees no more than it needs."""
    conditions, arguments = zip(*_conditions(wanted), strict=True)
    numbered = [condition.replace("?", f"${number}") for number, condition in enumerate(conditions, start=1)]
    return " and ".join(numbered), arguments


def _conditions(wanted: JobFilter) -> Iterator[tuple[str, Any]]:
    yield "kind = any(?)", [str(kind) for kind in wanted.kinds]
    if wanted.connection is not None:
        yield "connection = ?", wanted.connection
    if wanted.statuses:
        yield "status = any(?)", [str(status) for status in wanted.statuses]
    if wanted.since is not None:
        yield "created_at >= ?", wanted.since
    if wanted.before is not None:
        yield "id < ?", wanted.before


# --- when a list is empty ---


async def has_jobs(db: asyncpg.Pool, kinds: Sequence[JobKind]) -> bool:
    """Whether there is any job of these kinds."""
    return bool(
        await db.fetchval("select exists (select from jobs where kind = any($1))", [str(kind) for kind in kinds])
    )


async def unknown_connection(db: asyncpg.Pool, name: str) -> str:
    """Why a connection of this name has no jobs, with a name that may have been meant; empty when there is one."""
    if await db.fetchval("select exists (select from connections where name = $1)", name):
        return ""
    return await no_connection(db, name)
