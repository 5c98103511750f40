"""The configured stream that a destination is given when mappers change its records."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_workers.mappers.catalogs import mapped
from airbyte_workers.mappers.specs import MapperSpec, Problem, ProblemCode
from airbyte_workers.protocol.messages import ConfiguredStream, parse, serialise

SCHEMA: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "required": ["id", "field1"],
    "properties": {
        "id": {"type": "integer"},
        "field1": {"type": "string", "format": "date"},
        "field2": {"type": ["null", "number"], "multipleOf": 0.01},
        "nested": {"type": ["object", "null"], "properties": {"at": {"type": "string"}, "id": {"type": "string"}}},
    },
    "additionalProperties": True,
}


def stream(schema: Any = SCHEMA, mode: str = "append", **config: Any) -> ConfiguredStream:
    of_source = {
        name: config.pop(name) for name in ("default_cursor_field", "source_defined_primary_key") if name in config
    }
    return parse(
        ConfiguredStream,
        json.dumps(
            {
                "stream": {"name": "users", "json_schema": schema, "x": 1} | of_source,
                "sync_mode": "incremental",
                "destination_sync_mode": mode,
            }
            | config
        ).encode(),
    )


def hashing(field: str, **config: Any) -> MapperSpec:
    return MapperSpec("hashing", {"targetField": field, "method": "SHA-256"} | config)


def rename(old: str, new: str) -> MapperSpec:
    return MapperSpec("field-renaming", {"originalFieldName": old, "newFieldName": new})


def without(field: str) -> MapperSpec:
    return MapperSpec("field-filtering", {"targetField": field})


def encrypting(field: str, mode: str = "CBC", **config: Any) -> MapperSpec:
    key = {"_secret": "env:AIRBYTE_SECRET_KEY"}
    given = {"algorithm": "AES", "targetField": field, "mode": mode, "padding": "NoPadding", "key": key}
    return MapperSpec("encryption", given | config)


def schema_of(configured: ConfiguredStream) -> dict[str, Any]:
    schema: dict[str, Any] = msgspec.json.decode(configured.stream.json_schema)
    return schema


def properties(*specs: MapperSpec) -> dict[str, Any]:
    result, found = mapped(stream(), specs)
    assert found == []
    fields: dict[str, Any] = schema_of(result)["properties"]
    return fields


def refused(configured: ConfiguredStream, *specs: MapperSpec) -> Problem:
    result, found = mapped(configured, specs)
    assert result == configured
    (problem,) = found
    return problem


# --- schemas ---


def test_o3_a_hashed_field_is_a_string_whatever_it_was() -> None:
    fields = properties(hashing("field1"))
    assert fields["field1_hashed"] == {"type": "string"}
    assert "field1" not in fields
    assert fields["field2"] == SCHEMA["properties"]["field2"]


def test_a_field_that_could_be_null_still_can() -> None:
    assert properties(hashing("field2"))["field2_hashed"] == {"type": ["null", "string"]}


@pytest.mark.parametrize("field", [{}, {"oneOf": []}, {"type": "null"}, True, 5])
def test_a_field_of_which_nothing_is_known_can_be_null(field: Any) -> None:
    result, _ = mapped(stream({"properties": {"a": field}}), [hashing("a")])
    assert schema_of(result)["properties"] == {"a_hashed": {"type": ["null", "string"]}}


def test_an_encrypted_field_is_a_string_or_null_under_its_name_with_the_suffix() -> None:
    assert properties(encrypting("field1", fieldNameSuffix="_x"))["field1_x"] == {"type": ["null", "string"]}
    assert properties(encrypting("field1"))["field1"] == {"type": ["null", "string"]}


def test_o5_a_renamed_field_keeps_its_schema_and_its_place() -> None:
    fields = properties(rename("field1", "newField"))
    assert list(fields) == ["id", "newField", "field2", "nested"]
    assert fields["newField"] == SCHEMA["properties"]["field1"]


def test_o7_a_removed_field_is_gone_from_the_schema_and_what_was_given_is_as_it_was() -> None:
    given = stream(primary_key=[["id"]], cursor_field=["field1"])
    before = serialise(given)
    result, found = mapped(given, [without("field1"), rename("id", "key"), hashing("field2")])
    assert found == []
    assert list(schema_of(result)["properties"]) == ["key", "field2_hashed", "nested"]
    assert serialise(given) == before


def test_required_names_follow() -> None:
    result, _ = mapped(stream(), [rename("id", "key"), without("field1")])
    assert schema_of(result)["required"] == ["key"]


@pytest.mark.parametrize("required", [True, "id", [1], {}])
def test_a_required_that_is_no_list_of_names_is_left_alone(required: Any) -> None:
    result, found = mapped(stream(SCHEMA | {"required": required}), [rename("id", "key")])
    assert found == []
    assert schema_of(result)["required"] == required


def test_a_row_filter_changes_nothing() -> None:
    given = stream()
    condition = {"type": "EQUAL", "fieldName": "field1", "comparisonValue": "x"}
    result, found = mapped(given, [MapperSpec("row-filtering", {"conditions": condition})])
    assert found == []
    assert result is given


def test_o18_each_mapper_sees_what_those_before_it_made() -> None:
    fields = properties(rename("field1", "field1_test"), rename("field1_test", "field1_test_test"))
    assert "field1_test_test" in fields
    assert fields.keys().isdisjoint({"field1", "field1_test"})
    assert "b_hashed" in properties(without("field1"), rename("field2", "field1"), rename("field1", "b"), hashing("b"))


def test_what_no_mapper_names_keeps_every_byte_of_its_schema() -> None:
    raw = b'{"properties":{"a":{"maximum":1.000000000000000000001},"b":{}},"x":12345678901234567890123}'
    given = msgspec.structs.replace(
        stream(), stream=msgspec.structs.replace(stream().stream, json_schema=msgspec.Raw(raw))
    )
    result, _ = mapped(given, [rename("b", "c")])
    assert bytes(result.stream.json_schema) == raw.replace(b'"b"', b'"c"')


@given(st.lists(st.builds(rename, *[st.sampled_from(["id", "field1", "field2", "x", "y"])] * 2)))
def test_renames_lose_no_field_and_change_no_other(specs: list[MapperSpec]) -> None:
    result, _ = mapped(stream(), specs)
    fields = schema_of(result)["properties"]
    assert sorted(map(json.dumps, fields.values())) == sorted(map(json.dumps, SCHEMA["properties"].values()))
    assert fields["nested"] == SCHEMA["properties"]["nested"]
    assert result.stream.unknown_fields == stream().stream.unknown_fields


# --- keys and cursors ---


@pytest.mark.parametrize(("spec", "new"), [(rename("id", "key"), "key"), (hashing("id"), "id_hashed")])
@pytest.mark.parametrize("mode", ["append", "append_dedup", "overwrite_dedup"])
def test_keys_and_cursors_follow_their_field(spec: MapperSpec, new: str, mode: str) -> None:
    given = stream(
        mode=mode,
        primary_key=[["id"], ["field2"]],
        cursor_field=["id"],
        source_defined_primary_key=[["id"]],
        default_cursor_field=["id"],
    )
    result, found = mapped(given, [spec])
    assert found == []
    assert (result.primary_key, result.cursor_field) == ([[new], ["field2"]], [new])
    assert (result.stream.source_defined_primary_key, result.stream.default_cursor_field) == ([[new]], [new])


def test_paths_below_a_renamed_field_follow_and_those_below_a_hashed_one_are_gone() -> None:
    given = stream(primary_key=[["id"], ["nested", "id"]], cursor_field=["nested", "at"])
    result, _ = mapped(given, [rename("nested", "n")])
    assert (result.primary_key, result.cursor_field) == ([["id"], ["n", "id"]], ["n", "at"])
    result, _ = mapped(given, [hashing("nested")])
    assert (result.primary_key, result.cursor_field) == ([["id"]], None)


def test_the_key_and_the_cursor_of_a_removed_field_go_too() -> None:
    given = stream(
        primary_key=[["id"]],
        cursor_field=["field1"],
        source_defined_primary_key=[["id"], ["field2"]],
        default_cursor_field=["field1"],
    )
    result, found = mapped(given, [without("id"), without("field1")])
    assert found == []
    assert (result.primary_key, result.cursor_field) == (None, None)
    assert (result.stream.source_defined_primary_key, result.stream.default_cursor_field) == ([["field2"]], None)


@pytest.mark.parametrize("mode", ["append_dedup", "overwrite_dedup", "update"])
@pytest.mark.parametrize("key", [[["id"]], [["field1"], ["id"]], [["id", "inner"]]])
def test_a_key_that_the_mode_needs_cannot_be_removed(mode: str, key: list[list[str]]) -> None:
    problem = refused(stream(mode=mode, primary_key=key), without("id"))
    assert problem.code == ProblemCode.INVALID_MAPPER_CONFIG
    assert problem.sentence == (
        f"Mapper Config not valid: id is part of the primary key, which {mode} needs, and is removed;"
        " keep it, or choose another destination sync mode"
    )


def test_the_source_s_own_key_counts_where_none_was_chosen() -> None:
    given = stream(mode="append_dedup", source_defined_primary_key=[["id"]])
    assert refused(given, without("id")).code == ProblemCode.INVALID_MAPPER_CONFIG


def test_a_key_that_the_mode_needs_cannot_be_encrypted_unless_it_stays_the_same() -> None:
    given = stream(mode="append_dedup", primary_key=[["id"]])
    assert "another text each time it is encrypted; hash it" in refused(given, encrypting("id")).sentence
    result, found = mapped(given, [encrypting("id", "ECB", fieldNameSuffix="_x")])
    assert (result.primary_key, found) == ([["id_x"]], [])


def test_a_key_below_a_field_cannot_be_needed_once_the_field_is_hashed() -> None:
    given = stream(mode="append_dedup", primary_key=[["nested", "id"]])
    assert "and is removed" in refused(given, hashing("nested")).sentence


def test_other_fields_of_a_deduplicated_stream_may_go() -> None:
    result, found = mapped(stream(mode="append_dedup", primary_key=[["id"]]), [without("field1"), encrypting("field2")])
    assert (result.primary_key, found) == ([["id"]], [])


# --- problems ---


def test_o22_an_unknown_mapper_leaves_the_stream_as_it_is() -> None:
    problem = refused(stream(), MapperSpec("upper-casing", {}))
    assert (problem.code, problem.position, problem.mapper) == (ProblemCode.MISSING_MAPPER, 0, "upper-casing")


@pytest.mark.parametrize("spec", [rename("field1", "field2"), hashing("field1", fieldNameSuffix="_x")])
def test_o22_a_name_that_the_stream_has_already_is_refused(spec: MapperSpec) -> None:
    given = stream({"properties": {"field1": {}, "field2": {}, "field1_x": {}}})
    problem = refused(given, spec)
    assert problem.code == ProblemCode.FIELD_ALREADY_EXISTS
    assert problem.sentence.startswith("the stream already has a field field")


@pytest.mark.parametrize("spec", [rename("fiel1", "x"), without("fiel1"), hashing("fiel1"), encrypting("fiel1")])
def test_o22_a_field_that_the_stream_does_not_have_is_refused(spec: MapperSpec) -> None:
    problem = refused(stream(), spec)
    assert problem.code == ProblemCode.FIELD_NOT_FOUND
    assert problem.sentence == "the stream has no field fiel1; did you mean field1?"


def test_o22_a_config_that_is_not_valid_is_refused() -> None:
    assert refused(stream(), MapperSpec("hashing", {})).code == ProblemCode.INVALID_MAPPER_CONFIG


def test_o22_what_can_be_applied_is_and_the_rest_is_told_in_order() -> None:
    specs = [rename("nowhere", "x"), hashing("field1"), MapperSpec("unknown", {}), rename("id", "field2")]
    result, found = mapped(stream(), specs)
    assert list(schema_of(result)["properties"]) == ["id", "field1_hashed", "field2", "nested"]
    assert [(problem.position, problem.code) for problem in found] == [
        (0, ProblemCode.FIELD_NOT_FOUND),
        (2, ProblemCode.MISSING_MAPPER),
        (3, ProblemCode.FIELD_ALREADY_EXISTS),
    ]


@pytest.mark.parametrize("schema", [{}, True, [], None, {"properties": 5}, {"type": "object"}])
def test_a_stream_without_fields_has_none_to_map(schema: Any) -> None:
    problem = refused(stream(schema), rename("a", "b"))
    assert problem.sentence == "the stream has no field a; it has none"
