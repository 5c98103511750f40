"""A client that traces has its jobs in its own trace: the start of a run carries the context of the span around it."""

from __future__ import annotations

import sys
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.client import Interceptor, OutboundInterceptor, StartWorkflowInput, WorkflowHandle

from airbyte_workers.jobs.trace_context import HEADER
from airbyte_workers.runtime.payloads import data_converter


class TraceContextOnStart(Interceptor):
    """Adds the header that Temporal's own tracing uses, unless that is in use."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _Outbound(next)


class _Outbound(OutboundInterceptor):
    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        carrier = _current()
        if carrier and HEADER not in input.headers:
            input.headers = {**input.headers, HEADER: _payload(carrier)}
        return await super().start_workflow(input)


def _current() -> dict[str, str]:
    """Empty without a span. Who has one has loaded OpenTelemetry: nobody else pays for that."""
    if "opentelemetry.trace" not in sys.modules:
        return {}
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415  # see above

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier


def _payload(carrier: dict[str, str]) -> Payload:
    return data_converter.payload_converter.to_payload(carrier)
