"""Our plugin for Temporal clients: strict payloads, a check of the arguments' number, the sandbox's trust, logs."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

from temporalio.exceptions import ApplicationError
from temporalio.plugin import SimplePlugin
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowRunner,
)
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from airbyte_workers.names import INVALID_INPUT
from airbyte_workers.runtime.payloads import data_converter
from airbyte_workers.runtime.trace_context import TraceContextOnStart
from airbyte_workers.telemetry.activity_keys import ActivityKeys

TRUSTED = ("airbyte_workers", "activities", "structlog", "msgspec", "pydantic_settings", "asyncpg", "obstore")
"""What workflow code shares with the host process. Never `workflows` itself: that turns the sandbox off."""


class OneArgument(WorkflowInboundInterceptor):
    """Decoding neither counts arguments nor checks null: either would leave the run stuck."""

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        wanted = [name for name in inspect.signature(input.run_fn).parameters if name != "self"]
        if len(input.args) != len(wanted) or None in input.args:
            got = "null" if None in input.args else len(input.args)
            raise ApplicationError(
                f"{input.type.__name__.removesuffix('Workflow')} takes one JSON object as input, got {got}",
                type=INVALID_INPUT,
                non_retryable=True,
            )
        return await super().execute_workflow(input)


class ArgumentCheck(Interceptor):
    """Puts the check in front of every workflow."""

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: ARG002  # the SDK's signature
    ) -> type[WorkflowInboundInterceptor]:
        return OneArgument


class AirbytePlugin(SimplePlugin):
    """`Client.connect(address, plugins=[AirbytePlugin()])` is all a client of ours needs."""

    def __init__(self) -> None:
        super().__init__(
            "airbyte-workers",
            data_converter=lambda _: data_converter,
            interceptors=[ArgumentCheck(), ActivityKeys(), TraceContextOnStart()],
            workflow_runner=_trusting,
        )


def _trusting(runner: WorkflowRunner | None) -> WorkflowRunner:
    if runner is not None and not isinstance(runner, SandboxedWorkflowRunner):  # a debugger brings its own
        return runner
    sandbox = runner or SandboxedWorkflowRunner()
    return dataclasses.replace(sandbox, restrictions=sandbox.restrictions.with_passthrough_modules(*TRUSTED))
