"""The misbehaving connectors misbehave as their names say, and in nothing else."""

import os
import select
import signal
import subprocess
import time
from typing import Any

import pytest
from connector_programs import Answer, Programs, catalog, record, state, status

from demo_connectors.misbehaving_destinations import DESTINATIONS
from demo_connectors.misbehaving_sources import SOURCES

NAMES = ("stream_0", "stream_1")
CONFIG = {"streams": 2, "records": 6, "size": 200_000}
HANGING = ("never-opens", "hangs", "talks-on", "read-never-exits", "closes-stdout-and-hangs", "ignores-sigterm")
STAYING = (
    "never-exits",
    "finalises-for-ever",
    "never-reads",
    "stops-reading",
    "closes-stdin-early",
    "write-ignores-sigterm",
)
EXIT_CODES = {"crash-after-n": 1, "exits-early": 3, "write-crash-after-n": 1}
WHOLE = [("stream_0", 6), ("stream_1", 6)]


def read(programs: Programs, mode: str) -> Answer:
    return programs.run(mode, "read", config=CONFIG, catalog=catalog(NAMES))


def write(programs: Programs, mode: str, stdin: bytes, **config: Any) -> Answer:
    return programs.run(mode, "write", config=config, catalog=catalog(NAMES), stdin=stdin)


def turns() -> bytes:
    """1A 2B 3A, each with a record before it, and the end of both streams."""
    states = [(1, "stream_0"), (2, "stream_1"), (3, "stream_0")]
    lines = b"".join(record({"id": at}, stream) + state(at, stream, id=at) for at, stream in states)
    return lines + status(stream="stream_0") + status(stream="stream_1")


def echoed(answer: Answer) -> list[tuple[int, str]]:
    return [(position, name) for name, position in answer.positions]


def said(source: subprocess.Popen[bytes], states: int) -> bytes:
    """What a source says up to so many states."""
    assert source.stdout is not None
    lines = []
    while states:
        lines.append(source.stdout.readline())
        states -= b'"type":"STATE"' in lines[-1]
    return b"".join(lines)


def fate_of_writer(programs: Programs, mode: str) -> str:
    """What happens to a writer who has more than fits in the pipe after the first acknowledged state."""
    with programs.started(mode, "write", config={"lines": 2}, catalog=catalog()) as destination:
        assert destination.stdin is not None
        assert destination.stdout is not None
        pipe = destination.stdin.fileno()
        os.write(pipe, record({"id": 1}) + state(1))
        assert b"STATE" in destination.stdout.readline()
        os.set_blocking(pipe, False)
        for _ in range(20):
            try:
                while os.write(pipe, record({"id": 2}) * 100):
                    pass
            except BrokenPipeError:
                return "broken pipe"
            except BlockingIOError:
                time.sleep(0.05)
        return "blocked"


@pytest.mark.parametrize("mode", ["hangs", "never-exits"])
def test_check_is_answered_as_it_should_be(programs: Programs, mode: str):
    assert programs.run(mode, "check", config=CONFIG).of_type("CONNECTION_STATUS") == [{"status": "SUCCEEDED"}]


def test_discover_is_answered_as_it_should_be(programs: Programs):
    [found] = programs.run("hangs", "discover", config=CONFIG).of_type("CATALOG")
    assert [stream["name"] for stream in found["streams"]] == list(NAMES)


def test_a_name_belongs_to_one_connector():
    assert not set(SOURCES) & set(DESTINATIONS)


# --- sources ---


@pytest.mark.parametrize("mode", [mode for mode in SOURCES if mode not in HANGING])
def test_a_misbehaving_source_exits_with_0_unless_it_crashes(programs: Programs, mode: str):
    assert read(programs, mode).exit_code == EXIT_CODES.get(mode, 0)


def test_exits_without_output(programs: Programs):
    assert read(programs, "exits-without-output").stdout == b""


