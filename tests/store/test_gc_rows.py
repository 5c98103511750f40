"""gc on a real database and real object storage: what goes, what stays, in what steps. D25 is upstream's case."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from old_jobs import Archive, removed
from rows import open_job

from airbyte_workers.jobs.gc_report import RunStatus, Thing
from airbyte_workers.jobs.gc_rules import Kept
from airbyte_workers.names import JobKind
from airbyte_workers.store import gc_jobs, gc_runs, jobs
from airbyte_workers.store.database import connected
from airbyte_workers.store.gc_runs import GcBusy
from airbyte_workers.store.sealing import Seal

pytestmark = pytest.mark.postgres
MONTH = 30.5
OF_ONE_SYNC = {
    Thing.JOBS: 1,
    Thing.ATTEMPTS: 1,
    Thing.STREAM_STATS: 2,
    Thing.EVENTS: 2,
    Thing.RETRY_STATES: 1,
    Thing.WORKLOADS: 1,
    Thing.LOGS: 1,
    Thing.MARKERS: 2,
}


def difference(before: Mapping[Thing, int], after: Mapping[Thing, int]) -> dict[Thing, int]:
    return {thing: before[thing] - after[thing] for thing in before if before[thing] != after[thing]}


# --- D25 --------------------------------------------------------------------------------------------------------------


async def test_d25_a_job_of_seven_months_that_is_not_the_last_goes_with_all_that_is_its(archive: Archive) -> None:
    old, last = await archive.job(days=7 * MONTH), await archive.job(days=7 * MONTH)
    before = await archive.counts()
    report = await archive.gc()
    assert await archive.jobs() == [last]
    assert removed(report) == OF_ONE_SYNC == difference(before, await archive.counts())
    assert [key for key in archive.stored() if f"/{old}/" in key or f"-{old}-" in key] == []
    assert report.kept == {Kept.LAST: 1}


async def test_d25_the_last_job_of_every_scope_is_kept(archive: Archive) -> None:
    last = [await archive.job(f"c{number}", days=7 * MONTH) for number in range(3)]
    report = await archive.gc()
    assert await archive.jobs() == last
    assert (removed(report), report.kept) == ({}, {Kept.LAST: 3})


async def test_d25_batches_of_two_go_on_until_five_are_gone(archive: Archive) -> None:
    for _ in range(6):
        await archive.job(days=7 * MONTH)
    assert removed(await archive.gc(gc_batch=2))[Thing.JOBS] == 5


# --- what stays -------------------------------------------------------------------------------------------------------


async def test_the_last_success_of_each_kind_is_kept_whatever_came_after_it(archive: Archive) -> None:
    first, success, clear, _, _, last = [
        await archive.job(days=300 - number, kind=kind, status=status)
        for number, (kind, status) in enumerate(
            [
                ("sync", "succeeded"),
                ("sync", "succeeded"),
                ("clear", "succeeded"),
                ("sync", "failed"),
                ("sync", "cancelled"),
                ("sync", "failed"),
            ]
        )
    ]
    assert first
    report = await archive.gc()
    assert await archive.jobs() == [success, clear, last]
    assert report.kept == {Kept.SUCCESS: 2, Kept.LAST: 1}


async def test_the_last_jobs_of_a_connection_are_kept(archive: Archive) -> None:
    made = [await archive.job(name, days=300) for name in ("a", "b") for _ in range(4)]
    report = await archive.gc(jobs_per_connection=3)
    assert await archive.jobs() == [*made[1:4], *made[5:]]
    assert report.kept == {Kept.LAST: 2, Kept.RECENT: 4}


async def test_jobs_of_one_connector_are_kept_as_long_as_their_own_setting_says(archive: Archive) -> None:
    kinds = ("spec", "check", "discover")
    old = [await archive.job(None, days=20, kind=kind) for kind in kinds]
    young = [await archive.job(None, days=9, kind=kind) for kind in kinds]
    sync = [await archive.job(days=20), await archive.job(days=20)]
    report = await archive.gc(operation_job_days=10)
    assert await archive.jobs() == [*young, *sync]
    assert removed(report)[Thing.JOBS] == len(old)


@pytest.mark.parametrize("status", ["pending", "queued", "running", "incomplete"])
async def test_a_live_job_is_never_removed(archive: Archive, status: str) -> None:
    live = await archive.job(None, kind="check", days=900, status=status)
    report = await archive.gc(older_than=timedelta(0), total_log_bytes=1)
    assert await archive.jobs() == [live]
    assert removed(report) == {}


@pytest.mark.parametrize("status", ["claimed", "launched", "running"])
async def test_a_job_whose_pod_may_be_there_is_kept_with_its_log(archive: Archive, status: str) -> None:
    job = await archive.job(None, kind="check", days=900)
    await archive.db.execute("update workloads set status = $1", status)
    report = await archive.gc(older_than=timedelta(0), total_log_bytes=1)
    assert (await archive.jobs(), removed(report), report.kept) == ([job], {}, {Kept.POD: 1})


async def test_the_committed_state_stays_when_the_job_that_committed_it_goes(archive: Archive) -> None:
    job = await archive.job(days=300)
    await archive.job(days=299)
    await archive.db.execute(
        "insert into states (connection_id, type, state, fence, seq, job_id, attempt)"
        " select connection_id, 'GLOBAL', '{}', 1, 1, id, 0 from jobs where id = $1",
        job,
    )
    await archive.gc()
    assert await archive.db.fetchval("select job_id from states") == job


async def test_nobody_waits_for_a_job_that_somebody_works_on(archive: Archive) -> None:
    held, other, _ = [await archive.job(days=300 - number) for number in range(3)]
    async with archive.db.acquire() as session, session.transaction():
        await session.fetch("select from jobs where id = $1 for update", held)
        report = await archive.gc()
    assert other not in await archive.jobs()
    assert (held in await archive.jobs(), report.kept) == (True, {Kept.BUSY: 1, Kept.LAST: 1})
    assert removed(await archive.gc())[Thing.JOBS] == 1


async def test_a_given_age_takes_the_place_of_the_settings_but_not_of_the_rest_after_an_end(archive: Archive) -> None:
    old = await archive.job(days=3)
    fresh = await archive.job(days=0.01)
    last = await archive.job(days=0)
    assert removed(await archive.gc()) == {}
    assert removed(await archive.gc(older_than=timedelta(days=4))) == {}
    report = await archive.gc(older_than=timedelta(0))
    assert old not in await archive.jobs()
    assert await archive.jobs() == [fresh, last]
    assert removed(report)[Thing.JOBS] == 1


# --- logs and markers -------------------------------------------------------------------------------------------------


async def test_over_the_limit_of_all_logs_the_oldest_go_and_their_jobs_say_so(archive: Archive) -> None:
    jobs = [await archive.job(days=9 - number, logs=100) for number in range(4)]
    assert removed(await archive.gc(total_log_bytes=400)) == {}
    report = await archive.gc(total_log_bytes=250)
    assert (removed(report), report.removed[Thing.LOGS].bytes) == ({Thing.LOGS: 2}, 200)
    marked = await archive.db.fetch("select id from jobs where log_removed_at is not null order by id")
    assert [row["id"] for row in marked] == jobs[:2]
    assert await archive.jobs() == jobs
    assert removed(await archive.gc(total_log_bytes=250)) == {}


async def test_a_log_that_a_kill_left_after_its_job_was_marked_goes_with_the_next_run(archive: Archive) -> None:
    job = await archive.job(days=9)
    async with archive.db.acquire() as session:
        await gc_jobs.mark_logs_removed(session, [job])
    assert removed(await archive.gc()) == {Thing.LOGS: 1}


async def test_what_belongs_to_no_job_any_more_goes(archive: Archive) -> None:
    gone, here = await archive.job(days=5), await archive.job(days=5)
    await archive.db.execute("delete from jobs where id = $1", gone)
    archive.write(f"state/check-job-{gone}-attempt-2-source/SUCCESS", b"", days=5)
    archive.write("logs/notes.txt", b"", days=5)
    archive.write("state/of-the-nation/SUCCESS", b"", days=5)
    archive.write("other/1/0/000000.jsonl", b"", days=5)
    report = await archive.gc()
    assert removed(report) == {Thing.LOGS: 1, Thing.MARKERS: 3}
    assert archive.stored() == [
        f"logs/{here}/0/000000.jsonl",
        "logs/notes.txt",
        "other/1/0/000000.jsonl",
        "state/of-the-nation/SUCCESS",
        f"state/replication-job-{here}-attempt-0/FAILURE",
        f"state/replication-job-{here}-attempt-0/RUNNING",
    ]


async def test_what_was_written_a_moment_ago_belongs_to_somebody(archive: Archive) -> None:
    job = await archive.job(days=0.5)
    await archive.db.execute("delete from jobs")
    assert removed(await archive.gc()) == {}
    assert removed(await archive.gc(leftover_days=0.4)) == {Thing.LOGS: 1, Thing.MARKERS: 2}
    assert job


async def test_an_empty_database_leaves_the_logs_of_another_one_alone(archive: Archive) -> None:
    await archive.objects(7, days=50)
    report = await archive.gc()
    assert removed(report) == {}
    assert len(archive.stored()) == 3
    assert report.kept == {
        "log_files of jobs that this database never had": 1,
        "markers of jobs that this database never had": 2,
    }


async def test_more_objects_than_a_page_holds(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airbyte_workers.store.objects.PAGE", 2)
    gone, _ = await archive.job(days=300), await archive.job(days=300)
    for number in range(1, 8):
        archive.write(f"logs/{gone}/0/{number:06d}.jsonl", b"", days=300)
    assert removed(await archive.gc())[Thing.LOGS] == 8


async def test_while_storage_is_away_jobs_stay_and_the_rest_goes_on(archive: Archive) -> None:
    jobs = [await archive.job(days=300), await archive.job(days=300)]
    await archive.db.execute("insert into handed_configs values (gen_random_uuid(), 'x', now() - interval '9 days')")
    key = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    settings = {"storage_url": "s3://bucket", "minio_endpoint": "http://127.0.0.1:9", "storage_timeout_s": 1.0, **key}
    report = await archive.gc(**settings)
    assert await archive.jobs() == jobs
    (problem,) = report.problems
    assert "object storage s3://bucket: cannot list" in problem
    assert "old jobs are kept" in problem
    assert removed(report) == {Thing.CONFIGS: 1}
    last = await gc_runs.last(archive.db)
    assert last is not None
    assert (last.status, "cannot list" in last.error) == (RunStatus.FAILED, True)


# --- catalogs, generations, configs -----------------------------------------------------------------------------------


async def catalog(db: asyncpg.Pool, kind: str, *, days: float, fingerprint: str = "f", owner: int | None = None) -> int:
    made: int = await db.fetchval(
        """
        insert into catalogs (kind, connection_id, fingerprint, sha256, catalog, created_at)
        values ($1, $2, $3, gen_random_uuid()::text, '{}', now() - make_interval(secs => $4)) returning id
        """,
        kind,
        owner,
        fingerprint,
        days * 86400,
    )
    return made


async def catalogs_left(db: asyncpg.Pool) -> set[int]:
    return {row["id"] for row in await db.fetch("select id from catalogs")}


async def test_of_discovered_catalogs_the_newest_of_every_source_stays(archive: Archive) -> None:
    made = [await catalog(archive.db, "discovered", days=days) for days in (90, 60, 50, 20)]
    other = await catalog(archive.db, "discovered", days=90, fingerprint="g")
    used = await catalog(archive.db, "discovered", days=90)
    job = await archive.job(None, kind="discover", days=1)
    await archive.db.execute("update jobs set catalog_id = $1 where id = $2", used, job)
    report = await archive.gc()
    assert removed(report) == {Thing.CATALOGS: 3}
    assert await catalogs_left(archive.db) == {made[3], other, used}


async def test_a_configured_catalog_stays_while_a_job_or_its_connection_refers_to_it(archive: Archive) -> None:
    old, last = await archive.job(days=300), await archive.job(days=300)
    owner = await archive.connection("demo")
    before, of_old, of_last, current, fresh = [
        await catalog(archive.db, "configured", days=days, owner=owner) for days in (300, 300, 300, 300, 0.1)
    ]
    await archive.db.execute(
        "update jobs set catalog_id = case id when $1 then $2::bigint else $3 end", old, of_old, of_last
    )
    await archive.db.execute("update connections set catalog_id = $1", current)
    report = await archive.gc()
    assert await archive.jobs() == [last]
    assert await catalogs_left(archive.db) == {of_last, current, fresh}
    assert removed(report)[Thing.CATALOGS] == 2
    assert before


async def test_a_catalog_that_a_job_is_just_taking_up_stays(archive: Archive, seal: Seal, url: str) -> None:
    """`set_catalog` has dated it anew and not committed yet: gc neither waits for it nor takes the catalog away."""
    job = await jobs.read_job(archive.db, seal, await open_job(archive.db, seal, "taking"))
    old = await catalog(archive.db, "configured", days=300, owner=job.connection_id)
    await archive.db.execute("update catalogs set sha256 = 'same'")
    other = await asyncpg.connect(url)
    try:
        await other.execute("begin; lock table connections in share mode")  # so far it comes, and no further
        taking = asyncio.create_task(jobs.set_catalog(archive.db, job, "{}", "same"))
        while not await archive.db.fetchval("select exists (select from pg_locks where not granted)"):
            await asyncio.sleep(0.01)
        assert removed(await archive.gc()) == {}
    finally:
        await other.close()
    await taking
    assert await archive.db.fetchval("select catalog_id from jobs where id = $1", job.id) == old
    assert removed(await archive.gc()) == {}


async def test_of_generations_that_are_over_the_newest_stays(archive: Archive) -> None:
    owner = await archive.connection("demo")
    for number in range(5):
        for stream, namespace in [("a", None), ("a", "n"), ("b", None)][: 3 - number // 2]:
            await archive.db.execute(
                """
                insert into stream_generations (
                    connection_id, stream, namespace, generation_id, start_job_id, created_at)
                values ($1, $2, $3, $4, 1, now() - make_interval(days => $5))
                """,
                owner,
                stream,
                namespace,
                number,
                300 - number * 60,
            )
    report = await archive.gc()
    left = await archive.db.fetch(
        "select stream, namespace, generation_id as id from stream_generations order by 1, 2, 3"
    )
    assert [tuple(row) for row in left] == [
        ("a", "n", 2),
        ("a", "n", 3),
        ("a", None, 2),
        ("a", None, 3),
        ("a", None, 4),
        ("b", None, 1),
    ]
    assert removed(report) == {Thing.GENERATIONS: 5}


async def test_configs_that_nobody_took_up_go(archive: Archive) -> None:
    for days in (9, 8, 6):
        await archive.db.execute(
            "insert into handed_configs values (gen_random_uuid(), 'x', now() - make_interval(days => $1))", days
        )
    assert removed(await archive.gc(gc_batch=1)) == {Thing.CONFIGS: 2}


# --- a dry run --------------------------------------------------------------------------------------------------------


async def some_of_everything(archive: Archive) -> None:
    owner = await archive.connection("a")
    for name in ("a", "b", "c"):
        for number in range(7):
            status = "succeeded" if number in (1, 3) else "failed"
            await archive.job(name, days=700 - 50 * number, status=status, logs=100)
    for number in range(5):
        await archive.job(None, kind=("spec", "check", "discover")[number % 3], days=20 * number)
    live = await archive.job("d", days=500, status="running")
    orphan = await archive.job("e", days=100)
    await archive.db.execute("delete from jobs where id = $1", orphan)
    configured = [await catalog(archive.db, "configured", days=400, owner=owner) for _ in range(8)]
    for job, each in zip(await archive.jobs(), configured[1:], strict=False):
        await archive.db.execute("update jobs set catalog_id = $1 where id = $2", each, job)
    for days in (400, 100, 3):
        await catalog(archive.db, "discovered", days=days)
    await archive.objects(live + 1000, days=90)
    for number in range(6):
        await archive.db.execute(
            """
            insert into state_log (connection_id, type, stream, state, fence, seq, job_id, attempt, at)
            values ($1, 'STREAM', $2, $3, 1, $4, 1, 0, now() - make_interval(days => $5))
            """,
            owner,
            "ab"[number % 2],
            None if number == 1 else "{}",
            number,
            100 - 14 * number,
        )


async def test_a_dry_run_tells_what_the_run_right_after_it_removes_and_removes_nothing(archive: Archive) -> None:
    await some_of_everything(archive)
    asked: dict[str, Any] = {"total_log_bytes": 600, "gc_batch": 3, "jobs_per_connection": 2}
    before = await archive.counts()
    told = await archive.gc(dry_run=True, **asked)
    assert await archive.counts() == before
    assert await gc_runs.last(archive.db) is None
    done = await archive.gc(**asked)
    assert {thing: told.removed[thing] for thing in Thing} == {thing: done.removed[thing] for thing in Thing}
    assert told.kept == done.kept
    assert removed(done) == difference(before, await archive.counts())
    assert set(removed(done)) >= {*OF_ONE_SYNC, Thing.CATALOGS, Thing.STATES}
    assert {Kept.LAST, Kept.SUCCESS, Kept.RECENT} <= set(done.kept)
    again = await archive.gc(**asked)
    assert (removed(again), again.kept) == ({}, done.kept)


# --- one at a time, small steps ---------------------------------------------------------------------------------------


async def test_of_two_at_once_the_second_says_so(archive: Archive) -> None:
    async with gc_runs.alone(archive.db):
        await gc_runs.begin(archive.db, "somebody@somewhere")
        with pytest.raises(GcBusy, match=r"another gc is at work .* \(somebody@somewhere\)"):
            await archive.gc()
        with pytest.raises(GcBusy):
            await archive.gc(dry_run=True)
    assert removed(await archive.gc()) == {}


async def test_jobs_with_so_many_rows_that_they_take_too_long_go_in_smaller_batches(
    archive: Archive, url: str, tmp_path: Path
) -> None:
    await archive.db.execute(
        """
        create function slow() returns trigger language plpgsql as
            'begin perform pg_sleep(0.15); return old; end';
        create trigger slow before delete on attempts for each row execute function slow();
        """
    )
    for _ in range(9):
        await archive.job(days=300)
    async with connected(url, size=2, timeout=0.5) as hasty:
        assert removed(await Archive(hasty, tmp_path).gc(gc_batch=8))[Thing.JOBS] == 8


async def test_a_run_is_written_down_and_the_next_is_due_an_interval_later(archive: Archive) -> None:
    pace = {"interval_s": 86400.0, "retry_s": 3600.0}
    assert 86000 < await gc_runs.due_in_s(archive.db, **pace) <= 86400
    await archive.db.execute("update schema_migrations set applied_at = now() - interval '2 days'")
    assert -87000 < await gc_runs.due_in_s(archive.db, **pace) <= -86000
    await archive.job(days=300)
    await archive.job(days=300)
    report = await archive.gc()
    assert 86000 < await gc_runs.due_in_s(archive.db, **pace) <= 86400
    last = await gc_runs.last(archive.db)
    assert last is not None
    assert last.report is not None
    assert (last.by, last.status, last.report.removed) == ("test", RunStatus.SUCCEEDED, report.removed)
    await gc_runs.begin(archive.db, "was killed")
    assert 3500 < await gc_runs.due_in_s(archive.db, **pace) <= 3600


async def test_only_the_last_runs_are_remembered(archive: Archive) -> None:
    await archive.db.execute("insert into gc_runs (by) select 'x' from generate_series(1, 150)")
    await archive.gc()
    assert await archive.db.fetchval("select count(*) from gc_runs") == gc_runs.KEPT_RUNS


async def test_a_run_that_is_broken_off_says_so_and_the_next_one_finishes(archive: Archive) -> None:
    for _ in range(30):
        await archive.job(days=300)
    run = asyncio.create_task(archive.gc(gc_batch=1))
    while len(await archive.jobs()) > 25:
        await asyncio.sleep(0.001)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    last = await gc_runs.last(archive.db)
    assert last is not None
    assert last.status is RunStatus.INTERRUPTED
    assert last.report is not None
    assert last.report.removed[Thing.JOBS].count == 30 - len(await archive.jobs()) > 0
    report = await archive.gc()
    assert len(await archive.jobs()) == 1
    assert removed(report)[Thing.JOBS] == 29 - last.report.removed[Thing.JOBS].count


# --- linear -----------------------------------------------------------------------------------------------------------


async def test_whatever_refers_to_a_job_an_attempt_or_a_catalog_is_indexed(db: asyncpg.Pool) -> None:
    """A deletion looks for rows that refer to what goes: without an index it reads the whole table for each."""
    rows = await db.fetch(
        """
        select conrelid::regclass::text as "table", conname as name, exists (
            select from pg_index where indrelid = conrelid
                and (indkey::int2[])[0:cardinality(conkey) - 1] @> conkey
                and (indpred is null or pg_get_expr(indpred, indrelid) like '%IS NOT NULL%')) as indexed
        from pg_constraint
        where contype = 'f' and confrelid in ('jobs'::regclass, 'attempts'::regclass, 'catalogs'::regclass)
        """
    )
    assert {row["table"] for row in rows} >= {"jobs", "connections", "attempts", "stream_stats", "workloads"}
    assert [row["name"] for row in rows if not row["indexed"]] == []


def test_every_kind_of_job_is_looked_at() -> None:
    assert {str(kind) for kind in JobKind} == {"spec", "check", "discover", "sync", "clear", "refresh"}
