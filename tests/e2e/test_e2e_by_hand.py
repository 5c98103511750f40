"""Inputs that the command line prints, started as people do it who have `temporal` and no client of ours."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from e2e_support import FAKER, TEMPORAL, WAIT_S, Place, catalog, processes_of, temporal

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(180)]
STREAMS = ["users", "products", "purchases"]


def answered(operation: str, result: dict[str, Any]) -> bool:
    """Whether this is what the connector of the examples says."""
    return {
        "spec": lambda: (result["image"], "count" in str(result["spec"])) == (FAKER, True),
        "check": lambda: result == {"status": "succeeded", "message": ""},
        "discover": lambda: sorted(each["name"] for each in result["catalog"]["streams"]) == sorted(STREAMS),
        "sync": lambda: (result["status"], result["records_committed"]) == ("succeeded", 100),
    }[operation]()


def paste(place: Place, line: str) -> str:
    """What a person's shell says to the line; it knows where Temporal is."""
    variables = place.environment | {"TEMPORAL_ADDRESS": str(place.stack()["temporal_address"])}
    variables["PATH"] = f"{Path(TEMPORAL).parent}:{variables['PATH']}"
    done = subprocess.run(
        ["bash", "-c", line], cwd=place.work, env=variables, capture_output=True, text=True, check=False, timeout=WAIT_S
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.connectors
@pytest.mark.parametrize("operation", ["spec", "check", "discover", "sync"])
def test_an_example_is_an_input_that_runs_and_the_line_that_starts_it(place: Place, operation: str) -> None:
    shown = place.run("example", operation)
    assert shown.code == 0
    (place.work / "input.json").write_text(shown.out)
    (line,) = shown.err.splitlines()
    assert f"{operation}/example" in paste(place, line)
    started = temporal(place, "result", "--workflow-id", f"{operation}/example", "-o", "json")
    assert answered(operation, started["result"])
    words = ("--type", operation.capitalize(), "--task-queue", "airbyte", "--workflow-id", f"{operation}-from-a-file")
    executed = temporal(place, "execute", *words, "--input-file", "input.json", "-o", "json")
    assert answered(operation, executed["result"])


def test_a_sync_s_input_is_printed_without_anything_being_started(place: Place, tmp_path: Path) -> None:
    asked = {"connection": "printed", "source": place.source(records=10), "destination": place.jsonl()}
    file = place.write(asked | {"catalog": catalog("stream_0"), "retries": 0})
    nowhere = Place(place.work, tmp_path / "no-home", place.variables)
    printed = nowhere.run("sync", "-f", str(file), "--print-input")
    assert printed.code == 0
    assert processes_of(tmp_path) == []
    assert not nowhere.home.exists()
    assert printed.report["catalog"] == catalog("stream_0")
    (place.work / "input.json").write_text(printed.out)
    prefix, _, line = printed.err.strip().partition("start it with: ")
    assert prefix == ""
    paste(place, line.replace("FILE", "input.json"))
    started = temporal(place, "result", "--workflow-id", "sync/printed", "-o", "json")
    assert (started["result"]["status"], place.ids("stream_0")) == ("succeeded", list(range(10)))
    again = nowhere.run("sync", "printed", "--print-input", "--launcher", "process", "--retries", "3")
    assert json.loads(again.out) == {"connection": "printed", "launcher": "process", "max_retries": 3}
    assert not nowhere.home.exists()
