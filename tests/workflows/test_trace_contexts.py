"""A job belongs to the trace of whoever starts it, by whichever way; a context that is none is in nobody's way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from said import IMAGE, success
from script import Script
from somebody import INPUT, Nightly
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, Interceptor, OutboundInterceptor, StartWorkflowInput, WorkflowHandle
from temporalio.common import RawValue
from temporalio.contrib.opentelemetry import TracingInterceptor
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from airbyte_workers.jobs.trace_context import HEADER, MEMO
from airbyte_workers.names import JobKind

pytestmark = pytest.mark.temporal
SYNC = {"connection": "demo", **{name: INPUT[name] for name in ("source", "destination")}}


@contextmanager
def span() -> Iterator[str]:
    """A span around what the test does; its trace's id."""
    with TracerProvider().get_tracer("test").start_as_current_span("somebody's work") as current:
        yield f"{current.get_span_context().trace_id:032x}"


def trace_id(traceparent: str) -> str:
    return traceparent.split("-")[1] if traceparent else ""


async def run(client: Client, kind: JobKind, input: dict[str, Any], id: str) -> None:
    await client.execute_workflow(kind.capitalize(), input, id=id, task_queue="airbyte")


@pytest.mark.parametrize("id", ["sync/demo", "any id"])
async def test_a_client_that_traces_has_the_job_in_its_trace(env: WorkflowEnvironment, id: str) -> None:
    """Under another id than the connection's, too, where a child does the job."""
    script = Script([success()])
    async with script.played(env.client):
        with span() as expected:
            await run(env.client, JobKind.SYNC, SYNC, id)
    assert script.opened_job is not None
    assert trace_id(script.opened_job.traceparent) == expected


async def test_a_check_is_in_its_starters_trace_as_well(env: WorkflowEnvironment) -> None:
    script = Script()
    async with script.played(env.client):
        with span() as expected:
            await run(env.client, JobKind.CHECK, {"image": IMAGE, "config": {}}, "check")
    assert script.opened is not None
    assert trace_id(script.opened.traceparent) == expected


async def test_without_a_span_the_job_has_a_trace_of_its_own(env: WorkflowEnvironment) -> None:
    script = Script([success()])
    async with script.played(env.client):
        await run(env.client, JobKind.SYNC, SYNC, "sync/demo")
    assert script.opened_job is not None
    assert script.opened_job.traceparent == ""


async def test_somebodys_workflow_that_temporals_own_tracing_follows_has_the_sync_in_its_trace(
    env: WorkflowEnvironment,
) -> None:
    tracing = TracingInterceptor(TracerProvider().get_tracer("somebody"))
    client = await Client.connect(env.client.service_client.config.target_host, interceptors=[tracing])
    script = Script([success()])
    async with script.played(env.client), Worker(client, task_queue="somebody", workflows=[Nightly]):
        with span() as expected:
            await client.execute_workflow(
                Nightly.run, args=["Sync", INPUT, "nightly sync"], id="parent", task_queue="somebody"
            )
    assert script.opened_job is not None
    assert trace_id(script.opened_job.traceparent) == expected


@pytest.mark.parametrize(
    "payload",
    [
        Payload(metadata={"encoding": b"json/plain"}, data=b'{"traceparent": "garbage"}'),
        Payload(metadata={"encoding": b"json/plain"}, data=b"[1]"),
        Payload(metadata={"encoding": b"json/plain"}, data=b"{not json"),
        Payload(metadata={"encoding": b"binary/of-mine"}, data=b"\xff"),
    ],
    ids=["garbage", "list", "not json", "other encoding"],
)
async def test_a_header_that_is_no_context_fails_no_run(env: WorkflowEnvironment, payload: Payload) -> None:
    class Odd(Interceptor):
        def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
            return Adds(next)

    class Adds(OutboundInterceptor):
        async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
            input.headers = {**input.headers, HEADER: payload}
            return await super().start_workflow(input)

    script = Script([success()])
    config = env.client.config()
    config["interceptors"] = [*config.get("interceptors", []), Odd()]
    async with script.played(env.client):
        await run(Client(**config), JobKind.SYNC, SYNC, "sync/demo")
    assert script.opened_job is not None
    assert script.opened_job.traceparent == ""
    assert not trace.get_current_span().get_span_context().is_valid


async def test_a_memo_that_nobody_can_read_fails_no_run(env: WorkflowEnvironment) -> None:
    class Odd(Interceptor):
        def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
            return Adds(next)

    class Adds(OutboundInterceptor):
        async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
            odd = RawValue(Payload(metadata={"encoding": b"binary/of-mine"}, data=b"\xff"))
            input.memo = {MEMO: odd}
            return await super().start_workflow(input)

    script = Script([success()])
    config = env.client.config()
    config["interceptors"] = [*config.get("interceptors", []), Odd()]
    async with script.played(env.client):
        await run(Client(**config), JobKind.SYNC, SYNC, "sync/demo")
    assert script.opened_job is not None
    assert script.opened_job.traceparent == ""
