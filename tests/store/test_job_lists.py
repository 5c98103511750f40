"""Lists of jobs: cut, paged, explained when they are empty; none reads more than it shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from rows import close_job, open_job

from airbyte_workers.models import Connector, JobStatus, OpenOperation, Order
from airbyte_workers.names import JobKind
from airbyte_workers.store import job_lists, opening
from airbyte_workers.store.job_lists import COUNTED, JobFilter
from airbyte_workers.store.sealing import Seal
from benchmarks.past import fill

PAST = 3000


async def numbers(db: asyncpg.Pool, **wanted: Any) -> list[int]:
    return [line.job_id for line in (await job_lists.list_jobs(db, JobFilter(**wanted))).lines]


async def some_jobs(db: asyncpg.Pool, seal: Seal) -> None:
    """1: a failed, 2: b cancelled, 3: a check, 4: a pending; each an hour after the one before, the last one now."""
    for name, end in (("a", JobStatus.FAILED), ("b", JobStatus.CANCELLED)):
        await close_job(db, await open_job(db, seal, name), end)
    order = Order(connector=Connector(command=("my-source",)))
    await opening.open_operation(
        db, seal, OpenOperation(kind=JobKind.CHECK, order=order, workflow_id="check/1", run_id="r")
    )
    await open_job(db, seal, "a")
    await db.execute("update jobs set created_at = now() - make_interval(hours => 4 - id::int)")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [4, 2, 1]),
        ({"kinds": tuple(JobKind)}, [4, 3, 2, 1]),
        ({"kinds": ("check", "spec")}, [3]),
        ({"connection": "a"}, [4, 1]),
        ({"connection": "none"}, []),
        ({"statuses": ("failed",)}, [1]),
        ({"statuses": ("failed", "cancelled")}, [2, 1]),
        ({"statuses": ("failed", "cancelled"), "connection": "b"}, [2]),
        ({"before": 4}, [2, 1]),
        ({"before": 2**63 - 1}, [4, 2, 1]),
        ({"before": 1}, []),
        ({"limit": 2}, [4, 2]),
    ],
)
async def test_a_list_has_what_was_asked_for_the_newest_first(
    db: asyncpg.Pool, seal: Seal, wanted: dict[str, Any], found: list[int]
) -> None:
    await some_jobs(db, seal)
    assert await numbers(db, **wanted) == found


async def test_a_list_since_a_moment_has_no_older_jobs(db: asyncpg.Pool, seal: Seal) -> None:
    await some_jobs(db, seal)
    assert await numbers(db, since=datetime.now(UTC) - timedelta(hours=2, minutes=30)) == [4, 2]


@pytest.mark.parametrize(
    ("wanted", "older"),
    [({}, 0), ({"limit": 3}, 0), ({"limit": 2}, 1), ({"limit": 1}, 2), ({"limit": 1, "connection": "a"}, 1)],
)
async def test_a_list_says_how_many_older_ones_there_are(
    db: asyncpg.Pool, seal: Seal, wanted: dict[str, Any], older: int
) -> None:
    await some_jobs(db, seal)
    assert (await job_lists.list_jobs(db, JobFilter(**wanted))).older == older


async def test_pages_have_every_job_once(past: asyncpg.Pool) -> None:
    whole = await numbers(past, limit=1000)
    paged: list[int] = []
    while page := await numbers(past, limit=97, before=paged[-1] if paged else None):
        paged += page
    assert paged[:1000] == whole
    assert paged == sorted(set(paged), reverse=True)
    assert len(paged) == await past.fetchval("select count(*) from jobs where kind = 'sync'")


async def test_older_jobs_are_counted_only_so_far(past: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert PAST < COUNTED
    monkeypatch.setattr(job_lists, "COUNTED", 50)
    assert (await job_lists.list_jobs(past, JobFilter(limit=5))).older == 50


async def test_a_connection_that_is_none_is_told_with_one_that_may_have_been_meant(
    db: asyncpg.Pool, seal: Seal
) -> None:
    await open_job(db, seal, "customers")
    assert await job_lists.unknown_connection(db, "customers") == ""
    told = await job_lists.unknown_connection(db, "custmers")
    assert told == "there is no connection custmers; did you mean customers?"
    assert await job_lists.unknown_connection(db, "x") == "there is no connection x; see: airbyte-workers jobs list"


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": 1001}, {"kinds": ()}, {"before": 0}, {"status": "failed"}])
def test_a_filter_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        JobFilter(**wrong)


# --- how it is read ---


@pytest.fixture
async def past(db: asyncpg.Pool) -> asyncpg.Pool:
    await fill(db, PAST)
    return db


@pytest.mark.parametrize(
    ("wanted", "most_rows"),
    [
        ({}, 40),
        ({"connection": "connection-7"}, 60),
        ({"statuses": ("failed",), "connection": "connection-7"}, 400),
        ({"before": 100}, 40),
        ({"statuses": ("running",)}, 40),
        ({"since": datetime.now(UTC) + timedelta(days=1)}, 40),
    ],
    ids=["newest", "connection", "connection and status", "before", "seldom status", "since"],
)
async def test_a_list_looks_at_few_jobs_and_at_the_attempts_of_those_alone(
    past: asyncpg.Pool, wanted: dict[str, Any], most_rows: int
) -> None:
    sql, *arguments = job_lists.list_query(JobFilter(**wanted))
    (row,) = await past.fetch(f"explain (analyze, format json) {sql}", *arguments)
    nodes = list(_nodes(json.loads(row[0])[0]["Plan"]))
    listed = await numbers(past, **wanted)
    attempts = await past.fetchval("select count(*) from attempts where job_id = any($1)", listed)
    assert {node["Node Type"] for node in nodes if node.get("Relation Name") == "attempts"} <= {"Index Scan"}
    assert sum(map(_rows, (node for node in nodes if node.get("Relation Name") == "attempts"))) <= attempts
    looked_at = sum(map(_rows, (node for node in nodes if node.get("Relation Name") == "jobs")))
    assert looked_at <= most_rows


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _rows(node: dict[str, Any]) -> float:
    """Rows that a scan looked at, whether or not it gave them on."""
    return float((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])
