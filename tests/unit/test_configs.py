"""Configs against the specs of connectors, references to secrets in them, and what of them may never be shown."""

from __future__ import annotations

import copy
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from airbyte_workers.protocol.config_secrets import is_reference, reference_problems, secret_values
from airbyte_workers.protocol.configs import UnusableSpec, config_problems, secret_names

REFERENCE = {"_secret": "env:AIRBYTE_SECRET_X"}
SPEC: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "required": ["host", "credentials"],
    "additionalProperties": False,
    "properties": {
        "host": {"type": "string", "minLength": 1, "maxLength": 20},
        "count": {"type": "integer", "minimum": 1, "maximum": 9, "airbyte_secret": False},
        "ratio": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "step": {"type": "integer", "multipleOf": 5},
        "colour": {"type": "string", "enum": ["red", "green"]},
        "note": {"type": ["string", "null"]},
        "since": {"type": "string", "pattern": "^[0-9]{4}$", "pattern_descriptor": "YYYY"},
        "code": {"type": "string", "pattern": "^[a-z]+$", "format": "email"},
        "tables": {
            "type": "array",
            "minItems": 1,
            "maxItems": 3,
            "uniqueItems": True,
            "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
        },
        "labels": {"type": "object", "additionalProperties": {"type": "integer"}, "maxProperties": 2},
        "credentials": {
            "type": "object",
            "oneOf": [
                {
                    "title": "OAuth",
                    "required": ["auth_type", "client_id", "client_secret"],
                    "properties": {
                        "auth_type": {"type": "string", "const": "oauth"},
                        "client_id": {"type": "string"},
                        "client_secret": {"type": "string", "airbyte_secret": True},
                    },
                },
                {"$ref": "#/definitions/key"},
            ],
        },
    },
    "definitions": {
        "key": {
            "title": "Key",
            "required": ["auth_type", "api_key"],
            "properties": {
                "auth_type": {"type": "string", "enum": ["key"]},
                "api_key": {"type": "string", "pattern": "^k-", "airbyte_secret": True},
            },
        }
    },
}
GOOD: dict[str, Any] = {
    "host": "h",
    "count": 1,
    "colour": "red",
    "since": "2024",
    "tables": [{"name": "a"}],
    "labels": {"x": 1},
    "credentials": {"auth_type": "oauth", "client_id": "i", "client_secret": "s"},
}


def told(**changes: Any) -> tuple[str, ...]:
    """What is said of a good config with these changes."""
    return config_problems(SPEC, GOOD | changes, "")


def of(schema: dict[str, Any], value: Any) -> tuple[str, ...]:
    """What is said of the config `{"a": value}`, where `a` has the schema."""
    return config_problems({"properties": {"a": schema}}, {"a": value}, "")


# --- what is wrong, and where ---


def test_a_good_config_has_no_problems() -> None:
    assert told() == ()


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"host": 5}, "host: must be a string"),
        ({"host": ""}, "host: must not be empty"),
        ({"host": "h" * 21}, "host: must have at most 20 characters"),
        ({"count": "1"}, "count: must be an integer"),
        ({"count": True}, "count: must be an integer"),
        ({"count": 0}, "count: must be at least 1"),
        ({"count": 10}, "count: must be at most 9"),
        ({"ratio": 0}, "ratio: must be more than 0"),
        ({"ratio": 1.0}, "ratio: must be less than 1"),
        ({"step": 7}, "step: must be a multiple of 5"),
        ({"colour": "blue"}, "colour: must be one of red, green"),
        ({"note": 5}, "note: must be a string or null"),
        ({"since": "24"}, "since: must look like YYYY"),
        ({"code": "A1"}, "code: must match the pattern ^[a-z]+$"),
        ({"tables": []}, "tables: must list at least 1 item"),
        ({"tables": [{"name": "a"}, {"name": "a"}]}, "tables: must not list anything twice"),
        ({"tables": [{"name": "a"}, {}]}, "tables[1].name: is missing"),
        ({"tables": [{"name": {}}]}, "tables[0].name: must be a string"),
        ({"labels": {"x": "hunter2"}}, "labels.x: must be an integer"),
        ({"labels": {"x": 1, "y": 1, "z": 1}}, "labels: must have at most 2 fields"),
        ({"hots": "x"}, "hots: unknown field; did you mean host?"),
        ({"zzz": "x"}, "zzz: unknown field"),
        ({"credentials": None}, "credentials: must be an object"),
        ({"credentials": {"auth_type": "oauth", "client_id": "i"}}, "credentials.client_secret: is missing"),
        ({"credentials": {"auth_type": "key", "api_key": "x"}}, "credentials.api_key: must match the pattern ^k-"),
        ({"credentials": {"auth_type": "basic"}}, "credentials.auth_type: must be one of oauth, key"),
        ({"credentials": {}}, "credentials.auth_type: is missing; it must be one of oauth, key"),
        ({"credentials": {"auth_type": REFERENCE, "api_key": 5}}, "credentials.api_key: must be a string"),
    ],
)
def test_a_problem_names_the_field_and_what_it_must_be(changes: dict[str, Any], line: str) -> None:
    assert told(**changes) == (line,)


