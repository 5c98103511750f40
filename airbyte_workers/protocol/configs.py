"""Configs before a connector sees them: checked against its spec, and which of its properties that marks as secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import SchemaError
from referencing.exceptions import Unresolvable

from airbyte_workers.protocol.config_secrets import MAX_REFERENCE, is_reference, limited, members
from airbyte_workers.protocol.schema_branches import Later, followed
from airbyte_workers.protocol.schema_checks import violations
from airbyte_workers.protocol.schema_sentences import cut, dotted

MAX_LINE = 400


class UnusableSpec(Exception):
    """A connector's spec that no config can be checked against; the message says why."""


def config_problems(
    specification: Mapping[str, Any], config: Mapping[str, Any], place: str = "config"
) -> tuple[str, ...]:
    """What is wrong with a config by the connector's `connectionSpecification`: `path: what it must be`.

    `place` is what the config is called, and where each path begins. No value of the config stands in what is told;
    a secret reference is right wherever one is. Raises UnusableSpec.
    """
    if is_reference(config):
        return (f"{place}: must be an object; a secret reference can stand for a value in it, not for all of it",)
    try:
        found = violations(specification, _with_later(dict(config)))
    except SchemaError as error:
        raise UnusableSpec(f"the connector's spec is not a JSON schema: {error.message}") from None
    except RecursionError:
        raise UnusableSpec("the connector's spec, or the config, is nested too deeply to check") from None
    except Unresolvable as error:
        reference = cut(str(error.ref), MAX_REFERENCE)
        raise UnusableSpec(
            f"the connector's spec refers to {reference}, which is not in it; nothing is fetched"
        ) from None
    except Exception as error:  # a connector's schema decides what jsonschema stumbles over; a job must not
        raise UnusableSpec(f"the connector's spec cannot be applied ({type(error).__name__})") from None
    return limited([cut(f"{dotted(path, place)}: {text}", MAX_LINE) for path, text in found])


def _with_later(value: Any) -> Any:
    if is_reference(value):
        return Later()
    if isinstance(value, dict):
        return {name: _with_later(member) for name, member in value.items()}
    return [_with_later(item) for item in value] if isinstance(value, list) else value


# --- what must never be shown ---


def secret_names(specification: Mapping[str, Any]) -> frozenset[str]:
    """The properties that the spec marks `airbyte_secret`, at any depth, in any alternative."""
    names: set[str] = set()
    seen: set[tuple[str | None, int]] = set()
    waiting: list[tuple[str | None, Any]] = [(None, specification)]
    while waiting:
        name, node = waiting.pop()
        if (name, id(node)) in seen:  # by references a schema can contain itself
            continue
        seen.add((name, id(node)))
        if isinstance(node, Mapping) and node.get("airbyte_secret") is True and name is not None:
            names.add(name)
        waiting.extend(_named(specification, name, node))
    return frozenset(names)


def _named(root: Mapping[str, Any], name: str | None, node: Any) -> Iterator[tuple[str | None, Any]]:
    """The schemas below a schema, each with the property that it is about."""
    for step, member in members(node):
        if step == "properties" and isinstance(member, Mapping):
            yield from member.items()
        else:
            yield (None if step in ("definitions", "$defs") else name), member
    if isinstance(node, Mapping) and "$ref" in node:
        yield name, followed(root, node)
