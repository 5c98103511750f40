"""The sync file: YAML or JSON, read into a `SyncInput`; relative paths in it are relative to the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from airbyte_workers.cli.output import bad_input
from airbyte_workers.models import SyncInput
from airbyte_workers.runtime.payloads import problems_of

_ROLES = ("source", "destination")


def read_sync_file(path: Path) -> dict[str, Any]:
    """The file's content with its paths resolved, ready for `check_input`. Raises Problem."""
    content = _read(path)
    folder = path.resolve().parent
    for role in _ROLES:
        connector = content.get(role)
        if isinstance(connector, dict):
            content[role] = _connector(connector, role, folder)
    catalog = content.get("catalog")
    if isinstance(catalog, str):
        content["catalog"] = _read(folder / catalog)
    return content


def check_input(content: dict[str, Any]) -> SyncInput:
    """The typed input. Raises Problem, naming every field that is wrong and no value."""
    try:
        return SyncInput.model_validate(content)
    except ValidationError as error:
        problems = problems_of(error)
        raise bad_input("invalid sync: " + "; ".join(problems)) from None


def _connector(connector: dict[str, Any], role: str, folder: Path) -> dict[str, Any]:
    resolved = dict(connector)
    command = resolved.get("command")
    if isinstance(command, list) and command and all(isinstance(word, str) for word in command):
        resolved["command"] = [_program(command[0], folder), *(_argument(word, folder) for word in command[1:])]
    config_file = resolved.pop("config_file", None)
    if config_file is not None:
        if "config" in resolved:
            raise bad_input(f"{role}: give either config or config_file")
        resolved["config"] = _read(folder / str(config_file))
    return resolved


def _program(word: str, folder: Path) -> str:
    """A path is relative to the file; a bare name is looked up where the connector runs."""
    return str(folder / word) if "/" in word and not Path(word).is_absolute() else word


def _argument(word: str, folder: Path) -> str:
    """A script beside the file (`[python3, my_source.py]`) is found wherever the connector runs."""
    is_path = word.startswith(("./", "../")) or (not word.startswith("-") and (folder / word).is_file())
    return str((folder / word).resolve()) if is_path and word else word


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise bad_input(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise bad_input(f"{path} is not a text file (UTF-8)") from None
    content = _parse(text, path)
    if not isinstance(content, dict):
        raise bad_input(f"{path}: expected an object with fields, see `airbyte-workers sync --help`")
    return content


def _parse(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        place = f", line {error.problem_mark.line + 1}" if error.problem_mark is not None else ""
        raise bad_input(f"{path}{place}: not valid YAML: {error.problem}") from None
    except yaml.YAMLError:
        raise bad_input(f"{path}: not valid YAML") from None
