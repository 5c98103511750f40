"""Jobs as rows: read, moved on and closed; every transition says who and why."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import asyncpg

from airbyte_workers.jobs.status import IllegalTransition, job_has_ended
from airbyte_workers.models import (
    AttemptRef,
    CloseJob,
    Connector,
    JobStatus,
    Order,
    SyncInput,
)
from airbyte_workers.names import REPLICATION_KINDS, JobKind, Role
from airbyte_workers.protocol.generations import Scope
from airbyte_workers.store import attempt_ends, attempts
from airbyte_workers.store.sealing import Seal
from airbyte_workers.store.stream_requests import scope_of
from airbyte_workers.store.transitions import TERMINAL, Event, JobGone, end, held, step, write_event


@dataclass(frozen=True)
class Job:
    """A job as it was opened; `input` is the sealed copy that everything after the first activity uses.

    `run_id` is the run that opened it, by which its pods are known: a reset puts another in its place.
    """

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
    scope: Scope = field(default_factory=lambda: Scope(JobKind.SYNC))

    @property
    def sync(self) -> SyncInput:
        """The input of a replication job."""
        assert isinstance(self.input, SyncInput)
        return self.input

    @property
    def connectors(self) -> Mapping[Role, Connector]:
        """Every connector of the job; a clear reads no source."""
        if isinstance(self.input, Order):
            return {Role.MAIN: self.input.connector}
        assert self.input.source is not None
        assert self.input.destination is not None
        if self.kind is JobKind.CLEAR:
            return {Role.DESTINATION: self.input.destination}
        return {Role.SOURCE: self.input.source, Role.DESTINATION: self.input.destination}

    def asked(self, ref: AttemptRef) -> Role:
        """Which of the job's connectors a spec, check or discover is about: of a sync's, the source unless said."""
        return Role.MAIN if isinstance(self.input, Order) else ref.of or Role.SOURCE


async def read_job(db: asyncpg.Pool, seal: Seal, job_id: int) -> Job:
    """The job, opened. Raises JobGone."""
    row = await db.fetchrow("select * from jobs where id = $1", job_id)
    if row is None:
        raise JobGone(job_id)
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
        run_id=row["opening_run_id"] or row["run_id"],
        scope=scope_of(row),
    )


async def launcher_of(db: asyncpg.Pool, job_id: int) -> str:
    """The launcher that was settled for the job's pods when it was opened. Raises LookupError."""
    launcher = await db.fetchval("select launcher from jobs where id = $1", job_id)
    if launcher is None:
        raise LookupError(f"job {job_id} is gone, or nobody has settled what launches its pods")
    return str(launcher)


async def set_launcher(db: asyncpg.Pool, job_id: int, launcher: str, why: str) -> bool:
    """Settle what runs the job's pods, all of them; False when a choice stands already."""
    async with db.acquire() as session, session.transaction():
        settled = await session.fetchval(
            """
            update jobs set launcher = $2, updated_at = clock_timestamp()
            where id = $1 and launcher is null returning id
            """,
            job_id,
            launcher,
        )
        if settled is not None:
            await write_event(session, job_id, Event("launcher", reason=f"{launcher}: {why}"))
        return settled is not None


@dataclass(frozen=True)
class Move:
    """A step of a live job: where to, from which statuses it may come, and why."""

    to: JobStatus
    expected: Collection[JobStatus]
    reason: str


async def move(db: asyncpg.Pool, job_id: int, move: Move) -> bool:
    """Move a live job on if its status is among those expected; says whether it was. Ends are written by `close_job`.

    A replication job runs only while an attempt of it does: who comes late changes nothing. Raises LookupError and
    IllegalTransition.
    """
    if job_has_ended(move.to):
        raise ValueError(f"{move.to} is the end of a job, not a move")
    async with held(db, job_id) as job:
        if job.status not in move.expected or job_has_ended(job.status):
            return False
        runs = move.to is JobStatus.RUNNING and job.kind in REPLICATION_KINDS
        if runs and await attempts.running(job.session, job.id) is None:
            return False
        await step(job, move.to, reason=move.reason)
        return True


async def set_discovered(db: asyncpg.Pool, job_id: int, catalog_id: int) -> None:
    """Note which catalog a discover found."""
    await db.execute(
        "update jobs set catalog_id = $2, updated_at = clock_timestamp() where id = $1", job_id, catalog_id
    )


async def set_secret_names(db: asyncpg.Pool, job_id: int, names: Iterable[str]) -> None:
    """Note which properties of the job's configs hold secrets, as its connectors' specs say."""
    await db.execute("update jobs set secret_names = $2 where id = $1", job_id, sorted(names))


async def note(db: asyncpg.Pool, job_id: int, event: str, *, reason: str) -> None:
    """Tell whoever reads the job's past something that is no transition."""
    async with db.acquire() as session:
        await write_event(session, job_id, Event(event, reason=reason))


async def set_catalog(db: asyncpg.Pool, job: Job, catalog: str, sha256: str) -> None:
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


async def close_job(db: asyncpg.Pool, close: CloseJob) -> None:
    """End a job, and with it an attempt that still runs; one that has ended stays as it is (airbyte-behaviour.md 1.3).

    A replication job succeeds by its attempt alone (`close_attempt`). Raises LookupError and IllegalTransition.
    """
    if not job_has_ended(close.status):
        raise ValueError(f"{close.status} is not the end of a job")
    async with held(db, close.job_id) as job:
        if job_has_ended(job.status):
            return
        if close.status is not JobStatus.SUCCEEDED:
            await attempt_ends.end_running(job, close.status, close.failures)
        elif job.kind in REPLICATION_KINDS and not await attempts.has_succeeded(job):
            raise IllegalTransition(f"job {job.id} cannot become {close.status}: no attempt of it has")
        await end(job, close)


async def request_cancel(db: asyncpg.Pool, job_id: int, *, by: str, now: bool) -> None:
    """Note that a job is being cancelled; `now`: its watcher ends the pod without waiting for it to drain.

    Of a job that has ended nothing is noted. Raises LookupError.
    """
    async with held(db, job_id) as job:
        if job_has_ended(job.status):
            return
        await job.session.execute(
            """
            update jobs set cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()),
                cancel_now = cancel_now or $2, updated_at = clock_timestamp() where id = $1
            """,
            job_id,
            now,
        )
        how = "at once" if now else "with time to finish"
        await write_event(job.session, job_id, Event("cancel requested", by=by, reason=how))


async def cancel_now(db: asyncpg.Pool, job_id: int) -> bool:
    """Whether a job's pods shall end at once."""
    return bool(await db.fetchval("select cancel_now from jobs where id = $1", job_id))


async def previous_succeeded(db: asyncpg.Pool, connection_id: int | None, job_id: int) -> bool:
    """Whether the connection's last sync before this job succeeded; without one, no (airbyte-behaviour.md 1.1)."""
    status: str | None = await db.fetchval(
        """
        select status from jobs where connection_id = $1 and id < $2 and kind in ('sync', 'refresh')
        order by id desc limit 1
        """,
        connection_id,
        job_id,
    )
    return status == JobStatus.SUCCEEDED


async def count_active(db: asyncpg.Pool) -> int:
    """How many jobs have not ended."""
    return int(await db.fetchval("select count(*) from jobs where not status = any($1)", TERMINAL))