def test_formats_are_not_enforced() -> None:
    assert told(code="nomail") == ()


def test_all_problems_are_told_in_the_order_of_their_places() -> None:
    config = {"tables": [{"name": 1}] * 2 + [{}] * 9, "count": "x", "colour": 1}
    assert config_problems(SPEC, config, "source.config") == (
        "source.config.colour: must be a string",
        "source.config.colour: must be one of red, green",
        "source.config.count: must be an integer",
        "source.config.credentials: is missing",
        "source.config.host: is missing",
        "source.config.tables: must list at most 3 items",
        "source.config.tables: must not list anything twice",
        "source.config.tables[0].name: must be a string",
        "source.config.tables[1].name: must be a string",
        *(f"source.config.tables[{n}].name: is missing" for n in range(2, 11)),
    )


def test_twenty_problems_are_told_and_the_rest_is_counted() -> None:
    lines = of({"items": {"type": "string"}}, list(range(25)))
    assert len(lines) == 21
    assert (lines[0], lines[19], lines[20]) == ("a[0]: must be a string", "a[19]: must be a string", "and 5 more")


def test_the_same_problem_of_the_same_field_is_told_once() -> None:
    assert of({"allOf": [{"type": "string"}, {"type": "string"}]}, 5) == ("a: must be a string",)


