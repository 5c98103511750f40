"""Configs are encrypted at rest: AES-GCM with a key from a file that never enters the database.

A client has no key file. What it hands over is sealed to a public key that is derived from the key: it can close
such a value and not open it. Layouts, by their first byte, which is authenticated too:

1   nonce, ciphertext                           under the key itself
2   ephemeral X25519 public key, nonce, ciphertext    under a key that the exchange of both X25519 keys gives
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from pathlib import Path
from typing import Any

import msgspec
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from airbyte_workers.store.seal_errors import SealError

_OWN, _PUBLIC = b"\x01", b"\x02"
_NONCE_BYTES = 12
_KEY_BYTES = 32
_log = structlog.get_logger(__name__)


class Seal:
    """Seals and opens JSON values."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._private = X25519PrivateKey.from_private_bytes(_derive(key, None, b"airbyte-workers public key"))
        self._fingerprints = _derive(key, None, b"airbyte-workers fingerprints")
        self.public_key = self._private.public_key().public_bytes_raw()
        """For `seal_for`; may be shown to anybody."""

    def fingerprint(self, value: Any) -> str:
        """The same for the same JSON value, and nobody without the key can make it, or try values against it."""
        told = msgspec.json.encode(value, order="deterministic")
        return hmac.digest(self._fingerprints, told, "sha256").hex()

    def close(self, value: Any) -> bytes:
        """The value, encrypted."""
        return _OWN + _encrypt(self._cipher, value, _OWN)

    def open(self, sealed: bytes) -> Any:
        """The value that `close` was given. Raises SealError when the key is another one."""
        return self._open(sealed, _OWN)

    def open_handed(self, sealed: bytes) -> Any:
        """The value that `seal_for` was given. Raises SealError when the key is another one.

        Anybody with the public key can have made it, so it says nothing about who did.
        """
        return self._open(sealed, _PUBLIC)

    def _open(self, sealed: bytes, expected: bytes) -> Any:
        version = sealed[:1]
        if version != expected:
            raise SealError(
                "a stored config has a form that this version does not know: it is damaged, or a newer"
                " airbyte-workers wrote it; upgrade"
            )
        try:
            plain = self._decrypt_own(sealed[1:]) if version == _OWN else self._decrypt_public(sealed[1:])
        except (InvalidTag, ValueError):
            raise SealError(
                "a stored config was encrypted with another key, or is damaged: SECRETS_KEY_FILE must name the key"
                " file that it was encrypted with"
            ) from None
        try:
            return msgspec.json.decode(plain)
        except (msgspec.DecodeError, RecursionError) as error:
            raise SealError(f"a stored config is not JSON ({error}): give it anew") from None

    def _decrypt_own(self, body: bytes) -> bytes:
        return _decrypt(self._cipher, body, _OWN)

    def _decrypt_public(self, body: bytes) -> bytes:
        ephemeral, body = body[:_KEY_BYTES], body[_KEY_BYTES:]
        shared = self._private.exchange(X25519PublicKey.from_public_bytes(ephemeral))
        return _decrypt(_exchange_cipher(shared, ephemeral, self.public_key), body, _PUBLIC)


def seal_for(public_key: bytes, value: Any) -> bytes:
    """The value, encrypted so that only the Seal with this public key opens it. Raises SealError."""
    ephemeral = X25519PrivateKey.generate()
    try:
        shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(public_key))
    except ValueError:  # of another length, or a point for which the secret would be known beforehand
        raise SealError("the public key in the database is damaged: nothing can be encrypted with it") from None
    sender = ephemeral.public_key().public_bytes_raw()
    return _PUBLIC + sender + _encrypt(_exchange_cipher(shared, sender, public_key), value, _PUBLIC)


def _exchange_cipher(shared: bytes, ephemeral: bytes, recipient: bytes) -> AESGCM:
    return AESGCM(_derive(shared, ephemeral + recipient, b"airbyte-workers sealed to a public key"))


def _derive(secret: bytes, salt: bytes | None, purpose: bytes) -> bytes:
    return HKDF(SHA256(), _KEY_BYTES, salt, purpose).derive(secret)


def _encrypt(cipher: AESGCM, value: Any, version: bytes) -> bytes:
    try:
        plain = msgspec.json.encode(value)
    except (TypeError, ValueError, RecursionError) as error:  # without a cause: it may hold the value
        raise SealError(f"a config cannot be written as JSON: {error}") from None
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plain, version)


def _decrypt(cipher: AESGCM, body: bytes, version: bytes) -> bytes:
    return cipher.decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], version)


def load_seal(path: Path) -> Seal:
    """The seal of the key in `path`, which is made (mode 0600) if there is none yet. Raises SealError."""
    try:
        if not path.exists():
            _make_key(path)
        mode = path.stat().st_mode
    except OSError as error:
        raise _unreadable(path, error) from None
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        _log.warning("secrets key file is readable by others", path=str(path))
    return read_seal(path)


def read_seal(path: Path) -> Seal:
    """The seal of the key in `path`, which must be there. Raises SealError."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from None
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise SealError(f"the key file {path} must hold {_KEY_BYTES} bytes as {2 * _KEY_BYTES} hex digits")
    return Seal(key)


def _unreadable(path: Path, error: Exception) -> SealError:
    return SealError(
        f"cannot read the key file {path}: {error}; SECRETS_KEY_FILE must name a file that this user can read"
    )


def _make_key(path: Path) -> None:
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            try:
                file.write(secrets.token_hex(_KEY_BYTES) + "\n")
                file.flush()
                os.fsync(file.fileno())
                _link(fresh, path)
            finally:
                fresh.unlink()
    except OSError as error:
        raise SealError(
            f"cannot make the key file {path}: {error}; make its folder writable for this user, or let"
            f" SECRETS_KEY_FILE name a file with {2 * _KEY_BYTES} hex digits"
        ) from None


def _link(fresh: Path, path: Path) -> None:
    try:
        os.link(fresh, path)
    except FileExistsError:  # another process was first: its key counts
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # a key that a power cut takes away takes every stored config with it
    except OSError:  # some file systems cannot; the key is good all the same
        pass
    finally:
        os.close(folder)
