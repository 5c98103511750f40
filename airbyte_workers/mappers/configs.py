"""The mappers of a stream before they are used: what is wrong with their configs, and which secrets are in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from airbyte_workers.mappers.encryption import public_key
from airbyte_workers.mappers.schemas import CONFIG_SCHEMAS, NO_PADDING
from airbyte_workers.mappers.specs import MapperName, MapperSpec, Problem, ProblemCode
from airbyte_workers.protocol.config_secrets import is_reference
from airbyte_workers.protocol.schema_branches import Later
from airbyte_workers.protocol.schema_checks import violations
from airbyte_workers.protocol.schema_sentences import MAX_NAME, close_to, cut, dotted

NOT_VALID = "Mapper Config not valid: "
MAX_NESTING = 20  # of conditions; where the stack ends, a library under jsonschema panics
_UNPADDED_MODES = frozenset({"CTR", "GCM"})  # Java refuses padding for both
_KEY = "key"
_MISSING = "is missing"


@dataclass(frozen=True)
class SecretPlace:
    """Where a mapper's secret stands: `specs[position].config[field]`; `reference`: what stands there for it."""

    position: int
    field: str
    reference: str | None


def problems(specs: Sequence[MapperSpec]) -> list[Problem]:
    """Each mapper that no stream could have as it is configured; whether the stream has its fields: `catalogs`.

    No value of a config stands in what is told. A key that is still a reference is right.
    """
    return [problem for position, spec in enumerate(specs) if (problem := _problem(position, spec)) is not None]


def secret_places(specs: Sequence[MapperSpec]) -> list[SecretPlace]:
    """Every secret in the configs, whether it is there or a reference stands for it."""
    return [
        SecretPlace(position, _KEY, held["_secret"] if is_reference(held) else None)
        for position, spec in enumerate(specs)
        if spec.name == MapperName.ENCRYPTION and (held := spec.config.get(_KEY)) is not None
    ]


def secret_values(specs: Sequence[MapperSpec]) -> list[str]:
    """The secrets that are there in clear: what must never be shown."""
    held = [specs[place.position].config[place.field] for place in secret_places(specs)]
    return [value for value in held if isinstance(value, str) and value]


def with_secrets(specs: Sequence[MapperSpec], resolve: Callable[[str], str]) -> list[MapperSpec]:
    """The same mappers, each reference replaced by what `resolve` gives for it; what it raises goes through."""
    resolved = list(specs)
    for place in secret_places(specs):
        if place.reference is not None:
            spec = specs[place.position]
            resolved[place.position] = MapperSpec(spec.name, {**spec.config, place.field: resolve(place.reference)})
    return resolved


def _problem(position: int, spec: MapperSpec) -> Problem | None:
    if spec.name not in CONFIG_SCHEMAS:
        known = ", ".join(CONFIG_SCHEMAS)
        sentence = f"there is no such mapper{close_to(spec.name, CONFIG_SCHEMAS)}; there are {known}"
        return Problem(ProblemCode.MISSING_MAPPER, position, cut(spec.name, MAX_NAME), sentence)
    wrong = _wrong(spec)
    if not wrong:
        return None
    return Problem(ProblemCode.INVALID_MAPPER_CONFIG, position, spec.name, NOT_VALID + ", ".join(wrong))


def _wrong(spec: MapperSpec) -> list[str]:
    config: dict[str, Any] = dict(spec.config)
    if is_reference(config.get(_KEY)):
        config[_KEY] = Later()
    if _is_too_deep(config):
        return [f"config.conditions: must not be nested more than {MAX_NESTING} times"]
    try:
        found = violations(CONFIG_SCHEMAS[spec.name], config)
    except RecursionError:
        return ["config: is nested too deeply"]
    if found:
        return [_sentence(path, text) for path, text in found]
    return _impossible(config) if spec.name == MapperName.ENCRYPTION else []


def _sentence(path: tuple[str | int, ...], text: str) -> str:
    """Upstream's words for a missing field are known to its users."""
    if not text.startswith(_MISSING):
        return f"{dotted(path, 'config')}: {text}"
    return f"{dotted(path[:-1], 'config')}: required property '{path[-1]}' not found{text.removeprefix(_MISSING)}"


def _is_too_deep(config: dict[str, Any]) -> bool:
    level = [config]
    for _ in range(MAX_NESTING + 2):
        level = [part for node in level for part in _parts(node.get("conditions"))]
    return bool(level)


def _parts(conditions: Any) -> list[dict[str, Any]]:
    """The conditions that stand there; a condition or a list of them is right, depending on the place."""
    return [part for part in (conditions if isinstance(conditions, list) else [conditions]) if isinstance(part, dict)]


def _impossible(config: dict[str, Any]) -> list[str]:
    """What no schema can say of a config of the encryption mapper."""
    if config["algorithm"] == "AES":
        fits = config["mode"] not in _UNPADDED_MODES or config["padding"] == NO_PADDING
        return [] if fits else [f"config.padding: must be {NO_PADDING} for the mode {config['mode']}"]
    try:
        public_key(config["publicKey"])
    except Exception:  # a key decides what the library stumbles over: it must be told, and the key never shown
        return ["config.publicKey: is not an RSA key of X.509 (DER) in hex digits"]
    return []
