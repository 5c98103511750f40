"""A record while mappers change it."""

from __future__ import annotations

from msgspec import Struct, field

NULLED = "NULLED"
PLATFORM_SERIALIZATION_ERROR = "PLATFORM_SERIALIZATION_ERROR"


class FieldChange(Struct, frozen=True):
    """A loss that a destination is told of, in the protocol's words (`record.meta.changes`)."""

    field: str
    change: str = NULLED
    reason: str = PLATFORM_SERIALIZATION_ERROR


class MappedRecord(Struct):
    """The top-level fields of a record's `data`, each value as the raw JSON that stood there; changed in place."""

    data: dict[str, bytes]
    changes: list[FieldChange] = field(default_factory=list)
