"""A configured stream as its destination sees it once mappers have changed its records."""

from __future__ import annotations

from collections.abc import Sequence

from airbyte_workers.mappers.configs import NOT_VALID, problems
from airbyte_workers.mappers.moves import Move, move
from airbyte_workers.mappers.shapes import Shape, shape_of, with_shape
from airbyte_workers.mappers.specs import MapperSpec, Problem, ProblemCode
from airbyte_workers.protocol.messages import ConfiguredStream
from airbyte_workers.protocol.schema_sentences import MAX_NAME, close_to, cut
from airbyte_workers.protocol.stream_checks import names_shown

_WITHOUT_KEY = frozenset({"append", "overwrite"})
_Refusal = tuple[ProblemCode, str]


def mapped(configured: ConfiguredStream, specs: Sequence[MapperSpec]) -> tuple[ConfiguredStream, list[Problem]]:
    """The stream after the mappers, and those of them that cannot be applied, which are left out of it.

    Whoever syncs all the same without a mapper that hides a value lets the value go in clear. Cursors and keys follow
    their fields. The path of a removed field goes too, as upstream; unless it is part of a key that the destination
    sync mode needs.
    """
    found = problems(specs)
    unusable = {problem.position for problem in found}
    before = shape = shape_of(configured)
    for position, spec in enumerate(specs):
        moved = None if position in unusable else move(spec)
        if moved is None:
            continue
        refusal = _refusal(configured, shape, moved)
        if refusal is None:
            shape = shape.moved(moved)
        else:
            found.append(Problem(refusal[0], position, spec.name, refusal[1]))
    stream = configured if shape is before else with_shape(configured, shape)
    return stream, sorted(found, key=lambda problem: problem.position)


def _refusal(configured: ConfiguredStream, shape: Shape, move: Move) -> _Refusal | None:
    if move.new is not None and move.new != move.old and move.new in shape.fields:
        return (
            ProblemCode.FIELD_ALREADY_EXISTS,
            f"the stream already has a field {_shown(move.new)}; choose another name",
        )
    if move.old not in shape.fields:
        hint = close_to(move.old, shape.fields) or f"; it has {names_shown([*shape.fields]) or 'none'}"
        return ProblemCode.FIELD_NOT_FOUND, f"the stream has no field {_shown(move.old)}{hint}"
    return _key_refusal(configured.destination_sync_mode, shape, move)


def _key_refusal(mode: str, shape: Shape, move: Move) -> _Refusal | None:
    paths = [path for path in shape.key or shape.source_key or () if path[:1] == [move.old]]
    if mode in _WITHOUT_KEY or not paths:
        return None
    gone = move.new is None or (move.rewritten and any(len(path) > 1 for path in paths))
    if move.repeatable and not gone:
        return None
    why = "is removed; keep it" if gone else "becomes another text each time it is encrypted; hash it instead"
    return ProblemCode.INVALID_MAPPER_CONFIG, (
        f"{NOT_VALID}{_shown(move.old)} is part of the primary key, which {mode} needs, and {why},"
        " or choose another destination sync mode"
    )


def _shown(name: str) -> str:
    return cut(name, MAX_NAME)
