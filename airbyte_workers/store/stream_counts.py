"""Counts of streams as rows: what is counted is said by the fields of `StreamCounts`, each the name of a column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airbyte_workers.models import StreamCounts
from airbyte_workers.store.database import Session

STATED = tuple(name for name in StreamCounts.model_fields if name not in ("name", "namespace"))
"""The columns of `stream_stats` beside its keys."""
TOTALS = (
    "records_emitted",
    "records_committed",
    "records_filtered",
    "records_rejected",
    "bytes_emitted",
    "bytes_committed",
    "bytes_filtered",
)
"""Those of which `attempts` has the sums over its streams; a GLOBAL state counts for each, so states have none."""


def _newer(column: str) -> str:
    """What was committed stays: a pod that left states in its journal has not counted them."""
    if column.endswith("_committed"):
        return f"greatest(excluded.{column}, stream_stats.{column})"
    return f"excluded.{column}"


_WRITE = f"""
insert into stream_stats (job_id, attempt, stream, namespace, {", ".join(STATED)})
values ($1, $2, $3, $4, {", ".join(f"${number}" for number, _ in enumerate(STATED, start=5))})
on conflict (job_id, attempt, stream, coalesce(namespace, '')) do update
    set {", ".join(f"{column} = {_newer(column)}" for column in STATED)}, updated_at = now()
"""  # noqa: S608  # names of fields
_ADD_UP = f"""
update attempts set ({", ".join(TOTALS)}) = (
    select {", ".join(f"coalesce(sum({count}), 0)" for count in TOTALS)}
    from stream_stats where job_id = $1 and attempt = $2)
where job_id = $1 and number = $2
"""  # noqa: S608  # names of fields

# --- of a job: its attempts' rows of one stream ---

_LAST = "(array_agg({0} order by attempt desc))[1]"
_LARGEST = "max({0})"
_SUM = "sum({0})::bigint"
_OF_JOB = {
    "status": _LAST,
    "records_estimated": _LAST,
    "bytes_estimated": _LAST,
    "state_mean_s": "coalesce(sum({0} * states_emitted) / nullif(sum(states_emitted), 0), 0)",
    "state_max_s": _LARGEST,
    "commit_mean_s": "sum({0} * states_committed) / nullif(sum(states_committed) filter (where {0} is not null), 0)",
    "commit_max_s": _LARGEST,
    "additional_stats": "coalesce(jsonb_agg({0}) filter (where {0} <> '{{}}'), '[]')",
}
"""How a column comes together; what is not here is a sum."""
OF_JOB = ", ".join(f"{_OF_JOB.get(column, _SUM).format(column)} as {column}" for column in STATED)
"""For a query that groups by stream; `of_job` reads its rows."""


def of_job(row: Mapping[str, Any]) -> StreamCounts:
    """One stream of a job, summed over its attempts."""
    summed: dict[str, float] = {}
    for each in row["additional_stats"]:
        for name, value in each.items():
            summed[name] = summed.get(name, 0) + value
    return StreamCounts.model_validate({**row, "additional_stats": summed})


async def write(session: Session, job_id: int, attempt: int, counts: Sequence[StreamCounts]) -> None:
    """Per-stream counts of an attempt, absolute values: written twice they are the same."""
    rows = [
        (job_id, attempt, each.name, each.namespace, *(getattr(each, column) for column in STATED)) for each in counts
    ]
    await session.executemany(_WRITE, rows)


async def add_up(session: Session, job_id: int, attempt: int) -> None:
    """Bring the attempt's row up to the counts of its streams."""
    await session.execute(_ADD_UP, job_id, attempt)
