"""No record is lost and none is doubled, wherever an attempt of a sync ends."""

import json
import random
from typing import Any

import pytest
from connector_programs import Answer, Programs, catalog, record, state, status

RECORDS = 3000
SOURCE = {"streams": 2, "records": RECORDS, "state_every": 100, "interleave": True}
NAMES = ("stream_0", "stream_1")


class Sync:
    """A platform in small: it keeps the states it has read and gives them to the next attempt."""

    def __init__(self, programs: Programs, configured: dict[str, Any], state_type: str = "STREAM") -> None:
        self._programs = programs
        self._catalog = configured
        self._config = {**SOURCE, "state_type": state_type}
        self._states: dict[str, Any] = {}

    def messages(self) -> bytes:
        states = list(self._states.values()) or None
        command = {"config": self._config, "catalog": self._catalog, "state": states}
        return self._programs.run("source-synthetic", "read", **command).stdout

    def attempt_killed(self, sent: float, read: int, committed: int) -> None:
        """Send a part of the messages, read so many echoes, kill -9, and lose the last echoes on the way."""
        messages = self.messages()
        config = {"path": "out"}
        with self._programs.started("destination-jsonl", "write", config=config, catalog=self._catalog) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(messages[: int(len(messages) * sent)])
            process.stdin.flush()
            echoes = [process.stdout.readline() for _ in range(read)]
            process.kill()
            echoes += process.stdout.read().splitlines(keepends=True)
        whole = [echo for echo in echoes if echo.endswith(b"\n")]
        self._commit(b"".join(whole[: max(0, len(whole) - committed)]))

    def attempt(self) -> None:
        answer = self._programs.run(
            "destination-jsonl", "write", config={"path": "out"}, catalog=self._catalog, stdin=self.messages()
        )
        assert answer.exit_code == 0, answer.stdout
        self._commit(answer.stdout)

    def _commit(self, echoes: bytes) -> None:
        for body in Answer(0, echoes, "").of_type("STATE"):
            key = body["stream"]["stream_descriptor"]["name"] if body["type"] == "STREAM" else body["type"]
            self._states[key] = body


@pytest.mark.parametrize("state_type", ["STREAM", "GLOBAL", "LEGACY"])
@pytest.mark.parametrize(
    "how",
    [
        {"sync_id": 1, "generation_id": 1, "minimum_generation_id": 0},
        {"sync_id": 1, "generation_id": 1, "minimum_generation_id": 1},
        {"sync_id": 1, "destination_sync_mode": "overwrite"},
        {},
    ],
)
def test_kill_9_anywhere_doubles_and_loses_nothing(programs: Programs, how: dict[str, Any], state_type: str):
    chance = random.Random(f"{how} {state_type}")
    sync = Sync(programs, catalog(NAMES, **how), state_type)
    for _ in range(6):
        sync.attempt_killed(sent=chance.random() * 0.6, read=0, committed=chance.choice((0, 0, 1, 5)))
    for _ in range(4):
        sync.attempt_killed(sent=0.4, read=chance.randrange(1, 5), committed=chance.choice((0, 1, 3)))
    sync.attempt()
    for name in NAMES:
        assert programs.row_ids(f"{name}.jsonl") == list(range(RECORDS))


@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_a_repeated_full_refresh_of_one_sync_is_written_once(programs: Programs, mode: str):
    sync = Sync(programs, catalog(NAMES, sync_mode="full_refresh", destination_sync_mode=mode, sync_id=4))
    sync.attempt_killed(sent=0.8, read=10, committed=0)
    sync.attempt_killed(sent=0.5, read=1, committed=0)
    sync.attempt()
    assert programs.row_ids() == list(range(RECORDS))
    sync.attempt()
    assert programs.row_ids() == list(range(RECORDS))


def test_full_refreshes_of_two_syncs_are_both_appended(programs: Programs):
    for sync_id in (1, 2):
        Sync(programs, catalog(NAMES, sync_mode="full_refresh", sync_id=sync_id)).attempt()
    assert len(programs.row_ids()) == 2 * RECORDS


