"""What a sync asks its connectors before the first attempt, and what becomes of it when they do not answer."""

from __future__ import annotations

from typing import Any

import pytest
from by_hand import assert_cancelled, details
from said import complete, discover, failure, refused, spec, success
from script import Script
from temporalio.testing import WorkflowEnvironment

from airbyte_workers.client import Client
from airbyte_workers.models import Configured, FailureType, JobStatus, SyncInput, SyncReport
from airbyte_workers.names import Role, sync_workflow_id

pytestmark = pytest.mark.temporal
INPUT = SyncInput.model_validate(
    {"connection": "demo", "source": {"image": "source:1"}, "destination": {"image": "destination:1"}}
)
ID = sync_workflow_id("demo")
SPECS = (spec(Role.SOURCE), spec(Role.DESTINATION))
EVERYTHING = {"questions": (*SPECS, discover())}
DISCOVER = ["launch discover 0", "watch discover 0"]
SYNC = ["open attempt 0", "launch sync 0", "watch sync 0", "close attempt 0 succeeded", "close job succeeded"]


async def report_of(env: WorkflowEnvironment, airbyte: Client, script: Script) -> SyncReport:
    async with script.played(env.client):
        return await airbyte.sync(INPUT, raise_on_failure=False)


async def test_both_connectors_are_asked_at_the_same_time_and_the_rest_follows_in_order(
    env: WorkflowEnvironment, airbyte: Client
) -> None:
    answering = ("watch spec source", "watch spec destination")
    script = Script([success()], plan=EVERYTHING, hold=answering)
    async with script.played(env.client):
        started = await airbyte.start_sync(INPUT)
        await script.reached(*answering)  # neither ends before both are there
        script.release(*answering)
        await started.result()
    launches = ["launch spec source", "launch spec destination"]
    assert script.calls[0] == "open job"
    assert sorted(script.calls[1:5]) == sorted([*launches, *answering])
    assert script.calls[5:] == ["check configs", *DISCOVER, "configure", *SYNC]


@pytest.mark.parametrize(
    ("questions", "calls"),
    [
        ((), ["configure"]),
        ((discover(),), [*DISCOVER, "configure"]),
        ((SPECS[1],), ["launch spec destination", "watch spec destination", "check configs", "configure"]),
        (
            (SPECS[0], discover()),
            ["launch spec source", "watch spec source", "check configs", *DISCOVER, "configure"],
        ),
    ],
)
async def test_only_what_nobody_knows_is_asked(
    env: WorkflowEnvironment, airbyte: Client, questions: Any, calls: list[str]
) -> None:
    script = Script([success()], plan={"questions": questions})
    assert (await report_of(env, airbyte, script)).status is JobStatus.SUCCEEDED
    assert script.calls == ["open job", *calls, *SYNC]


REFUSED = failure(FailureType.CONFIG_ERROR, "source.config.port: is missing")
NO_DISCOVER = {"discover 0": refused(REFUSED.message)}


@pytest.mark.parametrize(
    ("played", "calls"),
    [
        ({"plan": {**EVERYTHING, "refused": REFUSED}}, []),
        (
            {"plan": {"questions": SPECS[:1]}, "checked": Configured(failure=REFUSED)},
            ["launch spec source", "watch spec source", "check configs"],
        ),
        (
            {"plan": {"questions": (SPECS[0], discover())}, "launches": {"spec source": refused(REFUSED.message)}},
            ["launch spec source"],
        ),
        ({"plan": {"questions": (discover(),)}, "launches": NO_DISCOVER}, ["launch discover 0"]),
        ({"plan": {"questions": (discover(),), "has_catalog": True}, "launches": NO_DISCOVER}, ["launch discover 0"]),
    ],
    ids=["by the plan", "by the specs", "image of a spec", "image of a discover", "image, with a catalog"],
)
async def test_what_is_refused_fails_the_job_before_its_first_attempt(
    env: WorkflowEnvironment, airbyte: Client, played: dict[str, Any], calls: list[str]
) -> None:
    script = Script(**played)
    report = await report_of(env, airbyte, script)
    assert (report.status, report.attempts) == (JobStatus.FAILED, ())
    assert report.failures[0].message == REFUSED.message
    assert script.calls == ["open job", *calls, "close job failed"]
    assert script.closed is not None
    assert script.closed.reason == REFUSED.message


