"""What people read of jobs: what each is, who ended it and why, and its past."""

from __future__ import annotations

import asyncpg
import pytest
from rows import open_job

from airbyte_workers.models import Connector, JobStatus, OpenOperation, Order
from airbyte_workers.names import JobKind
from airbyte_workers.store import history, jobs, opening
from airbyte_workers.store.sealing import Seal

ENDED = [JobStatus.FAILED, JobStatus.CANCELLED]


async def test_what_a_sync_is(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_job(db, seal, "people")
    facts = await history.facts(db, job_id)
    assert (facts.kind, facts.subject, facts.status) == (JobKind.SYNC, "people", JobStatus.PENDING)
    assert facts.workflow_id == "sync/people"
    assert (facts.has_ended, facts.ended_at) == (False, None)


async def test_what_a_check_is_about_is_its_connector(db: asyncpg.Pool, seal: Seal) -> None:
    order = Order(connector=Connector(command=("my-source", "--fast")))
    asked = OpenOperation(kind=JobKind.CHECK, order=order, workflow_id="check/1", run_id="r")
    job_id = await opening.open_operation(db, seal, asked)
    await jobs.set_launcher(db, job_id, "process", "it is a command")
    facts = await history.facts(db, job_id)
    assert (facts.kind, facts.subject, facts.launcher) == (JobKind.CHECK, "my-source --fast", "process")


@pytest.mark.parametrize("job_id", [-1, 0, 999, 2**63])
async def test_a_job_that_is_not_there(db: asyncpg.Pool, job_id: int) -> None:
    with pytest.raises(LookupError, match=f"there is no job {job_id}"):
        await history.facts(db, job_id)


@pytest.mark.parametrize("status", ENDED)
async def test_a_report_says_who_ended_the_job_and_why(db: asyncpg.Pool, seal: Seal, status: JobStatus) -> None:
    job_id = await open_job(db, seal)
    await jobs.close_job(db, job_id, status, failures=(), by="ann@host", reason="wrong source")
    report = await history.report(db, job_id)
    assert (report.status, report.ended_by, report.reason) == (status, "ann@host", "wrong source")
    assert (await history.facts(db, job_id)).has_ended


async def test_before_its_end_nobody_has_ended_a_job(db: asyncpg.Pool, seal: Seal) -> None:
    """Whoever asked for its end has not brought it about yet."""
    job_id = await open_job(db, seal)
    await jobs.request_cancel(db, job_id, by="ann@host", now=False)
    report = await history.report(db, job_id)
    assert (report.ended_by, report.reason) == ("", "")


async def test_the_end_of_another_job_is_not_this_one_s(db: asyncpg.Pool, seal: Seal) -> None:
    first, second = await open_job(db, seal, "a"), await open_job(db, seal, "b")
    await jobs.close_job(db, second, JobStatus.FAILED, failures=(), by="", reason="of the second")
    await jobs.close_job(db, first, JobStatus.FAILED, failures=(), by="", reason="of the first")
    assert (await history.report(db, second)).reason == "of the second"


async def test_a_job_s_past_is_in_order(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_job(db, seal)
    await jobs.set_launcher(db, job_id, "process", "because")
    await jobs.close_job(db, job_id, JobStatus.CANCELLED, failures=(), by="me", reason="why not")
    past = await history.events(db, job_id)
    assert [(each.event, each.by, each.reason) for each in past] == [
        ("opened", "", "workflow sync/demo"),
        ("launcher", "", "process: because"),
        ("cancelled", "me", "why not"),
    ]
    assert [each.at for each in past] == sorted(each.at for each in past)