HEARD = {
    "never-opens": [],
    "hangs": [("stream_0", 3)],
    "talks-on": [("stream_0", 3)],
    "read-never-exits": WHOLE,
    "closes-stdout-and-hangs": WHOLE,
    "ignores-sigterm": WHOLE,
}


@pytest.mark.parametrize("mode", HANGING)
def test_hanging_sources_say_what_they_have_and_hang(programs: Programs, mode: str):
    with programs.started(mode, "read", config=CONFIG, catalog=catalog(NAMES)) as source:
        answer = Answer(0, said(source, len(HEARD[mode])), "")
        assert answer.positions == HEARD[mode]
        if mode == "ignores-sigterm":
            source.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            source.wait(0.3)


@pytest.mark.parametrize("mode", [mode for mode in HANGING if mode != "ignores-sigterm"])
def test_hanging_sources_end_on_sigterm(programs: Programs, mode: str):
    with programs.started(mode, "read", config=CONFIG, catalog=catalog(NAMES)) as source:
        said(source, len(HEARD[mode]))
        source.terminate()
        assert source.wait(5) in (143, -signal.SIGTERM)  # the latter while it still starts


def test_read_never_exits_has_completed_everything_and_keeps_its_output_open(programs: Programs):
    with programs.started("read-never-exits", "read", config=CONFIG, catalog=catalog(NAMES)) as source:
        assert source.stdout is not None
        lines = [source.stdout.readline() for _ in range(20)]
        assert [word for _, word in Answer(0, b"".join(lines), "").statuses].count("COMPLETE") == 2
        assert select.select([source.stdout], [], [], 0.3)[0] == []


def test_talks_on_says_nothing_but_log_lines_any_more(programs: Programs):
    with programs.started("talks-on", "read", config=CONFIG, catalog=catalog(NAMES)) as source:
        said(source, 1)
        assert source.stdout is not None
        assert all(b'"type":"LOG"' in source.stdout.readline() for _ in range(3))


def test_closes_stdout_and_hangs_has_completed_everything(programs: Programs):
    with programs.started("closes-stdout-and-hangs", "read", config=CONFIG, catalog=catalog(NAMES)) as source:
        assert source.stdout is not None
        statuses = Answer(0, source.stdout.read(), "").statuses
        assert [word for _, word in statuses].count("COMPLETE") == 2


def test_crash_after_n_has_sent_a_state_and_more_records(programs: Programs):
    answer = read(programs, "crash-after-n")
    assert answer.positions == [("stream_0", 3)]
    assert answer.ids == list(range(6))
    assert "COMPLETE" not in [word for _, word in answer.statuses]


ERROR_MODE = "error-then-state-then-exit-0"


@pytest.mark.parametrize("trouble", ["stream error", "source error", "incomplete"])
@pytest.mark.parametrize(("kept", "positions"), [(0, [6]), (2, [2, 6]), (9, [5, 6])])
def test_error_then_state_then_exit_0(programs: Programs, trouble: str, kept: int, positions: list[int]):
    config = {**CONFIG, "kept": kept, "trouble": trouble}
    answer = programs.run(ERROR_MODE, "read", config=config, catalog=catalog(NAMES))
    assert [message["type"] for message in answer.messages][-2:] == ["TRACE", "STATE"]
    assert answer.positions == [(name, position) for position in positions for name in NAMES]
    assert sorted(answer.ids) == sorted([*range(5), *range(5)])
    told = [("stream_0", "INCOMPLETE"), ("stream_1", "INCOMPLETE")] if trouble == "incomplete" else []
    assert [each for each in answer.statuses if each[1] not in ("STARTED", "RUNNING")] == told
    named = [body["error"].get("stream_descriptor") for body in answer.of_type("TRACE") if body["type"] == "ERROR"]
    assert named == {"stream error": [{"name": name} for name in NAMES], "source error": [None] * 2}.get(trouble, [])