@pytest.mark.parametrize(
    ("schema", "value", "line"),
    [
        (
            {"anyOf": [{"type": "string"}, {"type": ["integer", "null"]}]},
            [],
            "a: must be a string or an integer or null",
        ),
        ({"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 3}]}, 1, "a: must be at least 3"),
        ({"oneOf": [{"const": "x"}, {"enum": ["y", "z"]}]}, "w", "a: must be one of x, y, z"),
        ({"oneOf": [{"const": 1}, {"const": 2}]}, True, "a: must be one of 1, 2"),
        ({"oneOf": [{"required": ["x", "y"]}, {"required": ["z"]}]}, {}, "a.z: is missing"),
        (
            {"oneOf": [{"title": "A"}, {"title": "B"}]},
            1,
            "a: fits several alternatives at once (A, B); it must fit exactly one",
        ),
        ({"type": "object", "oneOf": [{"title": "A"}, {"title": "B"}]}, 1, "a: must be an object"),
        ({"const": None}, 1, "a: must be null"),
        ({"enum": []}, 1, "a: is not allowed"),
        ({"not": {"type": "string"}}, "x", "a: is something that the connector rules out"),
        (False, 1, "a: is not allowed"),
        ({"minLength": 2}, "x", "a: must have at least 2 characters"),
        ({"minProperties": 1}, {}, "a: must have at least 1 field"),
        ({"contains": {"const": 1}}, [2], "a: lacks an item of the kind that the connector asks for"),
        ({"items": [{}], "additionalItems": False}, [1, 2], "a: lists more items than the connector knows"),
        ({"dependencies": {"x": ["y"]}}, {"x": 1}, "a: lacks a field that another field of it needs"),
        (
            {"propertyNames": {"maxLength": 1}},
            {"hunter2": 1},
            "a: has a field with a name that the connector does not allow",
        ),
        ({"patternProperties": {"^x": {"type": "string"}}}, {"x1": 1}, "a.x1: must be a string"),
        ({"if": {"required": ["x"]}, "then": {"required": ["y"]}}, {"x": 1}, "a.y: is missing"),
        ({"if": {"required": ["x"]}, "else": {"required": ["y"]}}, {}, "a.y: is missing"),
    ],
)
def test_every_keyword_has_its_words(schema: Any, value: Any, line: str) -> None:
    assert of(schema, value) == (line,)


def test_an_alternative_is_picked_by_the_value_it_is_known_by_even_if_another_has_fewer_errors() -> None:
    long = {"properties": {"kind": {"const": "long"}}, "required": ["kind", "x", "y", "z"]}
    short = {"properties": {"kind": {"const": "short"}}, "required": ["kind"]}
    assert of({"oneOf": [short, long]}, {"kind": "long"}) == ("a.x: is missing", "a.y: is missing", "a.z: is missing")


def test_an_alternative_that_only_some_are_known_by_is_still_told_from_the_rest() -> None:
    known = {"properties": {"kind": {"const": "known"}, "n": {"type": "integer"}, "m": {"type": "integer"}}}
    assert of({"oneOf": [{"required": ["x"]}, known]}, {"kind": "known", "n": "", "m": ""}) == (
        "a.m: must be an integer",
        "a.n: must be an integer",
    )


def test_alternatives_inside_alternatives_are_told_like_the_outer_ones() -> None:
    inner = {"oneOf": [{"properties": {"k": {"const": n}}, "required": ["k", f"f{n}"]} for n in (1, 2)]}
    outer = {"anyOf": [{"type": "null"}, {"type": "object", "properties": {"inner": inner}}]}
    assert of(outer, {"inner": {"k": 2}}) == ("a.inner.f2: is missing",)


def test_long_lists_and_long_names_are_cut_to_one_line() -> None:
    (line,) = of({"enum": [f"value {n} " + "v" * 70 for n in range(50)]}, "x")
    assert len(line) < 400
    assert line.startswith("a: must be one of value 0 vvv")
    assert line.endswith(" or 47 more")
    (line,) = config_problems({"additionalProperties": False}, {"x\n\x1b[31m" + "y" * 500: 1})
    assert line == "config.x  [31m" + "y" * 50 + "...: unknown field"


# --- no value is ever shown ---

SCALARS = st.none() | st.booleans() | st.integers(-99, 99) | st.sampled_from(["red", "oauth", "key", "k-1", "", "2024"])
MARKED = SCALARS | st.just("hunter2") | st.integers(10**9, 10**10) | st.just(REFERENCE)
NAMES = st.sampled_from([*SPEC["properties"], "name", "auth_type", "client_id", "api_key", "zzz"])


def nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6), max_leaves=15
    )


@given(st.dictionaries(NAMES, nested(MARKED)))
def test_no_value_of_a_config_stands_in_what_is_told(config: dict[str, Any]) -> None:
    text = "\n".join(config_problems(SPEC, config))
    assert "hunter2" not in text
    assert "AIRBYTE_SECRET_X" not in text
    assert "_secret" not in text.replace("client_secret", "")  # that is a field's name
    assert not any(len(word) >= 10 for word in text.replace(".", " ").split() if word.isdigit())


# --- the same verdict as jsonschema's ---

FIELDS = ("x", "y", "z")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "p", "q", "pq"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=3),
    max_leaves=6,
)
LEAVES = st.one_of(
    st.booleans(),
    st.just({}),
    st.sampled_from(["string", "integer", "object", "array", "null", ["string", "boolean"]]).map(lambda t: {"type": t}),
    st.lists(VALUES, min_size=1, max_size=3).map(lambda values: {"enum": values}),
    VALUES.map(lambda value: {"const": value}),
    st.integers(0, 3).map(lambda n: {"minimum": n, "maxItems": n, "minLength": n, "minProperties": n}),
    st.sampled_from(["^p", "q$"]).map(lambda pattern: {"pattern": pattern}),
    st.just({"uniqueItems": True}),
    st.lists(st.sampled_from(FIELDS), unique=True).map(lambda names: {"required": names}),
)


