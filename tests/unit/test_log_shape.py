"""One shape for our log lines: what programs read, what people read, what is known of whom, and what nobody reads."""

from __future__ import annotations

import contextlib
import inspect
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from activities.bookkeeping import BookkeepingActivities
from activities.schedule_skips import ScheduleSkips
from activities.workloads import WorkloadActivities
from airbyte_workers.models import (
    AttemptOutcome,
    AttemptRef,
    CancelRequest,
    CloseAttempt,
    CloseJob,
    CloseOperation,
    Connector,
    JobStatus,
    NoteSkip,
    OpenAttempt,
    OpenJob,
    OpenOperation,
    Order,
    SyncInput,
)
from airbyte_workers.names import JobKind, Role, connection_of, parts_of_pod, pod_name, sync_workflow_id
from airbyte_workers.orchestrator.input import ConnectorInput
from airbyte_workers.orchestrator.own_log import keys_of, logged, own_log
from airbyte_workers.telemetry import shape
from airbyte_workers.telemetry.activity_keys import told_by
from airbyte_workers.telemetry.keys import KEYS

SECRET = "hunter2&hunter3"
REF = AttemptRef(job_id=7, attempt=1, kind=JobKind.SYNC)
OUTCOME = AttemptOutcome(status="succeeded")


# --- what one key tells of another ---


def test_a_fixed_workflow_id_names_its_connection() -> None:
    assert connection_of(sync_workflow_id("a.b")) == "a.b"
    assert connection_of("scheduled/a.b") is None
    assert shape.ordered({"workflow_id": "sync/orders"})["connection"] == "orders"


@pytest.mark.parametrize("kind", JobKind)
@pytest.mark.parametrize("of", [None, Role.SOURCE])
def test_a_pod_names_its_job_and_the_attempt_as_people_count_it(kind: JobKind, of: Role | None) -> None:
    pod = pod_name(kind, 12, 3, of)
    assert parts_of_pod(pod) == (12, 3)
    told = shape.ordered({"pod": pod, "event": "x"})
    assert (told["job_id"], told["attempt"]) == (12, 4)


@pytest.mark.parametrize("pod", ["", "replication-job-1", "job-1-attempt-0", "replication-job-x-attempt-0"])
def test_what_is_no_pod_s_name_names_no_job(pod: str) -> None:
    assert parts_of_pod(pod) is None
    assert "job_id" not in shape.ordered({"pod": pod})


def test_another_job_s_attempt_is_not_taken_from_a_pod() -> None:
    assert "attempt" not in shape.ordered({"pod": pod_name(JobKind.SYNC, 12, 3), "job_id": 9})


# --- the two shapes ---

TRACE = """Traceback (most recent call last):
  File "a.py", line 1, in a
    fail()
  File "b.py", line 2, in fail
    raise ValueError()
ValueError: no
  more of it
"""


def test_keys_stand_in_one_order_and_what_is_unknown_is_left_out() -> None:
    told = shape.ordered({"more": 1, "pod": "", "connection": "c", "event": "e", "job_id": None, "level": "info"})
    assert list(told.items()) == [("level", "info"), ("event", "e"), ("connection", "c"), ("more", 1)]


@pytest.mark.parametrize("text", ["a\nb", "\u2028", "\ud800", '"', "ä", "\x1b[31m", ""])
def test_a_line_for_programs_is_one_line_whatever_stands_in_it(text: str) -> None:
    line = shape.in_json({"event": text or "e", "more": {1: [text, object]}, ("no", "text"): 1})
    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert shape.read(line) is not None
    assert json.loads(line)["event"] == (text or "e")


def test_a_line_for_people_has_its_keys_behind_the_event_and_a_traceback_below() -> None:
    told = {"timestamp": "T", "level": "info", "logger": "l", "event": "done", "connection": "c", "why": "it is so"}
    first, second = shape.in_words({**told, "exception": "ValueError: no\n"}).splitlines()
    assert first == f"T [info    ] {'done':<30} connection=c why='it is so' [l]"
    assert second == "ValueError: no"


def test_colours_are_for_terminals_alone() -> None:
    told = {"timestamp": "T", "level": "error", "logger": "l", "event": "done"}
    assert "\x1b[" not in shape.in_words(told)
    assert "\x1b[" in shape.in_words(told, colours=True)


