"""Where the members of a JSON object stand, so that one can be changed and every other byte stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from json.decoder import scanstring  # type: ignore[attr-defined]  # documented nowhere, there since Python 3.0
from typing import NamedTuple

_DECODER = json.JSONDecoder(parse_int=float)  # values are passed over, and long integers are no int
_BLANKS = frozenset(" \t\n\r")


class Span(NamedTuple):
    """A member's value is what stands from `start` to `end`."""

    name: str
    start: int
    end: int


def spans(text: str, opened: int = 0) -> Iterator[Span]:
    """The members of the object that begins at `opened`, twins included; `text` is JSON there, else ValueError.

    Of bytes decoded as Latin-1 the places are those of the bytes; names are right as far as they are ASCII.
    """
    place = _skip(text, _skip(text, opened) + 1)
    while text[place : place + 1] == '"':
        name, place = scanstring(text, place + 1)
        start = _skip(text, _skip(text, place) + 1)
        _, end = _DECODER.raw_decode(text, start)
        yield Span(name, start, end)
        place = _skip(text, end)
        if text[place : place + 1] == ",":
            place = _skip(text, place + 1)


def last_of(text: str, name: str, opened: int = 0) -> Span | None:
    """The member of that name which counts: of twins the last."""
    return next((each for each in reversed(list(spans(text, opened))) if each.name == name), None)


def _skip(text: str, place: int) -> int:
    while text[place : place + 1] in _BLANKS:
        place += 1
    return place
