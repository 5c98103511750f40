"""Encryption: whoever has the key reads the value again, by standard ciphers; nobody else sees it."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from cryptography.hazmat.decrepit.ciphers.modes import CFB, OFB
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, CTR, ECB
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from airbyte_workers.mappers.chain import Chain
from airbyte_workers.mappers.configs import problems
from airbyte_workers.mappers.encryption import encryption
from airbyte_workers.mappers.records import FieldChange, MappedRecord
from airbyte_workers.mappers.specs import InvalidMappers, MapperSpec, ProblemCode

KEY = "2b7e151628aed2a6abf7158809cf4f3c"
VECTOR = bytes(range(16))
WITH_VECTOR = {"CBC": CBC, "CFB": CFB, "OFB": OFB, "CTR": CTR}
COMBINATIONS = {(mode, "NoPadding") for mode in ("CBC", "CFB", "OFB", "CTR", "GCM", "ECB")} | {
    (mode, "PKCS5Padding") for mode in ("CBC", "CFB", "OFB", "ECB")
}


@functools.cache
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def aes(mode: str = "CBC", padding: str = "PKCS5Padding", **config: Any) -> MapperSpec:
    given = {"algorithm": "AES", "targetField": "secret", "mode": mode, "padding": padding, "key": KEY}
    return MapperSpec("encryption", given | config)


def in_hex(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> str:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex()


def for_rsa(key: str | None = None, **config: Any) -> MapperSpec:
    given = {"algorithm": "RSA", "targetField": "secret", "publicKey": key or in_hex(private_key().public_key())}
    return MapperSpec("encryption", given | config)


def encrypted(spec: MapperSpec, raw: bytes) -> MappedRecord:
    record = MappedRecord({"secret": raw, "other": b"1.0"})
    assert Chain([spec]).apply(record)
    return record


def read_back(value: bytes, mode: str, padding: str, key: str = KEY) -> bytes:
    whole = bytes.fromhex(value[1:-1].decode())
    vector, body = whole[:16], whole[16:]
    if mode == "GCM":
        return AESGCM(bytes.fromhex(key)).decrypt(vector, body, None)
    decryptor = Cipher(AES(bytes.fromhex(key)), ECB() if mode == "ECB" else WITH_VECTOR[mode](vector)).decryptor()
    plain = decryptor.update(body) + decryptor.finalize()
    if padding == "NoPadding":
        return plain
    unpadder = PKCS7(128).unpadder()
    return unpadder.update(plain) + unpadder.finalize()


@pytest.mark.parametrize(("mode", "padding"), sorted(COMBINATIONS))
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters='"\\')))
def test_each_mode_gives_back_every_text_to_whoever_has_the_key(mode: str, padding: str, text: str) -> None:
    plain = text.encode()
    if padding == "NoPadding" and mode in ("CBC", "ECB"):
        plain = plain[: len(plain) // 16 * 16]
    value = f'"{encryption(aes(mode, padding).config)(plain).hex()}"'.encode()
    assert read_back(value, mode, padding) == plain


@pytest.mark.parametrize("size", [16, 24, 32])
def test_each_size_of_key_is_used_whole(size: int) -> None:
    key = bytes(range(size)).hex()
    value = encrypted(aes(key=key), b'"a \\u00e9"').data["secret"]
    assert read_back(value, "CBC", "PKCS5Padding", key) == "a é".encode()


# The first block of the examples of NIST SP 800-38A, appendix F, for AES-128; its counter begins at f0f1...ff.
@pytest.mark.parametrize(
    ("mode", "vector", "expected"),
    [
        ("ECB", bytes(16), "3ad77bb40d7a3660a89ecaf32466ef97"),
        ("CBC", VECTOR, "7649abac8119b246cee98e9b12e9197d"),
        ("CFB", VECTOR, "3b3fd92eb72dad20333449f8e83cfb4a"),
        ("OFB", VECTOR, "3b3fd92eb72dad20333449f8e83cfb4a"),
        ("CTR", bytes(range(0xF0, 0x100)), "874d6191b620e3261bef6864990db6ce"),
    ],
)
def test_the_modes_are_those_of_nist_with_the_vector_in_front(mode: str, vector: bytes, expected: str) -> None:
    encrypt = encryption(aes(mode, "NoPadding").config, random_bytes=lambda count: vector[:count])
    plain = bytes.fromhex("6bc1bee22e409f96e93d7e117393172a")
    assert encrypt(plain).hex() == vector.hex() + expected


@pytest.mark.parametrize("mode", ["CBC", "CFB", "OFB", "CTR", "GCM"])
def test_equal_values_look_different_each_time(mode: str) -> None:
    chain = Chain([aes(mode, "NoPadding")])
    records = [MappedRecord({"secret": b'"sixteen letters."'}) for _ in range(2)]
    assert all(map(chain.apply, records))
    assert records[0].data != records[1].data


def test_with_ecb_equal_values_stay_equal() -> None:
    assert encrypted(aes("ECB"), b'"a"') == encrypted(aes("ECB"), b'"a"')


def test_without_a_suffix_the_value_is_replaced_in_place() -> None:
    assert list(encrypted(aes(), b'"a"').data) == ["secret", "other"]
    assert list(encrypted(aes(fieldNameSuffix=None), b'"a"').data) == ["secret", "other"]


def test_with_a_suffix_the_value_moves() -> None:
    record = encrypted(aes(fieldNameSuffix="_encrypted"), b'"a"')
    assert record.data.keys() == {"other", "secret_encrypted"}
    assert read_back(record.data["secret_encrypted"], "CBC", "PKCS5Padding") == b"a"


def test_null_stays_null_and_is_no_loss() -> None:
    assert encrypted(aes(), b"null") == MappedRecord({"secret": b"null", "other": b"1.0"})


def test_rsa_is_read_with_the_private_key() -> None:
    value = encrypted(for_rsa(fieldNameSuffix="_rsa"), b'"to encrypt"').data["secret_rsa"]
    assert private_key().decrypt(bytes.fromhex(value[1:-1].decode()), PKCS1v15()) == b"to encrypt"


@pytest.mark.parametrize(
    ("spec", "raw"),
    [
        (aes("CBC", "NoPadding"), b'"not sixteen"'),
        (aes("ECB", "NoPadding"), b'"not sixteen"'),
        (aes(), b'"\\ud800"'),
    ],
)
def test_a_value_that_cannot_be_encrypted_is_nulled_told_and_counted(spec: MapperSpec, raw: bytes) -> None:
    chain = Chain([spec])
    record = MappedRecord({"secret": raw, "other": b"1"})
    assert chain.apply(record)
    assert record == MappedRecord({"secret": b"null", "other": b"1"}, [FieldChange("secret")])
    assert chain.errors == {0: 1}


def test_a_value_that_is_too_long_for_an_rsa_key_is_nulled_told_and_counted() -> None:
    chain = Chain([for_rsa()])
    longest, longer = (MappedRecord({"secret": b'"' + b"a" * length + b'"'}) for length in (245, 246))
    assert chain.apply(longest)
    assert longest.changes == []
    assert chain.apply(longer)
    assert longer == MappedRecord({"secret": b"null"}, [FieldChange("secret")])
    assert chain.errors == {0: 1}


# --- configs ---


@pytest.mark.parametrize("key", ["invalid key", KEY + "0", KEY[:-1], "", KEY * 4, 5, {"_secret": 5}])
def test_o14_a_key_that_is_none_is_refused_and_never_told(key: Any) -> None:
    (problem,) = problems([aes(key=key)])
    assert problem.code == ProblemCode.INVALID_MAPPER_CONFIG
    assert problem.sentence.startswith("Mapper Config not valid: config.key: must ")
    assert not isinstance(key, str) or not key or key not in str(problem)


@pytest.mark.parametrize("key", [KEY, KEY.upper(), KEY * 2, "00" * 24, {"_secret": "env:AIRBYTE_SECRET_KEY"}])
def test_o14_a_key_in_hex_and_a_reference_to_one_are_accepted(key: Any) -> None:
    assert problems([aes(key=key)]) == []


@pytest.mark.parametrize("mode", ["CBC", "CFB", "OFB", "CTR", "GCM", "ECB"])
@pytest.mark.parametrize("padding", ["NoPadding", "PKCS5Padding"])
@pytest.mark.parametrize("key", [KEY, {"_secret": "env:AIRBYTE_SECRET_KEY"}])
def test_o15_what_java_has_no_cipher_for_is_refused_and_each_mode_has_a_padding(
    mode: str, padding: str, key: Any
) -> None:
    found = problems([aes(mode, padding, key=key)])
    if (mode, padding) in COMBINATIONS:
        assert found == []
    else:
        assert [problem.code for problem in found] == [ProblemCode.INVALID_MAPPER_CONFIG]
        assert found[0].sentence == f"Mapper Config not valid: config.padding: must be NoPadding for the mode {mode}"


@pytest.mark.parametrize("key", ["some public key", "abcd", ""])
def test_a_public_key_that_is_none_is_refused_and_never_told(key: str) -> None:
    (problem,) = problems([for_rsa(key or in_hex(ec.generate_private_key(ec.SECP256R1()).public_key()))])
    assert problem.code == ProblemCode.INVALID_MAPPER_CONFIG
    assert problem.sentence.startswith("Mapper Config not valid: config.publicKey: ")
    assert not key or key not in problem.sentence


def test_no_chain_is_built_while_the_key_is_a_reference() -> None:
    with pytest.raises(InvalidMappers, match=r"mapper 1 \(encryption\): .*config\.key: the secret reference was not"):
        Chain([aes(key={"_secret": "env:AIRBYTE_SECRET_KEY"})])
