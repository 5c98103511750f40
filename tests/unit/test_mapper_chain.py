"""Mappers one after the other on a record: what each changes, what it leaves alone, and what stops it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_workers.mappers.chain import Chain
from airbyte_workers.mappers.records import FieldChange, MappedRecord
from airbyte_workers.mappers.specs import MapperSpec

AES = {
    "algorithm": "AES",
    "targetField": "a",
    "mode": "CBC",
    "padding": "PKCS5Padding",
    "key": "2b7e151628aed2a6abf7158809cf4f3c",
}


def rename(old: str, new: str) -> MapperSpec:
    return MapperSpec("field-renaming", {"originalFieldName": old, "newFieldName": new})


def without(field: str) -> MapperSpec:
    return MapperSpec("field-filtering", {"targetField": field})


def hashing(field: str) -> MapperSpec:
    return MapperSpec("hashing", {"targetField": field, "method": "SHA-256"})


def rows(conditions: dict[str, Any]) -> MapperSpec:
    return MapperSpec("row-filtering", {"conditions": conditions})


def equal(field: str, text: str) -> dict[str, Any]:
    return {"type": "EQUAL", "fieldName": field, "comparisonValue": text}


def combined(kind: str, *conditions: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "conditions": list(conditions)}


def applied(data: dict[str, bytes], *specs: MapperSpec) -> dict[str, bytes]:
    record = MappedRecord(dict(data))
    assert Chain(specs).apply(record)
    assert record.changes == []
    return record.data


def kept(conditions: dict[str, Any], **data: bytes) -> bool:
    record = MappedRecord(dict(data))
    verdict = Chain([rows(conditions)]).apply(record)
    assert record == MappedRecord(dict(data))
    return verdict


class Hostile(dict[str, bytes]):
    """Fields of which one cannot be replaced: what a mapper that has a defect meets."""

    def __setitem__(self, name: str, value: bytes) -> None:
        if name == "refused":
            raise RuntimeError("refused")
        super().__setitem__(name, value)


# --- one mapper ---


def test_o5_a_rename_moves_the_value_and_keeps_the_others() -> None:
    assert applied({"oldField": b"1", "other": b"2"}, rename("oldField", "newField")) == {
        "other": b"2",
        "newField": b"1",
    }


def test_o5_a_rename_of_a_field_that_is_not_there_changes_nothing() -> None:
    assert applied({"other": b"2"}, rename("oldField", "newField")) == {"other": b"2"}


def test_a_rename_to_the_same_name_changes_nothing() -> None:
    assert list(applied({"a": b"1", "b": b"2"}, rename("a", "a")).items()) == [("a", b"1"), ("b", b"2")]


def test_a_value_that_moves_keeps_every_byte() -> None:
    raw = b'{"n": 1.000000000000000000001, "big": 123456789012345678901234567890, "e":"\\u00e9"}'
    assert applied({"a": raw}, rename("a", "b")) == {"b": raw}


def test_o7_a_field_filter_removes_its_field() -> None:
    assert applied({"a": b"1", "b": b"2"}, without("a")) == {"b": b"2"}


def test_o7_a_field_that_is_not_there_needs_no_removal() -> None:
    assert applied({"b": b"2"}, without("a")) == {"b": b"2"}


@pytest.mark.parametrize(("status", "verdict"), [(b'"active"', True), (b'"inactive"', False)])
def test_o8_equal_keeps_what_has_the_value(status: bytes, verdict: bool) -> None:
    assert kept(equal("status", "active"), status=status, other=b"1") is verdict


@pytest.mark.parametrize(("status", "verdict"), [(b'"active"', False), (b'"inactive"', True)])
def test_o9_not_keeps_what_has_another_value(status: bytes, verdict: bool) -> None:
    assert kept(combined("NOT", equal("status", "active")), status=status, other=b"1") is verdict


def test_a_field_that_is_not_there_equals_nothing() -> None:
    assert not kept(equal("status", ""), other=b"1")
    assert kept(combined("NOT", equal("status", "")), other=b"1")


@pytest.mark.parametrize(
    ("raw", "text"),
    [(b"5", "5"), (b"5.0", "5.0"), (b"true", "true"), (b"null", "null"), (b'"null"', "null"), (b'"\\u00e9"', "é")],
)
def test_what_is_compared_is_the_text_of_the_value(raw: bytes, text: str) -> None:
    assert kept(equal("a", text), a=raw)
    assert not kept(equal("a", text + "0"), a=raw)


def test_a_string_that_is_no_text_equals_nothing() -> None:
    assert not kept(equal("a", "\ud800"), a=b'"\\ud800"')
    assert kept(combined("NOT", equal("a", "x")), a=b'"\\ud800"')


@given(st.booleans(), st.booleans())
def test_conditions_are_combined_as_their_names_say(a: bool, b: bool) -> None:
    fields = {"a": json.dumps(a).encode(), "b": json.dumps(b).encode()}
    both = (equal("a", "true"), equal("b", "true"))
    assert kept(combined("AND", *both), **fields) is (a and b)
    assert kept(combined("OR", *both), **fields) is (a or b)
    assert kept(combined("NOT", *both), **fields) is (not a and not b)
    assert kept(combined("NOT", combined("OR", both[0], combined("AND", *both))), **fields) is (not a)


# --- several ---


def test_o18_without_mappers_a_record_is_unchanged() -> None:
    assert applied({"a": b"1"}) == {"a": b"1"}


def test_o18_mappers_are_applied_in_their_order() -> None:
    both = rename("field1", "field1_test"), rename("field1_test", "field1_test_test")
    assert applied({"field1": b'"x"'}, *both) == {"field1_test_test": b'"x"'}
    assert applied({"field1": b'"x"'}, *reversed(both)) == {"field1_test": b'"x"'}


def test_o19_a_mapper_that_fails_stops_neither_the_record_nor_the_mappers_after_it() -> None:
    chain = Chain([rename("a", "refused"), without("b")])
    for _ in range(2):
        record = MappedRecord(Hostile(a=b"1", b=b"2", c=b"3"))
        assert chain.apply(record)
        assert "b" not in record.data
        assert record.data["c"] == b"3"
    assert chain.errors == {0: 2}


@pytest.mark.parametrize(
    "hider",
    [
        MapperSpec("hashing", {"targetField": "a", "method": "MD5", "fieldNameSuffix": "_x"}),
        MapperSpec("encryption", AES | {"fieldNameSuffix": "_x"}),
    ],
)
def test_o19_what_a_mapper_was_to_hide_never_goes_on_even_if_it_fails(hider: MapperSpec) -> None:
    class Full(dict[str, bytes]):
        def __setitem__(self, name: str, value: bytes) -> None:
            raise MemoryError

    chain = Chain([hider, without("b")])
    record = MappedRecord(Full(a=b'"clear"', b=b"2"))
    assert chain.apply(record)
    assert record.data == {}
    assert chain.errors == {0: 1}


def test_o20_no_mapper_sees_a_record_that_was_filtered_out() -> None:
    record = MappedRecord({"a": b"1"})
    chain = Chain([rows(equal("a", "2")), hashing("a")])
    assert not chain.apply(record)
    assert record == MappedRecord({"a": b"1"})


def test_a_row_filter_sees_the_names_that_mappers_before_it_gave() -> None:
    assert applied({"a": b"1"}, rename("a", "b"), rows(equal("b", "1"))) == {"b": b"1"}


def test_each_loss_is_told_by_the_name_that_the_field_had_then() -> None:
    bad = b'"\\ud800"'
    record = MappedRecord({"a": bad, "b": bad})
    chain = Chain([hashing("a"), rename("a_hashed", "c"), hashing("b")])
    assert chain.apply(record)
    assert record.data == {"c": b"null", "b_hashed": b"null"}
    assert record.changes == [FieldChange("a_hashed"), FieldChange("b_hashed")]
    assert chain.errors == {0: 1, 2: 1}


# --- whatever the record ---

NAMES = st.sampled_from(["a", "b", "c", "d", "a_hashed", "é"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
).map(lambda value: json.dumps(value).encode())
MAPPERS = st.one_of(
    st.builds(rename, NAMES, NAMES),
    st.builds(without, NAMES),
    st.builds(hashing, NAMES),
    st.builds(lambda field: MapperSpec("encryption", AES | {"targetField": field}), NAMES),
    st.builds(lambda field, text: rows(combined("NOT", equal(field, text))), NAMES, st.text()),
)


@given(st.dictionaries(NAMES, VALUES, max_size=5), st.lists(MAPPERS, max_size=4))
def test_fields_that_no_mapper_names_keep_their_bytes_and_their_order(
    data: dict[str, bytes], specs: list[MapperSpec]
) -> None:
    untouched = {f"other {name}": raw for name, raw in data.items()}
    record = MappedRecord(
        {name: raw for pair in zip(untouched.items(), data.items(), strict=True) for name, raw in pair}
    )
    Chain(specs).apply(record)
    assert [item for item in record.data.items() if item[0] in untouched] == list(untouched.items())


@given(st.dictionaries(NAMES, VALUES, max_size=5), st.lists(MAPPERS, max_size=4))
def test_every_value_is_still_json_and_every_null_that_was_none_is_told(
    data: dict[str, bytes], specs: list[MapperSpec]
) -> None:
    record = MappedRecord(dict(data))
    chain = Chain(specs)
    chain.apply(record)
    nulls = [name for name, raw in record.data.items() if json.loads(raw) is None]
    if b"null" not in data.values():
        assert len(nulls) <= len(record.changes) == sum(chain.errors.values())
