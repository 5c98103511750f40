"""What a client is given, read: settings, typed inputs, values that must be JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from pydantic import ValidationError

from airbyte_workers.models import Mapper, Typed
from airbyte_workers.protocol.catalog import InvalidCatalog
from airbyte_workers.protocol.catalog_choices import choices_in
from airbyte_workers.runs import InvalidInput
from airbyte_workers.runtime.payloads import problems_of
from airbyte_workers.settings import Settings

T = TypeVar("T", bound=Typed)


def read_settings() -> Settings:
    """The settings of the environment. Raises InvalidInput."""
    try:
        return Settings()
    except ValidationError as error:
        raise InvalidInput("settings: " + "; ".join(problems_of(error))) from None


def checked(form: type[T], input: T | Mapping[str, Any]) -> T:
    """The typed input. Raises InvalidInput, naming every field that is wrong and no value."""
    if isinstance(input, form):
        return input
    try:
        return form.model_validate(input)
    except ValidationError as error:
        raise InvalidInput(f"invalid {form.__name__}: " + "; ".join(problems_of(error))) from None


def as_json(value: Mapping[str, Any], place: str) -> bytes:
    """The value as JSON. Raises InvalidInput.

    A program can give what no file holds: a value of its own, or a dictionary that contains itself.
    """
    try:
        return msgspec.json.encode(value)
    except (TypeError, ValueError, RecursionError):
        raise InvalidInput(f"{place}: holds something that JSON cannot hold") from None


def holds_key(mapper: Mapper) -> bool:
    """Whether a key stands in the mapper's config itself, not a reference to one."""
    from airbyte_workers.mappers.configs import secret_places  # noqa: PLC0415  # a fifth of a command's start
    from airbyte_workers.mappers.specs import MapperSpec  # noqa: PLC0415  # the same

    return any(place.reference is None for place in secret_places([MapperSpec(mapper.name, mapper.config)]))


def holds_keys(catalog: Mapping[str, Any]) -> bool:
    """Whether a pasted catalog has mappers with keys. Raises InvalidInput."""
    try:
        return any(holds_key(each) for stream in choices_in(catalog) for each in stream.mappers)
    except InvalidCatalog as error:
        raise InvalidInput(str(error)) from None
