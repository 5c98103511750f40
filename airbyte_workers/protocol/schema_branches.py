"""Alternatives in a JSON schema (`oneOf`, `anyOf`): which one a value meant, when it fits none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from jsonschema import ValidationError

from airbyte_workers.protocol.schema_sentences import of_type, one_of

MAX_HOPS = 20
Tags = Mapping[str, Sequence[Any]]


class Later:
    """Stands in a value for a part that is not known yet. Each is its own: two may turn out to differ."""


def told(text: str, *path: str) -> ValidationError:
    """An error that says its sentence itself."""
    return ValidationError(text, validator="said", path=path)


def errors_to_tell(
    root: Mapping[str, Any], branches: Sequence[Any], errors: Sequence[Sequence[ValidationError]], value: Any
) -> Iterable[ValidationError]:
    """Of the errors of each branch, those that help whoever wrote the value; there are some for every branch."""
    wrong_types = [next((error for error in found if _is_about(error, "type")), None) for found in errors]
    if None not in wrong_types:
        return [told(of_type(_flat(_listed(error.validator_value) for error in wrong_types if error)))]
    kept = [position for position, wrong in enumerate(wrong_types) if wrong is None]
    found = [errors[position] for position in kept]
    if all(len(each) == 1 and _is_about(each[0], "const", "enum") for each in found):
        return [told(one_of(_flat(_allowed({each[0].validator: each[0].validator_value}) for each in found)))]
    if not isinstance(value, dict):
        return min(found, key=len)
    tags = [_tags(root, branches[position]) for position in kept]
    without_meaning = _unknown_tag(tags, found, value)
    if without_meaning is not None:
        return [without_meaning]
    return min(zip(tags, found, strict=True), key=lambda each: (*_distance(each[0], value), len(each[1])))[1]


def followed(root: Mapping[str, Any], node: Any) -> Any:
    """What a schema's local `$ref` leads to; the schema itself where there is none, or it leads nowhere."""
    for _ in range(MAX_HOPS):
        reference = node.get("$ref") if isinstance(node, dict) else None
        if not isinstance(reference, str) or not reference.startswith("#"):
            return node
        target: Any = root
        for step in unquote(reference[1:]).split("/")[1:]:
            target = target.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(target, dict) else None
        if target is None:
            return node
        node = target
    return node


def _is_about(error: ValidationError, *keywords: str) -> bool:
    """Whether the error says that the value as a whole breaks one of the keywords."""
    return not error.path and error.validator in keywords


def _tags(root: Mapping[str, Any], branch: Any) -> Tags:
    """The fields of a branch that only some values fit: by them people say which branch they mean."""
    target = followed(root, branch)
    members = target.get("properties") if isinstance(target, dict) else None
    if not isinstance(members, dict):
        return {}
    limited = {name: _allowed(member) for name, member in members.items() if isinstance(member, dict)}
    return {name: values for name, values in limited.items() if values}


def _allowed(schema: Mapping[Any, Any]) -> list[Any]:
    return [schema["const"]] if "const" in schema else list(schema.get("enum", ()))


def _unknown_tag(
    tags: Sequence[Tags], errors: Sequence[Sequence[ValidationError]], value: Mapping[str, Any]
) -> ValidationError | None:
    """The error in a field that tells all branches apart, when it points to none of them."""
    for field in tags[0]:
        if not all(field in each for each in tags) or all(each[field] == tags[0][field] for each in tags):
            continue
        choices = _flat(each[field] for each in tags)
        if field not in value:
            if all(any(error.validator == "required" and list(error.path) == [field] for error in e) for e in errors):
                return told(f"is missing; it {one_of(choices)}", field)
        elif not isinstance(value[field], Later) and not _among(value[field], choices):
            return told(one_of(choices), field)
    return None


def _distance(tags: Tags, value: Mapping[str, Any]) -> tuple[int, int]:
    given = [_among(value[name], values) for name, values in tags.items() if isinstance(value.get(name), str | int)]
    return given.count(False), -given.count(True)


def _among(value: Any, values: Sequence[Any]) -> bool:
    return any(value == each and isinstance(value, bool) == isinstance(each, bool) for each in values)


def _listed(types: Any) -> list[Any]:
    return types if isinstance(types, list) else [types]


def _flat(lists: Iterable[Sequence[Any]]) -> list[Any]:
    flat: list[Any] = []
    for values in lists:
        flat.extend(each for each in values if not _among(each, flat))
    return flat
