"""What a JSON schema asks for, in words: from the schema alone, so that no value of a config can stand in them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

MAX_NAME = 60
MAX_TEXT = 200
_TYPES = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def sentence(keyword: str | None, asked: Any, schema: Any) -> str:
    """What a value must be that failed `keyword`, whose value in `schema` is `asked`; None: the schema is `false`."""
    if keyword is None:
        return "is not allowed"
    write = _SENTENCES.get(keyword)
    return write(asked, schema if isinstance(schema, dict) else {}) if write else "is not what the connector asks for"


def dotted(path: Iterable[str | int], place: str = "") -> str:
    """A place in a document as people write it: `a.b[0].c`, after the place of the document itself if it has one."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{cut(step, MAX_NAME)}" for step in path)
    return (place + text).removeprefix(".")


def cut(text: str, limit: int) -> str:
    """The text on one line, nothing in it that a terminal would obey, and no longer than the limit."""
    line = "".join(letter if letter.isprintable() else " " for letter in text[: limit + 1])
    return line if len(text) <= limit else line[: limit - 3] + "..."


def one_of(values: Sequence[Any]) -> str:
    """`must be one of a, b`: as many values as a line holds."""
    if len(values) <= 1:
        return f"must be {_word(values[0])}" if values else "is not allowed"
    shown: list[str] = []
    for word in map(_word, values):
        if sum(map(len, shown)) + len(word) > MAX_TEXT:
            break
        shown.append(word)
    rest = len(values) - len(shown)
    return f"must be one of {', '.join(shown)}" + (f" or {rest} more" if rest else "")


def close_to(name: str, known: Iterable[str]) -> str:
    """The end of a sentence: the known name that a mistyped one is close to, if any."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def of_type(types: str | Sequence[Any]) -> str:
    """`must be a string or null`."""
    names = [types] if isinstance(types, str) else types
    return "must be " + " or ".join(dict.fromkeys(_TYPES.get(str(name), str(name)) for name in names))


def _word(value: Any) -> str:
    return cut(value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False), MAX_NAME)


def _pattern(pattern: str, schema: Mapping[str, Any]) -> str:
    descriptor = schema.get("pattern_descriptor")  # Airbyte's own keyword: the pattern for people
    if isinstance(descriptor, str) and descriptor:
        return f"must look like {cut(descriptor, MAX_TEXT)}"
    return f"must match the pattern {cut(pattern, MAX_TEXT)}"


def _at_least(limit: Any, schema: Mapping[str, Any]) -> str:
    return f"must be {'more than' if schema.get('exclusiveMinimum') is True else 'at least'} {limit}"


def _at_most(limit: Any, schema: Mapping[str, Any]) -> str:
    return f"must be {'less than' if schema.get('exclusiveMaximum') is True else 'at most'} {limit}"


def _counted(limit: int, thing: str) -> str:
    return f"{limit} {thing}{'' if limit == 1 else 's'}"


_Writer = Callable[[Any, Mapping[str, Any]], str]
_SENTENCES: Mapping[str, _Writer] = {
    "required": lambda _asked, _schema: "is missing",
    "type": lambda types, _schema: of_type(types),
    "enum": lambda values, _schema: one_of(values),
    "const": lambda value, _schema: one_of([value]),
    "pattern": _pattern,
    "minimum": _at_least,
    "maximum": _at_most,
    "exclusiveMinimum": lambda limit, _schema: f"must be more than {limit}",
    "exclusiveMaximum": lambda limit, _schema: f"must be less than {limit}",
    "multipleOf": lambda step, _schema: f"must be a multiple of {step}",
    "minLength": lambda n, _schema: "must not be empty" if n == 1 else f"must have at least {_counted(n, 'character')}",
    "maxLength": lambda n, _schema: f"must have at most {_counted(n, 'character')}",
    "minItems": lambda n, _schema: f"must list at least {_counted(n, 'item')}",
    "maxItems": lambda n, _schema: f"must list at most {_counted(n, 'item')}",
    "uniqueItems": lambda _asked, _schema: "must not list anything twice",
    "contains": lambda _asked, _schema: "lacks an item of the kind that the connector asks for",
    "additionalItems": lambda _asked, _schema: "lists more items than the connector knows",
    "items": lambda _asked, _schema: "lists more items than the connector knows",
    "minProperties": lambda n, _schema: f"must have at least {_counted(n, 'field')}",
    "maxProperties": lambda n, _schema: f"must have at most {_counted(n, 'field')}",
    "propertyNames": lambda _asked, _schema: "has a field with a name that the connector does not allow",
    "dependencies": lambda _asked, _schema: "lacks a field that another field of it needs",
    "dependentRequired": lambda _asked, _schema: "lacks a field that another field of it needs",
    "unevaluatedProperties": lambda _asked, _schema: "has fields that the connector does not know",
    "not": lambda asked, _schema: "is something that the connector rules out" if asked else "is not allowed",
}
