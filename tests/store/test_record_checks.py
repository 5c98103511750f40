"""What a pod is told to check, what becomes of what it finds, and how long dead letters stay."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import pytest
from lone_pod import Pod, complete, pod_of, state
from old_jobs import Archive, removed
from rows import CATALOG, SUCCEEDED, close_attempt, open_attempt, open_job, request, succeed, sync_input

from activities.launch_configs import LaunchConfigs
from activities.pod_specs import Author
from airbyte_workers.jobs.gc_report import Thing
from airbyte_workers.models import AttemptSummary, ClearInput, DeadLetterCounts, FailureType, OpenJob, StreamValidation
from airbyte_workers.names import JobKind
from airbyte_workers.orchestrator.input import Checks
from airbyte_workers.settings import Settings
from airbyte_workers.store import history, jobs, opening
from airbyte_workers.store.log_objects import dead_letter_key
from airbyte_workers.store.objects import open_objects
from airbyte_workers.store.sealing import Seal

pytestmark = pytest.mark.postgres
NAMED = '{"properties":{"id":{"type":"string"}}}'
TOLD = "id: is not of type string but integer"


# --- what a pod is told ---


async def told(db: asyncpg.Pool, seal: Seal, **validation: Any) -> Checks:
    """What the pod of a connection's sync is to check, where the setting says `sampled`."""
    return await _of(db, seal, await opened(db, seal, request(sync_input(validation=validation))))


async def opened(db: asyncpg.Pool, seal: Seal, asked: OpenJob) -> int:
    job_id = await opening.open_sync(db, seal, asked)
    await jobs.set_catalog(db, await jobs.read_job(db, seal, job_id), CATALOG, "sha")
    return job_id


async def _of(db: asyncpg.Pool, seal: Seal, job_id: int) -> Checks:
    job = await jobs.read_job(db, seal, job_id)
    known = Settings(home=Path("/h"), database_url="postgresql://h/d")
    spec = await Author(db, known, LaunchConfigs(db, seal, known)).replication(job, await open_attempt(db, job_id, 0))
    return Checks.model_validate(json.loads(spec.orchestrator_input)["checks"])


async def test_unless_said_a_pod_checks_what_the_setting_says_against_the_schemas_of_the_catalog(
    db: asyncpg.Pool, seal: Seal
) -> None:
    assert await told(db, seal) == Checks(mode="sampled", schemas=((("users", None), "{}"), (("logs", "n"), "{}")))


async def test_the_connection_has_the_last_word(db: asyncpg.Pool, seal: Seal) -> None:
    checks = await told(db, seal, mode="full", max_invalid_records=3, dead_letters=True)
    assert (checks.mode, checks.max_invalid_records, checks.dead_letters) == ("full", 3, True)
    assert len(checks.schemas) == 2


async def test_what_is_off_needs_no_schemas(db: asyncpg.Pool, seal: Seal) -> None:
    assert await told(db, seal, mode="off", dead_letters=True) == Checks(dead_letters=True)


async def test_a_clear_has_nothing_to_check(db: asyncpg.Pool, seal: Seal) -> None:
    sync = await opened(db, seal, request(sync_input(validation={"mode": "full", "dead_letters": True})))
    await succeed(db, sync)
    clear = ClearInput(connection="demo")
    asked = request(clear.sync).model_copy(update={"kind": JobKind.CLEAR, "request": clear.order})
    assert await _of(db, seal, await opened(db, seal, asked)) == Checks()


def test_a_sample_is_as_large_as_the_settings_say_and_full_is_everything() -> None:
    settings = Settings(validation_first_records=7, validation_one_of=5, validation_max_errors=3)
    sampled, full = (Checks(mode=mode, max_invalid_records=2).rules(settings) for mode in ("sampled", "full"))
    assert (sampled.first_records, sampled.one_of, sampled.max_errors, sampled.max_invalid) == (7, 5, 3, 2)
    assert (full.first_records, full.one_of, full.max_errors) == (0, 1, 3)


# --- what a pod finds ---


class Run(NamedTuple):
    """What came of a pod whose source said a few lines; `records` that the destination got."""

    summary: AttemptSummary
    records: int
    letters: Sequence[Mapping[str, Any]]
    log: str


def record(number: Any) -> bytes:
    return json.dumps({"type": "RECORD", "record": {"stream": "users", "data": {"id": number}}}).encode() + b"\n"


@pytest.fixture
def checked(db: asyncpg.Pool, seal: Seal, server_url: str, tmp_path: Path) -> Callable[..., Awaitable[Run]]:
    async def run(*lines: bytes, **checks: Any) -> Run:
        told = Checks(**({"mode": "full", "schemas": ((("users", None), NAMED),)} | checks))
        async with pod_of(db, seal, server_url, tmp_path, checks=told) as (pod, _):
            summary, records = await said(pod, *lines)
            objects = open_objects(pod.given.read_settings())
            letters = [await objects.get(key) or b"" for key in await objects.keys("logs/dead-letters")]
            log = [await objects.get(key) or b"" for key in await objects.keys("logs") if "dead" not in key]
            return Run(summary, records, [json.loads(each) for each in b"".join(letters).splitlines()], str(log))

    return run


