"""Where in the log of a connection's states a point is: after which of its entries."""

from __future__ import annotations

from datetime import datetime

from airbyte_workers.names import REPLICATION_KINDS
from airbyte_workers.replication.state_history import Point
from airbyte_workers.store.connections import Refused
from airbyte_workers.store.database import Database
from airbyte_workers.store.state_log import Log


async def locate(db: Database, log: Log, wanted: Point) -> int:
    """The position of a point. Raises Refused when there is none, or nobody knows any more what was kept then."""
    position = await _position(db, log, wanted)
    if position < log.exact_from:
        first = await db.fetchval("select at from state_log where id = $1", log.exact_from)
        since = f" of {first.astimezone():%Y-%m-%d %H:%M:%S}" if first is not None else ""
        raise Refused(
            f"the states of {log.connection} at {wanted} are not known any more: its log goes back to"
            f" @{log.exact_from}{since}"
        )
    return position


async def _position(db: Database, log: Log, wanted: Point) -> int:
    if wanted.kind == "entry":
        return await _of_entry(db, log, wanted.number)
    if wanted.time is not None:
        return await _of_time(db, log, wanted)
    await _refuse_other_jobs(db, log, wanted.number)
    return await (_before_job if wanted.kind == "before" else _after_job)(db, log, wanted.number)


async def _of_entry(db: Database, log: Log, entry: int) -> int:
    """The last entry of the same moment, which is that of the same transaction."""
    last: int | None = await db.fetchval(
        """
        select max(id) from state_log where connection_id = $1
            and at = (select at from state_log where connection_id = $1 and id = $2)
        """,
        log.connection_id,
        entry,
    )
    if last is None and entry > 0:
        raise Refused(
            f"the state log of {log.connection} has no entry @{entry}; see: airbyte-workers state log {log.connection}"
        )
    return last or 0


async def _of_time(db: Database, log: Log, wanted: Point) -> int:
    found = await _until(db, log, wanted.time)
    if not found:
        raise Refused(
            f"nothing was committed of {log.connection} before {wanted};"
            f" see: airbyte-workers state log {log.connection}"
        )
    return found


async def _until(db: Database, log: Log, time: datetime | None) -> int:
    """The newest entry until a time; None: of all."""
    found: int | None = await db.fetchval(
        """
        select id from state_log where connection_id = $1 and at <= coalesce($2, 'infinity'::timestamptz)
        order by at desc, id desc limit 1
        """,
        log.connection_id,
        time,
    )
    return found or 0


async def _refuse_other_jobs(db: Database, log: Log, job_id: int) -> None:
    row = await db.fetchrow("select kind, connection, connection_id from jobs where id = $1", job_id)
    if row is None:
        raise Refused(f"there is no job {job_id}; see: airbyte-workers jobs list --connection {log.connection}")
    if row["kind"] not in REPLICATION_KINDS:
        raise Refused(f"job {job_id} is a {row['kind']}: it has nothing to do with the state of {log.connection}")
    if row["connection_id"] != log.connection_id:
        raise Refused(f"job {job_id} is of connection {row['connection']}, not of {log.connection}")


async def _before_job(db: Database, log: Log, job_id: int) -> int:
    before: str | None = await db.fetchval(
        "select state_before from attempts where job_id = $1 order by number limit 1", job_id
    )
    if before is not None:
        return int(before)
    return await _until(db, log, await db.fetchval("select created_at from jobs where id = $1", job_id))


async def _after_job(db: Database, log: Log, job_id: int) -> int:
    """Its last entry; of a job without, what its last attempt found, or else what was there when it ended."""
    found: int | None = await db.fetchval("select max(id) from state_log where job_id = $1 and by = ''", job_id)
    if found is not None:
        return found
    before: str | None = await db.fetchval(
        "select state_before from attempts where job_id = $1 order by number desc limit 1", job_id
    )
    if before is not None:
        return int(before)
    return await _until(db, log, await db.fetchval("select ended_at from jobs where id = $1", job_id))


async def last_job(db: Database, log: Log) -> int | None:
    """The connection's newest job that had an attempt."""
    found: int | None = await db.fetchval(
        """
        select id from jobs where connection_id = $1 and exists (select from attempts where job_id = jobs.id)
        order by id desc limit 1
        """,
        log.connection_id,
    )
    return found
