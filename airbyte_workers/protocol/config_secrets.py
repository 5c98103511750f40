"""What of a config is secret: references, and values that must never be shown.

A secret reference is `{"_secret": "env:NAME"}` or `{"_secret": "file:PATH"}`, in place of any value of a config;
it is resolved only just before a pod starts (`store.secrets`). Every pod's program starts with this module, so it needs
no library.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from airbyte_workers.protocol.schema_sentences import cut, dotted
from airbyte_workers.redaction import TELLING_NAMES, folded

ENV_PREFIX = "AIRBYTE_SECRET_"
"""What the name of a variable that a reference may name begins with."""
NEITHER_SCHEME = "a secret reference begins with env: or file:"
"""Does not name the reference: what has no scheme may be the secret itself."""
MAX_PROBLEMS = 20
MAX_REFERENCE = 100
MIN_NUMBER = 6  # digits from which a number is worth hiding: a shorter one would hide half of a log
UNTOLD = "*"
"""Among the names of properties that hold a job's secrets: a connector's spec did not tell all of them."""
_KEY = "_secret"
Path = tuple[str | int, ...]


def is_reference(value: object) -> bool:
    """Whether the value stands for a secret; not whether that can be resolved."""
    return isinstance(value, dict) and set(value) == {_KEY} and isinstance(value[_KEY], str)


def limited(lines: list[str]) -> tuple[str, ...]:
    """As many as people read; the rest is counted."""
    more = len(lines) - MAX_PROBLEMS
    return (*lines[:MAX_PROBLEMS], *((f"and {more} more",) if more > 0 else ()))


# --- references ---


def reference_problems(config: Mapping[str, Any], place: str = "config") -> tuple[str, ...]:
    """The references that no host could resolve, whatever its variables and files: `path: what to do`."""
    return limited(
        [
            f"{dotted(path, place)}: {problem}"
            for path, node in _places(config)
            if isinstance(node, dict) and _KEY in node and (problem := _reference_problem(node)) is not None
        ]
    )


def _reference_problem(node: Mapping[str, Any]) -> str | None:
    if not is_reference(node):
        return f"a secret reference has `{_KEY}` as its only field, a text such as env:{ENV_PREFIX}NAME or file:PATH"
    scheme, _, name = node[_KEY].partition(":")
    shown = cut(node[_KEY], MAX_REFERENCE)
    if scheme == "env":
        fits = name.startswith(ENV_PREFIX)
        return None if fits else f"secret {shown}: only variables that begin with {ENV_PREFIX} may be used"
    if scheme == "file":
        inside = posixpath.normpath(name) not in (".", "..") and not posixpath.normpath(name).startswith("../")
        return None if inside else f"secret {shown}: only files below SECRETS_DIR may be used"
    return NEITHER_SCHEME


def _places(value: Any) -> Iterator[tuple[Path, Any]]:
    """Every node with its path, in the order of the document; without recursion, whatever the depth."""
    waiting: list[tuple[Path, Any]] = [((), value)]
    while waiting:
        path, node = waiting.pop()
        yield path, node
        waiting.extend(reversed([((*path, step), member) for step, member in members(node)]))


def members(node: Any) -> Iterator[tuple[str | int, Any]]:
    """What an object or a list has, each with its step."""
    if isinstance(node, Mapping):
        yield from node.items()
    elif isinstance(node, list):
        yield from enumerate(node)


# --- what must never be shown ---


def secret_values(config: Mapping[str, Any], resolved: Mapping[str, Any], names: Collection[str]) -> tuple[str, ...]:
    """The values of a config that must never be shown.

    Those that came from references (`config` has them, `resolved` their values), and those below a property with one
    of the names, or with a name that speaks for itself.
    """
    hidden = TELLING_NAMES | {folded(name) for name in names}
    found: dict[str, None] = {}
    waiting: list[tuple[Any, Any, bool]] = [(config, resolved, False)]
    while waiting:
        given, value, secret = waiting.pop()
        secret = secret or is_reference(given)
        if secret and (text := _scalar(value)):
            found[text] = None
        before = dict(members(given))
        below = [
            (before.get(step), member, secret or (isinstance(step, str) and folded(step) in hidden))
            for step, member in members(value)
        ]
        waiting.extend(reversed(below))
    return tuple(found)


def renewed_secret_values(
    config: Mapping[str, Any], before: Mapping[str, Any], renewed: Mapping[str, Any], names: Collection[str]
) -> tuple[str, ...]:
    """The values that must never be shown of a config that a connector sent in place of `before`.

    As `secret_values`; where a connector did not tell which are secret (UNTOLD), all that it changed are.
    """
    found = dict.fromkeys(secret_values(config, renewed, names))
    if UNTOLD in names:
        known = set(_scalars(before))
        found |= dict.fromkeys(text for text in _scalars(renewed) if text not in known)
    return tuple(found)


def _scalars(config: Mapping[str, Any]) -> Iterator[str]:
    for _, node in _places(config):
        if text := _scalar(node):
            yield text


def _scalar(value: Any) -> str:
    """The text by which a value would be shown; empty for what is no secret on its own."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    text = json.dumps(value)
    return text if len(text) >= MIN_NUMBER else ""
