"""A connector's configuration: one frozen dataclass is its JSON schema, its defaults and its checks."""

import json
from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from demo_connectors.messages import ConfigError

Config = TypeVar("Config")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value: how it is described to people and to machines, and how it is recognised."""

    words: str
    schema: dict[str, Any]
    accepts: Callable[[Any], bool]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_count_or_names(value: Any) -> bool:
    if not isinstance(value, list):
        return _is_whole(value) and value >= 1
    named = all(isinstance(name, str) and name for name in value)
    return named and bool(value) and len(set(value)) == len(value)


COUNT = Kind("a whole number of 0 or more", {"type": "integer", "minimum": 0}, lambda v: _is_whole(v) and v >= 0)
WHOLE = Kind("a whole number", {"type": "integer"}, _is_whole)
TEXT = Kind("a non-empty text", {"type": "string", "minLength": 1}, lambda v: isinstance(v, str) and v != "")
SWITCH = Kind("true or false", {"type": "boolean"}, lambda v: isinstance(v, bool))
COUNT_OR_NAMES = Kind(
    "a whole number of 1 or more, or a list of different names",
    {
        "oneOf": [
            {"type": "integer", "minimum": 1},
            {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1, "uniqueItems": True},
        ]
    },
    _is_count_or_names,
)


def one_of(*words: str) -> Kind:
    return Kind(f"one of {', '.join(words)}", {"type": "string", "enum": list(words)}, lambda v: v in words)


def option(kind: Kind, description: str, default: Any) -> Any:
    """A field that may be left out; with the default None it may also be null."""
    return field(default=default, metadata={"kind": kind, "description": description})


def required(kind: Kind, description: str) -> Any:
    return field(metadata={"kind": kind, "description": description, "required": True})


def schema(config: type[Any], title: str) -> dict[str, Any]:
    known = fields(config)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": title,
        "type": "object",
        "additionalProperties": False,
        "required": [each.name for each in known if each.metadata.get("required")],
        "properties": {each.name: _property(each) for each in known},
    }


def _property(each: Field[Any]) -> dict[str, Any]:
    kind: Kind = each.metadata["kind"]
    described = {"title": each.name.replace("_", " ").capitalize(), "description": each.metadata["description"]}
    if each.metadata.get("required"):
        return {**described, **kind.schema}
    if each.default is not None:
        return {**described, **kind.schema, "default": each.default}
    if "oneOf" in kind.schema or "enum" in kind.schema:
        return {**described, **kind.schema}
    return {**described, **kind.schema, "type": [kind.schema["type"], "null"]}


def parse(config: type[Config], raw: Any) -> Config:
    """The configuration as values, or a ConfigError naming the field that is wrong."""
    if not isinstance(raw, dict):
        raise ConfigError("the configuration must be a JSON object")
    known = {each.name: each for each in fields(config)}  # type: ignore[arg-type]  # always a dataclass
    for name in raw:
        if name not in known:
            raise ConfigError(f"unknown field {name!r}; the known fields are {', '.join(known)}")
    for name, each in known.items():
        kind: Kind = each.metadata["kind"]
        if name not in raw:
            if each.metadata.get("required"):
                raise ConfigError(f"{name} is missing; it must be {kind.words}")
        elif not (kind.accepts(raw[name]) or _may_be_null(each, raw[name])):
            raise ConfigError(f"{name} must be {kind.words}")
    return config(**raw)


def _may_be_null(each: Field[Any], value: Any) -> bool:
    return value is None and each.default is None


def load_json(path: Path, what: str) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as err:
        raise ConfigError(f"the {what} file {path} cannot be read: {err.strerror}") from err
    except ValueError as err:
        raise ConfigError(f"the {what} file {path} is not JSON") from err
