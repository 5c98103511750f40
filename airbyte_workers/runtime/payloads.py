"""Payloads as JSON through pydantic; a workflow input that does not validate fails its run at once, field by field."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import (
    DataConverter,
    SerializationContext,
    WithSerializationContext,
    WorkflowSerializationContext,
)
from temporalio.exceptions import ApplicationError

from airbyte_workers import models
from airbyte_workers.names import INVALID_INPUT
from airbyte_workers.protocol.schema_sentences import close_to, dotted
from airbyte_workers.runtime.told_failures import ToldFailures
from airbyte_workers.settings import Settings

MAX_PROBLEMS = 20
_WORDS = {
    "extra_forbidden": "unknown field",
    "missing": "is missing",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "tuple_type": "must be a list",
    "string_type": "must be a string",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "int_type": "must be an integer",
    "int_parsing": "must be an integer",
    "int_from_float": "must be an integer",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "uuid_type": "must be a UUID",
    "uuid_parsing": "must be a UUID",  # pydantic's own words quote a letter of it
}
_UNION_MEMBERS = frozenset({"str", "int", "float"})


class StrictPayloadConverter(PydanticPayloadConverter, WithSerializationContext):
    """Limited to workflows: an activity result that cannot be read is a bug of ours, and waits for its fix."""

    _context: SerializationContext | None = None

    def with_context(self, context: SerializationContext) -> Self:
        clone = copy.copy(self)
        clone._context = context
        return clone

    def from_payloads(self, payloads: Sequence[Payload], type_hints: list[type] | None = None) -> list[Any]:
        try:
            return super().from_payloads(payloads, type_hints)
        except ValidationError as error:
            if not isinstance(self._context, WorkflowSerializationContext):
                raise
            raise invalid_input(error) from None


def invalid_input(error: ValidationError) -> ApplicationError:
    """What is wrong with an input, by field and without any value of it."""
    problems = problems_of(error)
    return ApplicationError(
        f"invalid {error.title}: {'; '.join(problems)}",
        {"problems": problems},
        type=INVALID_INPUT,
        non_retryable=True,
    )


# --- problems ---------------------------------------------------------------------------------------------------------


def problems_of(error: ValidationError) -> list[str]:
    """One line a problem: the field, and what it should be."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    told: dict[str, list[str]] = {}
    for each in found:
        if not _follows(each, found):
            told.setdefault(_place(each, error.title), []).append(_words(each, error.title))
    lines = [f"{place}: {' or '.join(words)}".removeprefix(": ") for place, words in told.items()]
    more = len(lines) - MAX_PROBLEMS
    return [*lines[:MAX_PROBLEMS], *([f"and {more} more"] if more > 0 else [])]


def _place(problem: ErrorDetails, title: str) -> str:
    """Where the value stands; pydantic adds which of the allowed types it tried. Of a setting: its variable."""
    place = problem["loc"]
    if title == Settings.__name__:
        name = str(place[0])
        return name if name.isupper() else f"{Settings.model_config['env_prefix']}{name.upper()}"
    tried = problem["type"].endswith("_type") and place and place[-1] in _UNION_MEMBERS
    return dotted(place[:-1] if tried else place)


def _words(problem: ErrorDetails, title: str) -> str:
    words = _WORDS.get(problem["type"])
    if words is None:
        return re.sub("^(?:Input|String) should ", "must ", problem["msg"].removeprefix("Value error, "))
    if problem["type"] == "extra_forbidden":
        *way, name = problem["loc"]
        return words + close_to(str(name), _known_fields(title, way))
    return words


def _follows(problem: ErrorDetails, found: Sequence[ErrorDetails]) -> bool:
    """A list is called too short only because an item of it is wrong."""
    own = problem["loc"]
    return problem["type"] == "too_short" and any(each["loc"][: len(own)] == own != each["loc"] for each in found)


def _known_fields(title: str, way: Sequence[str | int]) -> Mapping[str, Any]:
    """The fields of what stands at the end of the way; none where nobody knows."""
    form: Any = getattr(models, title, None)
    for step in way:
        if isinstance(step, str):
            field = _fields(form).get(step)
            form = next(_models_in(field.annotation), None) if field is not None else None
    return _fields(form)


def _fields(form: Any) -> Mapping[str, Any]:
    return form.model_fields if isinstance(form, type) and issubclass(form, BaseModel) else {}


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


data_converter = DataConverter(payload_converter_class=StrictPayloadConverter, failure_converter_class=ToldFailures)