async def test_the_other_spec_s_pod_is_not_left_alone_when_one_is_refused(
    env: WorkflowEnvironment, airbyte: Client
) -> None:
    script = Script(plan=EVERYTHING, launches={"spec source": refused()}, hold=["watch spec destination"])
    async with script.played(env.client):
        started = await airbyte.start_sync(INPUT)
        await script.reached("watch spec destination")
        assert "close job failed" not in script.calls
        script.release("watch spec destination")
        assert (await started.report()).status is JobStatus.FAILED
    assert script.calls[-1] == "close job failed"


@pytest.mark.parametrize(
    ("plan", "pod", "status"),
    [
        ({"questions": SPECS}, "spec source", JobStatus.SUCCEEDED),
        ({"questions": SPECS}, "spec destination", JobStatus.SUCCEEDED),
        ({"questions": (discover(),)}, "discover 0", JobStatus.FAILED),
        ({"questions": (discover(),), "has_catalog": True}, "discover 0", JobStatus.SUCCEEDED),
    ],
)
async def test_what_can_be_missed_is_missed(
    env: WorkflowEnvironment, airbyte: Client, plan: Any, pod: str, status: JobStatus
) -> None:
    """Without a spec a config is not checked; with a catalog that was given, it is not compared."""
    script = Script([success()], plan=plan, answers={pod: complete()})
    report = await report_of(env, airbyte, script)
    assert report.status is status
    assert [each.message for each in report.failures] == ([] if status is JobStatus.SUCCEEDED else ["broke"])
    assert ("configure" in script.calls) is (status is JobStatus.SUCCEEDED)


@pytest.mark.parametrize(
    ("plan", "held"),
    [
        ({"questions": SPECS}, ["open job"]),
        (EVERYTHING, ["launch spec source", "launch spec destination"]),
        (EVERYTHING, ["launch spec source", "watch spec destination"]),
        (EVERYTHING, ["watch spec source", "watch spec destination"]),
        (EVERYTHING, ["check configs"]),
        (EVERYTHING, ["launch discover 0"]),
        (EVERYTHING, ["watch discover 0"]),
        ({"questions": (discover(),), "has_catalog": True}, ["watch discover 0"]),
    ],
)
@pytest.mark.parametrize("by_update", [False, True], ids=["temporal", "update"])
async def test_a_cancel_during_the_questions_ends_the_job_and_launches_nothing_afterwards(
    env: WorkflowEnvironment, airbyte: Client, plan: Any, held: list[str], by_update: bool
) -> None:
    script = Script([success()], plan=plan, hold=held)
    async with script.played(env.client):
        started = await airbyte.start_sync(INPUT)
        await script.reached(*held)
        launched = [call for call in script.calls if call.startswith("launch")]
        await (started.cancel(by="me") if by_update else env.client.get_workflow_handle(ID).cancel())
        if not held[0].startswith(("launch", "watch")):  # the books are kept to their end
            script.release(*held)
        await assert_cancelled(env, ID)
    assert [call for call in script.calls if call.startswith("launch")] == launched
    assert "configure" not in script.calls
    assert script.calls[-1] == "close job cancelled"


async def test_what_is_asked_stands_in_the_details(env: WorkflowEnvironment, airbyte: Client) -> None:
    specs = ("watch spec source", "watch spec destination")
    script = Script([success()], plan=EVERYTHING, hold=[*specs, "watch discover 0", "watch sync 0"])
    configured = "the source for its spec and the destination for its spec"
    async with script.played(env.client):
        started = await airbyte.start_sync(INPUT)
        await script.reached(*specs)
        assert f"asking: {configured}" in await details(env, ID)
        script.release(*specs)
        await script.reached("watch discover 0")
        assert "asking: the source for its streams" in await details(env, ID)
        script.release("watch discover 0")
        await script.reached("watch sync 0")
        assert "attempt 1: running: pod replication-job-7-attempt-0" in await details(env, ID)
        script.release("watch sync 0")
        await started.result()