def test_people_are_told_of_a_log_without_its_keys() -> None:
    lines = [
        shape.in_json({"event": "cannot begin", "exception": TRACE}),
        "  past Python",
        '{"some": "object"}',
    ]
    assert list(shape.spoken("\n".join(lines))) == [
        "cannot begin: ValueError: no\n  more of it",
        "  past Python",
        lines[2],
    ]


# --- activities ---

GIVEN: Mapping[str, tuple[object, Mapping[str, Any]]] = {
    "open_job": (
        OpenJob(workflow_id="w", run_id="r", input=SyncInput(connection="c")),
        {"connection": "c"},
    ),
    "open_operation": (
        OpenOperation(workflow_id="w", run_id="r", kind=JobKind.SPEC, order=Order(connector=Connector(image="i"))),
        {},
    ),
    "check_configs": (7, {"job_id": 7}),
    "configure_catalog": (7, {"job_id": 7}),
    "open_attempt": (OpenAttempt(job_id=7, attempt=1), {"job_id": 7, "attempt": 2}),
    "close_attempt": (CloseAttempt(ref=REF, outcome=OUTCOME), {"job_id": 7, "attempt": 2, "pod": REF.pod}),
    "close_job": (CloseJob(job_id=7, status=JobStatus.SUCCEEDED), {"job_id": 7}),
    "close_operation": (CloseOperation(ref=REF, outcome=OUTCOME), {"job_id": 7, "attempt": 2, "pod": REF.pod}),
    "request_cancel": (CancelRequest(job_id=7), {"job_id": 7}),
    "launch_workload": (REF, {"job_id": 7, "attempt": 2, "pod": REF.pod}),
    "watch_workload": (REF, {"job_id": 7, "attempt": 2, "pod": REF.pod}),
    "end_workload": (REF, {"job_id": 7, "attempt": 2, "pod": REF.pod}),
    "note_skip": (NoteSkip(connection="c", run_id="r"), {"connection": "c"}),
}
"""What each activity is given, and what its lines say therefore. A new activity needs its row."""


def _activities() -> Iterator[tuple[str, Callable[..., Any]]]:
    for owner in (BookkeepingActivities, WorkloadActivities, ScheduleSkips):
        for _, method in inspect.getmembers(owner, inspect.isfunction):
            if (defined := getattr(method, "__temporal_activity_definition", None)) is not None:
                yield defined.name, method


@pytest.mark.parametrize(("name", "method"), [*_activities()])
def test_an_activity_s_lines_say_what_its_argument_tells_of_the_job(name: str, method: Callable[..., Any]) -> None:
    given, expected = GIVEN[name]
    (kind,) = [hint for argument, hint in get_type_hints(method).items() if argument != "return"]
    assert isinstance(given, kind)
    assert told_by(name, [given]) == expected


@pytest.mark.parametrize("arguments", [[], [7], [REF, REF], [{"job_id": 7}], [None]])
def test_nothing_is_read_into_the_arguments_of_others_activities(arguments: Sequence[object]) -> None:
    assert told_by("somebody_s", arguments) == {}


# --- a pod's own program ---


def test_whatever_a_pod_s_program_logs_says_whose_it_is() -> None:
    """A question that belongs to no connection has a pod alone."""
    given = {"pod": "check-job-7-attempt-1-source", "settings": {}, "operation": "check", "origin": "source"}
    for connection, more in (("", {}), ("c", {"connection": "c", "workflow_id": "sync/c"})):
        asked = ConnectorInput.model_validate({**given, "log_prefix": "l", "connection": connection})
        with contextlib.redirect_stderr(io.StringIO()) as stream, own_log(keys=keys_of(asked)):
            logging.getLogger("ours").info("said", extra={"by": "us"})
            logging.getLogger("ours").debug("not said")
        told = json.loads(stream.getvalue())
        del told["timestamp"]
        whose = {"job_id": 7, "attempt": 2, "pod": given["pod"], **more}
        assert told == {"level": "info", "logger": "ours", "event": "said", "by": "us", **whose}


def test_a_program_of_a_pod_that_fails_ends_with_a_line() -> None:
    def fail() -> None:
        raise ValueError("no\nmore")

    with contextlib.redirect_stderr(io.StringIO()) as stream:
        assert logged(fail) == 1
    told = json.loads(stream.getvalue())
    assert (told["level"], told["event"]) == ("error", "program failed")
    assert told["exception"].endswith("ValueError: no\nmore")


