"""`gc` as people type it, on a stack with a past, beside a sync that runs; and as the stack does it by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from e2e_stacks import running_stack
from e2e_support import Place, until

from airbyte_workers.store.gc_runs import GC_LOCK

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(240)]
FEW = {"AIRBYTE_WORKERS_JOBS_PER_CONNECTION": "1"}
SOON = {"AIRBYTE_WORKERS_ENDED_JOB_MINUTES": "0.001"}
SMALL = {"AIRBYTE_WORKERS_TOTAL_LOG_BYTES": "1"}
NOWHERE = {
    "STORAGE_URL": "s3://bucket",
    "MINIO_ENDPOINT": "http://127.0.0.1:9",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AIRBYTE_WORKERS_STORAGE_TIMEOUT_S": "2",
}


@pytest.fixture(scope="module")
def stack_with_a_past(tmp_path_factory: pytest.TempPathFactory, installed: Path) -> Iterator[Place]:
    """Not the session's: what gc removes there others may want to see."""
    yield from running_stack(tmp_path_factory.mktemp("gc"), installed)


@pytest.fixture
def lasting(stack_with_a_past: Place, tmp_path: Path) -> Place:
    return Place(tmp_path, stack_with_a_past.home, stack_with_a_past.variables)


def execute(place: Place, *statements: str) -> list[Any]:
    """In the stack's database: what time does, and what others hold."""

    async def all_of_them() -> list[Any]:
        connection = await asyncpg.connect(place.stack()["database_url"])
        try:
            return [await connection.fetch(statement) for statement in statements]
        finally:
            await connection.close()

    return asyncio.run(all_of_them())


@contextmanager
def holding(place: Place, statement: str) -> Iterator[None]:
    """Whatever the statement takes, until the block ends."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(place.stack()["database_url"]))
        try:
            runner.run(connection.execute("begin"))
            runner.run(connection.execute(statement))
            yield
        finally:
            runner.run(connection.close())


def age(place: Place, days: int) -> None:
    execute(place, f"update jobs set ended_at = ended_at - interval '{days} days'")


def jobs_of(place: Place, connection: str) -> list[int]:
    return [each["job_id"] for each in place.jobs("--connection", connection)]


def removed(report: dict[str, Any]) -> dict[str, int]:
    return {thing: amount["count"] for thing, amount in report["removed"].items() if amount["count"]}


def synced(place: Place, name: str, times: int) -> list[int]:
    assert place.sync(place.described(name, records=10)).code == 0
    again = [place.run("sync", name, "-o", "json").report["job_id"] for _ in range(times - 1)]
    return [again[0] - 1, *again]


def test_what_is_old_goes_and_what_a_connection_needs_stays(lasting: Place) -> None:
    """The dry run tells what the run right after it does; then the connection syncs on from its state."""
    first, second, last = synced(lasting, "gc-old", 3)
    said = lasting.run("gc", "--dry-run").out.splitlines()
    assert (said[0], said[2]) == ("dry run: nothing was removed", "nothing is old enough to be removed")
    assert said[1].startswith("last run: ")
    age(lasting, 200)
    told = lasting.run("gc", "--dry-run", "-o", "json", **FEW)
    assert jobs_of(lasting, "gc-old") == [last, second, first]
    done = lasting.run("gc", "-o", "json", **FEW)
    assert (told.code, done.code) == (0, 0), done.err
    assert done.report["removed"] == told.report["removed"]
    assert done.report["kept"] == told.report["kept"]
    assert set(done.report["kept"]) == {"last job of its connection"}
    gone = removed(done.report)
    assert (gone["jobs"], gone["attempts"], gone["retry_states"]) == (2, 2, 2)
    assert (gone["log_files"], gone["markers"]) >= (2, 6)
    assert jobs_of(lasting, "gc-old") == [last]
    missing = lasting.run("jobs", "show", str(first))
    assert (missing.code, missing.error) == (2, f"there is no job {first}; see: airbyte-workers jobs list --all")
    kept = {each.name for each in (lasting.home / "storage" / "logs").iterdir()}
    assert (str(first) in kept, str(second) in kept, str(last) in kept) == (False, False, True)
    again = lasting.run("sync", "gc-old", "-o", "json").report
    assert (again["status"], again["records_committed"]) == ("succeeded", 0)
    last_run = lasting.run("gc", "--dry-run").out.splitlines()[1]
    assert last_run.startswith("last run: 2")
    assert "2 jobs, 2 attempts" in last_run


def test_gc_beside_a_sync_others_and_storage_that_is_away(lasting: Place) -> None:
    first, second = synced(lasting, "gc-beside", 2)
    age(lasting, 200)
    away = lasting.run("gc", **FEW, **NOWHERE)
    assert away.code == 1
    assert "object storage s3://bucket: cannot list" in away.err
    assert "Traceback" not in away.err
    with holding(lasting, f"select pg_advisory_lock({GC_LOCK})"):
        busy = lasting.run("gc", **FEW)
    assert busy.code == 1
    assert "another gc" in busy.error
    assert jobs_of(lasting, "gc-beside") == [second, first]
    slow = lasting.described("gc-live", records=3000, state_every=100, delay_ms=50)
    with lasting.started("sync", "-f", str(lasting.write(slow)), "-o", "json") as sync:
        until(lambda: len(lasting.lines("stream_0")) > 200, "the first records")
        beside = lasting.run("gc", "--older-than", "0d", "-o", "json", **FEW, **SOON, **SMALL)
        synced_all = sync.ended()
    assert (beside.code, "jobs" in removed(beside.report)) == (0, True)
    assert jobs_of(lasting, "gc-beside") == [second]
    assert (synced_all.code, synced_all.report["records_committed"]) == (0, 3000)
    log = lasting.run("jobs", "logs", str(second))
    assert f"the log of job {second} was removed by gc" in log.err


def test_a_gc_that_is_interrupted_tells_what_is_gone_and_the_next_goes_on(lasting: Place) -> None:
    synced(lasting, "gc-broken-off", 2)
    age(lasting, 200)
    with holding(lasting, "lock table catalogs"), lasting.started("gc", **FEW) as gc:
        until(lambda: len(jobs_of(lasting, "gc-broken-off")) == 1, "the end of the job")
        gc.interrupt()
        ended = gc.ended()
    assert ended.code == 130
    assert "broken off; removed so far: 1 jobs, 1 attempts" in ended.err
    assert lasting.run("gc", **FEW).code == 0
    bad = lasting.run("gc", "--older-than", "yesterday")
    assert (bad.code, "is no age; write 30d, 12h or 6w" in bad.err) == (2, True)


def test_a_stack_that_runs_only_while_it_is_used_does_it_before_it_stops(alone: Place) -> None:
    with alone.local():
        synced(alone, "gc-by-itself", 2)
        age(alone, 200)
        execute(alone, "update schema_migrations set applied_at = applied_at - interval '2 days'")
    assert alone.run("jobs", "list", **FEW).code == 0
    until(lambda: not alone.stack(), "the end of the stack")
    log = (alone.home / "logs" / "stack.log").read_text()
    assert log.index("gc done") < log.index("stack stopping")
    assert "'jobs': 1" in log
