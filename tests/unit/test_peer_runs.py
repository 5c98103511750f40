"""What the runs of peers rest on: the programs that move nothing themselves, and environments that are whole or new."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.peer_runs.environments import Environment, PeerUnavailableError, default_folder, in_short
from benchmarks.peer_runs.meltano_peer import cpu_s, peak_bytes
from benchmarks.peer_runs.peer import PROGRAMS
from benchmarks.records import Records


@pytest.mark.parametrize("records", [Records(500, 25_000), Records(1_000_000, 3)], ids=lambda each: each.name)
@pytest.mark.parametrize("form", ["airbyte", "singer"])
def test_the_draining_end_counts_every_record_and_answers_every_state(
    form: str, records: Records, tmp_path: Path
) -> None:
    messages = records.singer_file(tmp_path) if form == "singer" else records.airbyte_file(tmp_path)
    drained = tmp_path / "drained.json"
    states = [json.loads(line) for line in messages.read_bytes().splitlines() if line.startswith(b'{"type":"STATE"')]
    with subprocess.Popen(["cat", str(messages)], stdout=subprocess.PIPE) as cat:
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(PROGRAMS / "drain.py"), form],
            stdin=cat.stdout,
            env=os.environ | {"PEER_RUNS_DRAINED": str(drained)},
            capture_output=True,
            check=True,
        )
    wanted = [state["value"] for state in states] if form == "singer" else states
    assert [json.loads(line) for line in done.stdout.splitlines()] == wanted
    assert json.loads(drained.read_text())["records"] == records.records


@pytest.mark.parametrize("action", ["spec", "check", "discover", "read"])
def test_the_source_of_a_file_answers_every_action_with_messages(action: str, tmp_path: Path) -> None:
    file = tmp_path / "messages"
    file.write_text('{"type":"RECORD"}\n{"type":"RECORD"}\n')
    variables = {"PEER_RUNS_MESSAGES": str(file), "PEER_RUNS_DISCOVERED": str(file)}
    done = subprocess.run(
        [str(PROGRAMS / "source_file.sh"), action], env=os.environ | variables, capture_output=True, check=True
    )
    types = {"spec": ["SPEC"], "check": ["CONNECTION_STATUS"]}.get(action, ["RECORD", "RECORD"])
    assert [json.loads(line)["type"] for line in done.stdout.splitlines()] == types


def test_cpu_seconds_are_read_past_a_name_with_brackets_and_spaces() -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    stat = f"17 (a ) name) R 1 17 17 0 -1 4194304 1 2 3 4 {3 * ticks} {2 * ticks} 99 99 20 0 1 0 5 6 7"
    assert cpu_s(stat) == 5


def test_the_peak_of_memory_is_read_in_bytes() -> None:
    assert peak_bytes("VmPeak:\t 9999 kB\nVmHWM:\t   2048 kB\nVmRSS:\t 1024 kB\n") == 2 * 1024 * 1024


def test_a_peer_that_cannot_be_installed_is_named_and_its_half_made_environment_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    environment, folder = Environment("meltano", "4.4.1"), tmp_path / "environments"
    with pytest.raises(PeerUnavailableError, match=r"meltano 4\.4\.1 could not be installed"):
        environment.prepared(folder)
    (half_made,) = folder.iterdir()
    left = half_made / "left from before"
    left.touch()
    with pytest.raises(PeerUnavailableError):
        environment.prepared(folder)
    assert not left.exists()


def test_a_finished_environment_is_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    place = tmp_path / f"meltano-4.4.1-python{version}"
    place.mkdir()
    (place / "finished").touch()
    assert Environment("meltano", "4.4.1").prepared(tmp_path) == place


def test_environments_stay_in_our_home_if_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRBYTE_WORKERS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert default_folder() == tmp_path / "home" / "benchmark-peers"
    monkeypatch.delenv("AIRBYTE_WORKERS_HOME")
    assert default_folder() == tmp_path / "cache" / "airbyte-workers" / "benchmark-peers"


def test_what_a_failed_program_said_is_kept_without_addresses() -> None:
    said = "error: Failed to fetch: `http://somebody:something@index.invalid/simple/x/`\n  Caused by: no route\n"
    assert in_short(said) == "error: Failed to fetch: <address> Caused by: no route"
    assert in_short("") == "it said nothing"
