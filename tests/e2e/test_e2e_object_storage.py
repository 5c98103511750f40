"""Syncs whose markers and logs are in a real S3 server: whole, through an outage of it, and with the wrong key."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import psutil
import pytest
from e2e_addressed import addressed, working
from e2e_stacks import running_stack
from e2e_support import Place, catalog, make_images, until

from airbyte_workers.settings import Settings
from airbyte_workers.store.objects import Objects, open_objects
from tests import images
from tests.s3_server import BUCKET, SECRET, S3Server, running_s3

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(240)]
OUTAGE_S = 5.0
WRONG = {"AWS_SECRET_ACCESS_KEY": "wrong-and-not-told"}
REFUSED = "access was refused (SignatureDoesNotMatch); see AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_s3(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(scope="module")
def s3_stack(server: S3Server, tmp_path_factory: pytest.TempPathFactory, installed: Path) -> Iterator[Place]:
    yield from running_stack(tmp_path_factory.mktemp("s3-stack"), installed, server.variables("process"))


@pytest.fixture
def place(s3_stack: Place, tmp_path: Path) -> Iterator[Place]:
    """A working directory of its own on the stack that keeps everything in S3."""
    yield Place(tmp_path, s3_stack.home, s3_stack.variables)
    until(lambda: not s3_stack.pods_left(), f"the end of {s3_stack.pods_left()}")


def keys(place: Place, server: S3Server, prefix: str) -> list[str]:
    """What is stored."""
    told = server.settings(place.variables["STORAGE_URL"].removeprefix(f"s3://{BUCKET}/"))

    async def of(objects: Objects) -> list[str]:
        return await objects.keys(prefix)

    return asyncio.run(of(open_objects(Settings(**told))))


def shown_of_pods(place: Place) -> str:
    """What anybody on this host sees of the processes of pods."""
    seen: list[str] = []
    for process in place.pod_processes():
        with suppress(psutil.Error):
            seen += [*process.cmdline(), json.dumps(process.environ())]
    return "\n".join(seen)


def stored_texts(place: Place) -> str:
    """Every text in the database."""

    async def read() -> str:
        connection = await asyncpg.connect(place.stack()["database_url"])
        try:
            tables = await connection.fetch("select tablename from pg_tables where schemaname = 'public'")
            rows = [await connection.fetch(f'select t::text as row from "{each[0]}" t') for each in tables]
            return "\n".join(row["row"] for some in rows for row in some)
        finally:
            await connection.close()

    return asyncio.run(read())


# --- local programs ---


def test_a_sync_keeps_its_markers_and_its_log_in_the_bucket(place: Place, server: S3Server) -> None:
    slow = place.described("s3-whole", records=2000, state_every=100, delay_ms=50)
    with place.started("sync", "-f", str(place.write(slow)), "-o", "json") as sync:
        until(lambda: place.lines("stream_0"), "the first records")
        shown = shown_of_pods(place)
        ended = sync.ended()
    assert (ended.code, ended.report["records_committed"]) == (0, 2000), ended.err
    job = ended.report["job_id"]
    markers = keys(place, server, f"state/replication-job-{job}-attempt-0")
    assert {key.rpartition("/")[2] for key in markers} >= {"INITIALIZING", "SUCCESS"}
    assert f"logs/{job}/0/000000.jsonl" in keys(place, server, f"logs/{job}")
    assert "source" in place.log(job)
    assert not any((place.home / "storage").rglob("*"))
    assert "orchestrator" in shown
    for text in (shown, stored_texts(place), json.dumps(place.stack()), place.log(job), ended.out, ended.err):
        assert SECRET not in text
    logs = "".join(file.read_text(errors="replace") for file in (place.home / "logs").iterdir())
    assert SECRET not in logs


def test_a_check_and_a_log_that_is_followed(place: Place) -> None:
    """A pod of one connector answers over the bucket, too."""
    slow = place.described("s3-followed", records=1000, state_every=100, delay_ms=100)
    with place.started("sync", "-f", str(place.write(slow)), "-o", "json") as sync:
        until(lambda: place.lines("stream_0"), "the first records")
        (job,) = place.jobs("--connection", "s3-followed")
        with place.started("jobs", "logs", str(job["job_id"]), "--follow") as log:
            assert sync.ended().code == 0
            followed = log.ended()
    assert followed.code == 0, followed.err
    assert followed.out == place.log(job["job_id"])


def test_storage_that_is_away_for_a_while_costs_no_attempt_and_nothing_of_the_end(
    place: Place, server: S3Server
) -> None:
    """It goes away in mid-sync, the sync ends meanwhile, and only then the marker and the log can be written."""
    slow = place.described("s3-away", records=3000, state_every=100, delay_ms=100)
    with place.started("sync", "-f", str(place.write(slow)), "-o", "json") as sync:
        until(lambda: len(place.lines("stream_0")) > 300, "the first records")
        server.kill()
        try:
            until(lambda: len(place.lines("stream_0")) == 3000, "the last records, without storage")
            until(lambda: len(place.pod_processes()) <= 2, "the ends of the connectors")
            assert sync.process.poll() is None
            away = place.run("jobs", "logs", str(place.jobs("--connection", "s3-away")[0]["job_id"]))
        finally:
            server.start()
        ended = sync.ended()
    assert (away.code, "connection refused, does it run there?; see MINIO_ENDPOINT" in away.error) == (1, True)
    assert ended.code == 0, ended.err
    assert (ended.report["status"], len(ended.report["attempts"])) == ("succeeded", 1)
    assert (ended.report["records_committed"], place.ids("stream_0")) == (3000, list(range(3000)))
    log = place.log(ended.report["job_id"])
    assert "lines dropped here" not in log
    assert log.splitlines()[-1] != ""
    assert place.pods_left() == []


def test_a_sync_that_begins_while_storage_is_away_waits_for_it(place: Place, server: S3Server) -> None:
    server.kill()
    try:
        with place.started(
            "sync", "-f", str(place.write(place.described("s3-late", records=100))), "-o", "json"
        ) as sync:
            until(lambda: place.jobs("--connection", "s3-late"), "the job")
            with pytest.raises(AssertionError, match="in vain"):
                until(lambda: place.lines("stream_0") or sync.process.poll() is not None, "anything", OUTAGE_S)
            server.start()
            ended = sync.ended()
    finally:
        server.start()
    assert ended.code == 0, ended.err
    assert (ended.report["status"], len(ended.report["attempts"])) == ("succeeded", 1)
    assert ended.report["records_committed"] == 100


def test_gc_removes_logs_and_markers_from_the_bucket(place: Place, server: S3Server) -> None:
    assert place.sync(place.described("s3-old", records=10)).code == 0
    last = place.run("sync", "s3-old", "-o", "json").report["job_id"]
    first = last - 1
    assert keys(place, server, f"logs/{first}")
    _execute(place, "update jobs set ended_at = ended_at - interval '200 days'")
    done = place.run("gc", "-o", "json", AIRBYTE_WORKERS_JOBS_PER_CONNECTION="1")
    assert done.code == 0, done.err
    assert keys(place, server, f"logs/{first}") == []
    assert keys(place, server, f"state/replication-job-{first}-attempt-0") == []
    assert keys(place, server, f"logs/{last}")


def _execute(place: Place, statement: str) -> None:
    async def act() -> None:
        connection = await asyncpg.connect(place.stack()["database_url"])
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(act())


# --- the wrong key, told where it is met first ---


def test_commands_that_read_the_bucket_say_which_setting_is_wrong(place: Place) -> None:
    job = place.sync(place.described("s3-wrong-key", records=10)).report["job_id"]
    log = place.run("jobs", "logs", str(job), **WRONG)
    assert (log.code, REFUSED in log.error) == (1, True), log.err
    gc = place.run("gc", **WRONG)
    assert (gc.code, REFUSED in gc.err) == (1, True)
    for ended in (log, gc):
        assert "Traceback" not in ended.err
        assert WRONG["AWS_SECRET_ACCESS_KEY"] not in ended.out + ended.err


def test_an_embedded_stack_does_not_start_with_it(alone: Place, server: S3Server) -> None:
    told = Place(alone.work, alone.home, server.variables("wrong") | WRONG)
    ended = told.sync(told.described("s3-no-stack", records=10))
    assert ended.code == 1
    assert ended.report["error"]["type"] == "StackError"
    assert REFUSED in ended.report["error"]["message"]
    assert REFUSED in told.run("local").error
    texts = [
        file.read_text(errors="replace") for file in alone.home.rglob("*") if file.is_file() and not file.is_symlink()
    ]
    assert not any(WRONG["AWS_SECRET_ACCESS_KEY"] in text for text in (*texts, ended.out, ended.err))


def test_a_worker_does_not_start_with_it_and_does_with_the_right_one(alone: Place, server: S3Server) -> None:
    with addressed(alone) as servers:
        told = Place(servers.work, servers.home, servers.variables | server.variables("workers"))
        ended = told.run("worker", **WRONG)
        assert (ended.code, REFUSED in ended.error) == (1, True), ended.err
        nowhere = told.run("worker", STORAGE_URL="s3://nobodys/x")
        assert (nowhere.code, "there is no such bucket (NoSuchBucket); see STORAGE_URL" in nowhere.error) == (1, True)
        with working(told):
            assert told.sync(told.described("s3-worker", records=10)).code == 0


# --- containers ---


@pytest.fixture(scope="module")
def s3_container_stack(server: S3Server, tmp_path_factory: pytest.TempPathFactory, installed: Path) -> Iterator[Place]:
    make_images(images.PRODUCT)
    variables = server.variables("containers") | {"ORCHESTRATOR_IMAGE": images.PRODUCT}
    yield from running_stack(tmp_path_factory.mktemp("s3-containers"), installed, variables)


def inspected(place: Place) -> str:
    """What the engine shows of the containers of this stack."""
    seen = subprocess.run(
        ["docker", "inspect", *place.containers()], capture_output=True, text=True, check=True, timeout=60
    )
    return seen.stdout


@pytest.mark.docker
def test_an_orchestrator_in_a_container_reaches_the_bucket_and_shows_no_key(
    s3_container_stack: Place, server: S3Server, tmp_path: Path
) -> None:
    tmp_path.chmod(0o1777)
    place = Place(tmp_path, s3_container_stack.home, s3_container_stack.variables)
    asked = {
        "connection": f"s3-{place.stack_name}",
        "local_root": str(place.work),
        "source": place.source("docker", records=2000, state_every=100, delay_ms=50),
        "destination": place.jsonl("docker"),
        "catalog": catalog("stream_0"),
    }
    with place.started("sync", "-f", str(place.write(asked)), "-o", "json") as sync:
        until(lambda: place.lines("stream_0"), "the first records")
        shown = inspected(place)
        ended = sync.ended()
    assert (ended.code, ended.report["records_committed"]) == (0, 2000), ended.err
    assert "orchestrator" in shown
    assert SECRET not in shown
    job = ended.report["job_id"]
    assert f"state/replication-job-{job}-attempt-0/SUCCESS" in keys(place, server, "state")
    assert "source" in place.log(job)
    assert not any((place.home / "storage").rglob("*"))
    assert place.pods_left() == []
