"""What people type and what they are told: results, errors, exit codes."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from e2e_support import PROGRAM, Place, catalog, misbehaving

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(180)]
REPORT = {
    "job_id", "connection", "status", "mode", "attempts", "streams", "records_committed", "bytes_committed",
    "queued_s", "duration_s", "failures", "evidence",
}  # fmt: skip
ATTEMPT = {"number", "status", "started_at", "ended_at", "waited_s", "records_committed", "failures"}
STREAM = {"name", "namespace", "status", "records_emitted", "records_committed", "bytes_committed"}
EVIDENCE = {"source_exit_code", "destination_exit_code", "completion", "states_emitted", "states_committed"}


def simple(place: Place, name: str, **changes: Any) -> dict[str, Any]:
    content = {"connection": name, "source": place.source(records=100), "destination": place.jsonl()}
    return content | {"catalog": catalog("stream_0")} | changes


def refused(place: Place, content: dict[str, Any]) -> str:
    """The sentence with which a sync file is refused."""
    ended = place.sync(content)
    assert (ended.code, ended.report.keys(), ended.report["error"]["type"]) == (2, {"error"}, "InvalidInput")
    return str(ended.report["error"]["message"])


# --- results ----------------------------------------------------------------------------------------------------------


def test_json_is_one_object_with_the_whole_report(place: Place) -> None:
    ended = place.sync(simple(place, "report"))
    report = ended.report
    (attempt,), (stream,) = report["attempts"], report["streams"]
    assert ended.code == 0
    assert report.keys() >= REPORT
    assert attempt.keys() >= ATTEMPT
    assert stream.keys() >= STREAM
    assert report["evidence"].keys() >= EVIDENCE
    assert (report["connection"], report["status"], report["mode"]) == ("report", "succeeded", "stdio")
    assert (attempt["number"], attempt["status"], attempt["failures"]) == (1, "succeeded", [])
    assert datetime.fromisoformat(attempt["started_at"]) < datetime.fromisoformat(attempt["ended_at"])
    assert (stream["name"], stream["status"], stream["records_committed"]) == ("stream_0", "complete", 100)
    assert report["evidence"]["completion"] == "reported"
    assert (report["evidence"]["source_exit_code"], report["evidence"]["destination_exit_code"]) == (0, 0)
    size = sum(len(line) for line in (place.work / "out" / "stream_0.jsonl").read_bytes().splitlines())
    assert abs(report["bytes_committed"] - size) <= 100 * 2  # the destination may write the same data otherwise
    shown = place.job(report["job_id"])  # the same, and more
    (shown_attempt,) = shown.pop("attempts")
    assert report.pop("attempts")[0].items() <= shown_attempt.items()
    assert report.items() <= shown.items()


def test_text_tells_counts_and_where_the_files_are(place: Place) -> None:
    content = simple(place, "text", destination={"command": ["destination-jsonl"], "config": {"path": "mine"}})
    ended = place.run("sync", "-f", str(place.write(content)))
    first, *_, last = ended.out.splitlines()
    assert ended.code == 0
    assert "succeeded: 100 records" in first
    folder = place.work / "airbyte_local"
    assert last == f"file output of connectors is below {folder}"
    assert len((folder / "mine" / "stream_0.jsonl").read_bytes().splitlines()) == 100
    assert ended.err.splitlines()[0] == "launcher: process (source-synthetic is a command, not an image)"


def test_without_streams_everything_is_synced_and_the_choice_is_told(place: Place) -> None:
    content = simple(place, "everything", source=place.source(streams=2, records=10), catalog=None)
    ended = place.run("sync", "-f", str(place.write(content)))
    assert ended.code == 0
    for stream in ("stream_0", "stream_1"):
        assert f"  {stream}: incremental, append" in ended.err.splitlines()
        assert len(place.lines(stream)) == 10


def test_a_pasted_catalog_in_a_file_of_its_own(place: Place) -> None:
    pasted = place.work / "catalog.json"
    pasted.write_text(json.dumps(catalog("stream_1", namespace="shop")))
    source = place.source(streams=2, records=10, namespace="shop")
    report = place.sync(simple(place, "pasted", source=source, catalog="catalog.json")).report
    assert [(each["namespace"], each["name"], each["records_committed"]) for each in report["streams"]] == [
        ("shop", "stream_1", 10)
    ]


def test_a_second_sync_by_name_reads_only_what_is_new(place: Place) -> None:
    content = simple(place, "second")
    assert place.sync(content).report["records_committed"] == 100
    again = place.run("sync", "second", "-o", "json")
    assert (again.code, again.report["records_committed"]) == (0, 0)
    raised = place.sync(content | {"source": place.source(records=130)})
    assert raised.report["records_committed"] == 30
    assert place.ids("stream_0") == list(range(130))


# --- what is read -----------------------------------------------------------------------------------------------------


def test_paths_in_a_file_are_relative_to_it(place: Place) -> None:
    folder = place.work / "deep"
    folder.mkdir()
    (folder / "my-source").symlink_to(Path(PROGRAM).with_name("source-synthetic"))
    (folder / "source.json").write_text(json.dumps({"records": 7}))
    content = simple(place, "relative", source={"command": ["./my-source"], "config_file": "source.json"})
    (folder / "sync.yaml").write_text(yaml.safe_dump(content))
    ended = place.run("sync", "-f", "deep/sync.yaml", "-o", "json")
    assert (ended.code, ended.report["records_committed"]) == (0, 7)


def test_secrets_are_references(place: Place, tmp_path: Path) -> None:
    """What no host may resolve is refused before there is a job; where this one cannot, nothing runs either."""

    def destination(reference: str) -> dict[str, Any]:
        return {"command": ["destination-jsonl"], "config": {"path": {"_secret": reference}}}

    text = refused(place, simple(place, "secret", destination=destination("env:HOME")))
    assert "destination.config.path: secret env:HOME: only variables that begin with AIRBYTE_SECRET_" in text
    assert (
        place.run("jobs", "list", "--connection", "secret").error
        == "there is no connection secret; see: airbyte-workers jobs list"
    )
    for reference, why in ((f"file:{tmp_path}/x", "SECRETS_DIR"), ("env:AIRBYTE_SECRET_X", "no such variable")):
        ended = place.sync(simple(place, "secret", destination=destination(reference)), "--retries", "0")
        (failure,) = ended.report["failures"]
        assert (ended.code, failure["type"], why in failure["message"]) == (2, "config_error", True)


def test_secrets_of_the_stack_reach_the_connectors_and_nobody_else(alone: Place, tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o700)
    (folder / "shop").write_text("hidden-shop")
    out = str(tmp_path / "hidden-out")
    variables = {"AIRBYTE_SECRET_OUT": out, "SECRETS_DIR": str(folder)}
    source = alone.source(records=5, namespace={"_secret": f"file:{folder}/shop"})
    destination = {"command": ["destination-jsonl"], "config": {"path": {"_secret": "env:AIRBYTE_SECRET_OUT"}}}
    asked = simple(alone, "secrets", source=source, destination=destination)
    asked["catalog"] = catalog("stream_0", namespace="hidden-shop")
    with alone.started("sync", "-f", str(alone.write(asked)), "-o", "json", **variables) as sync:
        ended = sync.ended()
    assert ended.code == 0, ended.err
    (file,) = Path(out).glob("*.jsonl")
    assert len(file.read_bytes().splitlines()) == 5
    assert "hidden-out" not in ended.out + ended.err
    kept = [each for each in (alone.home / "temporal").rglob("*") if each.is_file()]
    assert kept
    assert not any(b"hidden-out" in each.read_bytes() for each in kept), "a secret is in Temporal's history"


# --- wrong input ------------------------------------------------------------------------------------------------------


def test_what_is_wrong_with_a_file_is_told_field_by_field(place: Place) -> None:
    text = refused(place, {"connection": "wrong", "source": {"command": ["x"], "confg": {}}, "stream": 1})
    assert "source.confg: unknown field" in text
    assert "stream: unknown field" in text
    assert "permitted" not in text
    assert "destination.command: must be a list" in refused(
        place, simple(place, "wrong", destination={"command": "destination-jsonl"})
    )
    assert "connection" in refused(place, {"connection": "with space", "source": {}, "destination": {}})
    both = {"image": "a/b:1", "command": ["x"]}
    assert "either image or command" in refused(place, simple(place, "wrong", source=both))
    assert "either config or config_file" in refused(
        place, simple(place, "wrong", source={"command": ["x"], "config": {}, "config_file": "y"})
    )


def test_files_that_cannot_be_read(place: Place) -> None:
    (place.work / "bad.yaml").write_text("connection: x\n source: [\n")
    (place.work / "list.yaml").write_text("- 1\n")
    (place.work / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    said = {}
    for name in ("missing.yaml", "bad.yaml", "list.yaml", "binary.yaml", "."):
        ended = place.run("sync", "-f", name, "-o", "json")
        assert ended.code == 2
        said[name] = ended.report["error"]["message"]
    assert "No such file" in said["missing.yaml"]
    assert "bad.yaml, line 2: not valid YAML or JSON" in said["bad.yaml"]
    assert "expected an object" in said["list.yaml"]
    assert "not a text file" in said["binary.yaml"]
    assert "directory" in said["."]


def test_words_that_make_no_command(place: Place) -> None:
    neither, told = place.run("sync", "-o", "json"), place.run("sync")
    assert (neither.code, told.code, told.out) == (2, 2, "")
    assert neither.report == {"error": {"type": "InvalidInput", "message": told.error}}
    unknown = place.run("sync", "no-such-connection", "-o", "json")
    assert unknown.code == 2
    assert "there is no connection no-such-connection" in unknown.report["error"]["message"]
    assert place.run("sync", "--retries", "-1", "-f", "x").code == 2
    assert place.run("frobnicate").code == 2


def test_a_similar_name_is_proposed(place: Place) -> None:
    place.sync(simple(place, "warehouse"))
    told = place.run("sync", "warehose")
    assert told.code == 2
    assert told.error == "there is no connection warehose; did you mean warehouse?"


def test_a_connection_keeps_its_connectors(place: Place) -> None:
    assert place.sync(simple(place, "keeps")).code == 0
    text = refused(place, simple(place, "keeps", destination={"command": ["destination-null"]}))
    assert "destination-jsonl, not destination-null" in text
    assert "another connection name" in text


def test_a_connector_that_needs_docker(place: Place) -> None:
    ended = place.sync(simple(place, "docker", source={"image": "airbyte/source-postgres:3.6.0"}))
    (failure,) = ended.report["failures"]
    assert (ended.code, ended.report["attempts"]) == (2, [])
    assert failure["message"] == "airbyte/source-postgres is not a Python package; it needs Docker (launcher docker)"
    assert (failure["origin"], failure["type"]) == ("source", "config_error")


def test_a_program_that_does_not_exist(place: Place) -> None:
    ended = place.sync(simple(place, "nowhere", source={"command": ["./no-such-source"]}))
    assert (ended.code, ended.report["attempts"]) == (2, [])
    assert "no-such-source is not a program that can be started" in ended.report["failures"][0]["message"]


@pytest.mark.parametrize("way", ["streams", "catalog"])
def test_a_stream_that_does_not_exist(place: Place, way: str) -> None:
    asked = (
        {"catalog": None, "streams": [{"name": "stream_9"}]} if way == "streams" else {"catalog": catalog("stream_9")}
    )
    ended = place.sync(simple(place, f"stream-{way}", **asked))
    (failure,) = ended.report["failures"]
    assert (ended.code, failure["origin"], failure["type"]) == (2, "airbyte_platform", "config_error")
    assert "no stream stream_9; did you mean stream_0?" in failure["message"]
    assert ended.report["attempts"] == []


def test_configs_that_do_not_fit_their_specs_are_told_together_before_the_first_attempt(place: Place) -> None:
    wrong = simple(place, "unfit", source=place.source(recods=1), destination=place.jsonl(delay_ms="soon"))
    ended = place.sync(wrong)
    (failure,) = ended.report["failures"]
    assert (ended.code, failure["type"], ended.report["attempts"]) == (2, "config_error", [])
    assert "source.config.recods: unknown field; did you mean records?" in failure["message"]
    assert "destination.config.delay_ms: must be an integer" in failure["message"]
    assert "soon" not in ended.out + ended.err


def test_a_config_error_of_an_attempt_is_not_retried(place: Place) -> None:
    """The config fits the spec; only the connector can tell that it is of no use."""
    unusable = {"command": ["destination-jsonl"], "config": {"path": "/proc/nothing"}}
    ended = place.sync(simple(place, "config", destination=unusable))
    assert (ended.code, len(ended.report["attempts"])) == (1, 1)
    first = ended.report["failures"][0]
    assert (first["origin"], first["type"]) == ("destination", "config_error")
    assert "/proc/nothing is not a folder we can write to" in first["message"]


def test_commands_do_not_run_in_containers(place: Place) -> None:
    ended = place.sync(simple(place, "launcher"), "--launcher", "docker")
    assert (ended.code, ended.report["error"]["type"]) == (2, "InvalidInput")
    for role in ("source", "destination"):
        assert f"{role}.command: a command cannot run in a container" in ended.report["error"]["message"]


# --- jobs, db ---------------------------------------------------------------------------------------------------------


def test_jobs_are_listed_shown_and_their_logs_printed(place: Place) -> None:
    noisy = misbehaving("stderr-flood", records=1, streams=["stream_0"], size=4_000_000)
    job_id = place.sync(simple(place, "listed", source=noisy)).report["job_id"]
    (line,) = place.jobs("--connection", "listed")
    assert (line["job_id"], line["status"], line["records_committed"]) == (job_id, "succeeded", 1)
    assert place.jobs("--connection", "listed", "--status", "failed") == []
    table = place.run("jobs", "list", "--connection", "listed").out.splitlines()
    assert len(table) == 2
    assert "succeeded" in table[1]
    shown = place.run("jobs", "show", str(job_id)).out
    assert "succeeded" in shown
    assert "attempt 1 opened" in shown
    assert "stderr is not a place" in place.log(job_id)
    head = subprocess.run(
        f"'{PROGRAM}' jobs logs {job_id} | head -n 2",
        shell=True, cwd=place.work, env=place.environment, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert len(head.stdout.splitlines()) == 2
    assert head.stderr == ""


def test_a_job_that_is_not_there(place: Place) -> None:
    for words in (("show", "999999"), ("logs", "999999")):
        ended = place.run("jobs", *words)
        assert (ended.code, ended.error) == (2, "there is no job 999999; see: airbyte-workers jobs list --all")
    assert place.run("jobs", "show", "x").code == 2


def test_the_database_is_up_to_date(place: Place) -> None:
    ended = place.run("db", "migrate", "--check")
    assert (ended.code, ended.out) == (0, "the database is up to date\n")


# --- terminals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [40, 200])
def test_on_a_terminal(place: Place, columns: int) -> None:
    source = place.source(records=4000, state_every=500, delay_ms=250)
    content = simple(place, f"terminal-{columns}", source=source)
    words = ("sync", "-f", str(place.write(content)))
    with place.on_terminal(*words, columns=columns) as sync:
        sync.until_said(" MB/s")
        ended = sync.ended()
    assert ended.code == 0, ended.out
    assert "succeeded: 4,000 records" in ended.out
    assert "Traceback" not in ended.out


def test_tables_are_whole_in_a_pipe_and_fit_a_terminal(place: Place) -> None:
    name = "a-connection-with-quite-a-long-name-" + "x" * 60
    place.sync(simple(place, name))
    assert name in place.run("jobs", "list", "--connection", name).out
    with place.on_terminal("jobs", "list", "--connection", name, columns=50) as jobs:
        ended = jobs.ended()
    assert ended.code == 0
    shown = re.sub(r"\x1b\[[0-9;]*m", "", ended.out)
    assert max(len(line) for line in shown.splitlines()) <= 50
    assert "succeeded" in shown
