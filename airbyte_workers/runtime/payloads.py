"""Payloads as JSON through pydantic; a workflow input that does not validate fails its run at once, field by field."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Self

from pydantic import ValidationError
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

from airbyte_workers.names import INVALID_INPUT


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


def problems_of(error: ValidationError) -> list[str]:
    """One line a problem: the field, and what it should be."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return [
        f"{'.'.join(map(str, each['loc'])) or 'input'}: {_words(each)}" for each in found if not _follows(each, found)
    ]


def _words(problem: ErrorDetails) -> str:
    known = {"extra_forbidden": "unknown field", "missing": "is missing", "tuple_type": "must be a list"}
    return known.get(problem["type"], problem["msg"].removeprefix("Value error, "))


def _follows(problem: ErrorDetails, found: Sequence[ErrorDetails]) -> bool:
    """A list is called too short only because an item of it is wrong."""
    own = problem["loc"]
    return problem["type"] == "too_short" and any(each["loc"][: len(own)] == own != each["loc"] for each in found)


data_converter = DataConverter(payload_converter_class=StrictPayloadConverter)
