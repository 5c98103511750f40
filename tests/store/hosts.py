"""Rows as they are when hosts come and go."""

from __future__ import annotations

import asyncpg

LONG_S = 3600.0
"""Longer than any lease with its margin, and than two renewals."""


async def seen(
    db: asyncpg.Pool, dataplane: str, *, since_s: float = LONG_S, ago_s: float = 0, watches: bool = True
) -> None:
    """Workers of this host have given signs of life since then, the last one so long ago."""
    await db.execute(
        """
        insert into dataplanes values ($1, now() - make_interval(secs => $3), now() - make_interval(secs => $2),
            case when $4 then now() - make_interval(secs => $3) end,
            case when $4 then now() - make_interval(secs => $3) + interval '15 seconds' end)
        on conflict (name) do update set seen_at = excluded.seen_at, seen_since = excluded.seen_since,
            watched_at = excluded.watched_at, watched_until = excluded.watched_until
        """,
        dataplane,
        since_s,
        ago_s,
        watches,
    )


async def lease_over(db: asyncpg.Pool, pod: str, seconds: float = LONG_S) -> None:
    """The pod's lease is over for so long."""
    await db.execute(
        "update workloads set lease_until = now() - make_interval(secs => $2) where pod = $1", pod, seconds
    )
