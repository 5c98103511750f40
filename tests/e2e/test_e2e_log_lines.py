"""Every line that a Temporal worker writes has one shape, and what belongs to a job says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from e2e_addressed import addressed
from e2e_scripted import Scripted
from e2e_stacks import new_place
from e2e_support import QUICK, Place, kill_all, until

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(180)]
CONNECTION, UNKNOWN = "lines", "nobody-knows-it"
JSON = {"AIRBYTE_WORKERS_LOG_FORMAT": "json"}
NOTES = "AIRBYTE_SECRET_NOTES"
LEVELS = {"debug", "info", "warning", "error", "critical"}
SPEAKERS = ("temporalio.workflow", "activities.", "airbyte_workers.orchestrator.")
Line = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """What a worker wrote while it did a sync of two attempts, and refused another one."""

    text: str
    config_values: tuple[str, ...]
    job_id: int

    @property
    def lines(self) -> list[Line]:
        return lines_of(self.text)

    def of_run(self, connection: str) -> list[Line]:
        return [line for line in self.lines if line.get("workflow_id") == f"sync/{connection}"]

    def said_by(self, logger: str) -> list[Line]:
        return [line for line in self.lines if line["logger"].startswith(logger)]


def lines_of(text: str) -> list[Line]:
    """Each of them is an object with the basic keys, in one order."""
    lines: list[Line] = [json.loads(line) for line in text.splitlines()]
    for line in lines:
        assert list(line)[:4] == ["timestamp", "level", "logger", "event"], line
        assert line["event"], line
        assert line["level"] in LEVELS, line
    return lines


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, installed: Path) -> Iterator[Told]:
    root = tmp_path_factory.mktemp("lines")
    try:
        with addressed(new_place(root, installed, QUICK)) as place:
            sync = Scripted(place, CONNECTION)
            notes = str(place.work / f"{CONNECTION}.notes")
            worker = replace(place, variables=place.variables | JSON | {NOTES: notes})
            secret = {"notes": {"_secret": f"env:{NOTES}"}}
            with worker.serving("worker", ready="polling ") as command:
                done = sync.sync("CS", source=secret, destination=secret)
                refused = place.run("sync", UNKNOWN)
            assert (done.code, refused.code) == (0, 2), (done.err, refused.err)
            yield Told(command.err, (notes, str(sync.out)), int(done.report["job_id"]))
    finally:
        kill_all(root)


def test_sdk_workflow_activity_and_orchestrator_speak_alike(told: Told) -> None:
    for logger in (*SPEAKERS, "temporalio.activity", "temporalio.worker"):
        assert told.said_by(logger), f"{logger} says nothing"


def test_every_line_of_a_run_says_which_job_connection_and_attempt_it_is_about(told: Told) -> None:
    mine = told.of_run(CONNECTION)
    for line in mine:
        assert (line["job_id"], line["connection"], line["workflow_type"]) == (told.job_id, CONNECTION, "Sync"), line
        assert line["run_id"] == mine[0]["run_id"]
        assert line["temporal_attempt"] >= 1, line
        assert ("attempt" in line) or ("pod" not in line), line
    steps_without = {line["event"] for line in told.said_by("temporalio.workflow") if "attempt" not in line}
    assert steps_without == {"sync asking"}  # before the first one
    assert [line for line in told.lines if line.get("job_id") == told.job_id] == mine
    assert [line for line in told.lines if f"-job-{told.job_id}-" in json.dumps(line)] == [
        line for line in mine if "pod" in line or "pod" in line.get("detail", "")
    ]


@pytest.mark.parametrize("logger", SPEAKERS)
def test_attempts_are_those_of_the_job_in_the_lines_of_all(told: Told, logger: str) -> None:
    attempts = [line["attempt"] for line in told.said_by(logger) if "attempt" in line]
    assert attempts == sorted(attempts)
    assert set(attempts) == {1, 2}


def test_a_run_tells_its_steps_once_each(told: Told) -> None:
    steps = [line["event"].removeprefix("sync ") for line in told.said_by("temporalio.workflow")]
    first = ["asking", "starting", "running", "attempt failed", "waiting"]
    assert steps == [*first, "starting", "running", "attempt succeeded", "succeeded"]


def test_what_a_pod_s_own_program_said_is_there_after_the_pod_is_gone(told: Told) -> None:
    said = [line for line in told.said_by("airbyte_workers.orchestrator") if line["pod"].startswith("replication-")]
    assert [(line["event"], line["attempt"], line["status"]) for line in said] == [
        ("program ended", 1, "failed"),
        ("program ended", 2, "succeeded"),
    ]


def test_why_an_activity_failed_is_one_line(told: Told) -> None:
    (failed,) = [line for line in told.of_run(UNKNOWN) if "exception" in line]
    assert (failed["logger"], failed["activity_type"]) == ("temporalio.activity", "open_job")
    assert failed["connection"] == UNKNOWN
    first, *_, last = failed["exception"].splitlines()
    assert first == "Traceback (most recent call last):"
    assert "InvalidInput: there is no connection" in last


def test_nothing_of_a_config_is_told(told: Told) -> None:
    for value in told.config_values:
        assert value not in told.text


def test_a_worker_that_cannot_start_says_so_in_the_same_shape(alone: Place) -> None:
    (line,) = lines_of(alone.run("worker", **JSON).err)
    assert (line["level"], line["type"]) == ("error", "InvalidInput")
    assert "a Temporal worker needs DATABASE_URL" in line["event"]


def test_a_stack_in_the_background_logs_in_the_same_shape(alone: Place) -> None:
    content = alone.described("background", records=10)
    with alone.started("sync", "-f", str(alone.write(content)), **JSON) as sync:
        assert sync.ended().code == 0, sync.err
    until(lambda: not alone.stack(), "the end of the stack")
    lines = lines_of((alone.home / "logs" / "stack.log").read_text())
    speakers = {line["logger"].partition(".")[0] for line in lines}
    assert {"temporalio", "activities", "airbyte_workers"} <= speakers
    assert {line["connection"] for line in lines if line.get("job_id") == 1} == {"background"}
