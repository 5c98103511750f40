"""JSON schemas applied to values of which some parts come later: what is wrong, and where.

jsonschema applies the keywords. What it cannot do is done here: what comes later satisfies every keyword, and of
several alternatives the one that was meant is told. Nothing is ever fetched. A pattern on which Python's `re`
backtracks for ever cannot be helped.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from jsonschema import Draft7Validator, SchemaError, ValidationError
from jsonschema.validators import extend, validator_for
from referencing import Registry

from airbyte_workers.protocol.schema_branches import Later, errors_to_tell, told
from airbyte_workers.protocol.schema_sentences import close_to, dotted, sentence

Path = tuple[str | int, ...]
Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError]]

_MAPS = frozenset({"properties", "patternProperties", "definitions", "$defs", "dependencies", "dependentSchemas"})
_DATA = frozenset({"const", "enum", "default", "examples", "example"})
_ANNOTATIONS = frozenset({"title", "description", "default", "examples", "format", "readOnly", "writeOnly", "$comment"})


class _Doubt:
    """As `Later`, where only what holds for sure may count: it satisfies nothing."""


def violations(schema: Mapping[str, Any], value: Any) -> list[tuple[Path, str]]:
    """Every place in the value that breaks the schema, with what it must be; in the order of the places.

    Raises SchemaError for a schema that is none; and whatever jsonschema stumbles over in one that slipped through:
    references that lead nowhere, nesting without end.
    """
    declared = schema.get("$schema")
    draft = validator_for({"$schema": declared} if isinstance(declared, str) else {}, default=Draft7Validator)
    usable = _usable(dict(schema))
    _check_schema(draft, usable)
    validator = extend(draft, _keywords(draft, usable))(usable, registry=Registry())
    return sorted({(tuple(error.path), _said(error)) for error in validator.iter_errors(value)}, key=_by_place)


def _said(error: ValidationError) -> str:
    if error.validator == "said":
        return str(error.message)
    return sentence(error.validator, error.validator_value, error.schema)


def _by_place(violation: tuple[Path, str]) -> tuple[list[tuple[int, str]], str]:
    path, text = violation
    return [(step, "") if isinstance(step, int) else (-1, step) for step in path], text


# --- schemas ---


def _usable(node: Any, is_map: bool = False) -> Any:
    """The schema without what would mislead jsonschema.

    That is `$schema` below the root, the boolean `required` of old specs, and patterns that Python cannot read. A
    field that is `false` is spelt so that its error has its path.
    """
    if isinstance(node, list):
        return [_usable(item) for item in node]
    if not isinstance(node, dict):
        return node
    if is_map:
        return {name: {"not": {}} if member is False else _usable(member) for name, member in node.items()}
    dropped = {"$schema", *_unreadable(node)} | ({"required"} if isinstance(node.get("required"), bool) else set())
    return {
        name: member if name in _DATA else _usable(member, is_map=name in _MAPS)
        for name, member in node.items()
        if name not in dropped
    }


def _unreadable(schema: Mapping[str, Any]) -> list[str]:
    """The keywords that depend on a pattern Python cannot read: connectors write them for other engines too."""
    named = schema.get("patternProperties")
    dropped = [] if _is_pattern(schema.get("pattern")) else ["pattern"]
    if isinstance(named, dict) and not all(map(_is_pattern, named)):
        dropped += ["patternProperties", "additionalProperties"]
    return dropped


def _is_pattern(text: object) -> bool:
    try:
        re.compile(text if isinstance(text, str) else "")
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def _check_schema(draft: Any, schema: Mapping[str, Any]) -> None:
    """Raises SchemaError. What only describes may be wrong: connectors are careless there, and nothing follows."""
    for error in draft(draft.META_SCHEMA, registry=Registry()).iter_errors(schema):
        if not error.path or error.path[-1] not in _ANNOTATIONS:
            place = dotted(error.path, "connectionSpecification")
            raise SchemaError(f"{place} holds what JSON schema does not allow there")


# --- keywords ---


def _keywords(draft: Any, root: Mapping[str, Any]) -> dict[str, Keyword]:
    stock = draft.VALIDATORS
    own: dict[str, Keyword] = {
        "required": _required,
        "additionalProperties": _additional,
        "propertyNames": functools.partial(_property_names, stock.get("propertyNames")),
        "anyOf": functools.partial(_any_of, root),
        "oneOf": functools.partial(_one_of, root),
        "not": _not,
        "if": functools.partial(_if, stock.get("if")),
    }
    return {name: _patient(name, own.get(name, keyword)) for name, keyword in stock.items()}


def _patient(name: str, keyword: Keyword) -> Keyword:
    """The keyword, satisfied by what comes later."""

    def check(validator: Any, asked: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
        if isinstance(value, _Doubt) or (name == "uniqueItems" and _holds(value, _Doubt)):
            yield ValidationError("")
        elif isinstance(value, Later) or (name in ("const", "enum") and _holds(value, Later)):
            return
        else:
            yield from keyword(validator, asked, value, schema)

    return check


def _required(validator: Any, names: Sequence[str], value: Any, _schema: Any) -> Iterator[ValidationError]:
    if validator.is_type(value, "object"):
        yield from (ValidationError("", validator="required", path=[name]) for name in names if name not in value)


def _additional(validator: Any, asked: Any, value: Any, schema: Mapping[str, Any]) -> Iterator[ValidationError]:
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name in value if validator.is_type(value, "object") else ():
        if name in known or any(re.search(pattern, name) for pattern in patterns):
            continue
        if asked is False:
            yield told(f"unknown field{close_to(name, known)}", name)
        else:
            yield from validator.descend(value[name], asked, path=name)


def _property_names(stock: Keyword, validator: Any, asked: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    """One error about the object: jsonschema's would be about the name, as if it were a value."""
    if any(True for _ in stock(validator, asked, value, schema)):
        yield ValidationError("", validator="propertyNames")


