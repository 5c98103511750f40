"""Mappers for the reference relay: a record's fields as texts of JSON, changed one mapper after the other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Fields = dict[str, str]
DEFAULT_SUFFIX = "_hashed"
_FUNCTIONS = {
    "MD5": hashlib.md5,
    "SHA-1": hashlib.sha1,
    "SHA-224": hashlib.sha224,
    "SHA-256": hashlib.sha256,
    "SHA-384": hashlib.sha384,
    "SHA-512": hashlib.sha512,
}


@dataclass(frozen=True)
class PlainMapper:
    """A mapper as it is configured."""

    name: str
    config: Mapping[str, Any]


def mapped(fields: Fields, mappers: tuple[PlainMapper, ...]) -> tuple[Fields, list[str]] | None:
    """The fields after all mappers, and the names of those that were nulled; None: the record is kept back."""
    nulled: list[str] = []
    for mapper in mappers:
        if mapper.name == "row-filtering":
            if not _holds(fields, mapper.config["conditions"]):
                return None
        else:
            fields = _CHANGES[mapper.name](fields, mapper.config, nulled)
    return fields, nulled


def _renamed(fields: Fields, config: Mapping[str, Any], nulled: list[str]) -> Fields:
    old, new = config["originalFieldName"], config["newFieldName"]
    return _moved(fields, old, new, fields[old]) if old in fields else fields


def _removed(fields: Fields, config: Mapping[str, Any], nulled: list[str]) -> Fields:
    return {name: value for name, value in fields.items() if name != config["targetField"]}


def _hashed(fields: Fields, config: Mapping[str, Any], nulled: list[str]) -> Fields:
    """Null stays null; what has no text becomes null, and is told."""
    old = config["targetField"]
    if old not in fields:
        return fields
    suffix = config.get("fieldNameSuffix")
    new = old + (DEFAULT_SUFFIX if suffix is None else suffix)
    if fields[old] == "null":
        return _moved(fields, old, new, "null")
    text = said(fields[old])
    if text is None:
        nulled.append(new)
        return _moved(fields, old, new, "null")
    return _moved(fields, old, new, f'"{_FUNCTIONS[config["method"]](text).hexdigest()}"')


_CHANGES = {"field-renaming": _renamed, "field-filtering": _removed, "hashing": _hashed}


def _moved(fields: Fields, old: str, new: str, value: str) -> Fields:
    return {name: each for name, each in fields.items() if name not in (old, new)} | {new: value}


def _holds(fields: Fields, condition: Mapping[str, Any]) -> bool:
    """A field that is missing, or has no text, equals nothing."""
    if condition["type"] == "EQUAL":
        name = condition["fieldName"]
        return name in fields and said(fields[name]) == condition["comparisonValue"].encode()
    parts = [_holds(fields, each) for each in condition["conditions"]]
    return {"AND": all(parts), "OR": any(parts), "NOT": not any(parts)}[condition["type"]]


def said(text: str) -> bytes | None:
    """What a value says: a string its content, all else the JSON as it stands. None: a string that is no text."""
    if not text.startswith('"'):
        return text.encode()
    try:
        return str(json.loads(text)).encode()
    except UnicodeEncodeError:
        return None
