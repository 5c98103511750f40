"""Connectors of the package index, each in an environment of its own: the sources and destinations people have."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from e2e_support import FAKER, Place

pytestmark = [pytest.mark.embedded, pytest.mark.connectors, pytest.mark.timeout(300)]
LOCALLY = ("--launcher", "process")  # images of these names may be on this machine's engine
EMBEDDER = """
import json, sys
print(json.dumps([[float(len(text)), 0.0, 0.0, 1.0] for text in json.load(sys.stdin)]))
"""
COUNTER = """
import pyarrow.parquet as parquet, sys
for file in sys.argv[1:]:
    print(parquet.ParquetFile(file).metadata.num_rows)
"""


def ailake(place: Place, text_field: str) -> dict[str, Any]:
    embedder = place.work / "embedder.py"
    embedder.write_text(EMBEDDER)
    config = {
        "table_base_path": str(place.work / "lake"),
        "embed_mode": "cmd",
        "embed_cmd": f"{sys.executable} {embedder}",
        "embedding_dim": 4,
        "text_field": text_field,
    }
    return {"image": "airbyte/destination-ailake:0.1.16", "config": config}


def rows(place: Place, stream: str) -> int:
    """Rows in the Parquet files of a stream, as the destination's own library counts them."""
    files = [str(each) for each in (place.work / "lake" / stream).rglob("*.parquet")]
    assert files
    (python,) = (place.home / "connectors").glob("airbyte-destination-ailake-*/bin/python")
    done = subprocess.run([python, "-c", COUNTER, *files], capture_output=True, text=True, check=True, timeout=60)
    return sum(map(int, done.stdout.split()))


def assert_written(place: Place, report: dict[str, Any]) -> None:
    assert report["status"] == "succeeded", report["failures"]
    assert report["evidence"]["states_committed"] == report["evidence"]["states_emitted"]
    for stream in report["streams"]:
        assert stream["status"] == "complete"
        assert stream["records_committed"] == stream["records_emitted"] == rows(place, stream["name"])


def test_hardcoded_records_into_ailake(place: Place) -> None:
    source = {"image": "airbyte/source-hardcoded-records:0.0.48", "config": {"count": 500}}
    streams = [{"name": "customers"}, {"name": "products"}]
    asked = {"connection": "hard", "source": source, "destination": ailake(place, "name"), "streams": streams}
    ended = place.sync(asked, *LOCALLY, seconds=200)
    assert ended.code == 0, ended.err
    assert_written(place, ended.report)
    assert ended.report["records_committed"] == 1000


def test_faker_into_ailake_and_only_what_is_new_the_second_time(place: Place) -> None:
    """With `always_updated` off a stream that was read is not read again; one that is new to the connection is."""

    def asked(*streams: str) -> dict[str, Any]:
        return {
            "connection": "faker",
            "source": {"image": FAKER, "config": {"count": 300, "seed": 7, "always_updated": False}},
            "destination": ailake(place, "title"),
            "streams": [
                {"name": name, "sync_mode": "incremental", "destination_sync_mode": "append"} for name in streams
            ],
        }

    def committed(report: dict[str, Any]) -> dict[str, int]:
        return {each["name"]: each["records_committed"] for each in report["streams"]}

    first = place.sync(asked("users", "products"), *LOCALLY, seconds=200)
    assert first.code == 0, first.err
    assert_written(place, first.report)
    assert committed(first.report) == {"users": 300, "products": 100}
    second = place.sync(asked("users", "products", "purchases"), *LOCALLY)
    assert second.code == 0, second.err
    assert committed(second.report) == {"users": 0, "products": 0, "purchases": rows(place, "purchases")}
    assert rows(place, "purchases") > 0
    assert rows(place, "users") == 300


def test_a_source_that_sends_no_state(place: Place) -> None:
    """airbyte-source-file: green by its stream statuses and the echo of the empty state that stands for the stream."""
    table = place.work / "table.csv"
    table.write_text("id,name\n" + "".join(f"{number},name {number}\n" for number in range(250)))
    config = {"dataset_name": "table", "format": "csv", "url": str(table), "provider": {"storage": "local"}}
    source = {"image": "airbyte/source-file:0.5.39", "config": config}
    ended = place.sync({"connection": "file", "source": source, "destination": place.jsonl()}, *LOCALLY, seconds=200)
    assert ended.code == 0, ended.err
    report, evidence = ended.report, ended.report["evidence"]
    assert report["records_committed"] == 250 == len(place.lines("table"))
    assert evidence["completion"] in ("reported", "inferred")
    assert (evidence["empty_states_sent"], evidence["acknowledgements"]) == (1, 1)
    again = place.run("sync", "file", "-o", "json")
    assert (again.code, again.report["records_committed"]) == (0, 250)


def test_an_environment_is_installed_once_and_a_wrong_version_is_told(place: Place) -> None:
    asked = {"connection": "version", "source": {"image": "airbyte/source-faker:0.0.1"}, "destination": place.jsonl()}
    ended = place.sync(asked)
    (failure,) = ended.report["failures"]
    assert (ended.code, failure["origin"], failure["type"]) == (2, "source", "config_error")
    assert (ended.report["attempts"], "0.0.1" in failure["message"]) == ([], True)
    left = [each.name for each in Path(place.home / "connectors").iterdir() if "0.0.1" in each.name]
    assert [name for name in left if not name.startswith(".")] == [], json.dumps(left)
