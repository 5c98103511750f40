"""The types of Airbyte's messages, and the bodies that we read as values, field for field; unknown fields are kept.

Blobs that belong to a connector (states, configs, schemas) stay `Raw`: the bytes as they stood, so that no number
loses a digit. Enumerations that connectors extend freely are plain strings here; whoever reads one decides.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

ABSENT = Raw(b"")  # a blob that was not there; msgspec knows no optional Raw
_UNKNOWN = "§unknown"  # a name that no connector sends


class MessageType(StrEnum):
    """Every type of message there is; a line of any other type is no message and becomes a log line.

    Three read them: `replication/source.py: SourceSide` and `replication/destination.py: DestinationSide` in a sync,
    `orchestrator/sidecar.py: Sidecar` in spec, check and discover. What is only told to people is read for all three
    in `replication/words.py: LOGGED`, what answers a question in `orchestrator/answer_shapes.py: ANSWERS`. A side
    passes over a type that it has no use for without a word.
    """

    RECORD = "RECORD"
    STATE = "STATE"
    LOG = "LOG"
    TRACE = "TRACE"
    CONTROL = "CONTROL"
    SPEC = "SPEC"
    CONNECTION_STATUS = "CONNECTION_STATUS"
    CATALOG = "CATALOG"
    DESTINATION_CATALOG = "DESTINATION_CATALOG"


MESSAGE_TYPES = frozenset(MessageType)


def _rename(name: str) -> str | None:
    return _UNKNOWN if name == "unknown_fields" else None


class Message(Struct, frozen=True, kw_only=True, rename=_rename):
    """A protocol object; `unknown_fields` holds what this version does not know, as it stood."""

    unknown_fields: Mapping[str, Raw] = msgspec.field(default_factory=dict)


class StreamDescriptor(Message, frozen=True, kw_only=True):
    name: str
    namespace: str | None = None


class StateStats(Message, frozen=True, kw_only=True):
    """Counts a connector gives with a state; JSON numbers that may be written with a fraction."""

    recordCount: int | float | None = None
    rejectedRecordCount: int | float | None = None


class StreamState(Message, frozen=True, kw_only=True):
    stream_descriptor: StreamDescriptor
    stream_state: Raw = ABSENT


class GlobalState(Message, frozen=True, kw_only=True):
    stream_states: list[StreamState]
    shared_state: Raw = ABSENT


class State(Message, frozen=True, kw_only=True):
    """A state; an absent `type` means LEGACY. `id` is the platform's stamp, echoed by the destination."""

    type: str | None = None
    stream: StreamState | None = None
    global_: GlobalState | None = msgspec.field(default=None, name="global")
    data: Raw = ABSENT
    id: int | None = None
    sourceStats: StateStats | None = None
    destinationStats: StateStats | None = None


class Log(Message, frozen=True, kw_only=True):
    message: str
    level: str = "INFO"
    stack_trace: str | None = None


class TraceError(Message, frozen=True, kw_only=True):
    message: str
    internal_message: str | None = None
    stack_trace: str | None = None
    failure_type: str | None = None
    stream_descriptor: StreamDescriptor | None = None


class TraceEstimate(Message, frozen=True, kw_only=True):
    name: str
    type: str
    namespace: str | None = None
    row_estimate: int | float | None = None
    byte_estimate: int | float | None = None


class RateLimited(Message, frozen=True, kw_only=True):
    """`quota_reset` is in milliseconds since the epoch."""

    quota_reset: int | float | None = None


class StreamStatusReason(Message, frozen=True, kw_only=True):
    type: str
    rate_limited: RateLimited | None = None


class TraceStreamStatus(Message, frozen=True, kw_only=True):
    stream_descriptor: StreamDescriptor
    status: str
    reasons: list[StreamStatusReason] | None = None


class TraceAnalytics(Message, frozen=True, kw_only=True):
    type: str
    value: str | None = None


class Trace(Message, frozen=True, kw_only=True):
    type: str
    emitted_at: int | float | None = None
    error: TraceError | None = None
    estimate: TraceEstimate | None = None
    stream_status: TraceStreamStatus | None = None
    analytics: TraceAnalytics | None = None


class ConnectorConfig(Message, frozen=True, kw_only=True):
    """A config in place of the one that its connector was given."""

    config: Raw


class Control(Message, frozen=True, kw_only=True):
    type: str
    emitted_at: int | float | None = None
    connectorConfig: ConnectorConfig | None = None


class Stream(Message, frozen=True, kw_only=True):
    """A stream as a source describes it."""

    name: str
    json_schema: Raw
    supported_sync_modes: list[str] = msgspec.field(default_factory=lambda: ["full_refresh"])
    source_defined_cursor: bool | None = None
    default_cursor_field: list[str] | None = None
    source_defined_primary_key: list[list[str]] | None = None
    namespace: str | None = None
    is_resumable: bool | None = None
    is_file_based: bool | None = None


class Catalog(Message, frozen=True, kw_only=True):
    streams: list[Stream]


class ConfiguredStream(Message, frozen=True, kw_only=True):
    """A stream and how to sync it."""

    stream: Stream
    sync_mode: str
    destination_sync_mode: str
    cursor_field: list[str] | None = None
    primary_key: list[list[str]] | None = None
    destination_object_name: str | None = None
    generation_id: int | None = None
    minimum_generation_id: int | None = None
    sync_id: int | None = None
    include_files: bool | None = None


class ConfiguredCatalog(Message, frozen=True, kw_only=True):
    streams: list[ConfiguredStream]


M = TypeVar("M", bound=Message)
_MEMBERS: msgspec.json.Decoder[dict[str, Raw]] = msgspec.json.Decoder(dict[str, Raw])
_ITEMS: msgspec.json.Decoder[list[Raw]] = msgspec.json.Decoder(list[Raw])


@functools.cache
def _decoder(kind: type[M]) -> msgspec.json.Decoder[M]:
    return msgspec.json.Decoder(kind)


@functools.cache
def _fields(kind: type[Message]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """msgspec evaluates all annotations again with every call, which takes longer than to read a state."""
    return msgspec.structs.fields(kind)


def parse(kind: type[M], raw: bytes | Raw) -> M:
    """The message in `raw`, unknown fields kept at every level. Raises msgspec.DecodeError or ValidationError."""
    value: M = _decoder(kind).decode(raw)
    return _with_unknown(value, raw)


def serialise(message: Message) -> bytes:
    """The message as one line of JSON without a newline; None and absent are the same."""
    return msgspec.json.encode(_plain(message))


def _with_unknown(value: M, raw: bytes | Raw) -> M:
    members = _MEMBERS.decode(raw)
    changes: dict[str, Any] = {}
    for field in _fields(type(value)):
        if field.name == "unknown_fields":
            continue
        member = members.pop(field.encode_name, None)
        held = getattr(value, field.name)
        if member is not None and isinstance(held, Message):
            changes[field.name] = _with_unknown(held, member)
        elif member is not None and isinstance(held, list) and held and isinstance(held[0], Message):
            pairs = zip(held, _ITEMS.decode(member), strict=True)
            changes[field.name] = [_with_unknown(item, item_raw) for item, item_raw in pairs]
    whole: M = msgspec.structs.replace(value, unknown_fields=members, **changes)
    return whole


def _is_absent(value: Any) -> bool:
    return value is None or (isinstance(value, Raw) and value == ABSENT)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, Message):
        return value
    known = {
        field.encode_name: _plain(held)
        for field in _fields(type(value))
        if field.name != "unknown_fields" and not _is_absent(held := getattr(value, field.name))
    }
    return known | dict(value.unknown_fields)