def combined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=3)
    members = st.dictionaries(st.sampled_from(FIELDS), inner, max_size=3)
    return st.one_of(
        st.fixed_dictionaries(
            {"properties": members}, optional={"additionalProperties": inner, "required": st.just(["x"])}
        ),
        st.sampled_from(["oneOf", "anyOf", "allOf"]).flatmap(lambda word: several.map(lambda all_: {word: all_})),
        inner.map(lambda one: {"not": one}),
        inner.map(lambda one: {"items": one}),
        inner.map(lambda one: {"contains": one}),
        st.fixed_dictionaries({"if": inner}, optional={"then": inner, "else": inner}),
        st.fixed_dictionaries({"oneOf": several, "properties": members}),
    )


SCHEMAS = st.recursive(LEAVES, combined, max_leaves=8)


@given(SCHEMAS, VALUES)
@settings(max_examples=300)
def test_a_config_without_references_is_right_exactly_if_jsonschema_says_so(schema: Any, value: Any) -> None:
    right = Draft7Validator({"properties": {"a": schema}}).is_valid({"a": value})
    assert (of(schema, value) == ()) == right


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in the value with a step into it."""
    steps = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for step in steps:
        yield value, step
        yield from places(value[step])


@given(SCHEMAS, VALUES, st.data())
@settings(max_examples=300)
def test_a_reference_is_right_wherever_some_value_would_be(schema: Any, value: Any, data: st.DataObject) -> None:
    config = {"a": value}
    whole = copy.deepcopy(config)
    for _ in range(data.draw(st.integers(1, 2))):
        container, step = data.draw(st.sampled_from(list(places(config))))
        if not is_reference(container):
            container[step] = dict(REFERENCE)
    if Draft7Validator({"properties": {"a": schema}}).is_valid(whole):
        assert config_problems({"properties": {"a": schema}}, config) == ()


# --- references satisfy, and hide nothing ---


@pytest.mark.parametrize("field", list(SPEC["properties"]))
def test_a_reference_satisfies_the_schema_of_any_field(field: str) -> None:
    assert told(**{field: REFERENCE}) == ()


@pytest.mark.parametrize("name", ["auth_type", "client_id", "client_secret"])
def test_a_reference_satisfies_inside_an_alternative(name: str) -> None:
    assert told(credentials=GOOD["credentials"] | {name: REFERENCE}) == ()


def test_a_reference_hides_no_other_problem() -> None:
    assert told(host=REFERENCE, tables=[REFERENCE, {"name": 1}], count="x", zzz=REFERENCE) == (
        "count: must be an integer",
        "tables[1].name: must be a string",
        "zzz: unknown field",
    )


def test_a_reference_that_decides_what_applies_leaves_it_open_and_one_that_does_not_decides_nothing() -> None:
    schema = {"if": {"properties": {"mode": {"const": "x"}}}, "then": {"required": ["y"]}, "else": {"required": ["z"]}}
    assert of(schema, {"mode": REFERENCE}) == ()
    assert of(schema, {"mode": "x", "other": REFERENCE}) == ("a.y: is missing",)


def test_a_reference_cannot_stand_for_the_whole_config() -> None:
    (line,) = config_problems({}, REFERENCE, "source.config")
    assert line.startswith("source.config: must be an object; a secret reference can stand for a value")


def test_two_references_are_not_the_same_value() -> None:
    assert told(tables=[REFERENCE, {"_secret": "env:AIRBYTE_SECRET_Y"}]) == ()


@pytest.mark.parametrize("value", [{"_secret": 5}, {"_secret": "env:X", "more": 1}, {"secret": "env:X"}, []])
def test_what_only_looks_like_a_reference_satisfies_nothing(value: Any) -> None:
    assert told(host=value) == ("host: must be a string",)


# --- specs that are not what they should be ---


def test_the_draft_that_a_spec_names_is_the_one_it_is_read_by() -> None:
    draft4 = {"$schema": "http://json-schema.org/draft-04/schema#", "properties": {"a": {"const": 1}}}
    draft4["properties"] |= {"b": {"minimum": 1, "exclusiveMinimum": True}}
    assert config_problems(draft4, {"a": 2, "b": 1}, "") == ("b: must be more than 1",)
    newest = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "properties": {"a": {"prefixItems": [{}, {"const": 1}]}},
    }
    assert config_problems(newest, {"a": [2, 2]}, "") == ("a[1]: must be 1",)


@pytest.mark.parametrize("draft", ["https://example.com/mine", "draft-07", 7, None])
def test_a_draft_that_nobody_knows_is_read_as_draft_7(draft: object) -> None:
    spec = {"$schema": draft, "properties": {"a": {"const": 1}}}
    assert config_problems(spec, {"a": 2}, "") == ("a: must be 1",)


def test_a_draft_that_is_named_inside_changes_nothing_for_references() -> None:
    inner = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "string"}
    assert of(inner, REFERENCE) == ()


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string", "title": 5, "examples": "x", "format": []}, "x"),
        ({"type": "string", "pattern": r"^\p{Lu}["}, "x"),
        ({"type": "string", "pattern": "a{99999999999999999999}"}, "x"),
        ({"patternProperties": {"[": {"type": "string"}}, "additionalProperties": False}, {"x": 1}),
        ({"properties": {"x": {"type": "string", "required": True}}}, {}),
    ],
)
def test_what_is_careless_in_a_spec_does_not_keep_the_rest_from_being_checked(schema: Any, value: Any) -> None:
    spec = {"properties": {"a": schema, "b": {"type": "string"}}}
    assert config_problems(spec, {"a": value, "b": 5}, "") == ("b: must be a string",)


def test_names_in_a_spec_that_are_words_of_json_schema_are_names() -> None:
    names = ["$schema", "pattern", "required", "const", "enum", "default", "examples", "properties", "$ref"]
    spec = {"properties": {name: {"type": "string", "default": {"$schema": 1}} for name in names}, "required": names}
    assert config_problems(spec, {}, "") == tuple(f"{name}: is missing" for name in sorted(names))
    assert config_problems(spec, dict.fromkeys(names, 1), "") == tuple(
        f"{name}: must be a string" for name in sorted(names)
    )


def deep(depth: int, leaf: Any, name: str = "a") -> Any:
    for _ in range(depth):
        leaf = {name: leaf}
    return leaf


@pytest.mark.parametrize(
    ("spec", "config", "words"),
    [
        ({"type": "strange"}, {}, "connectionSpecification.type holds what JSON schema does not allow there"),
        ({"properties": []}, {}, "connectionSpecification.properties holds"),
        ({"properties": {"title": 5}}, {"title": 1}, "cannot be applied"),
        ({"$ref": "#/definitions/none"}, {}, "refers to /definitions/none, which is not in it"),
        ({"$ref": "#"}, {}, "nested too deeply"),
        ({"properties": {"a": {"$ref": "#"}}}, deep(5000, 1), "nested too deeply"),
        (deep(5000, {}, "not"), {}, "nested too deeply"),
        ({"properties": {"n": {"multipleOf": 0.5}}}, {"n": 10**400}, "cannot be applied (OverflowError)"),
    ],
)
def test_a_spec_that_cannot_be_checked_against_is_told_in_a_sentence(spec: Any, config: Any, words: str) -> None:
    with pytest.raises(UnusableSpec, match="the connector's spec") as caught:
        config_problems(spec, config)
    assert words in str(caught.value)


@pytest.mark.parametrize("reference", ["https://example.com/s.json", "other.json#/x", "file:///etc/passwd"])
def test_nothing_is_fetched_for_a_spec(reference: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(UnusableSpec, match=f"refers to {reference}, which is not in it; nothing is fetched"):
        config_problems({"properties": {"a": {"$ref": reference}}}, {"a": 1})


def test_a_spec_that_describes_itself_is_followed_as_deep_as_the_config_is() -> None:
    spec = {"properties": {"a": {"$ref": "#"}, "n": {"type": "integer"}}}
    assert config_problems(spec, deep(30, {"n": "x"}), "") == (".".join("a" * 30) + ".n: must be an integer",)


# --- references that cannot be resolved ---


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"_secret": "env:HOME"}, "secret env:HOME: only variables that begin with AIRBYTE_SECRET_ may be used"),
        ({"_secret": "env:"}, "only variables that begin with"),
        ({"_secret": "file:../x"}, "secret file:../x: only files below SECRETS_DIR may be used"),
        ({"_secret": "file:a/../../x"}, "only files below SECRETS_DIR"),
        ({"_secret": "file:"}, "only files below SECRETS_DIR"),
        ({"_secret": "file:.."}, "only files below SECRETS_DIR"),
        ({"_secret": "vault:hunter2"}, "a secret reference begins with env: or file:"),
        ({"_secret": "hunter2"}, "a secret reference begins with env: or file:"),
        ({"_secret": 5}, "has `_secret` as its only field"),
        ({"_secret": None}, "has `_secret` as its only field"),
        ({"_secret": "hunter2", "more": "hunter2"}, "has `_secret` as its only field"),
    ],
)
def test_a_reference_that_no_host_could_resolve_is_told_with_its_place(value: Any, words: str) -> None:
    (line,) = reference_problems({"list": [1, {"field": value}]}, "source.config")
    assert line.startswith("source.config.list[1].field: ")
    assert words in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    "reference",
    [
        "env:AIRBYTE_SECRET_X",
        "file:x",
        "file:a/b",
        "file:a/../b",
        "file:..x",
        "file:/run/secrets/x",
        "file:/etc/passwd",
    ],
)
def test_a_reference_that_some_host_could_resolve_is_left_to_it(reference: str) -> None:
    assert reference_problems({"a": {"_secret": reference}}) == ()


def test_a_long_reference_is_cut_and_many_are_counted() -> None:
    (line,) = reference_problems({"a": {"_secret": "env:" + "x" * 500}})
    assert len(line) < 250
    lines = reference_problems({str(n): {"_secret": "x"} for n in range(25)})
    assert (len(lines), lines[-1]) == (21, "and 5 more")


def test_references_are_found_at_any_depth() -> None:
    assert len(reference_problems(deep(3000, {"_secret": "x"}))) == 1


# --- what may never be shown ---


def test_the_secret_properties_of_a_spec_are_found_at_every_depth() -> None:
    assert secret_names(SPEC) == {"client_secret", "api_key"}


@pytest.mark.parametrize(
    ("schema", "names"),
    [
        ({"properties": {"a": {"type": "array", "items": {"airbyte_secret": True}}}}, {"a"}),
        ({"properties": {"a": {"oneOf": [{"type": "null"}, {"airbyte_secret": True}]}}}, {"a"}),
        ({"properties": {"a": {"properties": {"b": {"airbyte_secret": True}}}}}, {"b"}),
        ({"properties": {"properties": {"airbyte_secret": True}}}, {"properties"}),
        ({"properties": {"a": {"$ref": "#/definitions/d"}}, "definitions": {"d": {"airbyte_secret": True}}}, {"a"}),
        ({"properties": {"a": {"$ref": "#"}, "b": {"airbyte_secret": True}}}, {"b"}),
        ({"properties": {"a": {"airbyte_secret": "yes"}, "b": {"$ref": "#/none"}}}, set()),
        ({"airbyte_secret": True}, set()),
        (deep(3000, {"properties": {"b": {"airbyte_secret": True}}}, "not"), {"b"}),
    ],
)
def test_a_secret_property_is_the_nearest_one_that_has_a_name(schema: dict[str, Any], names: set[str]) -> None:
    assert secret_names(schema) == names


def test_values_from_references_and_values_below_secret_names_are_secret() -> None:
    config = {
        "host": REFERENCE,
        "pin": 123456,
        "short": 12345,
        "Pass-Word": ["p1", {"deep": "p2", "on": True, "n": 1.5, "m": 1234.5}],
        "client_id": "visible",
        "list": [REFERENCE, "visible", {"x": REFERENCE}],
    }
    resolved = json.loads(json.dumps(config))
    resolved["host"], resolved["list"][0], resolved["list"][2]["x"] = "h", "l", "h"
    assert secret_values(config, resolved, {"PIN", "short"}) == ("h", "123456", "p1", "p2", "1234.5", "l")


def test_a_config_without_secrets_has_nothing_to_hide() -> None:
    config = {"host": "h", "password": "", "token": None, "secret": False, "n": 123456789}
    assert secret_values(config, config, frozenset()) == ()


def test_secrets_are_found_at_any_depth() -> None:
    config = deep(3000, {"x": REFERENCE, "password": "p"})
    resolved = deep(3000, {"x": "v", "password": "p"})
    assert secret_values(config, resolved, frozenset()) == ("v", "p")
