"""Spans on their way to whoever collects them: in a queue of the SDK's, so that nobody waits for the network."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from importlib.metadata import version

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from airbyte_workers.runtime.background import apart
from airbyte_workers.runtime.observing.spans import Span, Trace
from airbyte_workers.settings import Settings

_NS = 1_000_000_000
_US = 1_000
_MAX_QUEUE = 8192  # spans of a round: a job has a dozen for each attempt
_log = structlog.get_logger(__name__)
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class SpanTracer:
    """Hands spans with times and ids of their own to a processor of the SDK."""

    def __init__(self, processor: SpanProcessor, resource: Resource) -> None:
        self.processor = processor
        self._resource = resource
        self._scope = InstrumentationScope("airbyte_workers", version("airbyte-workers"))

    def tell(self, trace: Trace, spans: Iterable[Span]) -> None:
        """A trace that its starter does not sample is not told."""
        if not trace.is_sampled:
            return
        for span in spans:
            self.processor.on_end(self._readable(trace, span))

    def _readable(self, trace: Trace, span: Span) -> ReadableSpan:
        def context(span_id: int, *, is_remote: bool = False) -> SpanContext:
            return SpanContext(trace.id, span_id, is_remote=is_remote, trace_flags=_SAMPLED)

        parent: SpanContext | None = None
        if span.parent is not None:
            parent = context(trace.span_id(span.parent))
        elif trace.parent_id is not None:
            parent = context(trace.parent_id, is_remote=True)
        return ReadableSpan(
            name=span.name,
            context=context(trace.span_id(span.path)),
            parent=parent,
            resource=self._resource,
            attributes=dict(span.attributes),
            events=[Event(each.name, dict(each.attributes), _ns(each.at)) for each in span.moments],
            kind=SpanKind.INTERNAL,
            status=Status(StatusCode.OK) if span.error is None else Status(StatusCode.ERROR, span.error),
            start_time=_ns(span.began_at),
            end_time=_ns(span.ended_at),
            instrumentation_scope=self._scope,
        )


@asynccontextmanager
async def tracer(settings: Settings) -> AsyncIterator[SpanTracer]:
    """To the collector at OTEL_EXPORTER_OTLP_ENDPOINT. What is in the queue at the end is sent, within the time limit.

    A collector that is away costs spans and warnings in the log, and nothing else.
    """
    spans = await asyncio.to_thread(_opened, settings)  # certificates and packages are looked at
    try:
        yield spans
    finally:
        await _ended(spans.processor, settings.otlp_timeout_s)


async def _ended(processor: SpanProcessor, within_s: float) -> None:
    """Each batch that is left has the time limit for itself; all together have it, too."""
    try:
        async with asyncio.timeout(within_s):
            await apart(processor.shutdown)
    except TimeoutError:
        _log.warning("spans that the collector did not take in time are lost", setting="OTEL_EXPORTER_OTLP_ENDPOINT")


def _opened(settings: Settings) -> SpanTracer:
    exporter = OTLPSpanExporter(
        endpoint=f"{settings.otlp_endpoint}/v1/traces",
        headers=settings.otlp_headers_by_name,
        timeout=settings.otlp_timeout_s,
    )
    processor = BatchSpanProcessor(
        exporter, max_queue_size=_MAX_QUEUE, schedule_delay_millis=settings.metrics_sampling_s * 1000
    )
    return SpanTracer(processor, _resource(settings))


def _resource(settings: Settings) -> Resource:
    """What tells of whom all this is; OTEL_RESOURCE_ATTRIBUTES adds to it."""
    return Resource.create(
        {
            "service.name": settings.otel_service_name,
            "service.version": version("airbyte-workers"),
            "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
            "airbyte.dataplane": settings.dataplane,
        }
    )


def _ns(at: datetime) -> int:
    return int(at.timestamp()) * _NS + at.microsecond * _US
