"""Routes from a dice: names, fields and mappers for some of a source's streams, or, in half of the runs, for none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

from tests.fuzz.json_pieces import FIELD_NAMES, TEXTS_OF_VALUES
from tests.fuzz.plain_mappers import PlainMapper
from tests.fuzz.plain_routes import PlainNaming, PlainRoute
from tests.fuzz.plain_states import Key

_NAMINGS = (
    PlainNaming("source"),
    PlainNaming("source", "", "raw_"),
    PlainNaming("destination"),
    PlainNaming("destination", "", 'ż"\\'),
    PlainNaming("customformat", "lake_${SOURCE_NAMESPACE}"),
    PlainNaming("customformat", " ${SOURCE_NAMESPACE}\t", "${SOURCE_NAMESPACE}"),
    PlainNaming("customformat", "  ", "x"),
    PlainNaming("customformat", '"żółw" ${SOURCE_NAMESPACE}${SOURCE_NAMESPACE}', "a."),
)
_METHODS = ("MD5", "SHA-1", "SHA-224", "SHA-256", "SHA-384", "SHA-512")


def drawn_routes(dice: Random, streams: Sequence[Key]) -> tuple[PlainRoute, ...]:
    """No two streams become one."""
    if dice.random() < 0.5:
        return ()
    chosen = [each for each in streams if dice.random() < 0.6]
    naming, swaps = dice.choice(_NAMINGS), dice.random() < 0.2
    routes = [
        _with_changes(
            dice,
            PlainRoute(each, chosen[n - 1]) if swaps else PlainRoute(each, naming.destination(each), naming=naming),
        )
        for n, each in enumerate(chosen)
    ]
    others = [each for each in streams if each not in chosen]
    return tuple(_apart(routes, others))


def _apart(routes: list[PlainRoute], others: list[Key]) -> list[PlainRoute]:
    """The same routes, without a new name where it is another stream's."""
    while True:
        taken = Counter([*others, *(each.destination for each in routes)])
        if max(taken.values()) == 1:
            return routes
        routes = [
            replace(each, destination=each.source, naming=None) if taken[each.destination] > 1 else each
            for each in routes
        ]


def _with_changes(dice: Random, route: PlainRoute) -> PlainRoute:
    fields = frozenset(name for name in FIELD_NAMES if dice.random() < 0.7) if dice.random() < 0.4 else None
    count = dice.choice([0, 0, 1, 1, 2, 3])
    return replace(route, fields=fields, mappers=tuple(_mapper(dice) for _ in range(count)))


def _mapper(dice: Random) -> PlainMapper:
    name = dice.choice(["hashing", "hashing", "field-renaming", "field-filtering", "row-filtering"])
    return PlainMapper(name, _CONFIGS[name](dice))


def _hashing(dice: Random) -> dict[str, Any]:
    config = {"targetField": dice.choice(FIELD_NAMES), "method": dice.choice(_METHODS)}
    return config if dice.random() < 0.4 else config | {"fieldNameSuffix": dice.choice([None, "", "_ż"])}


def _renaming(dice: Random) -> dict[str, Any]:
    new = dice.choice([*FIELD_NAMES, "new", 'new "ż"'])
    return {"originalFieldName": dice.choice(FIELD_NAMES), "newFieldName": new}


def _filtering(dice: Random) -> dict[str, Any]:
    return {"targetField": dice.choice(FIELD_NAMES)}


def _rows(dice: Random) -> dict[str, Any]:
    return {"conditions": _condition(dice, 0)}


def _condition(dice: Random, depth: int) -> dict[str, Any]:
    kind = dice.choice(["EQUAL", "NOT", "NOT", "OR", "AND"]) if depth < 3 else "EQUAL"
    if kind == "EQUAL":
        name = dice.choice([*FIELD_NAMES, "f0_hashed"])
        return {"type": kind, "fieldName": name, "comparisonValue": dice.choice(TEXTS_OF_VALUES)}
    return {"type": kind, "conditions": [_condition(dice, depth + 1) for _ in range(dice.choice([1, 2]))]}


_CONFIGS = {"hashing": _hashing, "field-renaming": _renaming, "field-filtering": _filtering, "row-filtering": _rows}
