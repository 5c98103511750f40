"""What the database knows of schedules: their jobs, the job in the way, skips counted once each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from rows import close_job, open_job, request, sync_input

from activities.means import Means
from activities.schedule_skips import ScheduleSkips
from airbyte_workers.models import JobStatus, NoteSkip
from airbyte_workers.settings import Settings
from airbyte_workers.store import history, opening, schedules
from airbyte_workers.store.objects import open_objects
from airbyte_workers.store.sealing import Seal

pytestmark = pytest.mark.postgres
ID = "schedule/demo"


def skip(run_id: str, id: str | None = ID, connection: str = "demo") -> NoteSkip:
    return NoteSkip(connection=connection, run_id=run_id, schedule_id=id)


def means(db: asyncpg.Pool, seal: Seal) -> Means:
    settings = Settings()
    return Means(db, seal, settings, open_objects(settings), {})


async def open_scheduled(db: asyncpg.Pool, seal: Seal, connection: str = "demo") -> int:
    asked = request(sync_input(connection)).model_copy(update={"is_scheduled": True})
    return await opening.open_sync(db, seal, asked)


async def test_a_job_says_whether_a_schedule_started_it(db: asyncpg.Pool, seal: Seal) -> None:
    by_hand = await open_job(db, seal, "one")
    scheduled = await open_scheduled(db, seal, "two")
    assert not (await history.whole(db, by_hand)).is_scheduled
    assert (await history.whole(db, scheduled)).is_scheduled


async def test_a_skip_that_is_told_twice_counts_once(db: asyncpg.Pool) -> None:
    for run_id in ("a", "a", "b"):
        await schedules.count_skip(db, skip(run_id), 7)
    await schedules.count_skip(db, skip("c", "nightly"), None)
    found = await schedules.skips(db, [ID, "nightly", "unknown"])
    assert {id: (each.skipped, each.last_job_id) for id, each in found.items()} == {ID: (2, 7), "nightly": (1, None)}


async def test_a_deleted_schedule_s_count_is_gone(db: asyncpg.Pool) -> None:
    await schedules.count_skip(db, skip("a"), 7)
    await schedules.forget_skips(db, ID)
    assert await schedules.skips(db, [ID]) == {}


async def test_only_what_was_counted_before_a_moment_is_forgotten(db: asyncpg.Pool) -> None:
    began = datetime.now(UTC)
    await schedules.count_skip(db, skip("a"), 7)
    await schedules.forget_skips(db, ID, before=began - timedelta(minutes=1))
    assert list(await schedules.counted(db)) == [ID]
    await schedules.forget_skips(db, ID, before=began + timedelta(minutes=1))
    assert list(await schedules.counted(db)) == []


async def test_the_last_scheduled_job_and_the_one_that_lives_are_known(db: asyncpg.Pool, seal: Seal) -> None:
    scheduled = await open_scheduled(db, seal)
    await close_job(db, scheduled, JobStatus.CANCELLED)
    by_hand = await open_job(db, seal)
    await open_job(db, seal, "other")
    known = await schedules.known(db, ["demo", "other", "nobody"])
    assert known.keys() == {"demo", "other"}
    demo = known["demo"]
    assert demo.last is not None
    assert demo.live is not None
    assert (demo.last.id, demo.last.status) == (scheduled, JobStatus.CANCELLED)
    assert (demo.live.id, demo.live.is_scheduled) == (by_hand, False)
    assert known["other"].last is None


async def test_a_skip_says_which_job_was_in_the_way(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_job(db, seal)
    skips = ScheduleSkips(means(db, seal))
    for _ in range(2):  # a try whose answer was lost
        skipped = await skips.note_skip(skip("a"))
    assert (skipped.job_id, skipped.reason) == (job_id, f"connection demo is syncing already (job {job_id})")
    assert (await schedules.skips(db, [ID]))[ID].skipped == 1
    by_hand = await skips.note_skip(skip("b", None))
    assert by_hand.job_id == job_id
    assert (await schedules.skips(db, [ID]))[ID].skipped == 1


async def test_a_job_that_has_no_row_yet_is_in_the_way_all_the_same(db: asyncpg.Pool, seal: Seal) -> None:
    skipped = await ScheduleSkips(means(db, seal)).note_skip(skip("a", connection="new"))
    assert (skipped.status, skipped.job_id) == ("skipped", None)
    assert "its job is being opened" in skipped.reason


async def test_the_job_of_a_run_is_found(db: asyncpg.Pool, seal: Seal) -> None:
    asked = request(sync_input(), "the run")
    job_id = await opening.open_sync(db, seal, asked)
    assert await schedules.job_of_run(db, "the run") == job_id
    assert await schedules.job_of_run(db, "another") is None
