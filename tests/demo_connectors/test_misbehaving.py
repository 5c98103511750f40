"""The misbehaving connectors misbehave as their names say, and in nothing else."""

import signal
import subprocess

import pytest
from connector_programs import Answer, Programs, catalog, record, state

from demo_connectors.misbehaving import DESTINATIONS, SOURCES

NAMES = ("stream_0", "stream_1")
CONFIG = {"streams": 2, "records": 3, "size": 200_000}
HANGING = ("never-opens", "closes-stdout-and-hangs", "ignores-sigterm")


def read(programs: Programs, mode: str) -> Answer:
    return programs.run(mode, "read", config=CONFIG, catalog=catalog(NAMES))


@pytest.mark.parametrize("mode", [*SOURCES, *DESTINATIONS])
def test_check_is_answered_as_it_should_be(programs: Programs, mode: str):
    assert programs.run(mode, "check", config=CONFIG).of_type("CONNECTION_STATUS") == [{"status": "SUCCEEDED"}]


@pytest.mark.parametrize("mode", [mode for mode in SOURCES if mode not in HANGING])
def test_a_misbehaving_source_exits_with_0(programs: Programs, mode: str):
    assert read(programs, mode).exit_code == 0


def test_exits_without_output(programs: Programs):
    assert read(programs, "exits-without-output").stdout == b""


@pytest.mark.parametrize("mode", HANGING)
def test_hanging_sources_hang(programs: Programs, mode: str):
    with programs.started(mode, "read", config=CONFIG, catalog=catalog(NAMES)) as source:
        assert source.stdout is not None
        if mode == "closes-stdout-and-hangs":
            answer = Answer(0, source.stdout.read(), "")
            assert [word for _, word in answer.statuses].count("COMPLETE") == 2
        if mode == "ignores-sigterm":
            source.stdout.readline()
            source.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            source.wait(0.3)


def test_error_then_state_then_exit_0(programs: Programs):
    kinds = [message["type"] for message in read(programs, "error-then-state-then-exit-0").messages]
    assert kinds[-2:] == ["TRACE", "STATE"]


def test_incomplete_status(programs: Programs):
    answer = read(programs, "incomplete-status")
    assert ("stream_0", "INCOMPLETE") in answer.statuses
    assert ("stream_1", "COMPLETE") in answer.statuses


def test_no_status_no_state(programs: Programs):
    assert {message["type"] for message in read(programs, "no-status-no-state").messages} == {"RECORD"}


def test_state_for_some_streams(programs: Programs):
    assert read(programs, "state-for-some-streams").positions == [("stream_0", 3)]


def test_unknown_stream_and_status_for_unknown_stream(programs: Programs):
    assert read(programs, "unknown-stream").of_type("RECORD")[0]["stream"] == "no_such_stream"
    assert read(programs, "status-for-unknown-stream").statuses[0] == ("no_such_stream", "COMPLETE")


def test_garbage_lines(programs: Programs):
    lines = read(programs, "garbage-lines").stdout.splitlines()
    assert any(line.startswith(b'{"type":"RECORD"') and not line.endswith(b"}") for line in lines)
    assert b"[1, 2, 3]" in lines


def test_huge_line_and_no_final_newline(programs: Programs):
    assert max(map(len, read(programs, "huge-line").lines)) > CONFIG["size"]
    assert read(programs, "no-final-newline").stdout.endswith(b"}")


def test_stderr_flood(programs: Programs):
    answer = read(programs, "stderr-flood")
    assert len(answer.stderr) >= CONFIG["size"]
    assert answer.positions == [("stream_0", 3), ("stream_1", 3)]


def test_duplicate_states_and_mixed_state_types(programs: Programs):
    assert read(programs, "duplicate-states").positions[:2] == [("stream_0", 3)] * 2
    assert [body["type"] for body in read(programs, "mixed-state-types").of_type("STATE")][:3] == [
        "STREAM",
        "GLOBAL",
        "LEGACY",
    ]


@pytest.mark.parametrize(
    ("mode", "exit_code", "echoes"), [("exits-early", 3, 0), ("no-echo", 0, 0), ("echo-unknown", 0, 1)]
)
def test_destinations_that_exit(programs: Programs, mode: str, exit_code: int, echoes: int):
    answer = programs.run(mode, "write", config={}, catalog=catalog(), stdin=(record({"id": 1}) + state(1)) * 5)
    assert answer.exit_code == exit_code
    assert len(answer.of_type("STATE")) == echoes


@pytest.mark.parametrize("mode", ["never-exits", "never-reads"])
def test_destinations_that_stay(programs: Programs, mode: str):
    with programs.started(mode, "write", config={}, catalog=catalog()) as destination:
        assert destination.stdin is not None
        assert destination.stdout is not None
        destination.stdin.write(record({"id": 1}) + state(1))
        destination.stdin.close()
        if mode == "never-exits":
            assert b"STATE" in destination.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            destination.wait(0.3)


def test_an_unknown_mode_lists_the_modes(programs: Programs):
    answer = programs.run("no-such-mode", "spec")
    assert answer.exit_code == 1
    assert "never-exits" in answer.stderr
