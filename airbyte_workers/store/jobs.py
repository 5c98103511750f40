"""Jobs and attempts as rows: opened, moved on and closed; every transition says who and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from airbyte_workers.models import (
    TERMINAL_JOB_STATUSES,
    AttemptOutcome,
    AttemptRef,
    AttemptSummary,
    Connector,
    Failure,
    JobStatus,
    Order,
    RetryTally,
    SyncInput,
)
from airbyte_workers.names import REPLICATION_KINDS, JobKind, Role, pod_name
from airbyte_workers.protocol.messages import ConfiguredCatalog, parse
from airbyte_workers.store import generations
from airbyte_workers.store.sealing import Seal
from airbyte_workers.store.states import write_counts

Database = asyncpg.Pool
TERMINAL = [str(status) for status in TERMINAL_JOB_STATUSES]


class JobEnded(Exception):
    """An attempt was asked for of a job that has ended."""


@dataclass(frozen=True)
class Job:
    """A job as it was opened; `input` is the sealed copy that everything after the first activity uses."""

    id: int
    kind: JobKind
    status: JobStatus
    connection_id: int | None
    connection: str
    input: SyncInput | Order
    catalog_id: int | None
    cancel_now: bool
    launcher: str | None = None
    secret_names: tuple[str, ...] = ()
    run_id: str = ""

    @property
    def sync(self) -> SyncInput:
        """The input of a replication job."""
        assert isinstance(self.input, SyncInput)
        return self.input

    @property
    def connectors(self) -> Mapping[Role, Connector]:
        """Every connector of the job."""
        if isinstance(self.input, Order):
            return {Role.MAIN: self.input.connector}
        assert self.input.source is not None
        assert self.input.destination is not None
        return {Role.SOURCE: self.input.source, Role.DESTINATION: self.input.destination}

    def asked(self, ref: AttemptRef) -> Role:
        """Which of the job's connectors a spec, check or discover is about: of a sync's, the source unless said."""
        return Role.MAIN if isinstance(self.input, Order) else ref.of or Role.SOURCE


@dataclass(frozen=True)
class Attempt:
    """An attempt as it was opened; `number` counts from 0."""

    job_id: int
    number: int
    fence: int
    pod: str


async def read_job(db: Database, seal: Seal, job_id: int) -> Job:
    """The job, opened. Raises LookupError."""
    row = await db.fetchrow("select * from jobs where id = $1", job_id)
    if row is None:
        raise LookupError(f"there is no job {job_id}")
    form: type[SyncInput | Order] = SyncInput if row["kind"] in REPLICATION_KINDS else Order
    return Job(
        id=row["id"],
        kind=JobKind(row["kind"]),
        status=JobStatus(row["status"]),
        connection_id=row["connection_id"],
        connection=row["connection"] or "",
        input=form.model_validate(seal.open(row["input"])),
        catalog_id=row["catalog_id"],
        cancel_now=row["cancel_now"],
        launcher=row["launcher"],
        secret_names=tuple(row["secret_names"]),
        run_id=row["run_id"],
    )


async def set_launcher(db: Database, job_id: int, launcher: str, why: str) -> bool:
    """Settle what runs the job's pods, all of them; False when a choice stands already."""
    async with db.acquire() as session, session.transaction():
        settled = await session.fetchval(
            "update jobs set launcher = $2, updated_at = now() where id = $1 and launcher is null returning id",
            job_id,
            launcher,
        )
        if settled is not None:
            await write_event(session, job_id, None, "launcher", reason=f"{launcher}: {why}")
        return settled is not None


async def move(db: Database, job_id: int, status: JobStatus, *, reason: str, expected: Sequence[JobStatus]) -> bool:
    """Set a job's status if it is one of `expected`; says whether it was."""
    async with db.acquire() as session, session.transaction():
        moved = await session.fetchval(
            """
            update jobs set status = $2, updated_at = now(),
                queued_at = case when $2 = 'queued' then coalesce(queued_at, now()) else queued_at end,
                started_at = case when $2 = 'running' then coalesce(started_at, now()) else started_at end
            where id = $1 and status = any($3) returning id
            """,
            job_id,
            str(status),
            [str(each) for each in expected],
        )
        if moved is not None:
            await write_event(session, job_id, None, status, reason=reason)
        return moved is not None


async def set_discovered(db: Database, job_id: int, catalog_id: int) -> None:
    """Note which catalog a discover found."""
    await db.execute("update jobs set catalog_id = $2, updated_at = now() where id = $1", job_id, catalog_id)


