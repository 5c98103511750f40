"""destination-jsonl: what is in its files, when states come back, and how it ends."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from connector_programs import Answer, Programs, catalog, line, record, state, status


def write(programs: Programs, stdin: bytes, configured: Any = None, ulimit: str | None = None, **config: Any) -> Answer:
    return programs.run(
        "destination-jsonl",
        "write",
        config={"path": "out", **config},
        catalog=configured or catalog(),
        stdin=stdin,
        ulimit=ulimit,
    )


TWO = ("stream_0", "stream_1")


def test_the_data_is_written_byte_for_byte(programs: Programs):
    texts = [
        '{"id": 1, "x":1.10,"big":123456789012345678901234567890, "s":"\\u00e9\\ud800 é \\" \\\\ {}"}',
        '{"id":2,"nested":{"a":[1,{"b":"}"}]},"data":{"stream":"other"},"x":1e400}',
        "{}",
    ]
    shapes = [
        '{"type":"RECORD","record":{"stream":"stream_0","data":%s,"emitted_at":17}}',
        '{"record":{"emitted_at":17,"data": %s ,"stream":"stream_0"},"type":"RECORD"}',
        ' { "type" : "RECORD" , "record" : { "data" : %s , "stream" : "stream_0" } }\r',
        '{"type":"RECORD","record":{"stream":"stream_0","data":%s,"emitted_at":1,"namespace":null}}',
        '{"type":"RECORD","record":{"stream":"stream_0","data":%s,"emitted_at":1,"meta":{"changes":[]}},"x":{}}',
    ]
    lines = [shape % text for shape in shapes for text in texts for _ in range(2)]
    answer = write(programs, "\n".join(lines).encode() + b"\n\n" + status())
    assert answer.exit_code == 0, answer.stdout
    written = (programs.folder / "out/stream_0.jsonl").read_bytes().decode()
    assert written == "".join(f"{text}\n" for _ in shapes for text in texts for _ in range(2))


def test_a_state_comes_back_as_received_with_counts(programs: Programs):
    sent = b'{"type":"STATE","x":1.50,"state":{"id":7,"type":"STREAM","sourceStats":{"recordCount":2.0},'
    sent += b'"stream":{"stream_descriptor":{"name":"stream_0"},"stream_state":{"n":1.10}}}}\n'
    answer = write(programs, record({"id": 1}) + record({"id": 2}) + sent + status())
    assert answer.stdout == sent[:-3] + b',"destinationStats":{"recordCount":2}}}\n'


def test_counts_start_again_after_each_state(programs: Programs):
    stdin = record({"id": 1}) + state(1) + state(1) + record({"id": 2}) + record({"id": 3}) + state(3) + status()
    counts = [s["destinationStats"]["recordCount"] for s in write(programs, stdin).of_type("STATE")]
    assert counts == [1, 0, 2]


@pytest.mark.parametrize(
    "body",
    [
        {"type": "GLOBAL", "global": {"shared_state": {"a": 1}, "stream_states": []}},
        {"type": "LEGACY", "data": {"a": 1}},
        {"data": {"a": 1}},
        {"type": "STREAM", "stream": {"stream_descriptor": {"name": "not ours"}, "stream_state": {}}},
    ],
)
def test_states_of_every_type_come_back(programs: Programs, body: dict[str, Any]):
    stdin = record({"id": 1}) + line({"type": "STATE", "state": body}) + status()
    [echoed] = write(programs, stdin).of_type("STATE")
    count = 0 if body.get("type") == "STREAM" else 1
    assert echoed == {**body, "destinationStats": {"recordCount": count}}


def test_files_are_named_after_namespace_and_stream(programs: Programs):
    names = ["plain", "a.b", "../../up", "sp ace/é"]
    configured = {"streams": [*catalog(names)["streams"], *catalog(["b"], namespace="a")["streams"]]}
    stdin = b"".join(record({"id": 1}, name) + status(stream=name) for name in names)
    stdin += record({"id": 2}, "b", namespace="a") + status(stream="b", namespace="a")
    assert write(programs, stdin, configured).exit_code == 0
    found = sorted(path.name for path in (programs.folder / "out").iterdir())
    assert found == [
        "%2E%2E%2F%2E%2E%2Fup.jsonl",
        ".airbyte",
        "a%2Eb.jsonl",
        "a.b.jsonl",
        "plain.jsonl",
        "sp%20ace%2F%C3%A9.jsonl",
    ]


def test_streams_may_be_mixed_line_by_line(programs: Programs):
    stdin = b"".join(record({"id": n}, f"stream_{n % 2}") for n in range(1000))
    assert write(programs, stdin + status() + status(stream="stream_1"), catalog(TWO)).exit_code == 0
    assert programs.row_ids() == list(range(0, 1000, 2))
    assert programs.row_ids("stream_1.jsonl") == list(range(1, 1000, 2))


def test_append_adds_to_what_is_there(programs: Programs):
    (programs.folder / "out").mkdir()
    (programs.folder / "out/stream_0.jsonl").write_text('{"id":0}')
    for number in (1, 2):
        assert write(programs, record({"id": number}) + state(number) + status()).exit_code == 0
    assert programs.row_ids() == [0, 1, 2]


@pytest.mark.parametrize("ids", [{"sync_id": 2}, {"generation_id": 2, "minimum_generation_id": 2}, {}])
def test_overwrite_replaces_older_data_only_when_the_stream_completes(programs: Programs, ids: dict[str, int]):
    old = {name: number - 1 for name, number in ids.items()}
    new = catalog(destination_sync_mode="overwrite", **ids)
    write(programs, record({"id": 1}) + state(1) + status(), catalog(destination_sync_mode="overwrite", **old))
    write(programs, record({"id": 2}) + state(2) + status("INCOMPLETE"), new)
    assert programs.row_ids() == [1]
    write(programs, record({"id": 3}) + state(3) + status(), new)
    assert programs.row_ids() == ([2, 3] if ids else [3])


def test_a_truncating_refresh_works_in_append_mode_too(programs: Programs):
    write(programs, record({"id": 1}) + state(1) + status(), catalog(generation_id=1, minimum_generation_id=0))
    write(programs, record({"id": 2}) + state(2) + status(), catalog(generation_id=2, minimum_generation_id=2))
    assert programs.row_ids() == [2]


def test_a_failed_refresh_is_finished_by_the_next_ordinary_sync(programs: Programs):
    write(programs, record({"id": 1}) + state(1) + status(), catalog(generation_id=1, minimum_generation_id=0))
    refresh = catalog(generation_id=2, minimum_generation_id=2, sync_id=2)
    assert write(programs, record({"id": 2}) + state(2), refresh).exit_code == 1
    ordinary = catalog(generation_id=2, minimum_generation_id=0, sync_id=3)
    write(programs, record({"id": 3}) + state(3) + status(), ordinary)
    assert programs.row_ids() == [2, 3]


def test_an_empty_replacement_empties_the_file(programs: Programs):
    write(programs, record({"id": 1}) + state(1) + status(), catalog(destination_sync_mode="overwrite", sync_id=1))
    write(programs, status(), catalog(destination_sync_mode="overwrite", sync_id=2))
    assert programs.row_ids() == []


def test_an_input_without_a_terminal_status_fails_after_the_echoes(programs: Programs):
    answer = write(programs, record({"id": 1}) + state(1) + status(stream="stream_1"), catalog(TWO))
    assert answer.exit_code == 1
    assert answer.positions == [("stream_0", 1)]
    assert answer.error["message"].endswith("status for: stream_0")


def test_a_record_of_an_unknown_stream_fails_after_the_echoes(programs: Programs):
    answer = write(programs, record({"id": 1}) + state(1) + record({"id": 2}, "other"))
    assert answer.exit_code == 1
    assert answer.positions == [("stream_0", 1)]
    assert "other" in answer.error["message"]


@pytest.mark.parametrize(
    "bad",
    [
        b"secret\n",
        b"[1]\n",
        b'{"type":"RECORD","record":{"stream":"stream_0","data":{"id":secret},"emitted_at":1}}\n',
        b'{"type":"RECORD","record":{"stream":"stream_0","data":{"id":NaN},"emitted_at":1}}\n',
        b'{"type":"RECORD","record":{"stream":"stream_0","data":7,"emitted_at":1}}\n',
        b'{"type":"RECORD","record":{"stream":"stream_0","data":{"id":1},"emitted_at":1}} secret\n',
        b'{"type":"RECORD","record":{"stream":"stream_0","data":{"secret',
        b'{"type":"RECORD","record":{"stream":"stream_0","data":{"id":"\xff"},"emitted_at":1}}\n',
        b'{"type":"RECORD","record":{"stream":"stream_0","data":{"id":' + b"[" * 100_000 + b"\n",
    ],
)
def test_a_malformed_line_is_named_by_its_number_only(programs: Programs, bad: bytes):
    answer = write(programs, record({"id": 1}) + record({"id": 2}) + state(2) + bad)
    assert answer.exit_code == 1
    assert answer.positions == [("stream_0", 2)]
    assert answer.error["message"] == "line 4 of standard input is not an Airbyte message"


def test_a_full_disk_is_a_clear_error_and_loses_nothing_acknowledged(programs: Programs):
    lines = [record({"id": n, "text": "x" * 100}) + state(n + 1) for n in range(200)]
    answer = write(programs, b"".join(lines) + status(), ulimit="-f 12")
    assert answer.exit_code == 1
    assert "cannot write to the folder out: File too large" in answer.error["message"]
    reached = max((position for _, position in answer.positions), default=0)
    again = write(programs, b"".join(lines[reached:]) + status())
    assert again.exit_code == 0
    assert programs.row_ids() == list(range(200))


def test_two_writers_of_one_stream_are_refused(programs: Programs):
    with programs.started("destination-jsonl", "write", config={"path": "out"}, catalog=catalog()) as first:
        assert first.stdin is not None
        assert first.stdout is not None
        first.stdin.write(record({"id": 1}) + state(1))
        first.stdin.flush()
        first.stdout.readline()
        answer = write(programs, b"")
    assert answer.exit_code == 1
    assert "another process" in answer.error["message"]


def test_a_damaged_journal_is_a_clear_error(programs: Programs):
    write(programs, record({"id": 1}) + state(1) + status())
    (programs.folder / "out/.airbyte/stream_0.jsonl.json").write_text("{")
    answer = write(programs, status())
    assert answer.exit_code == 1
    assert "journal" in answer.error["message"]


# The switches for tests


def test_echo_never_sends_nothing_back(programs: Programs):
    answer = write(programs, record({"id": 1}) + state(1) + status(), echo="never")
    assert (answer.exit_code, answer.stdout) == (0, b"")


def test_echo_last_sends_the_last_state_of_each_stream(programs: Programs):
    stdin = state(1) + state(1, "stream_1") + state(2) + status() + status(stream="stream_1")
    answer = write(programs, stdin, catalog(TWO), echo="last")
    assert answer.positions == [("stream_1", 1), ("stream_0", 2)]


def test_echo_reverse_streams_turns_the_streams_around(programs: Programs):
    stdin = state(1) + state(2) + state(1, "stream_1") + state(3) + status() + status(stream="stream_1")
    answer = write(programs, stdin, catalog(TWO), echo="reverse_streams")
    assert answer.positions.index(("stream_1", 1)) < answer.positions.index(("stream_0", 1))
    assert [position for name, position in answer.positions if name == "stream_0"] == [1, 2, 3]


def test_drop_id_and_bare_state_change_the_echo(programs: Programs):
    stdin = record({"id": 1}) + state(1, id=3) + status()
    assert "id" not in write(programs, stdin, drop_id=True).of_type("STATE")[0]
    [bare] = write(programs, stdin, bare_state=True).messages
    body = {"stream_descriptor": {"name": "stream_0"}, "stream_state": {"next": 1}}
    assert bare == {"type": "STREAM", "stream": body}


def test_crash_after_ends_right_after_so_many_records(programs: Programs):
    stdin = b"".join(record({"id": n}) + state(n + 1) for n in range(5)) + status()
    answer = write(programs, stdin, crash_after=3)
    assert answer.exit_code == 1
    assert answer.positions == [("stream_0", 1), ("stream_0", 2)]
    assert programs.row_ids() == [0, 1, 2]


def test_crash_once_file_lets_the_next_attempt_through(programs: Programs):
    for exit_code in (1, 0):
        answer = write(programs, record({"id": 1}) + state(1) + status(), crash_after=1, crash_once_file="crashed")
        assert answer.exit_code == exit_code


@pytest.mark.parametrize("ignores", [False, True])
def test_sigterm_ends_it_with_143_unless_it_is_ignored(programs: Programs, ignores: bool):
    config = {"path": "out", "ignore_sigterm": ignores}
    with programs.started("destination-jsonl", "write", config=config, catalog=catalog()) as destination:
        assert destination.stdin is not None
        assert destination.stdout is not None
        destination.stdin.write(record({"id": 1}) + state(1))
        destination.stdin.flush()
        destination.stdout.readline()
        destination.send_signal(signal.SIGTERM)
        if ignores:
            destination.stdin.write(record({"id": 2}) + state(2) + status())
            destination.stdin.close()
            assert json.loads(destination.stdout.read())["type"] == "STATE"
        assert destination.wait(20) == (0 if ignores else 143)


def test_hang_at_end_stays_until_it_is_told_to_go(programs: Programs):
    config = {"path": "out", "hang_at_end": True}
    with programs.started("destination-jsonl", "write", config=config, catalog=catalog()) as destination:
        assert destination.stdin is not None
        assert destination.stdout is not None
        destination.stdin.write(state(1) + status())
        destination.stdin.close()
        destination.stdout.readline()
        assert destination.poll() is None
        destination.send_signal(signal.SIGTERM)
        assert destination.wait(20) == 143


def test_delay_ms_changes_only_the_time(programs: Programs):
    stdin = record({"id": 1}) + state(1) + state(2) + status()
    assert write(programs, stdin, delay_ms=10).positions == [("stream_0", 1), ("stream_0", 2)]


def test_the_folder_may_be_deep_and_is_made(programs: Programs):
    config = {"path": "a/b/c"}
    [checked] = programs.run("destination-jsonl", "check", config=config).of_type("CONNECTION_STATUS")
    assert checked["status"] == "SUCCEEDED"
    assert Path(programs.folder, "a/b/c").is_dir()
