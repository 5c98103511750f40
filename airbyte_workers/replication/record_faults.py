"""A stream's schema as records are held against it, and what does not fit in words: never a value of the customer's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from itertools import islice
from typing import Any

import msgspec
from jsonschema_rs import Draft7Validator, FancyRegexOptions, ValidationError, ValidationErrorKind
from msgspec import Raw

from airbyte_workers.protocol.field_selection import schema_fields
from airbyte_workers.replication.decoding import repaired

MAX_FAULTS = 10
"""Different ones told of a record, and of a stream; the rest is counted."""
_LOOKED_AT = 100  # faults of one record: a list may have one for each of its items
_LONGEST = 300  # characters of a sentence: names in it are a connector's
_BACKTRACKS = 100_000  # steps of a pattern over one text
_DATE = r"\d{4,}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_TIME = r"(?:[01]\d|2[0-4]):[0-5]\d(?::[0-6]\d(?:\.\d+)?)?(?: ?(?:[Zz]|[+-]\d\d(?::?\d\d)?))?"
_PLAIN = """email idn-email hostname idn-hostname ipv4 ipv6 uri uri-reference iri iri-reference uri-template
json-pointer relative-json-pointer regex"""
_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_KINDS: Mapping[type, str] = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    str: "string",
    list: "array",
    dict: "object",
}


class NotCheckable(Exception):
    """The record cannot be held against the schema; its text says why, without values."""


class UnusableSchema(Exception):
    """The schema cannot be used; its text says why."""


def _written_as(pattern: str) -> Callable[[str], bool]:
    return re.compile(pattern).fullmatch  # type: ignore[return-value]  # a match is true


_FORMATS: Mapping[str, Callable[[str], bool]] = {
    **dict.fromkeys(_PLAIN.split(), lambda _: True),
    "date": _written_as(rf"{_DATE}(?: BC)?"),
    "time": _written_as(_TIME),
    "date-time": _written_as(rf"{_DATE}[Tt ]{_TIME}(?: BC)?"),
}
"""Airbyte's types have the last three, with a time zone or without; all others are remarks, as draft-07 allows."""


class StreamSchema:
    """Draft-07, as upstream; a `$ref` out of it is never fetched."""

    def __init__(self, json_schema: bytes) -> None:
        """Raises UnusableSchema."""
        try:
            self._validator = Draft7Validator(
                json_schema.decode(),
                offline=True,
                validate_formats=True,
                formats=dict(_FORMATS),
                pattern_options=FancyRegexOptions(backtrack_limit=_BACKTRACKS),
            )
        except ValidationError as error:
            raise UnusableSchema(_at(error.instance_path, error.message)) from None
        except ValueError as error:
            raise UnusableSchema(_cut(str(error))) from None
        self.known = _known(json_schema)
        """Its top-level fields; None: any may be there."""

    def faults(self, data: Mapping[str, Any]) -> list[str]:
        """What does not fit, each once, the first few. Raises NotCheckable."""
        try:
            if self._validator.is_valid(data):
                return []
            errors = list(islice(self._validator.iter_errors(data), _LOOKED_AT))
        except ValueError as error:
            raise NotCheckable(type(error).__name__ if isinstance(error, UnicodeError) else str(error)) from None
        if any(isinstance(each.kind, _GAVE_UP) for each in errors):
            raise NotCheckable("a pattern of its schema takes too long")
        return list(dict.fromkeys(map(_sentence, errors)))[:MAX_FAULTS]


_GAVE_UP = (ValidationErrorKind.BacktrackLimitExceeded, ValidationErrorKind.RegexEngineFailure)


def decoded(data: Raw) -> dict[str, Any]:
    """A record's data with its numbers as they were written. Raises NotCheckable."""
    try:
        return _as_object(_DECODER.decode(data))
    except (msgspec.DecodeError, RecursionError):
        return _repaired(data)


def _repaired(data: Raw) -> dict[str, Any]:
    try:
        return _as_object(_DECODER.decode(repaired(bytes(data))))
    except (ValueError, RecursionError):
        raise NotCheckable("its data cannot be decoded") from None


def _as_object(value: Any) -> dict[str, Any]:
    assert isinstance(value, dict)  # else the line was no record
    return value


def _known(json_schema: bytes) -> frozenset[str] | None:
    try:
        schema = msgspec.json.decode(json_schema)
    except (msgspec.DecodeError, RecursionError):
        return None
    if not isinstance(schema, dict) or schema.get("patternProperties"):
        return None
    if isinstance(schema.get("additionalProperties"), dict):
        return None
    return schema_fields(json_schema) or None


# --- in words ---


def _sentence(error: ValidationError) -> str:
    kind, path = error.kind, list(error.evaluation_path)
    if isinstance(kind, ValidationErrorKind.FalseSchema) and path[-1:] != ["additionalProperties"]:
        return _cut(f"{_place(path)}: may not be there")
    if isinstance(kind, ValidationErrorKind.Required):
        said = f"lacks {kind.property}"
    elif isinstance(kind, ValidationErrorKind.Type):
        said = f"is not of type {' or '.join(kind.types)} but {_type_of(error.instance)}"
    else:
        said = _broken(kind, error.instance)
    return _cut(f"{_place(path[:-1])}: {said}")


def _broken(kind: ValidationErrorKind, instance: Any) -> str:
    """What is said where it is neither a type nor something that is missing."""
    if isinstance(kind, ValidationErrorKind.AnyOf | ValidationErrorKind.OneOfNotValid):
        return f"is {_type_of(instance)} and fits none of {kind.name}"
    if isinstance(kind, ValidationErrorKind.AdditionalProperties | ValidationErrorKind.FalseSchema):
        return "has fields that its schema does not allow"
    if isinstance(kind, ValidationErrorKind.Format):
        return f"is not written as a {kind.format}"
    if isinstance(kind, ValidationErrorKind.Enum | ValidationErrorKind.Constant):
        return "has a value that its schema does not list"
    limit = getattr(kind, "limit", None)
    return f"breaks {kind.name}" + (f" {limit}" if isinstance(limit, int | float | Decimal) else "")


def _type_of(value: Any) -> str:
    return _KINDS.get(type(value), "number")


def _place(schema_path: list[str | int]) -> str:
    """Where in a record it is, by what the schema calls it: keys that it does not name may be a customer's data."""
    place, steps = "", iter(schema_path)
    for step in steps:
        if step == "properties":
            place += f".{next(steps, '')}"
        elif step in ("patternProperties", "dependencies"):
            next(steps, None)
            place += ".*" if step == "patternProperties" else ""
        elif step == "additionalProperties":
            place += ".*"
        elif step in ("items", "additionalItems", "contains"):
            place += "[]"
    return place.removeprefix(".") or "the record"


def _at(path: list[str | int], message: str) -> str:
    where = ".".join(map(str, path))
    return _cut(f"{where}: {message}" if where else message)


def _cut(sentence: str) -> str:
    return sentence if len(sentence) <= _LONGEST else f"{sentence[:_LONGEST]}..."
