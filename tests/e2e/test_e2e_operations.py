"""`spec`, `check`, `discover`: whatever a connector does is a clear result with its exit code, and leaves nothing."""

from __future__ import annotations

import asyncio
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from e2e_support import PROGRAM, Ended, Place, temporal, until

from airbyte_workers.client import Client
from airbyte_workers.models import DiscoverResult
from airbyte_workers.settings import Settings

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(180)]
AT_ONCE = 4
STREAM = {"name": "people", "json_schema": {"type": "object"}, "supported_sync_modes": ["full_refresh"]}
SPEC = {"type": "SPEC", "spec": {"connectionSpecification": {"type": "object"}}}
LOG = {"type": "LOG", "log": {"level": "INFO", "message": "looking around"}}
CATALOG = {"type": "CATALOG", "catalog": {"streams": [STREAM]}}
ERROR = {"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": 1, "error": {"message": "the vault is locked"}}}
SILENCE = "exited successfully without an output"
INLINE_BYTES = 256 * 1024
MANY_STREAMS = 1200


def status(word: str, message: str | None = None) -> dict[str, Any]:
    return {"type": "CONNECTION_STATUS", "connectionStatus": {"status": word, "message": message}}


class Row(NamedTuple):
    """A program that says these lines and exits; with what the command ends, and what its JSON has at least."""

    command: str
    lines: tuple[Any, ...]
    exits: int
    code: int
    result: dict[str, Any]


def no_answer(message: str) -> dict[str, Any]:
    return {"error": {"type": "ConnectorFailed", "message": message}}


TABLE = {
    "a no, and exit code 1": Row("check", (status("FAILED", "no"),), 1, 1, {"status": "failed", "message": "no"}),
    "a yes after logs and other lines, and exit code 7": Row(
        "check",
        (LOG, "WARNING: no telemetry", "{", LOG, status("SUCCEEDED")),
        7,
        0,
        {"status": "succeeded", "message": ""},
    ),
    "an error instead of a no": Row("check", (ERROR,), 1, 1, {"status": "failed", "message": "the vault is locked"}),
    "a crash instead of a no": Row(
        "check", (), 3, 1, {"status": "failed", "message": "source: check exited with code 3 without an output"}
    ),
    "silence": Row("check", (), 0, 1, no_answer(f"check failed: source: check {SILENCE}")),
    "a catalog after logs, and exit code 7": Row(
        "discover", (LOG, CATALOG), 7, 0, {"streams": 1, "catalog": CATALOG["catalog"]}
    ),
    "no catalog": Row("discover", (LOG,), 0, 1, no_answer(f"discover failed: source: discover {SILENCE}")),
    "a crash": Row(
        "discover", (), 3, 1, no_answer("discover failed: source: discover exited with code 3 without an output")
    ),
    "an error instead of a catalog": Row("discover", (ERROR,), 1, 1, no_answer("discover failed: the vault is locked")),
    "no spec": Row("spec", (), 0, 1, no_answer(f"spec failed: source: spec {SILENCE}")),
}


def program(place: Place, row: Row) -> str:
    """A connector that tells its spec when that is not what the row is about, and says the row's lines otherwise."""
    said = [each if isinstance(each, str) else json.dumps(each) for each in row.lines]
    spec = "" if row.command == "spec" else f"[ $1 = spec ] && exec echo '{json.dumps(SPEC)}'"
    return script(place, spec, "cat <<'END'", *said, "END", f"exit {row.exits}")


def script(place: Place, *lines: str) -> str:
    """A connector as a shell script."""
    file = place.work / "source"
    file.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    file.chmod(0o755)
    return str(file)


@pytest.fixture(scope="module")
def ends(stack: Place, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """How every command of the table ended; a few run at once."""

    def begin(name: str) -> Ended:
        place = Place(tmp_path_factory.mktemp("answer"), stack.home, stack.variables)
        return place.run(TABLE[name].command, "--command", program(place, TABLE[name]), "-o", "json")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(TABLE, pool.map(begin, TABLE), strict=True))


