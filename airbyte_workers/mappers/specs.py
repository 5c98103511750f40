"""Mappers as they are configured on a stream, and what can be wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class MapperName(StrEnum):
    """Upstream's names."""

    HASHING = "hashing"
    RENAMING = "field-renaming"
    FIELD_FILTERING = "field-filtering"
    ROW_FILTERING = "row-filtering"
    ENCRYPTION = "encryption"


@dataclass(frozen=True)
class MapperSpec:
    """One mapper of a stream; its `config` may hold a key, so it is never shown."""

    name: str
    config: Mapping[str, Any] = field(repr=False)


class ProblemCode(StrEnum):
    """Upstream's words for why a mapper is not applied."""

    MISSING_MAPPER = "MISSING_MAPPER"
    INVALID_MAPPER_CONFIG = "INVALID_MAPPER_CONFIG"
    FIELD_NOT_FOUND = "FIELD_NOT_FOUND"
    FIELD_ALREADY_EXISTS = "FIELD_ALREADY_EXISTS"


@dataclass(frozen=True)
class Problem:
    """Why a mapper cannot be applied; `position` counts a stream's mappers from 0. The sentence holds no secret."""

    code: ProblemCode
    position: int
    mapper: str
    sentence: str

    def __str__(self) -> str:
        return f"mapper {self.position + 1} ({self.mapper}): {self.sentence}"


class InvalidMappers(Exception):
    """A chain cannot be built: without one of its mappers, values could leave that were to be hidden."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)
