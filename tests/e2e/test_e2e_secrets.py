"""A connector that tells its config wherever it can: no secret of it is found in anything that stays or is shown."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from e2e_canary import HAND, HOST, Secrets, found, leaks
from e2e_talker import spellings
from e2e_told import TALKER, Told, make_talker, told_stack

from airbyte_workers.redaction import MASK
from tests import images

pytestmark = [pytest.mark.embedded, pytest.mark.docker, pytest.mark.timeout(300)]
HOMES = ("host process", "container")


@pytest.fixture(scope="module", params=HOMES)
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, installed: Path) -> Iterator[Told]:
    """Asked once, looked at by every test; the parameter is the home of the orchestrator of containers."""
    make_talker(tmp_path_factory.mktemp("talker"))
    root = tmp_path_factory.mktemp("told")
    if request.param == "container":
        engine = images.client()
        images.ensure(engine, images.PRODUCT)
        engine.close()
        with told_stack(root, installed, ["docker"], {"ORCHESTRATOR_IMAGE": images.PRODUCT}) as told:
            yield told
    else:
        with told_stack(root, installed, ["process", "docker"], {}) as told:
            yield told


def below(folder: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of one of the stack's folders; there are some."""
    chosen = {name: data for name, data in files.items() if name.startswith(f"{folder}/")}
    assert chosen, f"there is nothing in {folder}"
    return chosen


def telling(places: Mapping[str, bytes]) -> set[str]:
    """The places that tell of a config and not of its secrets: there redaction had work to do."""
    return {name for name, data in places.items() if HOST.encode() in data and MASK.encode() in data}


# --- the search ---


@pytest.mark.parametrize("name", ["pin", "odd", "lines", "note"])
def test_a_secret_is_found_in_every_spelling(name: str) -> None:
    secret = Secrets("plain").values[name]
    unfound = [spelling for spelling in spellings(secret) if not found(f"some text {spelling} more".encode())]
    assert unfound == []
    assert found(secret.split("\n")[-2:][0][-18:].encode()), "its end is not found by itself"
    assert found(f"some text {HOST} {MASK}".encode()) == []


@pytest.mark.parametrize("command", ["check", "discover", "read", "write"])
def test_the_talker_tells_everything_everywhere(tmp_path: Path, command: str) -> None:
    secrets = Secrets("plain")
    config = secrets.config(end="error", at=command, path=str(tmp_path / "data"))
    (tmp_path / "config.json").write_text(json.dumps(config))
    words = [sys.executable, str(TALKER), command, "--config", str(tmp_path / "config.json")]
    said = subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL, check=False, timeout=60)
    assert said.returncode == 1
    for stream in (said.stdout, said.stderr):
        missing = [each for each in spellings(secrets.values["odd"]) if each.encode() not in stream]
        assert [each for each in missing if json.dumps(each)[1:-1].encode() not in stream] == []
        assert secrets.values["lines"].encode() in stream
        assert HOST.encode() in stream
    for member in (b'"message":', b'"internal_message":', b'"stack_trace":', b'"stream_descriptor":', b'"level":'):
        assert any(member in line and found(line) for line in said.stdout.splitlines()), member


# --- what ended how ---


def test_every_job_ended_as_it_was_told_to(told: Told) -> None:
    asked = {name: each for name, each in told.ended.items() if name.startswith(("process ", "docker "))}
    assert {name: each.code for name, each in asked.items()} == {
        name: 0 if name.endswith(" good") else 1 for name in asked
    }
    others = {name: each for name, each in told.ended.items() if name not in asked} | told.by_hand
    assert {name: each.err for name, each in others.items() if each.code != 0} == {}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("sync plain crash", "the source exited with code 1"),
        ("sync plain stream", f"the source spoke of stream {MASK}.{MASK}"),
        ("sync file long", "the source sent a message of more than "),
        ("discover env error", f'{{"answer": "{MASK}"}}'),
    ],
)
def test_failures_say_what_was_wrong_without_the_secret(told: Told, asked: str, words: str) -> None:
    """The Python client's exception, with everything in it."""
    for name, said in told.client.items():
        assert words in said or not name.endswith(asked), said