def test_error_then_state_then_exit_0_reads_well_from_a_state(programs: Programs):
    sent = programs.run(ERROR_MODE, "read", config={**CONFIG, "kept": 2}, catalog=catalog(NAMES)).of_type("STATE")
    kept = [body for body in sent if body["stream"]["stream_state"]["next"] == 2]
    answer = programs.run(ERROR_MODE, "read", config=CONFIG, catalog=catalog(NAMES), state=kept)
    assert answer.ids == [*range(2, 6), *range(2, 6)]
    assert answer.positions == WHOLE
    assert [word for _, word in answer.statuses].count("COMPLETE") == 2
    assert "ERROR" not in [body["type"] for body in answer.of_type("TRACE")]


def test_incomplete_status(programs: Programs):
    answer = read(programs, "incomplete-status")
    assert ("stream_0", "INCOMPLETE") in answer.statuses
    assert ("stream_1", "COMPLETE") in answer.statuses


def test_no_status_no_state(programs: Programs):
    assert {message["type"] for message in read(programs, "no-status-no-state").messages} == {"RECORD"}


def test_state_for_some_streams(programs: Programs):
    assert read(programs, "state-for-some-streams").positions == [("stream_0", 6)]


def test_unknown_stream_and_status_for_unknown_stream(programs: Programs):
    assert read(programs, "unknown-stream").of_type("RECORD")[0]["stream"] == "no_such_stream"
    assert read(programs, "status-for-unknown-stream").statuses[0] == ("no_such_stream", "COMPLETE")


def test_garbage_lines(programs: Programs):
    lines = read(programs, "garbage-lines").stdout.splitlines()
    assert any(line.startswith(b'{"type":"RECORD"') and not line.endswith(b"}") for line in lines)
    assert b"[1, 2, 3]" in lines


def test_bad_json_cuts_off_records_and_nothing_else(programs: Programs):
    lines = read(programs, "bad-json").stdout.splitlines()
    whole = [line for line in lines if line.endswith(b"}")]
    cut_off = [line for line in lines if not line.endswith(b"}")]
    assert len(cut_off) == 6
    assert all(line.startswith(b'{"type":"RECORD"') for line in cut_off)
    answer = Answer(0, b"\n".join(whole), "")
    assert answer.ids == [0, 1, 2] * 2
    assert answer.positions == [("stream_0", 3), ("stream_0", 6), ("stream_1", 3), ("stream_1", 6)]


def test_non_json_lines_leave_every_message_whole(programs: Programs):
    lines = read(programs, "non-json-lines").stdout.splitlines()
    messages = [line for line in lines if line.startswith(b"{")]
    answer = Answer(0, b"\n".join(messages), "")
    assert answer.ids == list(range(6)) * 2
    assert [word for _, word in answer.statuses].count("COMPLETE") == 2
    assert {b"[1, 2, 3]", b"", b"\xff\xfe not text \x00", b"12:00:01 INFO fetched a page"} < set(lines)


def test_huge_line_and_no_final_newline(programs: Programs):
    assert max(map(len, read(programs, "huge-line").lines)) > CONFIG["size"]
    assert read(programs, "no-final-newline").stdout.endswith(b"}")


def test_stderr_flood(programs: Programs):
    answer = read(programs, "stderr-flood")
    assert len(answer.stderr) >= CONFIG["size"]
    assert answer.positions == WHOLE


def test_duplicate_states_and_mixed_state_types(programs: Programs):
    assert read(programs, "duplicate-states").positions[:2] == [("stream_0", 6)] * 2
    assert [body["type"] for body in read(programs, "mixed-state-types").of_type("STATE")][:3] == [
        "STREAM",
        "GLOBAL",
        "LEGACY",
    ]


# --- destinations ---


@pytest.mark.parametrize("mode", [mode for mode in DESTINATIONS if mode not in STAYING])
def test_a_misbehaving_destination_exits_with_0_unless_it_crashes(programs: Programs, mode: str):
    assert write(programs, mode, turns()).exit_code == EXIT_CODES.get(mode, 0)


