"""The sync file: paths in it are relative to it, and what is wrong with it is said at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from airbyte_workers.cli.output import Problem
from airbyte_workers.cli.sync_file import read_sync_file


def written(folder: Path, content: Any, name: str = "sync.yaml") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def sync(source: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {"connection": "c", "source": source, "destination": {"command": ["destination-null"]}, **others}


@pytest.mark.parametrize(
    ("command", "resolved"),
    [
        (["./my-source"], ["{folder}/my-source"]),
        (["bin/my-source", "-v"], ["{folder}/bin/my-source", "-v"]),
        (["/usr/bin/env"], ["/usr/bin/env"]),
        (["my-source", "fast"], ["my-source", "fast"]),
        (["python3", "script.py"], ["python3", "{folder}/script.py"]),
        (["python3", "./missing.py", "-u"], ["python3", "{folder}/missing.py", "-u"]),
        (["python3", "-m", "package.module"], ["python3", "-m", "package.module"]),
    ],
)
def test_paths_of_a_command_are_relative_to_the_file(tmp_path: Path, command: list[str], resolved: list[str]) -> None:
    (tmp_path / "script.py").touch()
    content = read_sync_file(written(tmp_path, sync({"command": command})))
    expected = [word.replace("{folder}", str(tmp_path)) for word in resolved]
    assert content["source"]["command"] == expected


@pytest.mark.parametrize("name", ["config.json", "config.yaml"])
def test_a_config_file_and_a_catalog_file_are_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(json.dumps({"password": "x"}))
    (tmp_path / "catalog.json").write_text('{"streams": []}')
    content = read_sync_file(
        written(tmp_path, sync({"command": ["s"], "config_file": name}, catalog="catalog.json"), "sync.yaml")
    )
    assert content["source"] == {"command": ["s"], "config": {"password": "x"}}
    assert content["catalog"] == {"streams": []}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [1", "not valid YAML or JSON"),
        ("- 1", "expected an object"),
        ("", "expected an object"),
        (sync({"command": ["s"], "config_file": "missing.json"}), "cannot read"),
        (sync({"command": ["s"], "config_file": "sync.yaml", "config": {}}), "either config or config_file"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(Problem, match=message):
        read_sync_file(written(tmp_path, content))
