"""What is said of the mappers of a stream before they are used, and which secrets are in them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from airbyte_workers.mappers.chain import Chain
from airbyte_workers.mappers.configs import (
    MAX_NESTING,
    SecretPlace,
    problems,
    secret_places,
    secret_values,
    with_secrets,
)
from airbyte_workers.mappers.schemas import CONFIG_SCHEMAS
from airbyte_workers.mappers.specs import InvalidMappers, MapperSpec, ProblemCode

REFERENCE = {"_secret": "env:AIRBYTE_SECRET_KEY"}
EQUAL = {"type": "EQUAL", "fieldName": "status", "comparisonValue": "active"}
KEY = "2b7e151628aed2a6abf7158809cf4f3c"
AES = {"algorithm": "AES", "targetField": "a", "mode": "CBC", "padding": "PKCS5Padding", "key": KEY}


def told(name: str, config: dict[str, Any]) -> str:
    (problem,) = problems([MapperSpec(name, config)])
    assert (problem.code, problem.position, problem.mapper) == (ProblemCode.INVALID_MAPPER_CONFIG, 0, name)
    assert problem.sentence.startswith("Mapper Config not valid: ")
    return problem.sentence.removeprefix("Mapper Config not valid: ")


def nested(times: int) -> dict[str, Any]:
    condition: dict[str, Any] = EQUAL
    for _ in range(times):
        condition = {"type": "NOT", "conditions": [condition]}
    return {"conditions": condition}


def test_o4_an_unknown_method_is_told_with_all_that_there_are() -> None:
    sentence = told("hashing", {"targetField": "a", "method": "unsupported"})
    assert sentence == "config.method: must be one of MD2, MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512"


def test_o4_a_missing_method_is_told() -> None:
    assert told("hashing", {"targetField": "a"}) == "config: required property 'method' not found"


@pytest.mark.parametrize("missing", ["originalFieldName", "newFieldName"])
def test_o6_a_rename_needs_both_names(missing: str) -> None:
    config = {"originalFieldName": "a", "newFieldName": "b"}
    del config[missing]
    assert told("field-renaming", config) == f"config: required property '{missing}' not found"


def test_a_field_filter_needs_its_field() -> None:
    assert told("field-filtering", {}) == "config: required property 'targetField' not found"


@pytest.mark.parametrize(
    ("conditions", "sentence"),
    [
        ({"fieldName": "a", "comparisonValue": "b"}, "config.conditions: required property 'type' not found"),
        (
            {"type": "NOT", "conditions": [EQUAL, {"fieldName": "a", "comparisonValue": "b"}]},
            "config.conditions.conditions[1]: required property 'type' not found",
        ),
    ],
)
def test_o12_a_condition_needs_a_type(conditions: dict[str, Any], sentence: str) -> None:
    assert told("row-filtering", {"conditions": conditions}) == sentence


@pytest.mark.parametrize(
    ("conditions", "sentence"),
    [
        ([EQUAL], "config.conditions: must be an object"),
        (EQUAL | {"type": "LIKE"}, "config.conditions.type: must be one of EQUAL, NOT, AND, OR"),
        (EQUAL | {"comparisonValue": 5}, "config.conditions.comparisonValue: must be a string"),
        ({"type": "NOT", "conditions": []}, "config.conditions.conditions: must list at least 1 item"),
        ({"type": "AND", "conditions": EQUAL}, "config.conditions.conditions: must be a list"),
        ({"type": "OR"}, "config.conditions: required property 'conditions' not found"),
    ],
)
def test_a_condition_that_has_no_meaning_is_told_with_its_place(conditions: Any, sentence: str) -> None:
    assert told("row-filtering", {"conditions": conditions}) == sentence


def test_conditions_may_be_nested_up_to_a_limit() -> None:
    assert problems([MapperSpec("row-filtering", nested(MAX_NESTING))]) == []
    for times in (MAX_NESTING + 1, 100_000):
        assert told("row-filtering", nested(times)) == "config.conditions: must not be nested more than 20 times"


def test_a_config_nested_without_end_is_told() -> None:
    config: Any = []
    for _ in range(100_000):
        config = [config]
    assert told("encryption", AES | {"mode": config}) in {
        "config: is nested too deeply",
        "config.mode: must be one of CBC, CFB, OFB, CTR, GCM, ECB",
    }


def test_a_mistyped_name_is_told_and_not_passed_over() -> None:
    config = {"targetField": "a", "method": "MD5", "fieldNameSufix": "_x"}
    assert told("hashing", config) == "config.fieldNameSufix: unknown field; did you mean fieldNameSuffix?"


def test_a_reference_is_right_for_a_key_only() -> None:
    assert problems([MapperSpec("encryption", AES | {"key": REFERENCE})]) == []
    assert told("encryption", AES | {"targetField": REFERENCE}) == "config.targetField: must be a string"


def test_everything_that_is_wrong_is_told_at_once_and_by_position() -> None:
    specs = [
        MapperSpec("hashing", {"targetField": 1, "method": "MD5"}),
        MapperSpec("field-filtering", {"targetField": "a"}),
        MapperSpec("field-renaming", {}),
    ]
    found = problems(specs)
    assert [problem.position for problem in found] == [0, 2]
    assert str(found[1]) == (
        "mapper 3 (field-renaming): Mapper Config not valid: config: required property 'newFieldName' not found,"
        " config: required property 'originalFieldName' not found"
    )


def test_o22_a_mapper_that_does_not_exist_is_told_with_those_that_do() -> None:
    (problem,) = problems([MapperSpec("field-rename", {})])
    assert problem.code == ProblemCode.MISSING_MAPPER
    assert problem.sentence == (
        "there is no such mapper; did you mean field-renaming?; there are hashing, field-renaming, field-filtering,"
        " row-filtering, encryption"
    )


def test_o22_no_chain_is_built_around_a_mapper_that_cannot_be_applied() -> None:
    specs = [MapperSpec("hashing", {"targetField": "a", "method": "MD5"}), MapperSpec("unknown", {})]
    with pytest.raises(InvalidMappers, match=r"^mapper 2 \(unknown\): there is no such mapper") as refused:
        Chain(specs)
    assert refused.value.problems == tuple(problems(specs))


# --- secrets ---


def test_o17_a_key_is_a_secret_that_is_there_or_that_is_referred_to() -> None:
    specs = [
        MapperSpec("hashing", {"targetField": "a", "method": "MD5"}),
        MapperSpec("encryption", AES),
        MapperSpec("encryption", AES | {"key": REFERENCE}),
        MapperSpec("encryption", {"algorithm": "RSA", "targetField": "a", "publicKey": "abcd"}),
    ]
    assert secret_places(specs) == [SecretPlace(1, "key", None), SecretPlace(2, "key", "env:AIRBYTE_SECRET_KEY")]
    assert secret_values(specs) == [KEY]


def test_o17_resolving_replaces_references_and_keeps_what_is_there() -> None:
    specs = [MapperSpec("encryption", AES), MapperSpec("encryption", AES | {"key": REFERENCE})]
    before = copy.deepcopy(specs)
    resolved = with_secrets(specs, lambda reference: {"env:AIRBYTE_SECRET_KEY": "00" * 16}[reference])
    assert resolved == [specs[0], MapperSpec("encryption", AES | {"key": "00" * 16})]
    assert specs == before


def test_o17_the_schema_marks_the_key_as_a_secret_and_nothing_else() -> None:
    def marked(node: Any, name: str = "") -> list[str]:
        if not isinstance(node, dict):
            return [found for item in node for found in marked(item)] if isinstance(node, list) else []
        own = [name] if node.get("airbyte_secret") else []
        return own + [found for step, member in node.items() for found in marked(member, step)]

    assert marked(dict(CONFIG_SCHEMAS)) == ["key"]


def test_a_mapper_is_never_shown_with_its_config() -> None:
    assert KEY not in repr(MapperSpec("encryption", AES))