ECHOES = {
    "exits-early": [],
    "exits-0-without-echo": [],
    "no-echo": [],
    "stops-echoing": [(1, "stream_0"), (2, "stream_1")],
    "echo-unknown": [(1, "no_such_stream")],
    "write-crash-after-n": [(1, "stream_0"), (2, "stream_1")],
    "echoes-without-id": [(1, "stream_0"), (2, "stream_1"), (3, "stream_0")],
    "echoes-twice": [(at, name) for at, name in ((1, "stream_0"), (2, "stream_1"), (3, "stream_0")) for _ in "12"],
    "echoes-out-of-order": [(1, "stream_0"), (3, "stream_0"), (2, "stream_1")],
    "echoes-coalesced": [(2, "stream_1"), (3, "stream_0")],
    "fails-without-complete": [(1, "stream_0"), (2, "stream_1"), (3, "stream_0")],
}


@pytest.mark.parametrize("mode", ECHOES)
def test_what_a_misbehaving_destination_echoes(programs: Programs, mode: str):
    assert echoed(write(programs, mode, turns())) == ECHOES[mode]


@pytest.mark.parametrize("mode", ["echoes-twice", "echoes-out-of-order", "echoes-coalesced", "fails-without-complete"])
def test_echoes_keep_their_ids_and_count_their_records(programs: Programs, mode: str):
    answer = write(programs, mode, turns())
    assert [body["id"] for body in answer.of_type("STATE")] == [at for at, _ in ECHOES[mode]]
    assert {body["destinationStats"]["recordCount"] for body in answer.of_type("STATE")} == {1}


def test_echoes_without_id_lose_only_the_id(programs: Programs):
    bodies = write(programs, "echoes-without-id", turns()).of_type("STATE")
    assert [set(body) for body in bodies] == [{"type", "stream", "destinationStats"}] * 3


def test_echoes_bare_are_states_without_a_message(programs: Programs):
    messages = write(programs, "echoes-bare", turns()).messages
    assert [message["type"] for message in messages] == ["STREAM"] * 3
    assert [message["stream"]["stream_state"]["next"] for message in messages] == [1, 2, 3]


def test_fails_without_complete_names_the_streams(programs: Programs):
    without = turns().replace(status(stream="stream_1"), status("INCOMPLETE", "stream_1"))
    answer = write(programs, "fails-without-complete", without)
    assert answer.exit_code == 1
    assert answer.error["message"] == "no COMPLETE status came for: stream_1"
    assert len(answer.of_type("STATE")) == 3


@pytest.mark.parametrize("mode", ["exits-early", "exits-0-without-echo", "write-crash-after-n"])
def test_destinations_that_leave_do_not_wait_for_the_end_of_input(programs: Programs, mode: str):
    with programs.started(mode, "write", config={"lines": 2}, catalog=catalog()) as destination:
        assert destination.stdin is not None
        destination.stdin.write(record({"id": 1}) + state(1))
        destination.stdin.flush()
        assert destination.wait(10) == EXIT_CODES.get(mode, 0)


@pytest.mark.parametrize("mode", STAYING)
def test_destinations_that_stay(programs: Programs, mode: str):
    with programs.started(mode, "write", config={"lines": 2}, catalog=catalog()) as destination:
        assert destination.stdin is not None
        assert destination.stdout is not None
        destination.stdin.write(record({"id": 1}) + state(1))
        destination.stdin.close()
        if mode != "never-reads":
            assert b"STATE" in destination.stdout.readline()
        if mode == "write-ignores-sigterm":
            destination.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            destination.wait(0.3)


def test_stops_reading_blocks_its_writer_and_closes_stdin_early_breaks_the_pipe(programs: Programs):
    assert fate_of_writer(programs, "stops-reading") == "blocked"
    assert fate_of_writer(programs, "closes-stdin-early") == "broken pipe"


def test_an_unknown_mode_lists_the_modes(programs: Programs):
    answer = programs.run("no-such-mode", "spec")
    assert answer.exit_code == 1
    assert "never-exits" in answer.stderr
