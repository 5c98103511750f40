"""Payloads as JSON through pydantic; a workflow input that does not validate fails its run at once, field by field."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Self

from pydantic import ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import (
    DataConverter,
    SerializationContext,
    WithSerializationContext,
    WorkflowSerializationContext,
)
from temporalio.exceptions import ApplicationError

INVALID_INPUT = "InvalidInput"


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
    return [
        f"{'.'.join(map(str, each['loc'])) or 'input'}: {each['msg'].removeprefix('Value error, ')}"
        for each in error.errors(include_url=False, include_input=False, include_context=False)
    ]


data_converter = DataConverter(payload_converter_class=StrictPayloadConverter)
