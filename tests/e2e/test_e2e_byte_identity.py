"""What real connectors send arrives as in `source | destination`, byte for byte.

No source says the same twice (each record carries the time at which it was emitted). So a real one is run once, alone,
and what it said is kept; then a program that says just that again takes its place, once in a plain pipe into a
destination that keeps its input, once in a sync of ours into the same destination.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from e2e_support import FAKER, Place

from tests.images import connectors

pytestmark = [pytest.mark.embedded, pytest.mark.connectors, pytest.mark.timeout(300)]
REPLAY = str(Path(__file__).with_name("e2e_replay.py"))
SOURCES = {
    FAKER: {"count": 60, "seed": 7, "records_per_slice": 20},
    "airbyte/source-hardcoded-records:0.0.48": {"count": 60},
    "airbyte/source-smoke-test:0.1.2": {},
}
STREAMS = {FAKER: 3, "airbyte/source-hardcoded-records:0.0.48": 3, "airbyte/source-smoke-test:0.1.2": 21}
STAMP = re.compile(rb'"id":\d+,(?:"sourceStats":\{"recordCount":\d+\},?)?')


class Said(NamedTuple):
    """A source's whole output, and the catalog that it was given."""

    lines: Path
    catalog: dict[str, Any]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Said]:
    """What a real source says; each is run once."""
    return cache(lambda image: by_itself(image, tmp_path_factory.mktemp("bare")))


def by_itself(image: str, folder: Path) -> Said:
    config, catalog, lines = folder / "config.json", folder / "catalog.json", folder / "raw.jsonl"
    config.write_text(json.dumps(SOURCES[image]))
    words = [*connectors.words(image)]
    discovered = subprocess.run(
        [*words, "discover", "--config", str(config)], cwd=folder, capture_output=True, check=True, timeout=200
    )
    found = [json.loads(line) for line in discovered.stdout.splitlines() if line.startswith(b"{")]
    (streams,) = (message["catalog"]["streams"] for message in found if message["type"] == "CATALOG")
    configured = {"streams": [chosen(stream) for stream in streams]}
    catalog.write_text(json.dumps(configured))
    read = [*words, "read", "--config", str(config), "--catalog", str(catalog)]
    with lines.open("wb") as out:
        subprocess.run(read, cwd=folder, stdout=out, stderr=subprocess.DEVNULL, check=True, timeout=200)
    return Said(lines, configured)


def chosen(stream: dict[str, Any]) -> dict[str, Any]:
    """The stream with all that it offers."""
    mode = "incremental" if "incremental" in stream["supported_sync_modes"] else "full_refresh"
    cursor = stream.get("default_cursor_field") or []
    return {"stream": stream, "sync_mode": mode, "destination_sync_mode": "append", "cursor_field": cursor}


def piped(source: Said, kept: Path) -> list[bytes]:
    """What the destination gets through a plain pipe."""
    configs = []
    for name, path in (("source", source.lines), ("destination", kept)):
        config = kept.with_name(f"{name}.json")
        config.write_text(json.dumps({"path": str(path)}))
        configs.append(str(config))
    words = (sys.executable, REPLAY)
    with subprocess.Popen([*words, "read", "--config", configs[0]], stdout=subprocess.PIPE) as reading:
        write = [*words, "write", "--config", configs[1], "--catalog", configs[1]]
        subprocess.run(write, stdin=reading.stdout, stdout=subprocess.DEVNULL, check=True, timeout=60)
    assert reading.returncode == 0
    return lines_of(kept)


def lines_of(kept: Path) -> list[bytes]:
    return kept.read_bytes().split(b"\n")


def of_type(lines: Sequence[bytes], *types: str) -> list[bytes]:
    return [line for line in lines if line.startswith(b"{") and json.loads(line)["type"] in types]


@pytest.mark.parametrize("image", SOURCES)
def test_a_real_sources_records_and_states_arrive_as_through_a_pipe(
    image: str, place: Place, said: Callable[[str], Said]
) -> None:
    source = said(image)
    expected = of_type(piped(source, place.work / "piped.jsonl"), "RECORD", "STATE")
    streams = [each["stream"] for each in source.catalog["streams"]]
    kept, command = place.work / "synced.jsonl", [sys.executable, REPLAY]
    ended = place.sync(
        {
            "connection": "identity",
            "source": {"command": command, "config": {"path": str(source.lines), "streams": streams}},
            "destination": {"command": command, "config": {"path": str(kept)}},
            "catalog": source.catalog,
        }
    )
    assert ended.code == 0, ended.err
    evidence, got = ended.report["evidence"], lines_of(kept)
    moved, behind = got[: len(expected)], of_type(got[len(expected) :], "RECORD", "STATE", "TRACE")
    assert len(streams) == STREAMS[image]
    assert [unstamped(line) for line in moved] == expected
    assert len(of_type(moved, "RECORD")) == evidence["records_emitted"] == ended.report["records_committed"] > 0
    assert of_type(behind, "STATE") == behind[: evidence["empty_states_sent"]]
    assert len(of_type(behind, "TRACE")) == len(streams)
    assert of_type(behind, "RECORD") == []


def unstamped(line: bytes) -> bytes:
    """A line without what is put into a state alone: its id, and its count of records where it had none."""
    return STAMP.sub(b"", line, count=1) if of_type([line], "STATE") else line