def test_a_refresh_that_keeps_old_data_appends_the_same_records_again(programs: Programs):
    for generation in (1, 2):
        ids = {"generation_id": generation, "minimum_generation_id": 0, "sync_id": generation}
        Sync(programs, catalog(NAMES, **ids)).attempt()
    assert len(programs.row_ids()) == 2 * RECORDS


def write(programs: Programs, stdin: bytes, **config: Any) -> Answer:
    return programs.run("destination-jsonl", "write", config={"path": "out", **config}, catalog=catalog(), stdin=stdin)


def test_records_after_the_last_echo_are_cut_off_at_the_next_start(programs: Programs):
    write(programs, record({"id": 1}) + state(1) + record({"id": 2}))
    assert programs.row_ids() == [1, 2]
    write(programs, record({"id": 2}) + state(2) + status())
    assert programs.row_ids() == [1, 2]


def test_a_replay_after_a_lost_echo_is_recognised_state_by_state(programs: Programs):
    first = [record({"id": n}) + state(n) for n in range(1, 6)]
    write(programs, b"".join(first))
    answer = write(programs, b"".join(first[2:]) + record({"id": 6}) + state(6) + status())
    assert [position for _, position in answer.positions] == [3, 4, 5, 6]
    assert [body["destinationStats"]["recordCount"] for body in answer.of_type("STATE")] == [1, 1, 1, 1]
    assert programs.row_ids() == [1, 2, 3, 4, 5, 6]


def test_other_records_with_a_known_state_are_kept(programs: Programs):
    write(programs, record({"id": 1}) + state(5) + status())
    write(programs, record({"id": 2}) + state(5) + status())
    assert programs.row_ids() == [1, 2]


def test_equal_records_with_a_new_state_are_kept(programs: Programs):
    write(programs, record({"id": 1}) + state(5) + status())
    write(programs, record({"id": 1}) + state(6) + status())
    assert programs.row_ids() == [1, 1]


def test_a_complete_stream_without_any_state_is_kept(programs: Programs):
    write(programs, record({"id": 1}) + status())
    write(programs, record({"id": 2}) + status())
    assert programs.row_ids() == [1, 2]


def test_what_was_never_echoed_is_cut_off_even_when_complete(programs: Programs):
    write(programs, record({"id": 1}) + state(1) + status(), echo="never")
    write(programs, record({"id": 1}) + state(1) + status())
    assert programs.row_ids() == [1]


def test_a_file_somebody_shortened_is_continued_where_it_ends(programs: Programs):
    write(programs, record({"id": 1}) + state(1) + record({"id": 2}) + state(2) + status())
    (programs.folder / "out/stream_0.jsonl").write_text('{"id":1}\n')
    write(programs, record({"id": 3}) + state(3) + status())
    assert programs.row_ids() == [1, 3]


@pytest.mark.parametrize("renamed", [False, True])
def test_a_replacement_cut_short_by_a_crash_is_finished_at_the_next_start(programs: Programs, renamed: bool):
    def run(stdin: bytes, **ids: int) -> Answer:
        configured = catalog(destination_sync_mode="overwrite", **ids)
        return programs.run("destination-jsonl", "write", config={"path": "out"}, catalog=configured, stdin=stdin)

    run(record({"id": 1}) + state(1) + status(), sync_id=1)
    run(record({"id": 2}) + state(2), sync_id=2)
    journal = programs.folder / "out/.airbyte/stream_0.jsonl.json"
    journal.write_text(json.dumps({**json.loads(journal.read_text()), "promoting": True}))
    if renamed:
        staged = programs.folder / "out/.airbyte/stream_0.jsonl.next"
        staged.replace(programs.folder / "out/stream_0.jsonl")
    run(record({"id": 3}) + state(3) + status(), sync_id=2)
    assert programs.row_ids() == [2, 3]