@pytest.mark.parametrize("name", TABLE)
def test_an_answer_is_one_json_object_and_an_exit_code(ends: dict[str, Ended], name: str) -> None:
    ended, row = ends[name], TABLE[name]
    assert (ended.code, ended.report | row.result) == (row.code, ended.report), ended.err


def test_text_tells_the_answer_on_stdout_and_the_job_on_stderr(place: Place) -> None:
    no = Row("check", (LOG, status("FAILED", "no such host")), 0, 1, {})
    ended = place.run("check", "--command", program(place, no))
    assert (ended.code, ended.out) == (1, "check failed: no such host\n")
    launcher, job, *_ = ended.err.splitlines()
    assert launcher.startswith("launcher: process (")
    assert job.endswith(f": check of {place.work}/source")
    assert "looking around" in place.log(int(job.removeprefix("job ").partition(":")[0]))


def test_the_spec_of_a_command_is_what_it_says(place: Place) -> None:
    ended = place.run("spec", "--command", "source-synthetic")
    said = subprocess.run([Path(PROGRAM).with_name("source-synthetic"), "spec"], capture_output=True, check=True)
    assert (ended.code, json.loads(ended.out)) == (0, json.loads(said.stdout)["spec"])


def test_a_config_comes_from_a_file_or_from_standard_input(place: Place) -> None:
    (place.work / "config.yaml").write_text("records: 1\nnamespace: shop\nstreams: [orders]\n")
    ended = place.run("discover", "--command", "source-synthetic", "--config", "config.yaml")
    assert ended.code == 0, ended.err
    head, row, *_ = (line.split() for line in ended.out.splitlines())
    assert head[0] == "stream"
    assert row == ["shop.orders", "full_refresh,", "incremental", "id", "id", "3"]
    typed = subprocess.run(
        [PROGRAM, "check", "--command", "source-synthetic", "--config", "-", "-o", "json"],
        cwd=place.work, env=place.environment, input=b'{"recods": 1}', capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    told = json.loads(typed.stdout)["error"]
    assert (typed.returncode, told["type"]) == (2, "InvalidInput")
    assert "config.recods: unknown field; did you mean records?" in told["message"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("spec",), "give either an image or --command"),
        (("spec", "airbyte/source-faker:7.2.1", "--command", "x"), "give either an image or --command"),
        (("spec", "--command", "it's"), "--command: No closing quotation"),
        (("check", "--command", "x", "--config", "none.yaml"), "cannot read none.yaml: No such file or directory"),
        (("discover", "--command", "x", "--config", "list.yaml"), "list.yaml: expected an object with fields"),
    ],
)
def test_what_is_typed_wrong_is_told_before_anything_is_started(
    tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    (tmp_path / "list.yaml").write_text("- 1\n")
    nowhere = Place(tmp_path, tmp_path / "no-home")
    ended = nowhere.run(*words, "-o", "json")
    assert (ended.code, ended.report) == (2, {"error": {"type": "InvalidInput", "message": told}})
    assert not nowhere.home.exists()


# --- large catalogs ---------------------------------------------------------------------------------------------------


class Large(NamedTuple):
    """A discover whose catalog is too large to cross Temporal."""

    place: Place
    content: dict[str, Any]
    catalog: dict[str, Any]
    ended: Ended


@pytest.fixture(scope="module")
def large(stack: Place, tmp_path_factory: pytest.TempPathFactory) -> Large:
    place = Place(tmp_path_factory.mktemp("large"), stack.home, stack.variables)
    content = {"command": ["source-synthetic"], "config": {"streams": MANY_STREAMS}}
    (place.work / "config.json").write_text(json.dumps(content["config"]))
    words = ("discover", "--command", "source-synthetic", "--config", "config.json", "-o", "json")
    bare = [Path(PROGRAM).with_name("source-synthetic"), "discover", "--config", "config.json"]
    said = subprocess.run(bare, cwd=place.work, capture_output=True, check=True)
    catalog = json.loads(said.stdout)["catalog"]
    assert len(json.dumps(catalog)) > INLINE_BYTES
    return Large(place, content, catalog, place.run(*words))


def test_a_large_catalog_comes_whole_and_is_shown_again(large: Large) -> None:
    found = large.ended.report
    assert (large.ended.code, found["streams"]) == (0, MANY_STREAMS)
    assert found["catalog"] == large.catalog
    shown = large.place.run("catalog", "show", str(found["catalog_id"]))
    assert (shown.code, json.loads(shown.out)) == (0, large.catalog)
    missing = large.place.run("catalog", "show", "999999")
    assert (missing.code, "999999" in missing.error) == (2, True)


def test_the_client_has_a_large_catalog_whole(large: Large) -> None:
    async def discovered() -> DiscoverResult:
        async with Client.connect(Settings(home=large.place.home)) as client:
            found = await client.discover(large.content)
        await asyncio.sleep(0.05)  # sdk-python #300
        return found

    found = asyncio.run(discovered())
    assert (found.catalog, found.streams) == (large.catalog, MANY_STREAMS)


def test_temporal_has_a_large_catalog_s_id_alone(large: Large) -> None:
    words = ("--type", "Discover", "--task-queue", "airbyte", "--workflow-id", "large", "-o", "json")
    result = temporal(large.place, "execute", *words, "--input", json.dumps(large.content))["result"]
    assert (result["streams"], result["catalog"]) == (MANY_STREAMS, None)
    shown = large.place.run("catalog", "show", str(result["catalog_id"]))
    assert json.loads(shown.out) == large.catalog
    history = temporal(large.place, "show", "--workflow-id", "large", "-o", "json")
    assert "stream_17" not in json.dumps(history)


@pytest.mark.parametrize("words", ["catalog show {id}", "discover --command source-synthetic --config config.json"])
def test_a_reader_that_has_seen_enough_is_no_error(large: Large, words: str) -> None:
    told = words.format(id=large.ended.report["catalog_id"])
    head = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"'{PROGRAM}' {told} | head -c 10"],
        cwd=large.place.work, env=large.place.environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (head.returncode, len(head.stdout)) == (0, 10), head.stderr
    assert "Traceback" not in head.stderr
    assert "error" not in head.stderr


