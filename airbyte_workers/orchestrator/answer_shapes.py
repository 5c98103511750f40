"""What counts as a connector's answer to `spec`, `check` or `discover`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from airbyte_workers.protocol.messages import MessageType
from airbyte_workers.replication.decoding import repaired


@dataclass(frozen=True)
class Shape:
    """An answer is an object `body` in its message whose `member` is sound."""

    body: str
    member: str
    is_sound: Callable[[Any], bool]


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_status(value: Any) -> bool:
    return value in ("SUCCEEDED", "FAILED")


ANSWERS: Mapping[str, Mapping[str, Shape]] = {
    "spec": {MessageType.SPEC: Shape("spec", "connectionSpecification", _is_object)},
    "check": {MessageType.CONNECTION_STATUS: Shape("connectionStatus", "status", _is_status)},
    "discover": {
        MessageType.CATALOG: Shape("catalog", "streams", _is_list),
        MessageType.DESTINATION_CATALOG: Shape("destination_catalog", "operations", _is_list),
    },
}
"""By operation and by the type of the message."""


def read_answer(line: bytes, shape: Shape) -> dict[str, Any] | None:
    """The answer in a line; None when it is none."""
    message = _decoded(line)
    body = message.get(shape.body) if isinstance(message, dict) else None
    return body if isinstance(body, dict) and shape.is_sound(body.get(shape.member)) else None


def _decoded(line: bytes) -> Any:
    """Decoded as whoever reads the marker decodes it: an answer too deep for pydantic would be no answer there."""
    try:
        return from_json(line, allow_inf_nan=False)
    except ValueError:
        pass
    try:
        return from_json(repaired(line), allow_inf_nan=False)
    except (ValueError, RecursionError):
        return None
