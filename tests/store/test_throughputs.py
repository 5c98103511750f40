"""How an attempt went over time: noted by its pod, kept in its row however it ended, read back for its page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import asyncpg
import pytest
from lone_pod import Pod, complete, pod_of, record, state
from rows import (
    CATALOG,
    FAILED,
    SUCCEEDED,
    close_attempt,
    close_job,
    next_attempt,
    open_attempt,
    open_job,
    request,
    sync_input,
)

from airbyte_workers.models import (
    AttemptOutcome,
    AttemptSummary,
    JobStatus,
    Mark,
    OpenJob,
    Progress,
    StreamRequest,
    Throughput,
)
from airbyte_workers.names import JobKind
from airbyte_workers.store import history, jobs, opening, throughputs, workloads
from airbyte_workers.store.sealing import Seal
from airbyte_workers.store.workloads import Lease, Workload

pytestmark = pytest.mark.postgres
BEGAN = datetime(2026, 5, 1, 12, tzinfo=UTC)
WENT = Throughput(
    began_at=BEGAN,
    marks=(Mark(at_s=1, records_emitted=5, moving_s=0.5), Mark(at_s=2, records_emitted=9, records_committed=9)),
)


@pytest.fixture
async def pod(db: asyncpg.Pool, seal: Seal, server_url: str, tmp_path: Path) -> AsyncIterator[Pod]:
    async with pod_of(db, seal, server_url, tmp_path, throughput_points=10) as (pod, _):
        yield pod


async def ended(pod: Pod, *, cancelled: bool = False) -> AttemptSummary:
    """A pod that has moved two records and waited long enough for its marks to have no room."""
    pod.reads.set()
    running = asyncio.create_task(pod.run())
    writing = asyncio.create_task(pod.write())
    await pod.source.say(record(1), state(1), record(2), state(2))
    async with asyncio.timeout(30):
        while pod.replication.progress().records_committed < 2:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)  # many times the interval of 0.02 s at which this pod looks
        if cancelled:
            pod.replication.cancel()
        else:
            await pod.source.say(complete())
            pod.source.end()
        summary = await running
        await writing
    return summary


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_pod_notes_how_it_went_in_few_marks_whatever_its_end(pod: Pod, *, cancelled: bool) -> None:
    summary = await ended(pod, cancelled=cancelled)
    assert summary.throughput is not None
    marks = summary.throughput.marks
    assert 2 <= len(marks) <= 10
    last = marks[-1]
    assert (last.records_emitted, last.records_committed) == (2, 2)
    assert last.bytes_emitted == sum(stream.bytes_emitted for stream in summary.streams)
    assert (last.moving_s, last.blocked_on_source_s) == (summary.moving_s, summary.blocked_on_source_s)
    assert all(before.at_s < after.at_s for before, after in pairwise(marks))
    assert last.blocked_on_source_s > 0.3


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(SUCCEEDED, "succeeded"), (FAILED, "failed"), (AttemptOutcome(status="cancelled"), "cancelled")],
)
async def test_it_stands_in_the_attempt_s_row_however_that_ended(
    db: asyncpg.Pool, seal: Seal, outcome: AttemptOutcome, status: str
) -> None:
    job_id = await open_job(db, seal)
    await open_attempt(db, job_id, 0)
    summary = AttemptSummary.model_validate({"status": status, "throughput": WENT, "failures": outcome.failures})
    await close_attempt(db, job_id, 0, outcome, summary)
    assert await throughputs.of_attempts(db, job_id, [1, 2]) == {1: WENT}


async def test_a_pod_that_was_lost_has_left_none(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_job(db, seal)
    await open_attempt(db, job_id, 0)
    await next_attempt(db, job_id, 1)
    await close_attempt(db, job_id, 1, SUCCEEDED, AttemptSummary(status="succeeded", throughput=WENT))
    assert await throughputs.of_attempts(db, job_id, [1, 2]) == {2: WENT}
    assert await throughputs.of_attempts(db, job_id, [1]) == {}


async def test_how_far_the_running_attempt_is_was_said_with_its_lease(db: asyncpg.Pool, seal: Seal) -> None:
    job_id = await open_job(db, seal)
    attempt = await open_attempt(db, job_id, 0)
    assert await throughputs.last_seen(db, job_id) is None
    place = Workload(attempt.pod, JobKind.SYNC, job_id, 0, None, "here", "process", attempt.fence)
    await workloads.claim(db, place, limit=9, lease_s=60)
    assert await throughputs.last_seen(db, job_id) is None
    told = Progress(phase="running", records_emitted=7, moving_s=2)
    await workloads.renew(db, Lease(attempt.pod, attempt.fence, 60), told)
    seen = await throughputs.last_seen(db, job_id)
    assert seen is not None
    assert seen.progress == told
    await close_attempt(db, job_id, 0, SUCCEEDED)
    await close_job(db, job_id, JobStatus.SUCCEEDED)
    assert await throughputs.last_seen(db, job_id) is None


async def test_a_job_keeps_what_it_ran_with_and_no_argument_of_a_command(db: asyncpg.Pool, seal: Seal) -> None:
    command = sync_input(
        destination={"command": ["/opt/tools/my-destination", "--token=hunter2"], "config": {}},
    )
    synced = await opening.open_sync(db, seal, request(command))
    assert (await history.whole(db, synced)).connectors == {
        "source": "airbyte/source-faker:7.2.1",
        "destination": "my-destination",
    }
    await jobs.set_catalog(db, await jobs.read_job(db, seal, synced), CATALOG, "sha")
    await close_job(db, synced, JobStatus.CANCELLED)
    clear = OpenJob(
        input=command,
        kind=JobKind.CLEAR,
        request=StreamRequest(order="clear"),
        workflow_id="sync/demo",
        run_id="clears",
    )
    cleared = await opening.open_sync(db, seal, clear)
    assert (await history.whole(db, cleared)).connectors == {"destination": "my-destination"}
