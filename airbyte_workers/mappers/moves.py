"""What a mapper does to the field that it is about; the same for catalogs and for records."""

from __future__ import annotations

from dataclasses import dataclass

from airbyte_workers.mappers.schemas import DEFAULT_HASHING_SUFFIX
from airbyte_workers.mappers.specs import MapperName, MapperSpec


@dataclass(frozen=True)
class Move:
    """A field gets another name, which may be the same; None: it is removed.

    `rewritten`: its value becomes a text. `repeatable`: equal values stay equal, so that a key is still a key.
    `lossy`: some values become null.
    """

    old: str
    new: str | None
    rewritten: bool = False
    repeatable: bool = True
    lossy: bool = False


def move(spec: MapperSpec) -> Move | None:
    """The move of a mapper that was checked; None: it changes no field."""
    config = spec.config
    if spec.name == MapperName.ROW_FILTERING:
        return None
    if spec.name == MapperName.RENAMING:
        return Move(config["originalFieldName"], config["newFieldName"])
    target: str = config["targetField"]
    if spec.name == MapperName.FIELD_FILTERING:
        return Move(target, None)
    suffix: str | None = config.get("fieldNameSuffix")
    if spec.name == MapperName.HASHING:
        return Move(target, target + (DEFAULT_HASHING_SUFFIX if suffix is None else suffix), rewritten=True)
    repeatable = config.get("mode") == "ECB"  # every other mode begins with something random, RSA's padding is random
    return Move(target, target + (suffix or ""), rewritten=True, repeatable=repeatable, lossy=True)
