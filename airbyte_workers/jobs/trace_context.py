"""The W3C trace context of whoever starts a job: its job's trace goes on from there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

HEADER = "_tracer-data"
"""The header in which Temporal's SDKs carry it."""
MEMO = "traceparent"
"""The memo in which a run hands it to the one that it starts under the connection's fixed id."""
_FORM = re.compile(r"00-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})")


@dataclass(frozen=True)
class TraceContext:
    """Somebody's trace and the span in it that a job belongs to."""

    trace_id: int
    span_id: int
    is_sampled: bool


def parsed(traceparent: str | None) -> TraceContext | None:
    """None for what is no context: whoever sent it is not worse off than without (W3C Trace Context, section 3.2)."""
    found = _FORM.fullmatch(traceparent or "")
    if found is None:
        return None
    trace_id, span_id = int(found["trace"], 16), int(found["span"], 16)
    if not trace_id or not span_id:
        return None
    return TraceContext(trace_id, span_id, is_sampled=bool(int(found["flags"], 16) & 1))


def carried(header: Any) -> str:
    """What a header's value says, where it is one that can be used; else empty."""
    said = header.get("traceparent") if isinstance(header, dict) else header
    return said if isinstance(said, str) and parsed(said) is not None else ""
