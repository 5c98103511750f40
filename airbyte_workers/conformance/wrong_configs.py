"""A config that a connector's own spec forbids, made from one that it allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airbyte_workers.protocol.configs import UnusableSpec, config_problems

_NOT_OF_TYPE: Mapping[str, Any] = {
    "string": {"wrong": True},
    "integer": "not a number",
    "number": "not a number",
    "boolean": "not a boolean",
    "array": "not a list",
    "object": "not an object",
}
_UNKNOWN = "airbyte_workers_test"


@dataclass(frozen=True)
class WrongConfig:
    """The config, and what was done to it, in words that hold no value."""

    config: Mapping[str, Any] = field(repr=False)
    what: str


def wrong_config(specification: Mapping[str, Any], config: Mapping[str, Any]) -> WrongConfig | None:
    """Without a property that it must have, else with one of a wrong type, else with one that it does not know.

    None: nothing is wrong to its spec.
    """
    for made in _made(specification, config):
        try:
            if config_problems(specification, made.config):
                return made
        except UnusableSpec:
            return None
    return None


def _made(specification: Mapping[str, Any], config: Mapping[str, Any]) -> list[WrongConfig]:
    required = [name for name in _list(specification.get("required")) if name in config]
    without = [
        WrongConfig({name: value for name, value in config.items() if name != left_out}, f"{left_out} left out")
        for left_out in required[:1]
    ]
    properties = specification.get("properties")
    typed = properties.items() if isinstance(properties, Mapping) else ()
    unknown = [WrongConfig({**config, _UNKNOWN: True}, "a property that it does not know")]
    wrong = [
        WrongConfig({**config, name: _NOT_OF_TYPE[schema["type"]]}, f"{name} of a wrong type")
        for name, schema in typed
        if isinstance(schema, Mapping) and isinstance(schema.get("type"), str) and schema["type"] in _NOT_OF_TYPE
    ]
    return [*without, *wrong, *unknown]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
