"""The state machine of a sync job against a real (time-skipping) Temporal server, with scripted activities."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from by_hand import assert_cancelled, details
from said import complete, failure, partial, refused, success
from script import Script
from temporalio.testing import WorkflowEnvironment

from airbyte_workers.client import AlreadySyncing, Client, InvalidInput, SyncFailed
from airbyte_workers.jobs.failures import for_history
from airbyte_workers.models import (
    AttemptOutcome,
    Configured,
    FailureOrigin,
    FailureType,
    JobStatus,
    Launched,
    RetryRules,
    SyncInput,
    SyncReport,
)
from airbyte_workers.names import Role, sync_workflow_id
from airbyte_workers.quantities import duration

pytestmark = pytest.mark.temporal
INPUT = SyncInput.model_validate(
    {"connection": "demo", "source": {"command": ["source"]}, "destination": {"command": ["destination"]}}
)
ID = sync_workflow_id("demo")
RUNNING = "watch sync 0"
NO_RETRIES = RetryRules(max_retries=0)


async def report_of(env: WorkflowEnvironment, airbyte: Client, script: Script) -> SyncReport:
    async with script.played(env.client):
        return await airbyte.sync(INPUT, raise_on_failure=False)


async def test_a_sync_goes_through_open_attempt_close(env: WorkflowEnvironment, airbyte: Client) -> None:
    script = Script([success()])
    report = await report_of(env, airbyte, script)
    assert report.status is JobStatus.SUCCEEDED
    assert script.calls == [
        "open job",
        "configure",
        "open attempt 0",
        "launch sync 0",
        RUNNING,
        "close attempt 0 succeeded",
        "close job succeeded",
    ]


OUTCOMES: dict[str, Callable[[], AttemptOutcome]] = {"C": complete, "P": partial, "S": success}


@pytest.mark.parametrize(
    ("attempts", "waits", "status"),
    [
        ("CCPPPCS", [0, 10, 30, 0, 0, 0, 10], JobStatus.SUCCEEDED),  # A16
        ("PPPPPPCCCCC", [0, 0, 0, 0, 0, 0, 0, 10, 30, 90, 270], JobStatus.FAILED),  # A17
        ("CCCCC", [0, 10, 30, 90, 270], JobStatus.FAILED),  # A18
        ("P" * 20, [0] * 20, JobStatus.FAILED),  # A19
    ],
)
async def test_attempts_follow_each_other_by_upstream_s_rules(
    env: WorkflowEnvironment, airbyte: Client, attempts: str, waits: list[float], status: JobStatus
) -> None:
    script = Script([OUTCOMES[letter]() for letter in attempts])
    assert (await report_of(env, airbyte, script)).status is status
    assert script.waits == waits
    expected = [f"attempt {number + 2} {_starts(wait)}" for number, wait in enumerate(waits[1:])]
    ends = [f"stopped after {len(attempts)} attempts" if status is JobStatus.FAILED else ""]
    assert [each.follows.partition(":")[0] for each in script.closed_attempts] == expected + ends
    assert [each.ref.attempt for each in script.closed_attempts] == list(range(len(attempts)))


def _starts(wait_s: float) -> str:
    return f"starts in {duration(wait_s)}" if wait_s else "follows at once"


async def test_checks_come_first_unless_the_last_sync_succeeded(env: WorkflowEnvironment, airbyte: Client) -> None:
    script = Script([complete(), success()], plan={"previous_succeeded": True})
    await report_of(env, airbyte, script)
    both = (Role.SOURCE, Role.DESTINATION)
    assert [ref.checks for ref in script.launched] == [(), both]  # C16; before every retry
    script = Script([success()])
    await report_of(env, airbyte, script)
    assert [ref.checks for ref in script.launched] == [both]


async def test_an_attempt_whose_check_failed_ends_the_job_and_starts_nothing(
    env: WorkflowEnvironment, airbyte: Client
) -> None:
    no = failure(FailureType.CONFIG_ERROR, "the check failed: no such host")
    script = Script(launches={"sync 0": Launched(launched=False, failure=no)})
    report = await report_of(env, airbyte, script)
    assert (report.status, report.failures) == (JobStatus.FAILED, (no,))  # C12
    assert script.calls[-3:] == ["launch sync 0", "close attempt 0 failed", "close job failed"]


async def test_a_check_that_crashed_is_tried_again(env: WorkflowEnvironment, airbyte: Client) -> None:
    crashed = Launched(launched=False, failure=failure())
    script = Script([success(), success()], launches={"sync 0": crashed})
    assert (await report_of(env, airbyte, script)).status is JobStatus.SUCCEEDED  # C14
    assert script.waits == [0, 10]


async def test_a_source_s_quota_is_waited_for(env: WorkflowEnvironment, airbyte: Client) -> None:
    soon = await env.get_current_time() + timedelta(minutes=30)
    script = Script([partial().model_copy(update={"retry_at": soon}), success()])
    assert (await report_of(env, airbyte, script)).status is JobStatus.SUCCEEDED
    assert 1700 < script.waits[1] <= 1800
    assert "rate limited" in script.closed_attempts[0].follows


async def test_twenty_attempts_leave_a_small_history(env: WorkflowEnvironment, airbyte: Client) -> None:
    """The longest job that the limits allow: ten failures with a wait, and ten half-way; checks before each."""
    bad = for_history([failure(message=f"{number} {'x' * 50_000}") for number in range(10)])
    failed = [AttemptOutcome(status="failed", failures=bad, records_committed=1 - number % 2) for number in range(19)]
    script = Script([*failed, success()])
    assert (await report_of(env, airbyte, script)).status is JobStatus.SUCCEEDED
    history = await env.client.get_workflow_handle(ID).fetch_history()
    assert len(script.waits) == 20
    assert len(history.events) < 700
    assert sum(event.ByteSize() for event in history.events) < 256 * 1024


async def test_the_counters_go_with_every_closed_attempt(env: WorkflowEnvironment, airbyte: Client) -> None:
    script = Script([complete(), partial(), success()])
    await report_of(env, airbyte, script)
    tallies = [each.tally for each in script.closed_attempts]
    assert [(each.successive_complete, each.total_complete, each.total_partial) for each in tallies if each] == [
        (1, 1, 0),
        (0, 1, 1),
        (0, 1, 1),
    ]


async def test_without_retries_one_failed_attempt_ends_the_job(env: WorkflowEnvironment, airbyte: Client) -> None:
    script = Script([complete(), success()], rules=NO_RETRIES)
    assert (await report_of(env, airbyte, script)).status is JobStatus.FAILED
    assert script.waits == [0]


async def test_a_config_error_is_not_retried(env: WorkflowEnvironment, airbyte: Client) -> None:
    script = Script([AttemptOutcome(status="failed", failures=(failure(FailureType.CONFIG_ERROR, "no such table"),))])
    assert (await report_of(env, airbyte, script)).status is JobStatus.FAILED
    assert script.closed is not None
    assert script.closed.failures[0].message == "no such table"
    stopped = "stopped after 1 attempt: a config_error is not retried; last reason: source: no such table"
    assert script.closed.reason == stopped  # A28


async def test_a_pod_that_cannot_be_launched_is_a_failed_attempt_without_a_watch(
    env: WorkflowEnvironment, airbyte: Client
) -> None:
    script = Script(launches={"sync 0": refused("it needs Docker")})
    assert (await report_of(env, airbyte, script)).status is JobStatus.FAILED
    assert RUNNING not in script.calls
    assert "close attempt 0 failed" in script.calls


async def test_a_catalog_that_cannot_be_settled_fails_the_job_before_its_first_attempt(
    env: WorkflowEnvironment, airbyte: Client
) -> None:
    script = Script(configured=Configured(failure=failure(FailureType.CONFIG_ERROR, "no stream users")))
    report = await report_of(env, airbyte, script)
    assert (report.status, report.failures[0].message) == (JobStatus.FAILED, "no stream users")
    assert script.waits == []


@pytest.mark.parametrize("call", ["open job", "configure", "close attempt 0 succeeded", "launch sync 0", RUNNING])
async def test_a_step_that_is_lost_is_done_again(env: WorkflowEnvironment, airbyte: Client, call: str) -> None:
    script = Script([success()], lost={call: 2})
    assert (await report_of(env, airbyte, script)).status is JobStatus.SUCCEEDED
    assert script.calls.count(call) == 3


@pytest.mark.parametrize("call", ["configure", "open attempt 0", "close attempt 0 succeeded"])
async def test_a_step_that_no_repetition_helps_ends_the_job_too(
    env: WorkflowEnvironment, airbyte: Client, call: str
) -> None:
    """A run that ended without closing its job would leave the connection locked (C18)."""
    script = Script([success()], broken={call: "attempt 1 of job 7 is still running"})
    report = await report_of(env, airbyte, script)
    assert (report.status, report.failures[0].origin) == (JobStatus.FAILED, FailureOrigin.PLATFORM)
    assert "failed: attempt 1 of job 7 is still running" in report.failures[0].message
    assert script.calls[-1] == "close job failed"


async def test_a_failed_job_raises_with_its_report(env: WorkflowEnvironment, airbyte: Client) -> None:
    script = Script([complete()], rules=NO_RETRIES)
    async with script.played(env.client):
        with pytest.raises(
            SyncFailed, match=r"sync of demo failed: stopped after 1 attempt: .*; last reason: source: broke"
        ) as error:
            await airbyte.sync(INPUT)
    assert error.value.report.status is JobStatus.FAILED


async def test_what_the_first_activity_refuses_is_the_run_s_own_failure(
    env: WorkflowEnvironment, airbyte: Client
) -> None:
    script = Script(refuse="source.command: commands may not run on this stack")
    async with script.played(env.client):
        with pytest.raises(InvalidInput, match=r"^source.command: commands may not run on this stack$"):
            await airbyte.sync(INPUT)
    assert script.calls == ["open job"]


async def test_what_runs_the_pods_is_shown_and_stands_in_the_details(env: WorkflowEnvironment, airbyte: Client) -> None:
    engine = "docker (Docker engine 28.5 answers)"
    script = Script(hold=[RUNNING], plan={"launcher": engine})
    async with script.played(env.client):
        started = await airbyte.start_sync(INPUT)
        await script.reached(RUNNING)
        phase = await started.phase()
        assert phase is not None
        assert (phase.kind, phase.subject, phase.launcher, phase.attempt) == ("sync", "demo", engine, 1)
        assert f"launcher: {engine}" in await details(env, ID)
        await started.cancel(by="me")
        await assert_cancelled(env, ID)
        assert f"launcher: {engine}" in await details(env, ID)


# --- two at a time ----------------------------------------------------------------------------------------------------


async def test_a_second_start_of_a_running_sync_is_refused_and_can_join(
    env: WorkflowEnvironment, airbyte: Client
) -> None:
    script = Script(hold=[RUNNING])
    async with script.played(env.client):
        started = await airbyte.start_sync(INPUT)
        await script.reached(RUNNING)
        with pytest.raises(AlreadySyncing, match=r"already syncing \(job 7, attempt 1\); follow it with: .* --join$"):
            await airbyte.start_sync(INPUT)
        joined = await airbyte.start_sync(INPUT, join=True)
        assert joined.workflow_id == started.workflow_id
        await joined.cancel()
        await assert_cancelled(env, ID)
    assert script.calls[-1] == "close job cancelled"
