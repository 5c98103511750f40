"""gc by itself: when it is due by the database's record, one process at a time; its failures end no worker."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from old_jobs import Archive

from airbyte_workers.jobs.gc_report import RunStatus
from airbyte_workers.pods.process import ProcessLauncher
from airbyte_workers.runtime.gc.order import Reach
from airbyte_workers.runtime.gc.schedule import Schedule, scheduled
from airbyte_workers.store import gc_runs
from airbyte_workers.store.objects import open_objects

pytestmark = pytest.mark.postgres
AT_ONCE = {"gc_start_delay_s": 0, "gc_poll_minutes": 0.001}


@pytest.fixture
async def archive(archive: Archive) -> Archive:
    """Two jobs of which one may go, in a database that is old enough for its first gc."""
    await archive.job(days=300)
    await archive.job(days=300)
    await archive.db.execute("update schema_migrations set applied_at = now() - interval '2 days'")
    return archive


def reach(archive: Archive, **changed: Any) -> Reach:
    settings = archive.settings(**changed)
    objects = open_objects(settings)
    return Reach(archive.db, settings, objects, {"process": ProcessLauncher(settings)})


@asynccontextmanager
async def running(archive: Archive, **changed: Any) -> AsyncIterator[Schedule]:
    async with scheduled(reach(archive, **(AT_ONCE | changed))) as schedule:
        yield schedule


async def until(what: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 20
    while not (found := await what()):
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.01)
    return found


async def ended_runs(archive: Archive) -> list[str]:
    rows = await archive.db.fetch("select status from gc_runs where ended_at is not null order by id")
    return [row["status"] for row in rows]


async def test_a_gc_that_is_due_is_done_once_and_said_who_did_it(archive: Archive) -> None:
    async with running(archive):
        await until(lambda: ended_runs(archive))
        await asyncio.sleep(0.3)
    assert await ended_runs(archive) == ["succeeded"]
    assert len(await archive.jobs()) == 1
    last = await gc_runs.last(archive.db)
    assert last is not None
    assert last.by.startswith(f"worker {os.getpid()} on ")


async def test_processes_that_start_at_once_do_it_once(archive: Archive) -> None:
    async with running(archive), running(archive), running(archive):
        await until(lambda: ended_runs(archive))
        await asyncio.sleep(0.3)
    assert await ended_runs(archive) == ["succeeded"]


async def test_a_new_database_is_left_alone_for_an_interval(archive: Archive) -> None:
    await archive.db.execute("update schema_migrations set applied_at = now() - interval '20 hours'")
    async with running(archive) as schedule:
        assert not await schedule.has_work_left()
        await asyncio.sleep(0.3)
    assert await ended_runs(archive) == []
    async with running(archive, gc_interval_hours=19):
        await until(lambda: ended_runs(archive))


async def test_it_is_done_again_and_again(archive: Archive) -> None:
    async with running(archive, gc_interval_hours=0.0001):
        await until(lambda: _has(archive, 3))


async def _has(archive: Archive, runs: int) -> bool:
    return len(await ended_runs(archive)) >= runs


async def test_a_process_that_has_just_started_waits_unless_its_stack_would_stop(archive: Archive) -> None:
    async with running(archive, gc_start_delay_s=3600) as schedule:
        await asyncio.sleep(0.3)
        assert await ended_runs(archive) == []
        assert await schedule.has_work_left()
        await until(lambda: ended_runs(archive))
        await until(lambda: _rests(schedule))
    assert len(await archive.jobs()) == 1


async def _rests(schedule: Schedule) -> bool:
    return not await schedule.has_work_left()


async def test_nobody_who_does_not_want_it_has_it(archive: Archive) -> None:
    async with running(archive, db_prune_cron_enabled=False) as schedule:
        assert not await schedule.has_work_left()
        await asyncio.sleep(0.2)
    assert await ended_runs(archive) == []


async def test_a_failure_ends_neither_the_worker_nor_its_next_try_and_keeps_no_stack_running(archive: Archive) -> None:
    key = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    away = {"storage_url": "s3://bucket", "minio_endpoint": "http://127.0.0.1:9", "storage_timeout_s": 1.0, **key}
    async with running(archive, **away, gc_retry_minutes=60) as schedule:
        await until(lambda: ended_runs(archive))
        await until(lambda: _rests(schedule))
        assert await ended_runs(archive) == ["failed"]
    async with running(archive, gc_retry_minutes=60):
        await asyncio.sleep(0.3)
        assert await ended_runs(archive) == ["failed"]
    async with running(archive, gc_retry_minutes=0.0001):
        await until(lambda: _has(archive, 2))
    assert await ended_runs(archive) == ["failed", "succeeded"]


async def test_a_database_that_breaks_under_it_is_waited_for(archive: Archive) -> None:
    await archive.db.execute("alter table gc_runs rename to gone")
    async with running(archive, gc_retry_minutes=0.001) as schedule:
        assert not await schedule.has_work_left()
        await archive.db.execute("alter table gone rename to gc_runs")
        await until(lambda: ended_runs(archive))


async def test_while_another_one_is_at_work_it_is_left_to_that_one(archive: Archive) -> None:
    async with running(archive, gc_retry_minutes=60, gc_start_delay_s=3600) as schedule:
        async with gc_runs.alone(archive.db):
            assert await schedule.has_work_left()
            await until(lambda: _rests(schedule))
        assert await ended_runs(archive) == []


async def test_a_worker_that_stops_breaks_it_off(archive: Archive) -> None:
    for _ in range(40):
        await archive.job(days=300)
    async with running(archive, gc_batch=1):
        await until(lambda: archive.db.fetchval("select count(*) < 38 from jobs"))
    last = await gc_runs.last(archive.db)
    assert last is not None
    assert last.status is RunStatus.INTERRUPTED
    assert 1 < len(await archive.jobs()) < 40
