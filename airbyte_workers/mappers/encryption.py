"""Encryption of a value: AES with a secret key, RSA with a public one; the result in hex digits.

The layout is upstream's: for AES 16 bytes in front of what Java's cipher gives, so whoever decrypts strips 16 bytes in
every mode. They are the initialisation vector; zeros for ECB, which has none. GCM's tag of 16 bytes is at the end.
Upstream itself can start neither ECB nor GCM (Java refuses its parameters); here both work.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.decrepit.ciphers.modes import CFB, OFB
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import (
    CBC,
    CTR,
    ECB,
    ModeWithInitializationVector,
    ModeWithNonce,
)
from cryptography.hazmat.primitives.serialization import load_der_public_key

from airbyte_workers.mappers.schemas import PKCS5_PADDING

BLOCK_BYTES = 16
Encryption = Callable[[bytes], bytes]
RandomBytes = Callable[[int], bytes]
_Mode = Callable[[bytes], ModeWithInitializationVector | ModeWithNonce]
_MODES: Mapping[str, _Mode] = {"CBC": CBC, "CFB": CFB, "OFB": OFB, "CTR": CTR}


def encryption(config: Mapping[str, Any], random_bytes: RandomBytes = os.urandom) -> Encryption:
    """What encrypts a value, by a config that was checked and has its key.

    The result raises ValueError for a value that it cannot encrypt: one that must be padded and is not, or one longer
    than an RSA key takes.
    """
    if config["algorithm"] == "RSA":
        return _rsa(public_key(config["publicKey"]))
    key, mode = bytes.fromhex(config["key"]), config["mode"]
    prepare = _padded if config["padding"] == PKCS5_PADDING else bytes
    if mode == "GCM":
        return _gcm(key, random_bytes)
    if mode == "ECB":
        return _ecb(key, prepare)
    return _with_vector(AES(key), _MODES[mode], prepare, random_bytes)


def public_key(text: str) -> RSAPublicKey:
    """Raises ValueError for what is no RSA key of X.509 (SubjectPublicKeyInfo) in hex digits."""
    key = load_der_public_key(bytes.fromhex(text))
    if isinstance(key, RSAPublicKey):
        return key
    raise ValueError("not an RSA key")


def _rsa(key: RSAPublicKey) -> Encryption:
    padding = PKCS1v15()  # what Java makes of "RSA" without more
    return lambda content: key.encrypt(content, padding)


def _gcm(key: bytes, random_bytes: RandomBytes) -> Encryption:
    cipher = AESGCM(key)

    def encrypt(content: bytes) -> bytes:
        vector = random_bytes(BLOCK_BYTES)
        return vector + cipher.encrypt(vector, content, None)

    return encrypt


def _ecb(key: bytes, prepare: Encryption) -> Encryption:
    cipher = Cipher(AES(key), ECB())  # noqa: S305 - the user's choice; the docs say what it gives away

    def encrypt(content: bytes) -> bytes:
        encryptor = cipher.encryptor()
        return bytes(BLOCK_BYTES) + encryptor.update(prepare(content)) + encryptor.finalize()

    return encrypt


def _with_vector(algorithm: AES, mode: _Mode, prepare: Encryption, random_bytes: RandomBytes) -> Encryption:
    def encrypt(content: bytes) -> bytes:
        vector = random_bytes(BLOCK_BYTES)
        encryptor = Cipher(algorithm, mode(vector)).encryptor()
        return vector + encryptor.update(prepare(content)) + encryptor.finalize()

    return encrypt


def _padded(content: bytes) -> bytes:
    missing = BLOCK_BYTES - len(content) % BLOCK_BYTES
    return content + bytes([missing]) * missing
