"""spec, check and discover of every demo connector."""

import json
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from connector_programs import Programs, catalog

from demo_connectors.configuration import parse, schema
from demo_connectors.destination_jsonl import JsonlConfig
from demo_connectors.destination_null import NullConfig
from demo_connectors.messages import ConfigError
from demo_connectors.misbehaving_config import MisbehavingConfig
from demo_connectors.source_synthetic import SyntheticConfig

NAMES = ("source-synthetic", "destination-jsonl", "destination-null", "huge-line", "never-exits")


@pytest.mark.parametrize("name", NAMES)
def test_spec_answers_with_a_valid_json_schema(programs: Programs, name: str):
    answer = programs.run(name, "spec")
    [spec] = answer.of_type("SPEC")
    jsonschema.Draft7Validator.check_schema(spec["connectionSpecification"])
    assert answer.exit_code == 0
    assert answer.stderr == ""


@pytest.mark.parametrize(
    ("form", "config", "good"),
    [
        (SyntheticConfig, {}, True),
        (SyntheticConfig, {"streams": ["a", "b"], "crash_after": None, "state_type": "GLOBAL"}, True),
        (SyntheticConfig, {"streams": 3, "namespace": "shop", "seed": -1, "interleave": True}, True),
        (SyntheticConfig, {"streams": []}, False),
        (SyntheticConfig, {"streams": ["a", "a"]}, False),
        (SyntheticConfig, {"streams": 0}, False),
        (SyntheticConfig, {"records": -1}, False),
        (SyntheticConfig, {"interleave": 1}, False),
        (SyntheticConfig, {"state_type": "GLOBALLY"}, False),
        (SyntheticConfig, {"namespace": ""}, False),
        (SyntheticConfig, {"rows": 1}, False),
        (JsonlConfig, {"path": "out", "echo": "last", "crash_once_file": None}, True),
        (JsonlConfig, {}, False),
        (JsonlConfig, {"path": None}, False),
        (JsonlConfig, {"path": "out", "echo": None}, False),
        (NullConfig, {}, True),
        (NullConfig, {"path": "out"}, False),
        (MisbehavingConfig, {"streams": ["a"], "records": 10, "lines": 8, "size": 1, "path": "out"}, True),
        (MisbehavingConfig, {"lines": None}, False),
    ],
)
def test_the_schema_takes_what_the_connector_takes(form: type[Any], config: dict[str, Any], good: bool):
    assert jsonschema.Draft7Validator(schema(form, "title")).is_valid(config) == good
    assert takes(form, config) == good


def takes(form: type[Any], config: dict[str, Any]) -> bool:
    try:
        parse(form, config)
    except ConfigError:
        return False
    return True


def test_destinations_list_append_and_overwrite_only(programs: Programs):
    for name in ("destination-jsonl", "destination-null"):
        [spec] = programs.run(name, "spec").of_type("SPEC")
        assert spec["supported_destination_sync_modes"] == ["append", "overwrite"]


@pytest.mark.parametrize(
    ("name", "config", "sentence"),
    [
        ("source-synthetic", {"records": "many"}, "records must be a whole number of 0 or more"),
        ("source-synthetic", {"rows": 1}, "unknown field 'rows'"),
        ("source-synthetic", [], "the configuration must be a JSON object"),
        ("destination-jsonl", {}, "path is missing"),
        ("destination-jsonl", {"path": "out", "echo": "twice"}, "echo must be one of each, never"),
        ("destination-jsonl", {"path": "/proc/nothing"}, "path: /proc/nothing is not a folder we can write to"),
    ],
)
def test_check_names_the_field_that_is_wrong(programs: Programs, name: str, config: object, sentence: str):
    answer = programs.run(name, "check", config=config)
    [checked] = answer.of_type("CONNECTION_STATUS")
    assert checked["status"] == "FAILED"
    assert checked["message"].startswith(sentence)
    assert answer.exit_code == 0


@pytest.mark.parametrize(
    ("name", "verb"), [("source-synthetic", "read"), ("destination-jsonl", "write"), ("destination-null", "write")]
)
def test_work_with_a_wrong_config_ends_with_a_config_error(programs: Programs, name: str, verb: str):
    answer = programs.run(name, verb, config={"nonsense": 1}, catalog=catalog())
    assert answer.exit_code == 1
    assert answer.error["failure_type"] == "config_error"
    assert "nonsense" in answer.error["message"]


@pytest.mark.parametrize(("text", "words"), [("{", "is not JSON"), (None, "cannot be read")])
def test_check_says_what_is_wrong_with_the_config_file(programs: Programs, text: str | None, words: str):
    command = programs.command("source-synthetic", "check", config={})
    path = Path(command[-1])
    path.unlink() if text is None else path.write_text(text)
    done = subprocess.run(command, capture_output=True, check=True)
    assert json.loads(done.stdout)["connectionStatus"]["status"] == "FAILED"
    assert words in json.loads(done.stdout)["connectionStatus"]["message"]


def test_discover_describes_each_stream(programs: Programs):
    config = {"streams": ["users", "orders"], "namespace": "shop"}
    [found] = programs.run("source-synthetic", "discover", config=config).of_type("CATALOG")
    assert [stream["name"] for stream in found["streams"]] == ["users", "orders"]
    stream = found["streams"][0]
    assert stream["namespace"] == "shop"
    assert stream["supported_sync_modes"] == ["full_refresh", "incremental"]
    assert stream["source_defined_cursor"] is True
    assert stream["default_cursor_field"] == ["id"]
    assert stream["source_defined_primary_key"] == [["id"]]
    assert stream["is_resumable"] is False


def test_records_match_the_discovered_schema(programs: Programs):
    [found] = programs.run("source-synthetic", "discover", config={}).of_type("CATALOG")
    read = programs.run("source-synthetic", "read", config={"records": 3}, catalog=catalog())
    for record in read.of_type("RECORD"):
        jsonschema.validate(record["data"], found["streams"][0]["json_schema"])