def test_data_is_passed_on_as_it_is(told: Told) -> None:
    """What a source reads is nobody's to change, not even where it is a secret."""
    for launcher, way in (("process", "env"), ("docker", "file")):
        if any(name.startswith(launcher) for name in told.ended):
            lines = (told.place.work / f"{launcher}-{way}-good.jsonl").read_text().splitlines()
            assert [json.loads(line)["record"]["data"]["pin"] for line in lines] == [told.ways[way].values["pin"]] * 3


# --- what stays, what is shown ---


def test_no_command_and_no_client_tells_a_secret(told: Told) -> None:
    assert leaks(told.commands) == []
    assert leaks({name: (each.out + each.err).encode() for name, each in told.by_hand.items()}, HAND) == []
    expected = {"docker check no", "docker discover error", "docker sync error", "docker client check plain good"}
    assert expected <= telling(told.commands)
    for words in ("jobs logs ", "jobs show "):
        assert len([name for name in telling(told.commands) if name.startswith(words)]) >= 2


def test_no_log_and_no_marker_has_a_secret(told: Told) -> None:
    stored = below("storage", told.left)
    assert leaks(stored) == []
    assert leaks(stored, HAND) == [], "what was typed by hand"
    logs = {name for name, data in below("storage/logs", told.left).items() if b"spelling 0" in data}
    assert len(logs) >= len(told.ended.keys() & {"docker check no", "docker sync good", "process sync good"})
    assert logs <= telling(stored)
    markers = {name.rpartition("/")[2] for name in telling(stored) if name.startswith("storage/state/")}
    assert {"SUCCESS", "FAILURE"} <= markers


def test_temporals_database_has_what_was_typed_there_and_nothing_else(told: Told) -> None:
    for files in (told.running, told.left):
        databases = below("temporal", files)
        assert leaks(databases) == []
        assert telling(databases)
        assert bool(leaks(databases, HAND)) == bool(told.by_hand)


def test_postgresql_has_no_secret(told: Told) -> None:
    for stem in (HAND, "Kanari"):
        assert leaks(told.tables, stem) == []
        assert leaks(below("postgres", told.running), stem) == []
        assert leaks(below("postgres", told.left), stem) == []
    assert {"public.jobs", "public.attempts"} <= telling(told.tables)
    assert told.tables["public.handed_configs"] == b"", "a config was handed over and not taken"


def test_nothing_below_the_stacks_folder_has_a_secret(told: Told) -> None:
    assert leaks(told.left) == []
    assert {name.partition("/")[0] for name in told.left if leaks({name: told.left[name]}, HAND)} <= {"temporal"}
    assert below("logs", told.left)


def test_nothing_is_left_of_a_pod(told: Told) -> None:
    assert told.remains == []
    assert [name for name in told.left if name.startswith("pods/")] == []


# --- while it runs ---


def test_a_secret_is_in_files_for_their_readers_alone(told: Told) -> None:
    """In its connector's config and with who keeps it out of logs; with an orchestrator in a container, in volumes."""
    assert told.watcher is not None
    on_this_host = any(name.startswith("process ") for name in told.ended)
    assert told.watcher.files == ({"config.json": 0o400, "input.json": 0o400} if on_this_host else {})


def test_no_process_has_a_secret_in_its_environment_or_its_arguments(told: Told) -> None:
    """But the Temporal worker that was given AIRBYTE_SECRET_*, and its forks before they become another program."""
    assert told.watcher is not None
    assert told.watcher.telling[told.owner].endswith("airbyte-workers local ")
    assert set(told.watcher.telling.values()) == {told.watcher.telling[told.owner]}
    seen = "\n".join(told.watcher.programs)
    for words in ("e2e_talker.py read", "e2e_talker.py write", "e2e_talker.py check", "e2e_talker.py discover"):
        assert words in seen
    assert "-m airbyte_workers.orchestrator" in seen


def test_no_inspection_of_a_container_shows_a_secret(told: Told) -> None:
    assert told.watcher is not None
    assert leaks(told.watcher.inspected) == []
    roles = {name.rpartition("-")[2] for name in told.watcher.inspected if name.startswith("running ")}
    assert {"source", "destination", "main"} <= roles
    assert all(b"e2e_talker.py" in seen or b"orchestrator" in seen for seen in told.watcher.inspected.values())
