"""JSON for the reference relay: the standard library only, strict, and where each value stands."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from json.decoder import scanstring  # type: ignore[attr-defined]  # documented nowhere, there since Python 3.0
from typing import Any

SPACE = " \t\n\r"
MOST_DIGITS = 4000  # Python refuses to read longer integers; JSON does not


@dataclass(frozen=True)
class Member:
    """A member of an object; its value is `text[start:end]`."""

    name: str
    start: int
    end: int


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _integer(digits: str) -> Any:
    return int(digits) if len(digits) < MOST_DIGITS else Decimal(digits)


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_int=_integer)


def read(line: bytes) -> Any:
    """The one JSON value of a line of UTF-8. Raises ValueError or RecursionError for everything else."""
    return json.loads(line.decode("utf-8"), parse_constant=_refuse, parse_int=_integer)


def members(text: str, at: int) -> list[Member]:
    """The members of the object that begins at `at` of a text that is known to be JSON, twins included."""
    found: list[Member] = []
    at = _past_space(text, at + 1)
    while text[at] != "}":
        name, at = scanstring(text, at + 1)
        at = _past_space(text, _past_space(text, at) + 1)  # behind the colon
        _, end = _DECODER.raw_decode(text, at)
        found.append(Member(name, at, end))
        at = _past_space(text, end)
        if text[at] == ",":
            at = _past_space(text, at + 1)
    return found


def member(text: str, at: int, name: str) -> Member | None:
    """The last member of that name: of twins the last one counts."""
    return next((each for each in reversed(members(text, at)) if each.name == name), None)


def beginning(text: str) -> int:
    """Where the value of a line begins."""
    return _past_space(text, 0)


def has_half_a_pair(text: str) -> bool:
    """Whether a string in it holds half a surrogate pair, also in a member that a twin hides."""
    pairs = json.loads(text, object_pairs_hook=list, parse_int=_integer)
    try:
        json.dumps(pairs, ensure_ascii=False, default=str).encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


class Twins(dict[str, Any]):
    """An object that also remembers the members which a later one of the same name hides."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def with_twins(text: str) -> Any:
    """The value of a text that is known to be JSON."""
    return json.loads(text, object_pairs_hook=Twins, parse_int=_integer)


def every(value: Any, name: str) -> list[Any]:
    """All members of that name, hidden ones included; they are looked at where none of them may be odd."""
    return [each for other, each in value.pairs if other == name] if isinstance(value, Twins) else [value.get(name)]


def _past_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in SPACE:
        at += 1
    return at
