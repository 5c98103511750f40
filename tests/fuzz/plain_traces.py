"""TRACE and LOG messages for the reference relay: neither an error nor the end of a stream may be lost."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.fuzz.plain_json import has_half_a_pair
from tests.fuzz.plain_states import Key, is_descriptor, key_of

_SAYS_TRACE = re.compile(rb'"type"[ \t\r\n\f\v]*:[ \t\r\n\f\v]*"TRACE"')
_SAYS_ERROR = re.compile(rb'"type"[ \t\r\n\f\v]*:[ \t\r\n\f\v]*"ERROR"')
_FAILURE_TYPES = ("config_error", "transient_error", "system_error")


@dataclass(frozen=True)
class PlainError:
    """An ERROR trace: its kind, and the stream it is about, if it says so."""

    kind: str = "system_error"
    stream: Key | None = None


@dataclass(frozen=True)
class PlainStatus:
    """A stream's status; `limited`: it waits for a quota until `reset` (ms since the epoch, None: not said)."""

    stream: Key
    status: str
    limited: bool = False
    reset: float | None = None


@dataclass(frozen=True)
class PlainEstimate:
    """How much a source expects to send of a stream or, by its type, of the whole sync."""

    type: str
    stream: Key
    records: float | None
    bytes: float | None


def trace_in(line: bytes) -> PlainError | PlainStatus | PlainEstimate | str | None:
    """What a TRACE message tells; a text is the type of one that changes nothing; None: it is none."""
    trace = _body(line, "trace")
    if trace is None or not _text(trace, "type"):
        return None
    if not _is_well(trace):
        return _odd(trace)
    if trace["type"] == "ERROR":
        return _error(trace.get("error") or {})
    if trace.get("stream_status") is not None:
        return _status(trace["stream_status"])
    if trace.get("estimate") is not None:
        return _estimate(trace["estimate"])
    return str(trace["type"])


def _body(line: bytes, name: str) -> dict[str, Any] | None:
    """The body of a message that is known to be JSON; half a surrogate pair in it becomes a question mark."""
    text = line.decode()
    message = json.loads(text)
    body = (without_half_pairs(message) if has_half_a_pair(text) else message).get(name)
    return body if isinstance(body, dict) else None


def lost_error(line: bytes) -> PlainError | None:
    """The ERROR trace in a line that is no message: it was cut off, or is not UTF-8."""
    if not (line.lstrip().startswith(b"{") and _SAYS_TRACE.search(line) and _SAYS_ERROR.search(line)):
        return None
    try:
        found = trace_in(line.decode(errors="replace").encode())
    except (ValueError, RecursionError):
        return PlainError()
    return found if isinstance(found, PlainError) else PlainError()


def level_of(line: bytes) -> str | None:
    """The level of a LOG message; None: it is none."""
    log = _body(line, "log")
    if log is None or not _text(log, "message") or not _texts(log, "stack_trace"):
        return None
    level = log.get("level", "INFO")
    return level if isinstance(level, str) else None


def level_of_control(line: bytes) -> str | None:
    """The level at which a CONTROL message is told: only one with a config that cannot be used is."""
    if b'"connectorConfig"' not in line:
        return None
    control = _body(line, "control")
    if control is None or not _text(control, "type") or not _numbers(control, "emitted_at"):
        return "WARN"
    config = control.get("connectorConfig")
    if config is not None and (not isinstance(config, dict) or "config" not in config):
        return "WARN"
    if control["type"] != "CONNECTOR_CONFIG" or config is None:
        return None
    return None if isinstance(config["config"], dict) else "WARN"


def without_half_pairs(value: Any) -> Any:
    """The value with a question mark for each half of a surrogate pair."""
    return json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))


def _error(error: dict[str, Any]) -> PlainError:
    descriptor, kind = error.get("stream_descriptor"), error.get("failure_type")
    stream = None if descriptor is None else key_of(descriptor)
    return PlainError(kind if kind in _FAILURE_TYPES else "system_error", stream)


def _status(status: dict[str, Any]) -> PlainStatus:
    key, reasons = key_of(status["stream_descriptor"]), status.get("reasons") or []
    limited = status["status"] == "RUNNING" and [each["type"] for each in reasons] == ["RATE_LIMITED"]
    reset = (reasons[0].get("rate_limited") or {}).get("quota_reset") if limited else None
    return PlainStatus(key, status["status"], limited, reset)


def _estimate(estimate: dict[str, Any]) -> PlainEstimate:
    amounts = estimate.get("row_estimate"), estimate.get("byte_estimate")
    return PlainEstimate(estimate["type"], key_of(estimate), *amounts)


def _odd(trace: dict[str, Any]) -> PlainError | PlainStatus | None:
    """Something in it is not as the protocol has it: all but the bare fact is left out."""
    if trace["type"] == "ERROR":
        return PlainError()
    status = trace.get("stream_status")
    if trace["type"] != "STREAM_STATUS" or not isinstance(status, dict):
        return None
    if not is_descriptor(status.get("stream_descriptor")) or not isinstance(status.get("status"), str):
        return None
    return PlainStatus(key_of(status["stream_descriptor"]), status["status"])


# --- shapes ---


def _is_well(trace: dict[str, Any]) -> bool:
    return (
        _numbers(trace, "emitted_at")
        and _optional(trace, "error", _is_error)
        and _optional(trace, "estimate", _is_estimate)
        and _optional(trace, "stream_status", _is_status)
        and _optional(trace, "analytics", lambda value: _text(value, "type") and _texts(value, "value"))
    )


def _is_error(error: dict[str, Any]) -> bool:
    return (
        _text(error, "message")
        and _texts(error, "internal_message", "stack_trace", "failure_type")
        and _optional(error, "stream_descriptor", is_descriptor)
    )


def _is_estimate(estimate: dict[str, Any]) -> bool:
    return (
        _text(estimate, "name")
        and _text(estimate, "type")
        and _texts(estimate, "namespace")
        and _numbers(estimate, "row_estimate", "byte_estimate")
    )


def _is_status(status: dict[str, Any]) -> bool:
    reasons = status.get("reasons")
    return (
        is_descriptor(status.get("stream_descriptor"))
        and _text(status, "status")
        and (reasons is None or (isinstance(reasons, list) and all(_is_reason(each) for each in reasons)))
    )


def _is_reason(reason: Any) -> bool:
    return (
        isinstance(reason, dict)
        and _text(reason, "type")
        and _optional(reason, "rate_limited", lambda value: _numbers(value, "quota_reset"))
    )


def _optional(value: dict[str, Any], name: str, check: Callable[[Any], bool]) -> bool:
    held = value.get(name)
    return held is None or (isinstance(held, dict) and check(held))


def _text(value: dict[str, Any], name: str) -> bool:
    return isinstance(value.get(name), str)


def _texts(value: dict[str, Any], *names: str) -> bool:
    return all(value.get(name) is None or isinstance(value[name], str) for name in names)


def _numbers(value: dict[str, Any], *names: str) -> bool:
    """Also one that is larger than any float."""
    held = [value.get(name) for name in names]
    return all(each is None or (isinstance(each, int | float) and not isinstance(each, bool)) for each in held)
