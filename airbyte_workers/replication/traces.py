"""TRACE messages: read so that neither an error nor the end of a stream is lost, however it is spelt."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Raw

from airbyte_workers.jobs.failures import MAX_MESSAGE, Command, from_trace
from airbyte_workers.models import Failure, FailureOrigin
from airbyte_workers.protocol.messages import (
    ABSENT,
    StreamDescriptor,
    Trace,
    TraceError,
    TraceStreamStatus,
    serialise,
)
from airbyte_workers.protocol.streams import StreamKey
from airbyte_workers.redaction import Redactor
from airbyte_workers.replication.decoding import repaired
from airbyte_workers.replication.raw_members import raw_members
from airbyte_workers.replication.statistics import Quota

LOST_ERROR = "an ERROR trace that could not be read"
_EPOCH = datetime.fromtimestamp(0, UTC)
_TRACE = re.compile(rb'"type"\s*:\s*"TRACE"')
_ERROR = re.compile(rb'"type"\s*:\s*"ERROR"')


class _TraceLine(msgspec.Struct):
    trace: Trace


class _OddError(msgspec.Struct):
    type: Literal["ERROR"]
    error: Raw = ABSENT


class _OddErrorLine(msgspec.Struct):
    trace: _OddError


class _BareStatus(msgspec.Struct):
    stream_descriptor: StreamDescriptor
    status: str


class _OddStatus(msgspec.Struct):
    type: Literal["STREAM_STATUS"]
    stream_status: _BareStatus


class _OddStatusLine(msgspec.Struct):
    trace: _OddStatus


L = TypeVar("L", bound=msgspec.Struct)


def decoded(line: bytes, kind: type[L]) -> L:
    """The line as `kind`, with the standard library's help where msgspec is the stricter one.

    Raises ValueError or RecursionError.
    """
    try:
        return msgspec.json.decode(line, type=kind)
    except msgspec.DecodeError:  # of a body that stands twice msgspec refuses the first, and the last one counts
        return msgspec.json.decode(repaired(line), type=kind)


def read_trace(line: bytes) -> Trace | None:
    """The trace in a TRACE line; None when it is none."""
    try:
        return decoded(line, _TraceLine).trace
    except (ValueError, RecursionError):
        return _odd_error(line) or _odd_status(line)


def lost_error(line: bytes) -> Trace | None:
    """The ERROR trace in a line that is no message: it was cut off, or is not UTF-8. None when it is none."""
    if not (line.lstrip().startswith(b"{") and _TRACE.search(line) and _ERROR.search(line)):
        return None
    trace = read_trace(line.decode(errors="replace").encode())
    return trace if trace is not None and trace.type == "ERROR" else Trace(type="ERROR", error=_LOST)


def failure_of(origin: FailureOrigin, trace: Trace, redact: Redactor, command: Command | None) -> Failure:
    """The failure that an ERROR trace tells of. Redacted before it is cut: a part of a secret would stay else."""
    error = trace.error or TraceError(message="")
    message, internal = (
        text and redact(text, leg=origin, limit=2 * MAX_MESSAGE) for text in (error.message, error.internal_message)
    )
    failure = from_trace(origin, message or "", error.failure_type, internal)
    changes: dict[str, Any] = {"command": command}
    if (descriptor := error.stream_descriptor) is not None:
        changes |= {"stream": descriptor.name, "namespace": descriptor.namespace}
    return failure.model_copy(update=changes)


def quota_of(status: TraceStreamStatus) -> Quota | None:
    """What a stream waits for: it runs, and the one reason it gives is RATE_LIMITED. None: it waits for nothing."""
    reasons = status.reasons or []
    if status.status != "RUNNING" or [reason.type for reason in reasons] != ["RATE_LIMITED"]:
        return None
    limited = reasons[0].rate_limited
    return Quota(_moment(limited.quota_reset) if limited is not None else None)


def _moment(milliseconds: float | None) -> datetime | None:
    """A time since the epoch; None for what is no time that a calendar knows."""
    if milliseconds is None or not milliseconds >= 0:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None


def stream_status(key: StreamKey, status: str) -> bytes:
    """The line that tells a stream's status, as of now."""
    name, namespace = key
    told = TraceStreamStatus(stream_descriptor=StreamDescriptor(name=name, namespace=namespace), status=status)
    trace = Trace(type="STREAM_STATUS", emitted_at=int(time.time() * 1000), stream_status=told)
    return b'{"type":"TRACE","trace":' + serialise(trace) + b"}\n"


def _odd_error(line: bytes) -> Trace | None:
    """An ERROR trace with a body that the protocol does not know: that something failed is told all the same."""
    try:
        error = decoded(line, _OddErrorLine).trace.error
    except (ValueError, RecursionError):
        return None
    return Trace(type="ERROR", error=TraceError(message=_told_by(error)))


def _told_by(error: Raw) -> str:
    """The message of an odd error, or the error itself where it is a text: nothing else of it is decoded."""
    message = raw_members(error).get("message", ABSENT) if bytes(error).startswith(b"{") else error
    try:
        return msgspec.json.decode(message, type=str)
    except msgspec.DecodeError:
        return ""


def _odd_status(line: bytes) -> Trace | None:
    """A stream's status with reasons that the protocol does not know: a stream that failed must not look well."""
    try:
        bare = decoded(line, _OddStatusLine).trace.stream_status
    except (ValueError, RecursionError):
        return None
    status = TraceStreamStatus(stream_descriptor=bare.stream_descriptor, status=bare.status)
    return Trace(type="STREAM_STATUS", stream_status=status)


_LOST = TraceError(message=LOST_ERROR)
