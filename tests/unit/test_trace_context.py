"""The trace context of whoever starts a job: taken where it can be used, and never in the way."""

from __future__ import annotations

from typing import Any

import pytest

from airbyte_workers.jobs.trace_context import TraceContext, carried, parsed

GOOD = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_context_says_whose_trace_it_is() -> None:
    assert parsed(GOOD) == TraceContext(0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7, is_sampled=True)
    assert parsed(GOOD[:-1] + "0") == TraceContext(
        0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7, is_sampled=False
    )


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "garbage",
        GOOD.upper(),
        f"{GOOD}-more",
        f"{GOOD}\n",
        f"01{GOOD[2:]}",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01",
    ],
)
def test_what_is_no_context_counts_as_none(text: str | None) -> None:
    assert parsed(text) is None


@pytest.mark.parametrize(
    ("header", "context"),
    [
        ({"traceparent": GOOD, "tracestate": "x=y"}, GOOD),
        (GOOD, GOOD),
        ({"traceparent": "garbage"}, ""),
        ({"traceparent": 12}, ""),
        ({}, ""),
        (None, ""),
        ([GOOD], ""),
    ],
)
def test_a_header_is_read_for_what_can_be_used_of_it(header: Any, context: str) -> None:
    assert carried(header) == context