async def said(pod: Pod, *lines: bytes) -> tuple[AttemptSummary, int]:
    pod.reads.set()
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(pod.run())
        tasks.create_task(pod.write())
        await pod.source.say(*lines)
        pod.source.end()
    await pod.desk.flush()
    return running.result(), pod.records


async def test_records_that_do_not_fit_go_on_and_are_told_with_the_success(checked: Callable[..., Any]) -> None:
    run: Run = await checked(record("a"), record(1), record(2), state(2), complete())
    assert (run.summary.status, run.records) == ("succeeded", 3)
    assert run.summary.warnings == (
        f"validation: 2 of 3 checked records of users do not fit its schema: {TOLD} (2)",
        "validation: validation.dead_letters: true keeps such records",
    )
    assert run.summary.validation == (StreamValidation(name="users", validated=3, invalid=2, errors=((TOLD, 2),)),)
    assert (run.summary.evidence.records_validated, run.summary.evidence.records_invalid) == (3, 2)
    assert f"users: a record does not fit its schema: {TOLD}" in run.log
    assert run.letters == []


async def test_dead_letters_are_kept_beside_the_log_where_they_are_asked_for(checked: Callable[..., Any]) -> None:
    lost = b'{"type":"RECORD","record":{"stream":"users","data":{"id":\n'
    run: Run = await checked(record(1), lost, complete(), dead_letters=True)
    assert run.letters == [
        {"stream": "users", "namespace": None, "reasons": [TOLD], "record": {"id": 1}},
        {"reason": "malformed", "line": lost.decode().strip()},
    ]
    assert run.summary.dead_letters == DeadLetterCounts(kept=2)
    job = run.summary.warnings[-1].split()[-3]
    assert run.summary.warnings[-1] == (
        f"dead letters: 2 kept; read them with `airbyte-workers jobs dead-letters {job} --attempt 1`"
    )


async def test_lines_that_were_lost_are_kept_though_no_record_is_checked(checked: Callable[..., Any]) -> None:
    lost = b'{"type":"RECORD","record":{"stream":"users","data":{"id":\n'
    run: Run = await checked(record(1), lost, mode="off", schemas=(), dead_letters=True)
    assert [each["reason"] for each in run.letters] == ["malformed"]
    assert run.summary.validation == ()


async def test_too_many_fail_the_attempt_and_keep_what_is_committed(checked: Callable[..., Any]) -> None:
    run: Run = await checked(record(1), state(1), record(2), max_invalid_records=1)
    assert run.summary.status == "failed"
    assert run.summary.failures[0].type is FailureType.INVALID_RECORDS
    assert run.summary.failures[0].message.startswith("2 records do not fit their stream's schema, more than the 1 of")
    assert run.records == run.summary.evidence.records_forwarded == 2
    assert run.summary.evidence.states_committed == 1


# --- what is kept ---


async def test_what_was_found_is_read_with_the_attempt(db: asyncpg.Pool, seal: Seal) -> None:
    found = StreamValidation(
        name="users", namespace="n", validated=9, invalid=2, errors=((TOLD, 2),), unexpected_fields=(("hat\0", 1),)
    )
    job_id = await open_job(db, seal)
    await open_attempt(db, job_id, 0)
    summary = AttemptSummary(status="succeeded", validation=(found,), warnings=("validation: so",))
    await close_attempt(db, job_id, 0, SUCCEEDED, summary)
    (attempt,) = (await history.whole(db, job_id)).attempts
    assert attempt.validation == (found.model_copy(update={"unexpected_fields": (("hat", 1),)}),)
    assert (await history.report(db, job_id)).warnings == ("validation: so",)


async def test_dead_letters_go_with_the_job(archive: Archive) -> None:
    old, last = await archive.job(days=300), await archive.job(days=300)
    for job in (old, last):
        archive.write(dead_letter_key(f"logs/{job}/0", 0), b"{}\n", days=300)
    report = await archive.gc()
    assert await archive.jobs() == [last]
    assert removed(report)[Thing.LOGS] == 2
    assert [key for key in archive.stored() if "dead-letters" in key] == [dead_letter_key(f"logs/{last}/0", 0)]


async def test_dead_letters_go_with_a_log_that_goes_to_make_room_and_count_for_it(archive: Archive) -> None:
    first = await archive.job(days=9, logs=100)
    archive.write(dead_letter_key(f"logs/{first}/0", 0), b"x" * 200, days=9)
    await archive.job(days=8, logs=100)
    assert removed(await archive.gc(total_log_bytes=400)) == {}
    report = await archive.gc(total_log_bytes=399)
    assert (removed(report), report.removed[Thing.LOGS].bytes) == ({Thing.LOGS: 2}, 300)
    assert [key for key in archive.stored() if "dead-letters" in key] == []
