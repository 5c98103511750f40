"""Counts of streams as rows: what is counted is said by the fields of `StreamCounts`, each the name of a column."""

from __future__ import annotations

from collections.abc import Sequence

from airbyte_workers.models import StreamCounts
from airbyte_workers.store.database import Session

COUNTS = tuple(name for name, field in StreamCounts.model_fields.items() if field.annotation is int)
"""The columns of `stream_stats` that are counts."""
TOTALS = tuple(count for count in COUNTS if count != "records_filtered")
"""Those of which `attempts` has the sums."""
_STATED = ("status", *COUNTS)
_WRITE = f"""
insert into stream_stats (job_id, attempt, stream, namespace, {", ".join(_STATED)})
values ($1, $2, $3, $4, {", ".join(f"${number}" for number, _ in enumerate(_STATED, start=5))})
on conflict (job_id, attempt, stream, coalesce(namespace, '')) do update
    set {", ".join(f"{column} = excluded.{column}" for column in _STATED)}, updated_at = now()
"""  # noqa: S608  # names of fields
_ADD_UP = f"""
update attempts set ({", ".join(TOTALS)}) = (
    select {", ".join(f"coalesce(sum({count}), 0)" for count in TOTALS)}
    from stream_stats where job_id = $1 and attempt = $2)
where job_id = $1 and number = $2
"""  # noqa: S608  # names of fields


async def write(session: Session, job_id: int, attempt: int, counts: Sequence[StreamCounts]) -> None:
    """Per-stream counts of an attempt, absolute values: written twice they are the same."""
    rows = [
        (job_id, attempt, each.name, each.namespace, *(getattr(each, column) for column in _STATED)) for each in counts
    ]
    await session.executemany(_WRITE, rows)


async def add_up(session: Session, job_id: int, attempt: int) -> None:
    """Bring the attempt's row up to the counts of its streams."""
    await session.execute(_ADD_UP, job_id, attempt)