class Full(io.StringIO):
    """A disk that has no room."""

    def write(self, text: str) -> int:
        raise OSError("no space left")


def test_a_program_goes_on_when_its_log_cannot_be_written() -> None:
    with contextlib.redirect_stderr(Full()), own_log():
        logging.getLogger("ours").warning("lost")
        sys.stderr.write("lost, too\n")


# --- whole programs ---

SAYS = """
import asyncio, logging, os, sys, threading, warnings
import structlog
from structlog.contextvars import bind_contextvars
from temporalio import activity
from airbyte_workers import programs
from airbyte_workers.settings import Settings
from airbyte_workers.telemetry import activity_keys, logs

def main():
    activity_keys.keep_events_plain()
    logs.configure(Settings(log_format=sys.argv[1], log_level="INFO", home="/tmp"))
    log = structlog.get_logger("ours")
    log.info("begun", removed={"jobs": 3}, took_s=1.5)
    log.debug("not told")
    log.warning("cannot use", why="password=%(secret)s", address="postgresql://u:%(secret)s@h/d", given=["%(secret)s"])
    logging.getLogger("theirs").warning("of %%s", "stdlib", extra={"job_id": 7, "pod": "replication-job-7-attempt-0"})
    activity.logger.warning("of the SDK", extra={"temporal_activity": {
        "workflow_id": "sync/c", "workflow_run_id": "r", "attempt": 3, "activity_type": "a", "namespace": "n"},
        "__temporal_error_identifier": "ActivityFailure"})
    try:
        raise ValueError("first\\nsecond %(secret)s")
    except ValueError:
        log.exception("failed")
        logging.getLogger("theirs").exception("failed, too")
    def fail(): raise KeyError("in a thread")
    thread = threading.Thread(target=fail); thread.start(); thread.join()
    warnings.warn("a warning", stacklevel=1)
    raise RuntimeError("nobody catches it, %(secret)s")

programs.run(main)
""" % {"secret": SECRET}  # noqa: UP031  # braces are Python's own here


def run(shape_of_lines: str) -> list[str]:
    environment = {**os.environ, "AIRBYTE_SECRET_ONE": SECRET}
    done = subprocess.run(
        [sys.executable, "-c", SAYS, shape_of_lines],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "hunter" not in done.stderr
    return done.stderr.splitlines()


def test_every_line_of_a_program_is_an_object_its_own_end_too() -> None:
    lines = {line["event"]: line for line in map(json.loads, run("json"))}
    assert lines["begun"]["removed"] == {"jobs": 3}
    assert "not told" not in lines
    assert {lines["cannot use"][name] for name in ("why", "address", "given")} == {
        "password=**********",
        "postgresql://u:**********@h/d",
        "['**********']",
    }
    theirs = {name: lines["of stdlib"].get(name) for name in ("logger", "level", "job_id", "attempt")}
    assert theirs == {"logger": "theirs", "level": "warning", "job_id": 7, "attempt": 1}
    sdk = {name: value for name, value in lines["of the SDK"].items() if name != "timestamp"}
    assert sdk == {
        "level": "warning",
        "logger": "temporalio.activity",
        "event": "of the SDK",
        "workflow_id": "sync/c",
        "run_id": "r",
        "activity_type": "a",
        "temporal_attempt": 3,
        "connection": "c",
    }
    for event in ("failed", "failed, too"):
        assert lines[event]["exception"].endswith("ValueError: first\nsecond **********")
    assert "KeyError: 'in a thread'" in lines["thread failed"]["exception"]
    assert any("UserWarning: a warning" in event for event in lines)
    assert lines["program failed"]["exception"].endswith("RuntimeError: nobody catches it, **********")


def test_people_get_neither_json_nor_colours_in_a_pipe() -> None:
    lines = run("pretty")
    assert not any(line.startswith("{") or "\x1b" in line for line in lines)
    (begun,) = [line for line in lines if "begun" in line]
    assert begun.endswith("removed=\"{'jobs': 3}\" took_s=1.5 [ours]")
    assert "ValueError: first" in lines


def test_every_key_is_told_of_in_the_guide() -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "read-logs.md").read_text()
    rows = [row for row in page.splitlines() if row.startswith("| `")]
    assert rows == [f"| `{name}` | {meaning} |" for name, meaning in KEYS.items()]
