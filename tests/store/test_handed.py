"""Jobs opened with configs that clients handed over: put back once, sealed, and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest
from desk import DESTINATION, SOURCE, Desk, operation, sync
from rows import request, succeed
from temporalio.exceptions import ApplicationError

from airbyte_workers.models import JobPlan, OpenJob, OpenOperation, SyncInput
from airbyte_workers.names import JobKind, Role
from airbyte_workers.store import jobs

pytestmark = pytest.mark.postgres
READ = {"host": "db.example", "pass": "hunter2-ü", "deep": [{"key": "hunter3"}]}
WRITTEN = {"path": "out", "token": "hunter4"}
TOLD = ("hunter2", "hunter3", "hunter4", "db.example")
ASKING = ("check", "discover")


async def operation_by_id(desk: Desk, kind: str, run_id: str | None = None) -> OpenOperation:
    return operation(kind, {"image": SOURCE, "config_id": await desk.hand_over(READ)}, run_id)


async def sync_by_id(desk: Desk, run_id: str | None = None, **more: Any) -> OpenJob:
    source = {"image": SOURCE, "config_id": await desk.hand_over(READ)}
    destination = {"image": DESTINATION, "config_id": await desk.hand_over(WRITTEN), "stream_status": "omit"}
    return sync(source, destination, run_id=run_id, **more)


async def dump(db: asyncpg.Pool) -> bytes:
    """Every value of every table, as text and as bytes."""
    tables = await db.fetch("select tablename from pg_tables where schemaname = 'public'")
    parts: list[bytes] = []
    for table in tables:
        for row in await db.fetch(f"select t::text as whole, t.* from {table['tablename']} t"):
            parts += [value if isinstance(value, bytes) else str(value).encode() for value in row.values()]
    return b"\n".join(parts)


def shows(stored: bytes, value: str) -> bool:
    return value.encode() in stored or value.encode().hex().encode() in stored


async def close(desk: Desk, plan: JobPlan) -> None:
    await succeed(desk.db, plan.job_id)


# --- one connector ---


@pytest.mark.parametrize("kind", ["spec", *ASKING])
async def test_an_operation_of_one_run_is_one_job(desk: Desk, kind: str) -> None:
    asked = operation(kind, {"image": SOURCE}, "run-x")
    first, again = await desk.open(asked), await desk.open(asked)
    another = await desk.open(operation(kind, {"image": SOURCE}))
    assert first.job_id == again.job_id != another.job_id
    row = await desk.db.fetchrow("select * from jobs where id = $1", first.job_id)
    assert (row["kind"], row["workflow_id"], row["run_id"]) == (kind, f"{kind}/x", "run-x")
    assert (row["status"], row["connection_id"], row["connection"]) == ("pending", None, None)
    assert [event for event, _ in await desk.events(first.job_id)] == ["opened", "launcher"]


async def test_operations_of_one_connector_run_beside_each_other(desk: Desk) -> None:
    plans = [await desk.open(operation(kind, {"image": SOURCE})) for kind in ("spec", "check", "discover") * 2]
    assert len({plan.job_id for plan in plans}) == await jobs.count_active(desk.db) == 6


@pytest.mark.parametrize("kind", ASKING)
async def test_an_operation_has_the_config_that_was_handed_over(desk: Desk, kind: str) -> None:
    plan = await desk.open(await operation_by_id(desk, kind))
    job = await desk.job(plan.job_id)
    assert (job.kind, list(job.connectors)) == (JobKind(kind), [Role.MAIN])
    connector = job.connectors[Role.MAIN]
    assert (connector.image, connector.config, connector.config_id) == (SOURCE, READ, None)
    assert await desk.count("handed_configs") == 0


@pytest.mark.parametrize("kind", ASKING)
async def test_the_activity_repeated_finds_its_job_when_the_config_is_gone(desk: Desk, kind: str) -> None:
    asked = await operation_by_id(desk, kind, "run-x")
    first, again = await desk.open(asked), await desk.open(asked)
    assert again.job_id == first.job_id
    assert (await desk.job(again.job_id)).connectors[Role.MAIN].config == READ


# --- a sync ---


async def test_a_sync_has_both_configs_that_were_handed_over(desk: Desk) -> None:
    plan = await desk.open(await sync_by_id(desk))
    sync_of = (await desk.job(plan.job_id)).sync
    assert sync_of.source is not None
    assert sync_of.destination is not None
    assert (sync_of.source.config, sync_of.source.config_id) == (READ, None)
    assert (sync_of.destination.config, sync_of.destination.config_id) == (WRITTEN, None)
    assert sync_of.destination.stream_status == "omit"
    assert await desk.count("handed_configs") == 0


async def test_one_config_can_be_typed_and_the_other_handed_over(desk: Desk) -> None:
    destination = {"image": DESTINATION, "config_id": await desk.hand_over(WRITTEN)}
    plan = await desk.open(sync({"image": SOURCE, "config": READ}, destination))
    connectors = (await desk.job(plan.job_id)).connectors
    assert {role: connector.config for role, connector in connectors.items()} == {
        Role.SOURCE: READ,
        Role.DESTINATION: WRITTEN,
    }


async def test_a_later_sync_by_name_has_the_same_configs(desk: Desk) -> None:
    await close(desk, await desk.open(await sync_by_id(desk)))
    plan = await desk.open(request(SyncInput(connection="demo"), "run-by-name"))
    connectors = (await desk.job(plan.job_id)).connectors
    assert [(each.config, each.config_id) for each in connectors.values()] == [(READ, None), (WRITTEN, None)]


async def test_the_activity_repeated_finds_its_sync_when_the_configs_are_gone(desk: Desk) -> None:
    asked = await sync_by_id(desk, "run-x")
    first, again = await desk.open(asked), await desk.open(asked)
    assert again.job_id == first.job_id
    assert await desk.count("jobs") == 1


async def test_a_busy_connection_leaves_the_configs_to_who_tries_again(desk: Desk) -> None:
    first = await desk.open(await sync_by_id(desk))
    asked = await sync_by_id(desk)
    with pytest.raises(ApplicationError, match=r"follow it with: airbyte-workers sync .* --join") as caught:
        await desk.open(asked)
    assert (caught.value.type, caught.value.non_retryable) == ("ConnectionBusy", True)
    await close(desk, first)
    assert (await desk.open(asked)).job_id > first.job_id


# --- what is kept ---


async def test_no_table_shows_a_config(desk: Desk) -> None:
    """Neither while it waits, nor in the job that took it, nor in a stored connection."""
    waiting = [await operation_by_id(desk, kind) for kind in ASKING] + [await sync_by_id(desk)]
    before = await dump(desk.db)
    plans = [await desk.open(asked) for asked in waiting]
    for plan in plans:
        await desk.books().check_configs(plan.job_id)
    stored = before + await dump(desk.db)
    assert [value for value in TOLD if shows(stored, value)] == []
    assert shows(stored, "source-faker")  # the search finds what is there


# --- several tries of one run at once ---


async def tries(desk: Desk, asked: OpenJob | OpenOperation) -> Sequence[JobPlan]:
    """A try that the server thinks lost may still be at work; the answer of the last one counts, whichever that is."""
    return await asyncio.gather(*(desk.open(asked) for _ in range(4)))


@pytest.mark.parametrize("kind", ["spec", *ASKING])
async def test_tries_of_one_operation_at_once_are_one_job(desk: Desk, kind: str) -> None:
    plans = await tries(desk, operation(kind, {"image": SOURCE}, "run-x"))
    assert len({plan.job_id for plan in plans}) == 1


@pytest.mark.parametrize("kind", ASKING)
async def test_tries_at_once_that_want_one_handed_config_are_one_job(desk: Desk, kind: str) -> None:
    plans = await tries(desk, await operation_by_id(desk, kind, "run-x"))
    assert len({plan.job_id for plan in plans}) == 1


@pytest.mark.parametrize("known", [False, True], ids=["new connection", "stored connection"])
async def test_tries_of_one_sync_at_once_are_one_job(desk: Desk, known: bool) -> None:
    if known:
        await close(desk, await desk.open(await sync_by_id(desk)))
    plans = await tries(desk, await sync_by_id(desk, "run-x"))
    assert len({plan.job_id for plan in plans}) == 1
