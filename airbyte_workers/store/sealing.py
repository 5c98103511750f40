"""Stored configs are encrypted at rest: AES-GCM with a key from a file that never enters the database."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION = b"\x01"
_NONCE_BYTES = 12
_KEY_BYTES = 32


class SealError(Exception):
    """The key is not usable, or not the one a value was sealed with."""


class Seal:
    """Seals and opens JSON values."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def close(self, value: Any) -> bytes:
        """The value, encrypted."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, msgspec.json.encode(value), _VERSION)

    def open(self, sealed: bytes) -> Any:
        """The value again. Raises SealError when the key is another one."""
        nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return msgspec.json.decode(self._cipher.decrypt(nonce, body, sealed[:1]))
        except InvalidTag:
            raise SealError(
                "stored configs were encrypted with another key: SECRETS_KEY_FILE must name that one"
            ) from None


def load_seal(path: Path) -> Seal:
    """The seal of the key in `path`, which is made (mode 0600) if there is none yet. Raises SealError."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        text = _make_key(path)
    except (OSError, UnicodeDecodeError) as error:
        raise SealError(f"cannot read the key file {path}: {error}") from None
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise SealError(f"the key file {path} must hold {_KEY_BYTES} bytes as {2 * _KEY_BYTES} hex digits")
    return Seal(key)


def _make_key(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(_KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(fresh, path)  # fails if another process was first: then its key counts
    except FileExistsError:
        pass
    except OSError as error:
        raise SealError(f"cannot make the key file {path}: {error}") from None
    finally:
        fresh.unlink(missing_ok=True)
    return path.read_text(encoding="ascii").strip()
