"""What people choose about data on its way is refused where it cannot mean anything, before a job is opened."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from airbyte_workers.models import Mapper, SyncInput

REFUSED = [
    ({"validation": {"mode": "off", "max_invalid_records": 1}}, "sampled or full"),
    ({"validation": {"mode": "some"}}, "'off', 'sampled' or 'full'"),
    ({"clocks": {"total_minutes": -1}}, "greater than or equal to 0"),
    ({"speed_limits": {"records_per_second": 0}}, "greater than 0"),
    ({"speed_limits": {"bytes_per_second": "fast"}}, "an amount of bytes such as"),
    ({"namespace_definition": "customformat"}, "belong together"),
    ({"namespace_format": "x"}, "belong together"),
    ({"streams": [{"name": "users", "fields": []}]}, "at least 1 item"),
    ({"streams": [{"name": "users", "mappers": [{"config": {}}]}]}, "Field required"),
]


@pytest.mark.parametrize(("typed", "told"), REFUSED)
def test_what_cannot_mean_anything_is_refused(typed: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        SyncInput.model_validate({"connection": "c"} | typed)


def test_a_mapper_as_airbytes_api_writes_it_is_the_same() -> None:
    config = {"targetField": "email", "method": "MD5"}
    written = {"id": "1", "type": "hashing", "mapperConfiguration": config}
    assert Mapper.model_validate(written) == Mapper(name="hashing", config=config)


def test_a_mapper_with_two_configs_is_refused() -> None:
    with pytest.raises(ValidationError):
        Mapper.model_validate({"name": "hashing", "config": {}, "mapperConfiguration": {}})


def test_a_key_does_not_stand_where_a_mapper_is_shown() -> None:
    assert "2b7e15" not in repr(SyncInput(connection="c", streams=[{"name": "u", "mappers": [_KEYED]}]))


def test_the_other_spelling_of_a_custom_namespace_is_the_same() -> None:
    typed = {"connection": "c", "namespace_definition": "custom_format", "namespace_format": "x"}
    assert SyncInput.model_validate(typed).namespace_definition == "customformat"


_KEYED: dict[str, Any] = {"name": "encryption", "config": {"key": "2b7e151628aed2a6abf7158809cf4f3c"}}
