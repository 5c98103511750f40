"""What the job database says of Temporal workers: each that serves tells it so again and again."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import Any

import asyncpg

from airbyte_workers.names import WATCH_QUEUE, JobKind, launch_queue

_SERVED = "select name, watched_until from dataplanes where seen_at > now() - make_interval(secs => $1)"
_LIVE = "status in ('claimed', 'launched', 'running') and lease_until > now()"
_BUSY = f"""
with served as ({_SERVED})
select array(select distinct kind from workloads join served on name = dataplane where {_LIVE}) as launched,
    exists(select from workloads join served on name = dataplane where watched_until > now() and {_LIVE}) as watched,
    exists(select from jobs where status not in ('failed', 'succeeded', 'cancelled') and (status = 'queued' or exists(
        select from attempts where attempts.job_id = jobs.id and attempts.status = 'running'
            and not exists(select from workloads where workloads.pod = attempts.pod)))) as waits
"""  # noqa: S608  # made of what stands above
_KNOWN = "select exists(select from dataplanes where name = $1)"
_SERVING = f"select exists({_SERVED})"
_AT_WORK = f"select exists(select from workloads where {_LIVE})"  # noqa: S608  # the same


@dataclass(frozen=True)
class Busy:
    """Kinds of the pods that live on hosts which gave a sign of life lately; whether a worker there watches pods, and
    whether any job waits for a place."""

    launched: Set[JobKind] = frozenset()
    watched: bool = False
    waits: bool = False

    @property
    def queues(self) -> Set[str]:
        """Those that may be unpolled only because every slot is taken: a launch that waits for a place keeps its own,
        and so does a watch while its pod runs."""
        return frozenset(self._queues())

    def _queues(self) -> Iterator[str]:
        if self.waits:
            yield from map(launch_queue, self.launched)
        if self.watched:
            yield WATCH_QUEUE


async def busy(db: asyncpg.Pool, holds_s: float) -> Busy:
    """`holds_s`: how long a sign of life counts."""
    row = await _asked(db, _BUSY, holds_s)
    if row is None:
        return Busy()
    launched = frozenset(kind for kind in JobKind if kind in row["launched"])
    return Busy(launched, row["watched"], row["waits"])


async def served_from(db: asyncpg.Pool, dataplane: str) -> bool:
    """Whether Temporal workers of this host have served this database, now or not long ago."""
    row = await _asked(db, _KNOWN, dataplane)
    return row is not None and bool(row[0])


async def at_work(db: asyncpg.Pool, holds_s: float) -> bool:
    """Whether a Temporal worker gave a sign of life lately, or, in a schema without such signs, any pod runs."""
    rows = [await _asked(db, _SERVING, holds_s), await _asked(db, _AT_WORK)]
    return any(row is not None and row[0] for row in rows)


async def _asked(db: asyncpg.Pool, query: str, *values: Any) -> asyncpg.Record | None:
    """None where the schema is too old to say."""
    try:
        return await db.fetchrow(query, *values)
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
        return None
