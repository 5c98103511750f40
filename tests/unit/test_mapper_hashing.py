"""Hashing: the digests of all methods, the text that is hashed, and that no value goes on in clear."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_workers.mappers.chain import Chain
from airbyte_workers.mappers.hashing import digest
from airbyte_workers.mappers.md2 import md2
from airbyte_workers.mappers.records import NULLED, PLATFORM_SERIALIZATION_ERROR, FieldChange, MappedRecord
from airbyte_workers.mappers.schemas import HASHING_METHODS
from airbyte_workers.mappers.specs import MapperSpec

RFC_1319 = {
    b"": "8350e5a3e24c153df2275c9f80692773",
    b"a": "32ec01ec4a6dac72c0ab96fb34c0b5d1",
    b"abc": "da853b0d3f88d99b30283a69e6ded6bb",
    b"message digest": "ab4f496bfb2a530b219ff33031fe06b0",
    b"abcdefghijklmnopqrstuvwxyz": "4e8ddff3650292ab5a4108c3aa47940b",
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789": "da33def2a42df13975352846c30338cd",
    b"1234567890" * 8: "d5976f79d83d3a0dc9806c3c66f3efd8",
}
DIGESTS_OF_VALUE1 = {
    "MD5": "9946687e5fa0dab5993ededddb398d2e",
    "SHA-1": "8107759ababcbfa34bcb02bc4309caf6354982ab",
    "SHA-224": "c70219436eb2069c5af3048271c4263c7e47e10237d159fb1d7e5792",
    "SHA-256": "3c9683017f9e4bf33d0fbedd26bf143fd72de9b9dd145441b75f0604047ea28e",
}


def hashing(field: str = "field1", **config: Any) -> MapperSpec:
    return MapperSpec("hashing", {"targetField": field, "method": "SHA-256"} | config)


def hashed(raw: bytes, **config: Any) -> MappedRecord:
    record = MappedRecord({"field1": raw, "field2": b'"value2"'})
    assert Chain([hashing(**config)]).apply(record)
    return record


def sha256(text: bytes) -> bytes:
    return f'"{hashlib.sha256(text).hexdigest()}"'.encode()


@pytest.mark.parametrize(("method", "expected"), DIGESTS_OF_VALUE1.items())
def test_o1_the_digest_stands_under_the_new_name_and_the_value_is_gone(method: str, expected: str) -> None:
    record = hashed(b'"value1"', method=method, fieldNameSuffix="_hashed")
    assert record == MappedRecord({"field2": b'"value2"', "field1_hashed": f'"{expected}"'.encode()})


@pytest.mark.parametrize("method", HASHING_METHODS)
def test_o2_every_method_of_upstream_is_there(method: str) -> None:
    name = method.replace("-", "").lower()
    expected = md2(b"abc") if method == "MD2" else hashlib.new(name, b"abc").digest()
    assert digest(method)(b"abc") == expected
    assert hashed(b'"abc"', method=method).data["field1_hashed"] == f'"{expected.hex()}"'.encode()


@pytest.mark.parametrize(("text", "expected"), RFC_1319.items())
def test_o2_md2_gives_the_digests_of_its_rfc(text: bytes, expected: str) -> None:
    assert md2(text).hex() == expected


def test_the_suffix_is_hashed_unless_another_is_given() -> None:
    assert set(hashed(b"1").data) == {"field2", "field1_hashed"}
    assert set(hashed(b"1", fieldNameSuffix=None).data) == {"field2", "field1_hashed"}
    assert set(hashed(b"1", fieldNameSuffix="_x").data) == {"field2", "field1_x"}


def test_without_a_suffix_the_digest_replaces_the_value() -> None:
    assert hashed(b'"value1"', fieldNameSuffix="").data == {"field1": sha256(b"value1"), "field2": b'"value2"'}


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b'"a\\"b\\u00e9\\ud83d\\ude00\\n"', 'a"bé😀\n'.encode()),
        ('"é"'.encode(), "é".encode()),
        (b'""', b""),
        (b"1.00", b"1.00"),
        (b"12345678901234567890123", b"12345678901234567890123"),
        (b"true", b"true"),
        (b'{"b": 1,"a":2}', b'{"b": 1,"a":2}'),
        (b"[1, 2]", b"[1, 2]"),
    ],
)
def test_what_is_hashed_is_what_a_string_says_and_anything_else_as_it_stands(raw: bytes, text: bytes) -> None:
    assert hashed(raw).data["field1_hashed"] == sha256(text)


@given(st.text())
def test_a_string_has_one_digest_however_its_json_is_spelt(text: str) -> None:
    plain, escaped = (json.dumps(text, ensure_ascii=ascii).encode("utf-8") for ascii in (False, True))
    assert hashed(plain).data == hashed(escaped).data
    assert hashed(plain).data["field1_hashed"] == sha256(text.encode())


def test_null_stays_null_under_the_new_name_and_is_no_loss() -> None:
    assert hashed(b"null") == MappedRecord({"field2": b'"value2"', "field1_hashed": b"null"})


def test_a_record_without_the_field_is_left_alone() -> None:
    record = MappedRecord({"field2": b"1"})
    assert Chain([hashing()]).apply(record)
    assert record == MappedRecord({"field2": b"1"})


@pytest.mark.parametrize("suffix", ["_hashed", ""])
def test_a_value_that_cannot_be_hashed_is_nulled_told_and_counted(suffix: str) -> None:
    chain = Chain([hashing(fieldNameSuffix=suffix)])
    record = MappedRecord({"field1": b'"half a \\ud800 character"', "field2": b"2"})
    assert chain.apply(record)
    new = f"field1{suffix}"
    assert record.data == {new: b"null", "field2": b"2"}
    assert record.changes == [FieldChange(new, NULLED, PLATFORM_SERIALIZATION_ERROR)]
    assert chain.errors == {0: 1}
