"""Connectors of the package index in containers: what they say alone is what arrives, and nothing of them is left."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e_stacks import running_stack
from e2e_support import Place, make_images

from tests.images import PRODUCT, connectors

pytestmark = [pytest.mark.embedded, pytest.mark.docker, pytest.mark.connectors, pytest.mark.timeout(300)]
AILAKE = "airbyte/destination-ailake:0.1.16"
EMBEDDER = """
import json, sys
print(json.dumps([[float(len(text)), 0.0, 0.0, 1.0] for text in json.load(sys.stdin)]))
"""
COUNTER = """
import pyarrow.parquet as parquet, sys
print(sum(parquet.ParquetFile(file).metadata.num_rows for file in sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory, installed: Path) -> Iterator[Place]:
    """A stack with orchestrators as containers that gives real destinations the time they need to finish."""
    make_images(PRODUCT)
    variables = {"ORCHESTRATOR_IMAGE": PRODUCT, "AIRBYTE_WORKERS_SHUTDOWN_GRACE_PERIOD_S": "60"}
    yield from running_stack(tmp_path_factory.mktemp("patient"), installed, variables)


def file_config(place: Place) -> dict[str, Any]:
    table = "id,name\n" + "".join(f"{number},name {number}\n" for number in range(250))
    (place.work / "table.csv").write_text(table)
    return {"dataset_name": "table", "format": "csv", "url": "/local/table.csv", "provider": {"storage": "local"}}


SOURCES: dict[str, Callable[[Place], dict[str, Any]]] = {
    "airbyte/source-faker:7.2.1": lambda _: {"count": 300, "seed": 7},
    "airbyte/source-hardcoded-records:0.0.48": lambda _: {"count": 500},
    "airbyte/source-file:0.5.39": file_config,
    "airbyte/source-smoke-test:0.1.2": lambda _: {},
}
"""The image, and its config in a container whose /local is the place's folder."""


def bare(place: Place, image: str, config: dict[str, Any]) -> tuple[dict[str, int], dict[str, Any]]:
    """Records of each stream as the connector itself says them to a terminal, and the catalog it was given."""
    words = connectors.words(image)
    told = json.dumps(config).replace("/local/", f"{place.work}/")
    (place.work / "config.json").write_text(told)
    (catalog,) = said(words, "discover", place, kind="CATALOG")
    streams = [
        {"stream": each, "sync_mode": "full_refresh", "destination_sync_mode": "append"}
        for each in catalog["catalog"]["streams"]
    ]
    configured = {"streams": streams}
    (place.work / "catalog.json").write_text(json.dumps(configured))
    records = said(words, "read", place, kind="RECORD")
    return dict(Counter(each["record"]["stream"] for each in records)), configured


def said(words: tuple[str, ...], command: str, place: Place, *, kind: str) -> list[dict[str, Any]]:
    """The messages of one type that the connector says."""
    options = ["--config", "config.json", *(["--catalog", "catalog.json"] if command == "read" else [])]
    done = subprocess.run([*words, command, *options], cwd=place.work, capture_output=True, check=True, timeout=120)
    lines = (json.loads(line) for line in done.stdout.splitlines() if line.startswith(b"{"))
    return [line for line in lines if line["type"] == kind]


def rows(place: Place, stream: str) -> int:
    """Rows in the Parquet files of a stream, as the destination's own library counts them."""
    files = [str(each) for each in (place.work / "lake").rglob("*.parquet") if stream in each.parts]
    python = Path(connectors.words(AILAKE)[0]).with_name("python")
    done = subprocess.run([python, "-c", COUNTER, *files], capture_output=True, check=True, timeout=60)
    return int(done.stdout)


def in_containers(place: Place, image: str, destination: dict[str, Any], catalog: dict[str, Any]) -> dict[str, Any]:
    place.work.chmod(0o1777)
    asked = {
        "connection": image.partition("/")[2].replace(":", "-") + "-" + place.work.name[-8:],
        "local_root": str(place.work),
        "source": {"image": image, "config": SOURCES[image](place)},
        "destination": destination,
        "catalog": catalog,
    }
    ended = place.sync(asked, "--launcher", "docker", "--retries", "0", seconds=200)
    assert ended.code == 0, ended.err + ended.out
    assert place.pods_left(ended.report["job_id"]) == []
    return ended.report


def counts(report: dict[str, Any]) -> dict[str, int]:
    return {each["name"]: each["records_committed"] for each in report["streams"] if each["records_committed"]}


@pytest.mark.parametrize("image", SOURCES)
def test_into_destination_jsonl(place: Place, image: str) -> None:
    """With the orchestrator as a process of this host."""
    make_images(image)
    expected, catalog = bare(place, image, SOURCES[image](place))

    report = in_containers(place, image, place.jsonl("docker"), catalog)

    assert counts(report) == expected
    assert {stream: len(place.lines(stream)) for stream in expected} == expected
    assert report["evidence"]["states_committed"] == report["evidence"]["states_emitted"]


@pytest.mark.parametrize("image", SOURCES)
def test_into_ailake(patient: Place, tmp_path: Path, image: str) -> None:
    """With the orchestrator as a container."""
    make_images(image, AILAKE)
    place = Place(tmp_path, patient.home, patient.variables)
    (place.work / "embedder.py").write_text(EMBEDDER)
    expected, catalog = bare(place, image, SOURCES[image](place))
    config = {
        "table_base_path": "/local/lake",
        "embed_mode": "cmd",
        "embed_cmd": "python /local/embedder.py",
        "embedding_dim": 4,
        "text_field": "name",
    }

    report = in_containers(place, image, {"image": AILAKE, "config": config}, catalog)

    assert counts(report) == expected
    assert {stream: rows(place, stream) for stream in expected} == expected
