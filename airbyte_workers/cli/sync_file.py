"""The sync file, YAML or JSON, as a `SyncInput` is read from; relative paths in it are relative to the file."""

from __future__ import annotations

import json
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from airbyte_workers.cli.output import bad_input

_ROLES = ("source", "destination")


def read_sync_file(path: Path) -> dict[str, Any]:
    """The file's content with its paths resolved, as far as it can be read. Raises Problem."""
    content = read_object(path)
    folder = path.resolve().parent
    for role in _ROLES:
        connector = content.get(role)
        if isinstance(connector, dict):
            content[role] = _connector(connector, role, folder)
    catalog = content.get("catalog")
    if isinstance(catalog, str):
        content["catalog"] = read_object(folder / catalog)
    return content


def _connector(connector: dict[str, Any], role: str, folder: Path) -> dict[str, Any]:
    resolved = dict(connector)
    command = resolved.get("command")
    if isinstance(command, list) and command and all(isinstance(word, str) for word in command):
        resolved["command"] = [_program(command[0], folder), *(_argument(word, folder) for word in command[1:])]
    config_file = resolved.pop("config_file", None)
    if config_file is not None:
        if "config" in resolved:
            raise bad_input(f"{role}: give either config or config_file")
        resolved["config"] = read_object(folder / str(config_file))
    return resolved


def _program(word: str, folder: Path) -> str:
    """A path is relative to the file; a bare name is looked up where the connector runs."""
    return str(folder / word) if "/" in word and not Path(word).is_absolute() else word


def _argument(word: str, folder: Path) -> str:
    """A script beside the file (`[python3, my_source.py]`) is found wherever the connector runs."""
    is_path = word.startswith(("./", "../")) or (not word.startswith("-") and (folder / word).is_file())
    return str((folder / word).resolve()) if is_path and word else word


def read_object(path: Path) -> dict[str, Any]:
    """The fields that a YAML or JSON file holds; `-` is standard input. Raises Problem."""
    name = "standard input" if str(path) == "-" else str(path)
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except OSError as error:
        raise bad_input(f"cannot read {name}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise bad_input(f"{name} is not a text file (UTF-8)") from None
    return parse_object(text, name)


def parse_object(text: str, name: str) -> dict[str, Any]:
    """The fields that YAML or JSON holds; `name` is where it came from. Raises Problem."""
    content = _parse(text, name)
    if not isinstance(content, dict):
        raise bad_input(f"{name}: expected an object with fields")
    return content


class _Loader(yaml.SafeLoader):
    """YAML as far as JSON can hold it: a date stays the text that was typed."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _parse(text: str, name: str) -> Any:
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    try:
        return json.loads(json.dumps(_Loader(text).get_single_data()))  # an alias can make it contain itself
    except yaml.MarkedYAMLError as error:
        place = f", line {error.problem_mark.line + 1}" if error.problem_mark is not None else ""
        raise bad_input(f"{name}{place}: not valid YAML or JSON: {_without_values(str(error.problem))}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise bad_input(f"{name}, line {line}: not valid YAML or JSON: a character that it does not allow") from None
    except RecursionError:
        raise bad_input(f"{name} is nested too deeply") from None
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError):  # tags that stand for no such thing
        raise bad_input(f"{name}: holds what JSON cannot hold") from None


def _without_values(problem: str) -> str:
    """What YAML says, but for what it quotes of a value that it took for an alias or a tag."""

    def shown(quoted: re.Match[str]) -> str:
        return quoted[0] if len(quoted[1]) <= 2 or quoted[1].startswith("<") else "..."

    return re.sub(r"'([^']*)'", shown, problem)
