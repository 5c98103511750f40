"""The conditions by which a record is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airbyte_workers.mappers.values import content

Condition = Callable[[Mapping[str, bytes]], bool]


def condition(config: Mapping[str, Any]) -> Condition:
    """Whether the fields of a record satisfy a condition that was checked.

    EQUAL compares the text of the value (null's is "null", as upstream); a field that is not there equals nothing.
    """
    if config["type"] == "EQUAL":
        return _equal(config["fieldName"], config["comparisonValue"])
    parts = [condition(part) for part in config["conditions"]]
    if config["type"] == "AND":
        return lambda fields: all(part(fields) for part in parts)
    if config["type"] == "OR":
        return lambda fields: any(part(fields) for part in parts)
    return lambda fields: not any(part(fields) for part in parts)


def _equal(name: str, text: str) -> Condition:
    wanted = text.encode("utf-8", "surrogatepass")  # JSON can spell half a character: equal to no value

    def holds(fields: Mapping[str, bytes]) -> bool:
        raw = fields.get(name)
        try:
            return raw is not None and content(raw) == wanted
        except ValueError:  # a string that cannot be decoded is no text
            return False

    return holds
