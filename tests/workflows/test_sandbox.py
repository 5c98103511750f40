"""Workflow code runs in Temporal's sandbox: our library is trusted in it, the workflows themselves are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import WorkflowFailureError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import RestrictedWorkflowAccessError

from airbyte_workers.runtime.plugin import TRUSTED

pytestmark = pytest.mark.temporal


@workflow.defn(name="Naughty", failure_exception_types=[RestrictedWorkflowAccessError])
class NaughtyWorkflow:
    @workflow.run
    async def run(self, path: str) -> str:
        return Path(path).read_text()  # noqa: ASYNC240  # the naughty thing itself


async def test_a_workflow_that_reads_a_file_is_stopped(env: WorkflowEnvironment) -> None:
    """The plugin keeps the sandbox on: without it this would read the file, and replay something else tomorrow."""
    async with Worker(env.client, task_queue="naughty", workflows=[NaughtyWorkflow]):
        with pytest.raises(WorkflowFailureError) as error:
            await env.client.execute_workflow("Naughty", "/etc/hostname", id="naughty", task_queue="naughty")
    assert "Cannot access" in str(error.value.cause)


def test_the_package_of_the_workflows_is_never_trusted() -> None:
    """Trust in a package holds for everything in it: trusting `workflows` would turn the sandbox off without a word."""
    assert "airbyte_workers" in TRUSTED
    assert not any(name == "workflows" or "workflows".startswith(f"{name}.") for name in TRUSTED)
