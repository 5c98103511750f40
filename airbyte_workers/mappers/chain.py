"""The mappers of a stream, applied to its records one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from airbyte_workers.mappers.configs import NOT_VALID, problems, secret_places
from airbyte_workers.mappers.encryption import encryption
from airbyte_workers.mappers.hashing import digest
from airbyte_workers.mappers.moves import move
from airbyte_workers.mappers.records import FieldChange, MappedRecord
from airbyte_workers.mappers.row_filters import condition
from airbyte_workers.mappers.specs import InvalidMappers, MapperName, MapperSpec, Problem, ProblemCode
from airbyte_workers.mappers.values import NULL, content, quoted

Step = Callable[[MappedRecord], bool]


class Chain:
    """Raises InvalidMappers, also for a key that is still a reference: no record goes on without one of its mappers.

    `errors` counts by the position of the mapper what it could not do: values nulled, and whatever it raised.
    """

    def __init__(self, specs: Sequence[MapperSpec]) -> None:
        found = problems(specs) or _unresolved(specs)
        if found:
            raise InvalidMappers(found)
        self.errors: dict[int, int] = {}
        self._steps = [(position, _step(spec)) for position, spec in enumerate(specs)]

    def apply(self, record: MappedRecord) -> bool:
        """Change the record in place; False: it is filtered out, and no later mapper has seen it.

        What a mapper raises stops neither the record nor the mappers after it (upstream's rule). One that hides a
        value has removed it before it raises.
        """
        for position, step in self._steps:
            try:
                if not step(record):
                    return False
            except Exception:  # whatever it is; it may hold the value, so it is counted and not kept
                self.errors[position] = self.errors.get(position, 0) + 1
        return True


def _unresolved(specs: Sequence[MapperSpec]) -> list[Problem]:
    return [
        Problem(
            ProblemCode.INVALID_MAPPER_CONFIG,
            place.position,
            specs[place.position].name,
            f"{NOT_VALID}config.{place.field}: the secret reference was not resolved",
        )
        for place in secret_places(specs)
        if place.reference is not None
    ]


def _step(spec: MapperSpec) -> Step:
    moved = move(spec)
    if moved is None:
        return _row_filter(spec)
    if moved.new is None:
        return _remover(moved.old)
    if not moved.rewritten:
        return _renamer(moved.old, moved.new)
    hide = digest(spec.config["method"]) if spec.name == MapperName.HASHING else encryption(spec.config)
    return _hider(moved.old, moved.new, hide)


def _row_filter(spec: MapperSpec) -> Step:
    keeps = condition(spec.config["conditions"])
    return lambda record: keeps(record.data)


def _remover(name: str) -> Step:
    def remove(record: MappedRecord) -> bool:
        record.data.pop(name, None)
        return True

    return remove


def _renamer(old: str, new: str) -> Step:
    def rename(record: MappedRecord) -> bool:
        data = record.data
        if old in data and new != old:
            data[new] = data.pop(old)
        return True

    return rename


def _hider(old: str, new: str, hide: Callable[[bytes], bytes]) -> Step:
    """Null stays null: upstream hides the text "null", by which all rows without a value would look like one value."""

    def apply(record: MappedRecord) -> bool:
        raw = record.data.get(old)
        if raw is None:
            return True
        if new != old:
            del record.data[old]
        record.data[new] = NULL  # before anything can go wrong
        if raw == NULL:
            return True
        try:
            record.data[new] = quoted(hide(content(raw)).hex())
        except Exception:
            record.changes.append(FieldChange(new))
            raise
        return True

    return apply
