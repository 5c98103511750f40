"""Secret references in configs, `{"_secret": "env:NAME"}`, resolved just before a pod starts.

Who may start a workflow must not read the host: only variables with a prefix, only files below one folder
(decisions.md, "Connections and safety").
"""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import Any

from airbyte_workers.protocol.config_secrets import ENV_PREFIX, MAX_REFERENCE, NEITHER_SCHEME, is_reference
from airbyte_workers.protocol.schema_sentences import cut, dotted

MAX_SECRET_BYTES = 1024 * 1024


class SecretError(Exception):
    """A reference that cannot be resolved; the message names the reference, never a value."""


def resolve(config: Any, secrets_dir: Path, *, place: str = "config", max_bytes: int = MAX_SECRET_BYTES) -> Any:
    """The config with every reference replaced by its value; `max_bytes` bounds the file of each.

    `place` is what the config is called where people are told of it. Raises SecretError. Blocks: reads files.
    """
    if is_reference(config):
        return _value_of(config["_secret"], secrets_dir, place, max_bytes)
    if isinstance(config, dict):
        return {
            name: resolve(member, secrets_dir, place=dotted([name], place), max_bytes=max_bytes)
            for name, member in config.items()
        }
    if isinstance(config, list):
        return [
            resolve(item, secrets_dir, place=dotted([index], place), max_bytes=max_bytes)
            for index, item in enumerate(config)
        ]
    return config


def _value_of(reference: str, secrets_dir: Path, place: str, max_bytes: int) -> str:
    scheme, _, name = reference.partition(":")
    try:
        if scheme == "env":
            return _from_environment(name)
        if scheme == "file":
            return _from_file(name, secrets_dir, max_bytes)
    except _Unresolved as reason:
        raise SecretError(f"{place}: secret {cut(reference, MAX_REFERENCE)}: {reason}") from None
    raise SecretError(f"{place}: {NEITHER_SCHEME}")


class _Unresolved(Exception):
    """Why there is no value."""


def _from_environment(name: str) -> str:
    if not name.startswith(ENV_PREFIX):
        raise _Unresolved(f"only variables that begin with {ENV_PREFIX} may be used")
    try:
        value = os.environ.get(name)
    except UnicodeEncodeError:  # half a character, which JSON can spell and no environment has
        value = None
    if value is None:
        raise _Unresolved("the Temporal worker's environment has no such variable")
    return value


def _from_file(name: str, secrets_dir: Path, max_bytes: int) -> str:
    root = secrets_dir.resolve()
    try:
        path = (root / name).resolve()
    except (OSError, ValueError, RuntimeError):  # a NUL; links in a circle, which Python 3.11 tells by a RuntimeError
        raise _Unresolved("no file can be reached by this name") from None
    if not path.is_relative_to(root):
        raise _Unresolved(f"only files below {root} (SECRETS_DIR) may be used")
    try:
        content = _content(path, max_bytes)
    except OSError as error:
        raise _Unresolved(f"{error.strerror} ({cut(str(path), MAX_REFERENCE)})") from None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise _Unresolved("the file is not text in UTF-8") from None
    return io.StringIO(text, newline=None).getvalue().rstrip("\n")  # as files of text are read: any end of line


def _content(path: Path, max_bytes: int) -> bytes:
    """The content of a regular file: a device is not even opened, a pipe cannot block. Raises OSError, _Unresolved."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise _Unresolved("not a regular file")
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # it was another a moment ago
            raise _Unresolved("not a regular file")
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise _Unresolved(f"the file is larger than {max_bytes} bytes")
    return content
