"""What a sync's activities give back to Temporal stays small, whatever its connectors say and however much there is."""

from __future__ import annotations

import pytest
from desk import DESTINATION, SOURCE, Desk, sync
from rows import open_attempt

from airbyte_workers.jobs.failures import MAX_MESSAGE_IN_HISTORY
from airbyte_workers.models import (
    AttemptOutcome,
    AttemptRef,
    AttemptSummary,
    CloseAttempt,
    CloseJob,
    Failure,
    FailureOrigin,
    FailureType,
    JobStatus,
    StreamCounts,
)
from airbyte_workers.names import JobKind, pod_name
from airbyte_workers.orchestrator.markers import Marker, Markers
from airbyte_workers.store import history, workloads
from airbyte_workers.store.workloads import Workload

pytestmark = pytest.mark.postgres
MANY = tuple(StreamCounts(name=f"stream_{number}", records_committed=1) for number in range(40))
LONG = tuple(
    Failure(origin=FailureOrigin.SOURCE, type=FailureType.SYSTEM_ERROR, message=f"{number} {'x' * 20_000}")
    for number in range(10)
)


async def failed(desk: Desk, job_id: int, number: int) -> None:
    """An attempt whose connectors had much to say ends."""
    await open_attempt(desk.db, job_id, number)
    pod = pod_name(JobKind.SYNC, job_id, number)
    await workloads.claim(
        desk.db, Workload(pod, JobKind.SYNC, job_id, number, 1, "here", "process", number + 1), limit=9, lease_s=600
    )
    await workloads.cleared(desk.db, pod)
    told = AttemptSummary(status="failed", failures=LONG, streams=MANY).model_dump_json().encode()
    await Markers(desk.objects(), pod).write(Marker.FAILURE, told)
    ref = AttemptRef(job_id=job_id, attempt=number, kind=JobKind.SYNC)
    await desk.books().close_attempt(CloseAttempt(ref=ref, outcome=AttemptOutcome(status="failed", failures=LONG)))


async def test_the_report_of_many_streams_and_long_failures_is_cut_for_temporal_and_whole_for_people(
    desk: Desk,
) -> None:
    job_id = (await desk.open(sync({"image": SOURCE}, {"image": DESTINATION}))).job_id
    for number in range(5):
        await failed(desk, job_id, number)
    closing = CloseJob(job_id=job_id, status=JobStatus.FAILED, failures=LONG)

    report = await desk.books(report_max_streams=3).close_job(closing)

    assert (len(report.streams), report.streams_omitted, report.records_committed) == (3, 37, 5 * 40)
    assert all(len(each.message) <= MAX_MESSAGE_IN_HISTORY for each in report.failures)
    assert len(report.model_dump_json()) < 12_000
    whole = await history.report(desk.db, job_id)
    assert (len(whole.streams), len(whole.failures), whole.streams_omitted) == (40, 10, 0)
    assert whole.failures == LONG
