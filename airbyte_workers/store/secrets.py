"""Secret references in configs, `{"_secret": "env:NAME"}`, resolved just before a pod starts.

Who may start a workflow must not read the host: only variables with a prefix, only files below one folder
(decisions.md, "Connections and safety").
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

ENV_PREFIX = "AIRBYTE_SECRET_"


class SecretError(Exception):
    """A reference that cannot be resolved; the message names the reference, never a value."""


def resolve(config: Any, secrets_dir: Path) -> Any:
    """The config with every reference replaced by its value. Raises SecretError. Blocks: reads files."""
    if isinstance(config, dict):
        if set(config) == {"_secret"} and isinstance(config["_secret"], str):
            return _value_of(config["_secret"], secrets_dir)
        return {name: resolve(member, secrets_dir) for name, member in config.items()}
    if isinstance(config, list):
        return [resolve(item, secrets_dir) for item in config]
    return config


def _value_of(reference: str, secrets_dir: Path) -> str:
    scheme, _, name = reference.partition(":")
    if scheme == "env":
        return _from_environment(name)
    if scheme == "file":
        return _from_file(name, secrets_dir)
    raise SecretError(f"secret reference {reference!r}: use env:NAME or file:PATH")


def _from_environment(name: str) -> str:
    if not name.startswith(ENV_PREFIX):
        raise SecretError(f"secret env:{name}: only variables that begin with {ENV_PREFIX} may be used")
    value = os.environ.get(name)
    if value is None:
        raise SecretError(f"secret env:{name}: the Temporal worker's environment has no such variable")
    return value


def _from_file(name: str, secrets_dir: Path) -> str:
    root = secrets_dir.resolve()
    path = (root / name).resolve()
    if not path.is_relative_to(root):
        raise SecretError(f"secret file:{name}: only files below {root} (SECRETS_DIR) may be used")
    try:
        return path.read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SecretError(f"secret file:{name}: {getattr(error, 'strerror', None) or 'not text'} ({path})") from None
