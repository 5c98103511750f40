"""Spans reach a collector with the ids and times they were given; one that is away is in nobody's way."""

from __future__ import annotations

import logging
import socket
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from airbyte_workers.runtime.observing.exporting import tracer
from airbyte_workers.runtime.observing.spans import Moment, Span, Trace
from airbyte_workers.settings import Settings
from tests.collector import collecting

NOON = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
NOON_NS = 1777636800_123456000
JOB = Span("sync", "job", None, NOON, NOON, {"airbyte.job.id": 7}, None, (Moment(NOON, "opened", {"by": "you"}),))
ATTEMPT = Span("attempt", "job/attempt-1", "job", NOON, NOON, {"airbyte.attempt": 1}, "the source broke")
TRACE = Trace(0x4BF92F3577B34DA6A3CE929D0E0E4736, "7/noon", parent_id=0xF067AA0BA902B7)


async def test_a_span_is_told_as_it_is() -> None:
    with collecting() as collector:
        async with tracer(Settings(otlp_endpoint=collector.address, otlp_headers="k=v")) as spans:
            spans.tell(TRACE, [JOB, ATTEMPT])
    job, attempt = collector.spans
    assert {job.trace, attempt.trace} == {"4bf92f3577b34da6a3ce929d0e0e4736"}
    assert (job.parent, attempt.parent) == ("00f067aa0ba902b7", job.id)
    assert (job.began_ns, job.ended_ns, job.events, job.error) == (NOON_NS, NOON_NS, ("opened",), None)
    assert (attempt.error, attempt.attributes) == ("the source broke", {"airbyte.attempt": 1})
    assert collector.headers["k"] == "v"


async def test_a_trace_that_its_starter_does_not_sample_is_not_told() -> None:
    with collecting() as collector:
        async with tracer(Settings(otlp_endpoint=collector.address)) as spans:
            spans.tell(Trace(1, "k", is_sampled=False), [JOB])
            spans.tell(Trace(1, "k"), [ATTEMPT])
    assert [span.name for span in collector.spans] == ["attempt"]


async def test_a_collector_that_is_away_costs_spans_and_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with collecting() as collector:
        gone = collector.address
    with caplog.at_level(logging.WARNING):
        async with tracer(Settings(otlp_endpoint=gone, otlp_timeout_s=0.3)) as spans:
            spans.tell(TRACE, [JOB])
    assert "Failed to export spans batch" in caplog.text


async def test_a_collector_that_never_answers_keeps_nobody_from_ending(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, capture_logs() as logs:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with tracer(Settings(otlp_endpoint=address, otlp_timeout_s=0.3)) as spans:
            spans.tell(TRACE, [JOB] * 2000)
    assert [each["event"] for each in logs] == ["spans that the collector did not take in time are lost"]