async def set_secret_names(db: Database, job_id: int, names: Iterable[str]) -> None:
    """Note which properties of the job's configs hold secrets, as its connectors' specs say."""
    await db.execute("update jobs set secret_names = $2 where id = $1", job_id, sorted(names))


async def note(db: Database, job_id: int, event: str, *, reason: str) -> None:
    """Tell whoever reads the job's past something that is no transition."""
    async with db.acquire() as session:
        await write_event(session, job_id, None, event, reason=reason)


async def set_catalog(db: Database, job: Job, catalog: str, sha256: str) -> int:
    """Store a job's configured catalog; the same one is stored once."""
    async with db.acquire() as session, session.transaction():
        catalog_id: int = await session.fetchval(
            """
            insert into catalogs (kind, connection_id, sha256, catalog) values ('configured', $1, $2, $3)
            on conflict (connection_id, sha256) where kind = 'configured' do update set created_at = now() returning id
            """,
            job.connection_id,
            sha256,
            catalog,
        )
        await session.execute("update jobs set catalog_id = $2 where id = $1", job.id, catalog_id)
        await session.execute("update connections set catalog_id = $2 where id = $1", job.connection_id, catalog_id)
        return catalog_id


async def open_attempt(db: Database, job_id: int, number: int, *, waited_s: float) -> Attempt:
    """Raise the connection's fence and write the attempt's row; asked again, the same attempt. Raises JobEnded."""
    async with db.acquire() as session, session.transaction():
        job = await session.fetchrow(
            "select kind, status, connection_id, catalog_id from jobs where id = $1 for update", job_id
        )
        if job is None or job["status"] in TERMINAL:
            raise JobEnded(f"job {job_id} has ended ({job['status'] if job else 'unknown'})")
        known = await session.fetchrow("select * from attempts where job_id = $1 and number = $2", job_id, number)
        if known is not None:
            return Attempt(job_id, number, known["fence"], known["pod"])
        fence: int = await session.fetchval(
            "update connections set fence = fence + 1 where id = $1 returning fence", job["connection_id"]
        )
        pod = pod_name(JobKind(job["kind"]), job_id, number)
        await session.execute(
            """
            insert into attempts (job_id, number, fence, pod, waited_s, log_path) values ($1, $2, $3, $4, $5, $6)
            """,
            job_id,
            number,
            fence,
            pod,
            waited_s,
            f"logs/{job_id}/{number}",
        )
        if job["catalog_id"] is not None:
            catalog = await session.fetchval("select catalog from catalogs where id = $1", job["catalog_id"])
            streams = generations.full_refresh_streams(parse(ConfiguredCatalog, catalog.encode()))
            await generations.begin(session, job["connection_id"], job_id, streams)
        await write_event(session, job_id, number, "attempt opened", reason=f"fence {fence}")
        return Attempt(job_id, number, fence, pod)


async def read_attempt(db: Database, job_id: int, number: int) -> Attempt:
    """The attempt. Raises LookupError."""
    row = await db.fetchrow("select fence, pod from attempts where job_id = $1 and number = $2", job_id, number)
    if row is None:
        raise LookupError(f"job {job_id} has no attempt {number + 1}")
    return Attempt(job_id, number, row["fence"], row["pod"])


async def close_attempt(
    db: Database, job_id: int, number: int, outcome: AttemptOutcome, summary: AttemptSummary | None
) -> None:
    """Write the end of an attempt from its marker; without one, or when its watcher knows better, from the outcome."""
    failures = [failure.model_dump(mode="json") for failure in _told(outcome, summary)]
    async with db.acquire() as session, session.transaction():
        closed = await session.fetchval(
            """
            update attempts set status = $3, failures = $4, warnings = $5, evidence = $6, log_lines_dropped = $7,
                peak_memory_bytes = $8, ended_at = now()
            where job_id = $1 and number = $2 and status = 'running' returning number
            """,
            job_id,
            number,
            "succeeded" if outcome.status == "succeeded" else "failed",
            _clean(failures),
            _clean(list(summary.warnings) if summary else []),
            summary.evidence.model_dump(mode="json") if summary else None,
            summary.log_lines_dropped if summary else 0,
            summary.peak_memory_bytes if summary else 0,
        )
        if closed is None:
            return
        if summary is not None:
            await write_counts(session, job_id, number, summary.streams)
        await session.execute(_ATTEMPT_TOTALS, job_id, number)
        if outcome.status != "succeeded":
            await session.execute(
                "update jobs set status = 'incomplete', updated_at = now() where id = $1 and not status = any($2)",
                job_id,
                TERMINAL,
            )
        await write_event(session, job_id, number, f"attempt {outcome.status}", reason=_first(outcome.failures))


