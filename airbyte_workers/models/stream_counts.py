"""What is counted of one stream: each field is the name of a column of `stream_stats`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from airbyte_workers.models.values import Value


class StreamCounts(Value):
    """One stream of one attempt, or of a job over its attempts. Bytes are those of `data` as it stood.

    States are those that speak for the stream (a GLOBAL one for each). `state_*_s`: seconds from one to the next, the
    first from the first record; `commit_*_s`: from a state until it is durable, None where that is not known.
    `additional_stats`: what connectors add to their counts, by their names for it. A job has the sums, but of
    estimates the last attempt's, of `*_max_s` the largest, of `*_mean_s` the mean over all states.
    """

    name: str
    namespace: str | None = None
    status: Literal["pending", "running", "complete", "incomplete", "rate_limited"] = "pending"
    records_emitted: int = 0
    records_committed: int = 0
    records_filtered: int = 0
    records_rejected: int = 0
    bytes_emitted: int = 0
    bytes_committed: int = 0
    bytes_filtered: int = 0
    states_emitted: int = 0
    states_acknowledged: int = 0
    states_committed: int = 0
    source_stats_mismatches: int = 0
    destination_stats_mismatches: int = 0
    records_estimated: int | None = None
    bytes_estimated: int | None = None
    state_mean_s: float = 0
    state_max_s: float = 0
    commit_mean_s: float | None = None
    commit_max_s: float | None = None
    additional_stats: dict[str, int | float] = Field(default_factory=dict)