def _any_of(
    root: Mapping[str, Any], validator: Any, branches: Sequence[Any], value: Any, _schema: Any
) -> Iterator[ValidationError]:
    errors = [list(validator.descend(value, branch)) for branch in branches]
    if all(errors):
        yield from errors_to_tell(root, branches, errors, value)


def _one_of(
    root: Mapping[str, Any], validator: Any, branches: Sequence[Any], value: Any, schema: Any
) -> Iterator[ValidationError]:
    errors = [list(validator.descend(value, branch)) for branch in branches]
    if all(errors):
        yield from errors_to_tell(root, branches, errors, value)
    fitting = [branch for branch, found in zip(branches, errors, strict=True) if not found]
    if _holds(value, Later, _Doubt):
        fitting = [branch for branch in branches if validator.evolve(schema=branch).is_valid(_flipped(value))]
    right_type = {name: schema[name] for name in ("type",) if name in schema}
    if len(fitting) > 1 and validator.evolve(schema=right_type).is_valid(value):  # else that alone is the problem
        titles = [str(branch["title"]) for branch in fitting if isinstance(branch, dict) and "title" in branch]
        which = f" ({', '.join(titles)})" if titles else ""
        yield told(f"fits several alternatives at once{which}; it must fit exactly one")


def _not(validator: Any, asked: Any, value: Any, _schema: Any) -> Iterator[ValidationError]:
    if validator.evolve(schema=asked).is_valid(_flipped(value)):
        yield ValidationError("", validator="not")


def _if(stock: Keyword, validator: Any, asked: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    test = validator.evolve(schema=asked)
    if test.is_valid(value) == test.is_valid(_flipped(value)):
        yield from stock(validator, asked, value, schema)
    elif _holds(value, _Doubt):
        yield ValidationError("")


# --- what comes later ---


def _holds(value: Any, *kinds: type) -> bool:
    if isinstance(value, dict):
        return any(_holds(member, *kinds) for member in value.values())
    if isinstance(value, list):
        return any(_holds(item, *kinds) for item in value)
    return isinstance(value, kinds)


def _flipped(value: Any) -> Any:
    """The value with doubt where something comes later, and the reverse: what is ruled out must be so for sure."""
    if isinstance(value, dict):
        return {name: _flipped(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_flipped(item) for item in value]
    if isinstance(value, Later):
        return _Doubt()
    return Later() if isinstance(value, _Doubt) else value
