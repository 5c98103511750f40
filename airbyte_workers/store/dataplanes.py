"""Dataplanes: on which hosts Temporal workers serve, and pods as they look from a host that is not theirs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from airbyte_workers.models import Progress


@dataclass(frozen=True)
class Sign:
    """What a Temporal worker process says of itself: where it is, whether it watches pods, how long that holds."""

    dataplane: str
    watches: bool
    holds_s: float


async def tell(db: asyncpg.Pool, sign: Sign) -> None:
    """Say that a Temporal worker serves there now."""
    await db.execute(
        """
        insert into dataplanes as known (name, seen_at, seen_since, watched_at, watched_until)
        values ($1, now(), now(), case when $2 then now() end, case when $2 then now() + make_interval(secs => $3) end)
        on conflict (name) do update set seen_at = now(),
            seen_since = case when known.seen_at < now() - make_interval(secs => $3) then now()
                else known.seen_since end,
            watched_at = coalesce(excluded.watched_at, known.watched_at),
            watched_until = greatest(excluded.watched_until, known.watched_until)
        """,
        sign.dataplane,
        sign.watches,
        sign.holds_s,
    )


async def forget(db: asyncpg.Pool, *, days: float) -> None:
    """Hosts of which nothing was seen for so long, and where no pod has a place: a container's name is soon another."""
    await db.execute(
        """
        delete from dataplanes where seen_at < now() - make_interval(secs => $1) and not exists (
            select from workloads where dataplane = name and workloads.status in ('claimed', 'launched', 'running'))
        """,
        days * 86_400,
    )


async def reachable_s(db: asyncpg.Pool, dataplane: str, *, holds_s: float) -> float:
    """For how long Temporal workers of this host have reached the database without a gap; 0: nobody knows, the last
    sign is older than it holds."""
    seconds = await db.fetchval(
        """
        select extract(epoch from now() - seen_since) from dataplanes
        where name = $1 and seen_at >= now() - make_interval(secs => $2)
        """,
        dataplane,
        holds_s,
    )
    return float(seconds or 0)


@dataclass(frozen=True)
class Place:
    """Where a pod is. `is_watched`: a Temporal worker there watches pods, and was seen lately; `watched_at`: the last
    time, None: never. `lease_over_s`: since the pod's lease is over; less than 0: it lasts."""

    dataplane: str
    is_watched: bool
    watched_at: datetime | None
    lease_over_s: float
    progress: Progress | None


async def place_of(db: asyncpg.Pool, pod: str) -> Place | None:
    """The pod's place, also one that was given back; None for a pod that never had one."""
    row = await db.fetchrow(
        """
        select dataplane, coalesce(watched_until > now(), false) as is_watched, watched_at, progress,
            extract(epoch from now() - lease_until) as lease_over_s
        from workloads left join dataplanes on name = dataplane where pod = $1
        """,
        pod,
    )
    if row is None:
        return None
    progress = Progress.model_validate(row["progress"]) if row["progress"] else None
    over = float(row["lease_over_s"])
    return Place(row["dataplane"], row["is_watched"], row["watched_at"], over, progress)
