"""A database that was restored from an older copy: runs whose rows are gone end and say so, at once."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from by_hand import failed_run
from said import success
from script import Script
from temporalio.testing import WorkflowEnvironment

from airbyte_workers.models import FailureType
from airbyte_workers.names import sync_workflow_id
from airbyte_workers.store.attempts import AttemptGone
from airbyte_workers.store.transitions import JobGone

pytestmark = pytest.mark.temporal
SYNC = {"connection": "demo", "source": {"image": "source:1"}, "destination": {"image": "destination:1"}}
ID = sync_workflow_id("demo")
LOST = "there is no job 7: the job database was restored from an older copy, or emptied, while this run did the job"
CALLS = [
    "configure",
    "open attempt 0",
    "launch sync 0",
    "watch sync 0",
    "close attempt 0 succeeded",
    "close job succeeded",
]
KINDS = {"Spec": "spec", "Check": "check", "Discover": "discover"}


@dataclass
class Restored(Script):
    """From this call on the database has no such job, or attempt."""

    since: str = ""
    error: Exception | None = None
    restored: bool = False

    async def _called(self, call: str) -> None:
        self.restored = self.restored or call == self.since
        if self.restored and (self.error is None or call == self.since):
            self.calls.append(call)
            raise self.error or JobGone(7)
        await super()._called(call)


@pytest.mark.parametrize("since", CALLS)
async def test_a_sync_whose_job_is_gone_fails_in_clear_words(env: WorkflowEnvironment, since: str) -> None:
    script = Restored([success()], since=since)
    async with script.played(env.client):
        error = await failed_run(env, "Sync", SYNC, id=ID)
    assert (error.type, error.message) == ("JobGone", LOST)
    assert len(script.calls) == len(set(script.calls))  # nothing is tried twice


@pytest.mark.parametrize("since", ["launch", "watch", "close"])
@pytest.mark.parametrize("kind", KINDS)
async def test_so_does_a_question(env: WorkflowEnvironment, kind: str, since: str) -> None:
    name = f"{since} {KINDS[kind]}" + (" succeeded" if since == "close" else " 0")
    script = Restored(since=name)
    async with script.played(env.client):
        error = await failed_run(env, kind, {"image": "i"})
    assert (error.type, error.message) == ("JobGone", LOST)


@pytest.mark.parametrize("since", ["launch sync 0", "watch sync 0", "close attempt 0 succeeded"])
async def test_a_job_that_has_lost_its_attempt_is_ended(env: WorkflowEnvironment, since: str) -> None:
    script = Restored([success()], since=since, error=AttemptGone(7, 0), plan={})
    script.rules = script.rules.model_copy(update={"max_retries": 0})
    async with script.played(env.client):
        await failed_run(env, "Sync", SYNC, id=ID)
    assert script.closed is not None
    assert script.closed.status == "failed"
    (failure, *_) = script.closed.failures
    assert failure.type in (FailureType.SYSTEM_ERROR, FailureType.LAUNCH_FAILED)
    assert "job 7 has no attempt 1" in failure.message