# --- ends that are not the connector's own ----------------------------------------------------------------------------


def hanging(place: Place) -> str:
    """A connector that never answers a check."""
    return script(place, "[ $1 = check ] && exec sleep 600", f"echo '{json.dumps(SPEC)}'")


def test_ctrl_c_cancels_a_check_and_ends_its_pod(place: Place) -> None:
    with place.started("check", "--command", hanging(place), "-o", "json") as check:
        check.until_said("the check is running")
        until(place.pod_processes, "the pod")
        check.interrupt()
        ended = check.ended()
    assert (ended.code, ended.report["error"]["type"]) == (3, "Cancelled")
    assert place.pods_left() == []
    newest = place.jobs("--all")[0]
    assert (newest["kind"], newest["status"]) == ("check", "cancelled")
    shown = place.run("jobs", "show", str(newest["job_id"])).out
    assert "Ctrl-C in the foreground" in shown


def test_a_check_that_hangs_is_ended_by_its_time_limit(alone: Place) -> None:
    """On a stack that the command itself starts, and stops again."""
    words = ("check", "--command", hanging(alone), "-o", "json")
    ended = alone.run(*words, ACTIVITY_CHECK_TIMEOUT_MINUTES="0.05")
    told = "check failed: it ran longer than 0:00:03, the limit, and was stopped"
    assert (ended.code, ended.report) == (1, no_answer(told)), ended.err