def _told(outcome: AttemptOutcome, summary: AttemptSummary | None) -> Sequence[Failure]:
    """The marker's failures, which are whole, unless the outcome has a status or a reason that is not among them."""
    if summary is None or summary.status != outcome.status:
        return outcome.failures
    reasons = {(failure.origin, failure.type) for failure in summary.failures}
    known = all((failure.origin, failure.type) in reasons for failure in outcome.failures)
    return summary.failures if known else outcome.failures


_ATTEMPT_TOTALS = """
update attempts set (records_emitted, records_committed, records_rejected, bytes_emitted, bytes_committed) = (
    select coalesce(sum(records_emitted), 0), coalesce(sum(records_committed), 0), coalesce(sum(records_rejected), 0),
        coalesce(sum(bytes_emitted), 0), coalesce(sum(bytes_committed), 0)
    from stream_stats where job_id = $1 and attempt = $2)
where job_id = $1 and number = $2
"""


async def close_job(
    db: Database, job_id: int, status: JobStatus, *, failures: Sequence[Failure], by: str, reason: str
) -> None:
    """End a job; one that has ended stays as it is (airbyte-behaviour.md 1.3)."""
    async with db.acquire() as session, session.transaction():
        closed = await session.fetchval(
            """
            update jobs set status = $2, failures = $3, ended_at = now(), updated_at = now()
            where id = $1 and not status = any($4) returning id
            """,
            job_id,
            str(status),
            _clean([failure.model_dump(mode="json") for failure in failures]),
            TERMINAL,
        )
        if closed is not None:
            await write_event(session, job_id, None, status, by=by, reason=reason)


async def request_cancel(db: Database, job_id: int, *, by: str, now: bool) -> None:
    """Note that a job is being cancelled; `now`: its watcher ends the pod without waiting for it to drain."""
    async with db.acquire() as session, session.transaction():
        await session.execute(
            """
            update jobs set cancel_requested_at = coalesce(cancel_requested_at, now()),
                cancel_now = cancel_now or $2, updated_at = now() where id = $1
            """,
            job_id,
            now,
        )
        await write_event(session, job_id, None, "cancel requested", by=by, reason="at once" if now else "in order")


async def cancel_now(db: Database, job_id: int) -> bool:
    """Whether a job's pods shall end at once."""
    return bool(await db.fetchval("select cancel_now from jobs where id = $1", job_id))


async def count_active(db: Database) -> int:
    """How many jobs have not ended."""
    return int(await db.fetchval("select count(*) from jobs where not status = any($1)", TERMINAL))


async def write_event(
    session: asyncpg.pool.PoolConnectionProxy,
    job_id: int,
    attempt: int | None,
    event: str,
    *,
    by: str = "",
    reason: str = "",
) -> None:
    """Add a line to the job's past: what happened, by whom, why."""
    await session.execute(
        "insert into job_events (job_id, attempt, event, by, reason) values ($1, $2, $3, $4, $5)",
        job_id,
        attempt,
        str(event),
        by,
        _clean(reason),
    )


def _first(failures: Sequence[Failure]) -> str:
    return failures[0].message if failures else ""


def _clean(value: Any) -> Any:
    """PostgreSQL takes no NUL character and no half of a surrogate pair (airbyte-behaviour.md 1.7)."""
    if isinstance(value, str):
        return value.replace("\0", "").encode(errors="replace").decode()
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {name: _clean(member) for name, member in value.items()}
    return value


async def save_tally(db: Database, job_id: int, tally: RetryTally) -> None:
    """Keep the job's counters where people and a later run can read them."""
    await db.execute(
        """
        update retry_states set successive_complete = $2, successive_partial = $3, total_complete = $4,
            total_partial = $5, updated_at = now() where job_id = $1
        """,
        job_id,
        tally.successive_complete,
        tally.successive_partial,
        tally.total_complete,
        tally.total_partial,
    )


async def committed(db: Database, job_id: int, number: int) -> tuple[int, int]:
    """Records committed and rejected in an attempt, as its own commits counted them."""
    row = await db.fetchrow(
        "select records_committed, records_rejected from attempts where job_id = $1 and number = $2", job_id, number
    )
    return (row["records_committed"], row["records_rejected"]) if row is not None else (0, 0)
